//! A server that is embedded ends when its app does.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tower::ServiceExt;
use tower_otlp::{Lifecycle, Signal, exporters::otlp::OtlpGrpcExporter, receivers::OtlpServer};

use crate::support::backend::{Backend, telemetry};

/// HTTP/2, RFC 9113: the preface, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_client_that_is_stuck_holds_up_no_shutdown() {
    let lifecycle = Lifecycle::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = OtlpServer::bind(any, any).await.expect("ports");
    let address = server.grpc_address();
    let backend = Backend::new();
    let mut serving = tokio::spawn(server.serve(backend.clone(), &lifecycle));

    let exporter = OtlpGrpcExporter::builder().endpoint(address.to_string());
    let sent = exporter.build().expect("valid");
    let sent = sent.oneshot(telemetry(Signal::Logs, 2)).await;
    assert_eq!(sent.expect("delivered").delivered_items(), 2);
    // It connects, and then answers nothing any more: no ping, no farewell.
    let mut stuck = TcpStream::connect(address).await.expect("connects");
    stuck.write_all(PREFACE).await.expect("sent");
    stuck.read_exact(&mut [0; 9]).await.expect("the server's");

    let report = lifecycle.shutdown(Duration::from_millis(300)).await;
    assert!(report.complete, "nothing was in flight");
    let ended = timeout(Duration::from_secs(20), &mut serving).await;
    let ended = ended.expect("it waits for the stuck client");
    ended.expect("no panic").expect("no error");
    assert_eq!(backend.only().items(), 2);
}
