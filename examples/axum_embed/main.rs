//! An axum application that takes OTLP on its own port, and exports telemetry of its own.
//!
//! `cargo run --example axum_embed [FILE]`: the file keeps what the backend stores, as OTLP/JSON.
//!
//! ```text
//! web ──► GET /hello, traceparent ──► shop ──► spans, logs, metrics ──► bridge ──► backend
//!     └─► POST /v1/traces ──────────► shop ──► relay ────────────────────────────► backend
//! ```
//!
//! The caller's span comes through the relay, the app's own through the bridge; in the backend
//! they are one trace.

mod backend;
mod traced;
mod web;

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use axum::{Router, middleware::from_fn_with_state, routing::get};
use opentelemetry::{metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    Compression, ExportError, Lifecycle, ServiceBuilderExt, Signal,
    exporters::otlp::OtlpHttpExporter,
    layers::queue::{Acknowledge, QueueConfig, QueueLayer},
    layers::retry::RetryPolicy,
    receivers::OtlpHttpReceiver,
    sdk::Telemetry,
};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let backend = backend::Backend::start(env::args_os().nth(1).map(PathBuf::from))?;

    let telemetry = telemetry(backend.http)?;
    let meter = telemetry.meter_provider().meter("shop");
    let seconds = meter
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_boundaries(vec![
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ])
        .build();
    let greetings = meter.u64_counter("shop.greetings").build();
    let hello = get(async move || {
        greetings.add(1, &[]);
        tracing::info!("a greeting");
        "hello"
    });

    // What others send has a pipeline of its own: however much comes, the app's telemetry gets
    // through. They hear of each failure, so they can send again.
    let lifecycle = Lifecycle::new();
    let relay = ServiceBuilder::new()
        .tracked(&lifecycle)
        .export_retry(RetryPolicy::new().lifecycle(&lifecycle))
        .concurrency_limit(16)
        .service(exporter(backend.http)?);

    // The layer is for the routes above it: the requests of telemetry make no telemetry. Nor does
    // the app export to itself: then each export would make the next.
    let app = Router::new()
        .route("/hello", hello)
        .layer(from_fn_with_state(seconds, traced::traced))
        .merge(OtlpHttpReceiver::new(relay).into_axum_router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("shop:    /hello and OTLP on http://{address}");
    let serving = axum::serve(listener, app.clone()).with_graceful_shutdown(lifecycle.draining());
    let serving = tokio::spawn(serving.into_future());

    web::visit(app, address).await?;

    // First whatever gives rise to telemetry, then the telemetry.
    let relayed = lifecycle.shutdown(PATIENCE).await;
    serving.await??;
    let own = telemetry.shutdown_async(PATIENCE).await;
    println!("relayed: {relayed}\nown:     {own}");
    if !(relayed.complete && own.complete) {
        return Err("not all telemetry is delivered".into());
    }
    backend.check(&[("web", &[Signal::Traces]), ("shop", &Signal::ALL)])
}

/// What the app says of itself, and the pipeline that it goes through: on a runtime of its own,
/// so that the export's HTTP calls are not in what is exported.
fn telemetry(backend: SocketAddr) -> Result<Telemetry, BoxError> {
    let shop = Resource::builder().with_service_name("shop").build();
    let telemetry = Telemetry::start(shop, |lifecycle| {
        let queue = QueueConfig::new()
            .acknowledge(Acknowledge::OnEnqueue)
            .lifecycle(lifecycle);
        Ok::<_, BoxError>(
            ServiceBuilder::new()
                .tracked(lifecycle)
                .queue(QueueLayer::new(queue)?)
                .export_retry(RetryPolicy::new().lifecycle(lifecycle))
                .service(exporter(backend)?),
        )
    })?;
    telemetry.set_global();
    let tracer = telemetry.tracer_provider().tracer("shop");
    // Events become log records, which know their span; they need not be in the span, too.
    let spans = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing_subscriber::registry()
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with(spans.with_filter(filter_fn(|metadata| metadata.is_span())))
        .with(OpenTelemetryTracingBridge::new(telemetry.logger_provider()))
        .init();
    Ok(telemetry)
}

fn exporter(backend: SocketAddr) -> Result<OtlpHttpExporter, ExportError> {
    OtlpHttpExporter::builder()
        .endpoint(format!("http://{backend}"))
        .compression(Compression::Gzip)
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()
}
