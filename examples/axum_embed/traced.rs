//! A span for each request, in the trace of whoever calls, and how long it takes.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use opentelemetry::{KeyValue, global, metrics::Histogram};
use opentelemetry_http::HeaderExtractor;
use tokio::time::Instant;
use tracing::{Instrument, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub async fn traced(
    State(seconds): State<Histogram<f64>>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {}", route.as_str()),
        otel.kind = "server",
        http.request.method = method,
        http.route = route.as_str(),
        http.response.status_code = Empty,
    );
    let headers = HeaderExtractor(request.headers());
    let caller = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    // It fails if spans are filtered out, and there is none then.
    let _ = span.set_parent(caller);
    let response = next.run(request).instrument(span.clone()).await;
    let status = i64::from(response.status().as_u16());
    span.record("http.response.status_code", status);
    let attributes = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route.as_str().to_owned()),
        KeyValue::new("http.response.status_code", status),
    ];
    seconds.record(started.elapsed().as_secs_f64(), &attributes);
    response
}
