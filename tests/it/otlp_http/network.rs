//! Connections: none, through a proxy, kept alive.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, serve::ListenerExt};
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, Lifecycle, RetryAdvice, Signal, TlsOptions,
    exporters::otlp::OtlpHttpExporter,
    receivers::{OtlpHttpReceiver, OtlpServer},
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::{Authority, nobody, serve, serve_tls},
};

#[tokio::test]
async fn an_unreachable_endpoint_is_named_with_the_cause() {
    let address = nobody().await;
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://user:s3cret@{address}?token=s3cret"))
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let error = error.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    let text = error.to_string();
    let begins =
        format!("otlp-http exporter (http://{address}/v1/logs): unavailable: cannot connect");
    assert!(text.starts_with(&begins), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_grpc_port_is_told_from_an_http_port() {
    let lifecycle = Lifecycle::new();
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = OtlpServer::bind(any, any).await.expect("two ports");
    let grpc = server.grpc_address();
    tokio::spawn(server.serve(Backend::new(), &lifecycle));
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{grpc}"))
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let error = error.expect_err("not HTTP/1.1");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("is this the gRPC port"), "{text}");
}

#[tokio::test]
async fn a_plain_proxy_is_used_for_http() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let proxy = {
        let seen = Arc::clone(&seen);
        // It answers by itself: that it was asked is what matters.
        serve(Router::new().fallback(move |request: Request<Body>| {
            let uri = request.uri().to_string();
            let authorization = request.headers().get("proxy-authorization").cloned();
            seen.lock().expect("no panic").push((uri, authorization));
            async { Response::new(Body::empty()) }
        }))
        .await
    };
    let exporter = OtlpHttpExporter::builder()
        .endpoint("http://collector.invalid:4318")
        .proxy(format!("http://user:pass@{proxy}"))
        .build()
        .expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 1);
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.len(), 1);
    let (uri, authorization) = &seen[0];
    assert!(
        uri.starts_with("http://collector.invalid:4318/v1/logs"),
        "{uri}"
    );
    // user:pass
    let authorization = authorization.as_ref().expect("credentials");
    assert_eq!(authorization, "Basic dXNlcjpwYXNz");
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let backend = Backend::new();
    let authority = Authority::new();
    let router = OtlpHttpReceiver::new(backend.clone()).into_axum_router();
    let server = serve_tls(router, authority.server(None)).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = listener.local_addr().expect("an address");
    let tunnel = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a head"));
        }
        let mut upstream = tokio::net::TcpStream::connect(server)
            .await
            .expect("connects");
        client
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .await
            .expect("writes");
        tokio::spawn(async move {
            tokio::io::copy_bidirectional(&mut client, &mut upstream)
                .await
                .is_ok()
        });
        String::from_utf8(head).expect("text")
    });

    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("https://{server}"))
        .tls(TlsOptions::default().ca_pem(authority.pem.as_str()))
        .proxy(format!("http://{proxy}"))
        .build()
        .expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Traces, 3)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 3);
    let head = tunnel.await.expect("no panic");
    assert!(
        head.starts_with(&format!("CONNECT {server} HTTP/1.1\r\n")),
        "{head}"
    );
    assert_eq!(backend.only().items(), 3);
}

#[tokio::test]
async fn clones_share_connections() {
    const REQUESTS: usize = 20;
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = OtlpHttpReceiver::new(Backend::new()).into_axum_router();
    let count = Arc::clone(&connections);
    let listener = listener.tap_io(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .no_proxy()
        .build()
        .expect("valid");
    for _ in 0..REQUESTS {
        let response = exporter.clone().oneshot(telemetry(Signal::Logs, 1)).await;
        assert_eq!(response.expect("delivered").delivered_items(), 1);
    }
    // A connection may still be on its way back to the pool when the next request comes.
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections < REQUESTS, "{connections} connections");
}
