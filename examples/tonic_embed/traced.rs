//! A span for each call of a gRPC service, in the trace of whoever calls, and how long it takes.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::{KeyValue, global, metrics::Histogram};
use opentelemetry_http::HeaderExtractor;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body, server::NamedService};
use tower::Service;
use tracing::{Instrument, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

#[derive(Clone)]
pub struct Traced<S> {
    inner: S,
    seconds: Histogram<f64>,
}

impl<S> Traced<S> {
    pub fn new(inner: S, seconds: Histogram<f64>) -> Self {
        Self { inner, seconds }
    }
}

impl<S: NamedService> NamedService for Traced<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Traced<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let started = Instant::now();
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
        );
        let headers = HeaderExtractor(request.headers());
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
        // It fails if spans are filtered out, and there is none then.
        let _ = span.set_parent(caller);
        // The inner service does some of its work here, and the rest in its future.
        let answer = span
            .in_scope(|| self.inner.call(request))
            .instrument(span.clone());
        let seconds = self.seconds.clone();
        Box::pin(async move {
            let response = answer.await?;
            // A status in the headers is that of a call without messages; others are in the
            // trailers, which the body brings.
            let status = Status::from_header_map(response.headers());
            let status = name(status.map_or(Code::Ok, |status| status.code()));
            span.record("rpc.response.status_code", &status);
            let attributes = [
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.response.status_code", status),
            ];
            seconds.record(started.elapsed().as_secs_f64(), &attributes);
            Ok(response)
        })
    }
}

/// As gRPC writes it: `DEADLINE_EXCEEDED`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
