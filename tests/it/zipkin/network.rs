//! Connections: none, broken, secured, through a proxy.

use axum::Router;
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, RetryAdvice, Signal, TlsOptions, exporters::zipkin::ZipkinExporter, from_url,
};

use super::Seen;
use crate::support::{
    backend::telemetry,
    http_server::{Authority, nobody, serve, serve_tls},
};

#[tokio::test]
async fn secrets_are_never_shown() {
    let address = nobody().await;
    let builder = ZipkinExporter::builder()
        .endpoint(format!("http://user:s3cret@{address}?token=s3cret"))
        .header("authorization", "Bearer s3cret")
        .no_proxy();
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let exporter = builder.build().expect("valid");
    let shown = format!("{exporter:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("authorization"), "{shown}");
    let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    let error = error.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    let begins =
        format!("zipkin exporter (http://{address}/api/v2/spans): unavailable: cannot connect");
    assert!(error.to_string().starts_with(&begins), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("user:"),
        "{shown}"
    );
}

/// The server reads the head of the request and goes away.
#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    for answer in [&b""[..], b"HTTP/1.1 202 Accep"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = socket.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                let _ = socket.write_all(answer).await;
            }
        });
        let exporter = ZipkinExporter::builder()
            .endpoint(format!("http://{address}"))
            .no_proxy()
            .build()
            .expect("valid");
        let error = exporter.oneshot(telemetry(Signal::Traces, 1000)).await;
        let error = error.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn a_refusal_whose_body_breaks_off_is_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut some = [0; 1000];
        let _ = socket.read(&mut some).await;
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\nbad";
        socket.write_all(answer).await.expect("writes");
    });
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("http://{address}"))
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    let error = error.expect_err("400");
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.message().contains("the connection broke"), "{error}");
}

#[tokio::test]
async fn over_tls_by_builder_and_by_url() {
    let (seen, authority) = (Seen::default(), Authority::new());
    let address = serve_tls(seen.router(), authority.server(None)).await;
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("https://{address}"))
        .tls(TlsOptions::default().ca_pem(authority.pem.as_str()))
        .no_proxy()
        .build()
        .expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Traces, 3)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 3);

    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), &authority.pem).expect("written");
    let url = format!(
        "zipkin+https://{address}?proxy=none&ca={}",
        ca.path().display()
    );
    let exporter = from_url(&url).expect("a URL");
    let response = exporter.oneshot(telemetry(Signal::Traces, 3)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 3);
    assert_eq!(seen.take().len(), 2);

    let stranger = TlsOptions::default().ca_pem(Authority::new().pem);
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("https://{address}"))
        .tls(stranger)
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Traces, 3)).await;
    assert_eq!(
        error.expect_err("not trusted").kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn a_proxy_is_asked() {
    let seen = Seen::default();
    // It answers by itself: that it was asked is what matters.
    let proxy = {
        let seen = seen.router();
        serve(
            Router::new().fallback(move |request: Request<axum::body::Body>| {
                let seen = seen.clone();
                async move {
                    let host = request.uri().host().map(str::to_owned);
                    let answer = seen.oneshot(request).await.expect("infallible");
                    assert_eq!(host.as_deref(), Some("zipkin.invalid"));
                    Response::builder()
                        .status(answer.status())
                        .body(axum::body::Body::empty())
                        .expect("a response")
                }
            }),
        )
        .await
    };
    let exporter = ZipkinExporter::builder()
        .endpoint("http://zipkin.invalid:9411")
        .proxy(format!("http://user:pass@{proxy}"))
        .build()
        .expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 1);
    // user:pass
    let (parts, _) = seen.only();
    let authorization = super::header(&parts, "proxy-authorization");
    assert_eq!(authorization, Some("Basic dXNlcjpwYXNz"));
}
