//! An exporter of one's own: it counts the spans of each service.
//!
//! An exporter is any `tower::Service<ExportRequest>` that answers with an `ExportResponse`.
//! Nothing is decoded: the request's views read the OTLP bytes in place.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tower::{Service, ServiceExt as _};
use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse, Signal, otlp::AnyValue};

#[derive(Clone, Debug, Default)]
struct SpanCounter(Arc<Mutex<BTreeMap<String, usize>>>);

impl Service<ExportRequest> for SpanCounter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let Some(traces) = request.traces() else {
            let error = ExportError::new(ErrorKind::Unsupported, "only spans can be counted");
            return ready(Err(error));
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in traces.resources() {
            let service = match resource.attributes().get("service.name") {
                Some(AnyValue::Str(name)) => name.to_string(),
                _ => "unknown".to_owned(),
            };
            let spans: usize = resource.scopes().map(|scope| scope.items().count()).sum();
            *counts.entry(service).or_default() += spans;
        }
        ready(Ok(ExportResponse::delivered(request.items())))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let json = br#"{"resourceSpans":[{
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
        "scopeSpans":[{"spans":[{"name":"GET /cart"},{"name":"SELECT"}]}]}]}"#;
    let counter = SpanCounter::default();
    let request = ExportRequest::from_json(Signal::Traces, json)?;
    counter.clone().oneshot(request).await?;
    let counts = counter.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{counts:?}");
    Ok(())
}
