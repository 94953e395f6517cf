//! Bodies that a server does not want.

use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, Signal, exporters::otlp::OtlpHttpExporter, receivers::OtlpHttpReceiver,
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::serve,
};

/// The server answers while the client is still sending. The client must learn that the body is
/// too large, or it would send it again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_though_the_body_is_still_being_sent() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone()).max_wire_bytes(1000);
    let address = serve(receiver.into_axum_router()).await;
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .no_proxy()
        .build()
        .expect("valid");
    let large = telemetry(Signal::Logs, 400_000);
    assert!(large.byte_size() > 20 << 20, "{}", large.byte_size());
    for _ in 0..10 {
        let error = exporter.clone().oneshot(large.clone()).await;
        let error = error.expect_err("413");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
    assert!(backend.seen().is_empty());
}
