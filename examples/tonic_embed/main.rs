//! A tonic server that takes OTLP on its own port, and exports telemetry of its own.
//!
//! `cargo run --example tonic_embed [FILE]`: the file keeps what the backend stores, as OTLP/JSON.
//!
//! ```text
//! web ──► example.Ping, traceparent ──► ping ──► spans, logs, metrics ──► bridge ──► backend
//!     └─► OTLP ───────────────────────► ping ──► relay ────────────────────────────► backend
//! ```
//!
//! The caller's span comes through the relay, the server's own through the bridge; in the backend
//! they are one trace.

#[path = "../axum_embed/backend.rs"]
mod backend;
mod ping;
mod traced;
mod web;

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use opentelemetry::{metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    Compression, ExportError, Lifecycle, ServiceBuilderExt, Signal,
    exporters::otlp::OtlpGrpcExporter,
    layers::queue::{Acknowledge, QueueConfig, QueueLayer},
    layers::retry::RetryPolicy,
    receivers::grpc::OtlpGrpcReceiver,
    sdk::{Telemetry, is_export_thread},
};
use tracing_subscriber::{
    EnvFilter, Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{ping::Ping, traced::Traced};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let backend = backend::Backend::start(env::args_os().nth(1).map(PathBuf::from))?;

    let telemetry = telemetry(backend.grpc)?;
    let meter = telemetry.meter_provider().meter("ping");
    let seconds = meter
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_boundaries(vec![
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ])
        .build();

    // What others send has a pipeline of its own: however much comes, the app's telemetry gets
    // through. They hear of each failure, so they can send again.
    let lifecycle = Lifecycle::new();
    let relay = ServiceBuilder::new()
        .tracked(&lifecycle)
        .export_retry(RetryPolicy::new().lifecycle(&lifecycle))
        .concurrency_limit(16)
        .service(exporter(backend.grpc)?);
    let otlp = OtlpGrpcReceiver::new(relay);

    // `Traced` is around the one service, and not a layer of the server: the requests of telemetry
    // make no telemetry. Nor does the server export to itself: then each export would make the
    // next.
    let server = Server::builder()
        .add_service(Traced::new(Ping::new(&meter), seconds))
        .add_service(otlp.trace_service())
        .add_service(otlp.metrics_service())
        .add_service(otlp.logs_service());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("ping:    example.Ping and OTLP on http://{address}");
    let serving = tokio::spawn(
        server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.draining()),
    );

    web::visit(address).await?;

    // First whatever gives rise to telemetry, then the telemetry.
    let relayed = lifecycle.shutdown(PATIENCE).await;
    serving.await??;
    let own = telemetry.shutdown_async(PATIENCE).await;
    println!("relayed: {relayed}\nown:     {own}");
    if !(relayed.complete && own.complete) {
        return Err("not all telemetry is delivered".into());
    }
    backend.check(&[("web", &[Signal::Traces]), ("ping", &Signal::ALL)])
}

/// What the server says of itself, and the pipeline that it goes through: on a runtime of its own,
/// so that the export's gRPC calls are not in what is exported.
fn telemetry(backend: SocketAddr) -> Result<Telemetry, BoxError> {
    let ping = Resource::builder().with_service_name("ping").build();
    let telemetry = Telemetry::start(ping, |lifecycle| {
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
    let tracer = telemetry.tracer_provider().tracer("ping");
    // Events become log records, which know their span; they need not be in the span, too.
    // The spans of h2, at level debug, are the reason for the other half.
    let spans = tracing_opentelemetry::layer().with_tracer(tracer);
    let of_the_app = dynamic_filter_fn(|metadata, _| metadata.is_span() && !is_export_thread());
    tracing_subscriber::registry()
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with(spans.with_filter(of_the_app))
        .with(OpenTelemetryTracingBridge::new(telemetry.logger_provider()))
        .init();
    Ok(telemetry)
}

fn exporter(backend: SocketAddr) -> Result<OtlpGrpcExporter, ExportError> {
    OtlpGrpcExporter::builder()
        .endpoint(format!("http://{backend}"))
        .compression(Compression::Gzip)
        .timeout(Duration::from_secs(2))
        .build()
}
