//! Exporters from URLs, against receivers on real sockets.

#![allow(clippy::expect_used, clippy::panic)]

mod defaults;

use std::net::SocketAddr;

use tokio::{net::TcpListener, sync::mpsc};
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tower::ServiceExt as _;
use tower_otlp::{
    Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, Signal, from_url,
    receivers::{OtlpHttpReceiver, grpc::OtlpGrpcReceiver},
};

/// Sends what arrives to the channel.
fn recorder() -> (impl Exporter, mpsc::UnboundedReceiver<ExportRequest>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let exporter = tower::service_fn(move |request: ExportRequest| {
        let sender = sender.clone();
        async move {
            let items = request.items();
            sender.send(request).expect("the test listens");
            Ok::<_, ExportError>(ExportResponse::delivered(items))
        }
    });
    (exporter, receiver)
}

fn log() -> ExportRequest {
    let json =
        br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}"#;
    ExportRequest::from_json(Signal::Logs, json).expect("OTLP/JSON")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

async fn deliver(url: &str) {
    let exporter = from_url(url).unwrap_or_else(|error| panic!("{error}"));
    let response = exporter.oneshot(log()).await;
    let response = response.unwrap_or_else(|error| panic!("{url}: {error}"));
    assert_eq!(response.delivered_items(), 1);
}

fn assert_arrived(request: ExportRequest) {
    assert_eq!(request.signal(), Signal::Logs);
    assert_eq!(
        request.encoded(Encoding::Json),
        log().encoded(Encoding::Json)
    );
    assert_eq!(request.metadata().header("x-key"), Some("a+b c"));
}

const PARAMETERS: &str = "compression=gzip&timeout=5s&header.x-key=a%2Bb%20c";

#[tokio::test]
async fn grpc() {
    let (exporter, mut arrived) = recorder();
    let (listener, address) = listen().await;
    let routes = OtlpGrpcReceiver::new(exporter)
        .keep_header("x-key")
        .routes();
    let server = Server::builder().add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    deliver(&format!("otlp+grpc://{address}?{PARAMETERS}")).await;
    assert_arrived(arrived.recv().await.expect("arrived"));
}

#[tokio::test]
async fn grpc_over_tls() {
    let name = "collector.test".to_owned();
    let made = rcgen::generate_simple_self_signed([name]).expect("a certificate");
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), made.cert.pem()).expect("written");
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());

    let (exporter, mut arrived) = recorder();
    let (listener, address) = listen().await;
    let routes = OtlpGrpcReceiver::new(exporter)
        .keep_header("x-key")
        .routes();
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .expect("TLS")
        .add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let ca = ca.path().display();
    let url = format!("otlp+grpcs://{address}?{PARAMETERS}&ca={ca}&server_name=collector.test");
    deliver(&url).await;
    assert_arrived(arrived.recv().await.expect("arrived"));

    let stranger = format!("otlp+grpcs://{address}?ca={ca}&server_name=stranger.test");
    let exporter = from_url(&stranger).expect("a URL");
    let error = exporter.oneshot(log()).await.expect_err("another name");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[cfg(unix)]
#[tokio::test]
async fn grpc_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel socket");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let (exporter, mut arrived) = recorder();
    let routes = OtlpGrpcReceiver::new(exporter)
        .keep_header("x-key")
        .routes();
    let server = Server::builder().add_routes(routes);
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    let path = path.display().to_string().replace(' ', "%20");
    deliver(&format!("otlp+unix://{path}?{PARAMETERS}")).await;
    assert_arrived(arrived.recv().await.expect("arrived"));
}

#[tokio::test]
async fn http_under_a_prefix() {
    let (exporter, mut arrived) = recorder();
    let (listener, address) = listen().await;
    let router = OtlpHttpReceiver::new(exporter)
        .path_prefix("/otlp")
        .keep_header("x-key")
        .into_axum_router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    for encoding in ["protobuf", "json"] {
        let url = format!("otlp+http://{address}/otlp?{PARAMETERS}&encoding={encoding}&proxy=none");
        deliver(&url).await;
        assert_arrived(arrived.recv().await.expect("arrived"));
    }
}

#[tokio::test]
async fn a_limit_of_the_url_holds() {
    for url in [
        "otlp+grpc://127.0.0.1:1?max_request_bytes=1",
        "otlp+http://127.0.0.1:1?max_request_bytes=1&proxy=none",
    ] {
        let exporter = from_url(url).expect("a URL");
        let error = exporter.oneshot(log()).await.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{url}");
    }
}
