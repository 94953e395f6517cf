//! Peers that are away, close, reset, stall.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio_test::{assert_pending, task};
use tower::ServiceExt;
use tower_otlp::{
    Encoding, ErrorKind, ExportError, ExportRequest, RetryAdvice, Signal,
    exporters::{socket::SocketOptions, tcp::TcpExporter},
};

use super::{assert_line, exporter};
use crate::support::{
    backend::telemetry,
    http_server::nobody,
    listener::{Listener, SOON, within},
};

/// More than the buffers of two sockets hold.
fn large() -> ExportRequest {
    let request = telemetry(Signal::Logs, 100_000);
    assert!(request.encoded(Encoding::Json).len() > 12 << 20);
    request
}

fn small() -> ExportRequest {
    telemetry(Signal::Logs, 2)
}

fn assert_says(error: &ExportError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    assert!(error.remainder().is_none());
    let text = error.to_string();
    assert!(text.starts_with("tcp exporter (tcp://127.0.0.1:"), "{text}");
    assert!(text.contains(says), "{text}");
}

#[tokio::test]
async fn nobody_listens() {
    let exporter = TcpExporter::builder()
        .endpoint(nobody().await.to_string())
        .build()
        .unwrap();
    let error = exporter.oneshot(small()).await.expect_err("refused");
    assert_says(&error, ErrorKind::Unavailable, "no connection");
}

#[tokio::test]
async fn too_large_a_record_is_not_sent() {
    let listener = Listener::bind().await;
    let request = small();
    let json = request.encoded(Encoding::Json).len();
    for limit in [request.byte_size() - 1, json - 1] {
        let exporter = exporter(&listener)
            .max_request_bytes(limit)
            .build()
            .unwrap();
        let error = exporter.oneshot(small()).await.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(!error.is_retryable());
    }
    assert!(listener.nobody_waits().await);
    let fits = exporter(&listener).max_request_bytes(json).build().unwrap();
    fits.oneshot(small()).await.expect("delivered");
}

#[tokio::test]
async fn a_peer_that_closed_is_noticed_before_anything_is_written() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    exporter.clone().oneshot(small()).await.unwrap();
    let mut first = listener.accept().await;
    assert_line(&mut first, &small()).await;
    drop(first);
    let response = exporter.oneshot(telemetry(Signal::Logs, 3)).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    let warning = response.message().expect("a warning");
    assert!(warning.contains("had closed the connection"), "{warning}");
    let mut second = listener.accept().await;
    assert_line(&mut second, &telemetry(Signal::Logs, 3)).await;
}

#[tokio::test]
async fn a_peer_that_reset_is_noticed_before_anything_is_written() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    exporter.clone().oneshot(small()).await.unwrap();
    // Unread bytes make the end of a socket a reset.
    drop(listener.accept().await);
    let response = exporter.oneshot(small()).await.unwrap();
    assert!(response.message().is_some());
    let mut second = listener.accept().await;
    assert_line(&mut second, &small()).await;
}

#[tokio::test]
async fn a_connection_that_ends_within_a_line_is_an_error_and_the_next_begins_clean() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let attempt = tokio::spawn(exporter.clone().oneshot(large()));
    let mut first = listener.accept().await;
    let mut part = vec![0; 100_000];
    within(first.read_exact(&mut part)).await.unwrap();
    assert!(!part.contains(&b'\n'));
    drop(first);
    let error = within(attempt).await.unwrap().expect_err("cut");
    assert_says(&error, ErrorKind::Unavailable, "bytes were written");
    // The retry.
    let attempt = tokio::spawn(exporter.oneshot(small()));
    let mut second = listener.accept().await;
    assert_line(&mut second, &small()).await;
    let response = within(attempt).await.unwrap().expect("delivered");
    assert_eq!(response.message(), None);
}

#[tokio::test]
async fn a_peer_that_ends_its_half_counts_as_closed() {
    use tokio::io::AsyncWriteExt;
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let attempt = tokio::spawn(exporter.clone().oneshot(large()));
    let mut first = listener.accept().await;
    first.shutdown().await.unwrap();
    let error = within(attempt).await.unwrap().expect_err("closed");
    assert_says(
        &error,
        ErrorKind::Unavailable,
        "the peer closed the connection",
    );
}

#[tokio::test]
async fn a_peer_that_never_reads_is_felt_above_and_times_out() {
    let listener = Listener::bind().await;
    let socket = SocketOptions::default().write_timeout(Duration::from_millis(500));
    let exporter = exporter(&listener).socket(socket).build().unwrap();
    let mut other = exporter.clone();
    let attempt = tokio::spawn(exporter.oneshot(large()));
    let stalled = listener.accept().await;
    // One request is being written, and nothing else is let in.
    let mut waiting = task::spawn(other.ready());
    assert_pending!(waiting.poll());
    let error = within(attempt).await.unwrap().expect_err("stalled");
    assert_says(&error, ErrorKind::Timeout, "bytes within 500ms");
    assert!(waiting.is_woken());
    drop(waiting);
    // The connection with half a line in it is not used again.
    let response = tokio::spawn(other.oneshot(small()));
    let mut second = listener.accept().await;
    assert_line(&mut second, &small()).await;
    response.await.unwrap().expect("delivered");
    drop(stalled);
}

#[tokio::test]
async fn a_slow_peer_gets_everything() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let attempt = tokio::spawn(exporter.oneshot(large()));
    let mut socket = listener.accept().await;
    let mut buffer = vec![0; 64 << 10];
    let mut read = 0;
    let expected = large().encoded(Encoding::Json).len() + 1;
    while read < expected {
        read += within(socket.read(&mut buffer)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read, expected);
    within(attempt).await.unwrap().expect("delivered");
}

#[tokio::test]
async fn a_request_that_is_dropped_half_written_takes_its_connection_along() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let mut attempt = Box::pin(exporter.clone().oneshot(large()));
    let begun = async {
        let mut socket = listener.accept().await;
        within(socket.read_exact(&mut [0])).await.unwrap();
        socket
    };
    let mut first = tokio::select! {
        _ = &mut attempt => panic!("nobody reads"),
        socket = begun => socket,
    };
    drop(attempt);
    let response = exporter.oneshot(small()).await.expect("delivered");
    assert_eq!(response.message(), None);
    let mut second = listener.accept().await;
    assert_line(&mut second, &small()).await;
    // The first ends in the middle of its line.
    let mut rest = Vec::new();
    within(first.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.is_empty() && !rest.contains(&b'\n'));
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_times_out() {
    let listener = Listener::bind().await;
    let tls =
        tower_otlp::TlsOptions::default().ca_pem(crate::support::http_server::Authority::new().pem);
    let socket = SocketOptions::default()
        .connect_timeout(Duration::from_millis(300))
        .tls(tls);
    let exporter = exporter(&listener).socket(socket).build().unwrap();
    let error = tokio::time::timeout(SOON, exporter.oneshot(small())).await;
    let error = error.expect("in time").expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    assert!(text.contains("not connected within 300ms"), "{text}");
    assert!(text.contains("(tcp+tls://127.0.0.1:"), "{text}");
}

/// The attempts in between fail, and have no answer that could say it.
#[tokio::test]
async fn a_peer_that_was_away_for_a_while_is_told_of_when_it_is_back() {
    let listener = Listener::bind().await;
    let address = listener.address;
    let exporter = exporter(&listener).build().unwrap();
    exporter.clone().oneshot(small()).await.unwrap();
    let mut first = listener.accept().await;
    assert_line(&mut first, &small()).await;
    drop((first, listener));
    for _ in 0..2 {
        let error = exporter.clone().oneshot(small()).await.expect_err("away");
        assert_says(&error, ErrorKind::Unavailable, "no connection");
    }
    let back = Listener::bind_to(address).await;
    for has_warning in [true, false] {
        let response = exporter.clone().oneshot(small()).await.unwrap();
        let says = |message: &str| message.contains("had closed the connection");
        assert_eq!(response.message().is_some_and(says), has_warning);
    }
    drop(back);
}
