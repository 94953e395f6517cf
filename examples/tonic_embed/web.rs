//! The caller: what another service does.

use std::net::SocketAddr;

use http::Request;
use tonic::{body::Body, transport::Endpoint};
use tower::{BoxError, Service, ServiceExt};
use tower_otlp::{ExportRequest, Signal, exporters::otlp::OtlpGrpcExporter};

/// Three calls within a span of its own, which it then sends to the server.
pub async fn visit(address: SocketAddr) -> Result<(), BoxError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let mut channel = endpoint.connect().await?;
    let traceparent = "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01";
    for _ in 0..3 {
        let request = Request::post("/example.Ping/Ping").header("traceparent", traceparent);
        let request = request.body(Body::empty())?;
        let response = channel.ready().await?.call(request).await?;
        println!("web:     example.Ping {}", response.status());
    }
    let span = br#"{"resourceSpans":[{
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
        "scopeSpans":[{"spans":[{"name":"visit","kind":3,
            "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
            "startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000000100000000"
        }]}]}]}"#;
    let sent = OtlpGrpcExporter::builder()
        .endpoint(address.to_string())
        .build()?
        .oneshot(ExportRequest::from_json(Signal::Traces, span)?)
        .await?;
    println!("web:     {} span sent", sent.delivered_items());
    Ok(())
}
