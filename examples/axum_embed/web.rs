//! The caller: what another service does.

use std::net::SocketAddr;

use axum::{Router, body::Body, extract::Request};
use tower::{BoxError, ServiceExt};
use tower_otlp::{ExportRequest, Signal, exporters::otlp::OtlpHttpExporter};

/// Three requests within a span of its own, which it then sends to the app.
pub async fn visit(app: Router, address: SocketAddr) -> Result<(), BoxError> {
    let traceparent = "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01";
    for _ in 0..3 {
        let request = Request::get("/hello").header("traceparent", traceparent);
        // A router is a service, so it needs no socket.
        let response = app.clone().oneshot(request.body(Body::empty())?).await?;
        println!("web:     /hello {}", response.status());
    }
    let span = br#"{"resourceSpans":[{
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
        "scopeSpans":[{"spans":[{"name":"visit","kind":3,
            "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
            "startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000000100000000"
        }]}]}]}"#;
    let sent = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .no_proxy()
        .build()?
        .oneshot(ExportRequest::from_json(Signal::Traces, span)?)
        .await?;
    println!("web:     {} span sent", sent.delivered_items());
    Ok(())
}
