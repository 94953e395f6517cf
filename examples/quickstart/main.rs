//! From an instrumented program to two destinations, all in one process:
//!
//! ```text
//!                                        ┌─► retry ─► timeout ─► console
//! shop ──► OTLP ──► receivers ──► meter ─┼─► retry ─► timeout ─► OTLP/JSON lines in a file
//!          gRPC, HTTP                    └─► metrics only ─► Prometheus scrapes /metrics
//! ```
//!
//! ```sh
//! cargo run --example quickstart
//! ```

mod meter;
mod shop;

use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    BoxExporter, Encoding, ExportError, ExportRequest, ExportResponse, Exporter, ExporterExt as _,
    ServiceBuilderExt as _,
    exporters::{
        console::{ConsoleExporter, Verbosity},
        prometheus::PrometheusExporter,
    },
    layers::{fan_out::FanOut, retry::RetryPolicy, route::Route},
    receivers::{OtlpHttpReceiver, grpc::OtlpGrpcReceiver},
};

use crate::meter::{Meter, MeterLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let path = tempfile::Builder::new()
        .prefix("tower-otlp-")
        .tempdir()?
        .keep()
        .join("telemetry.jsonl");

    let prometheus = PrometheusExporter::builder().build()?;
    let metrics_only = Route::by_signal()
        .to("metrics", prometheus.clone())
        .otherwise(nowhere())
        .build()?;

    // Layers are listed from the outside in: the meter sees a request first.
    let meter = Meter::default();
    let pipeline = ServiceBuilder::new()
        .layer(MeterLayer(meter.clone()))
        .service(
            FanOut::empty()
                .branch(branch(ConsoleExporter::new(Verbosity::Normal)))
                .branch(branch(json_lines(File::create(&path)?)))
                .branch(metrics_only.boxed_exporter()),
        );

    let (grpc, http) = receive(pipeline, prometheus.router()).await?;
    // The SDK blocks while it exports: it gets a thread of its own.
    #[expect(clippy::disallowed_methods, reason = "a program knows its own runtime")]
    tokio::task::spawn_blocking(move || shop::trade(grpc, http)).await??;

    let page = reqwest::get(format!("http://{http}/metrics")).await?;
    println!("\n{}", page.text().await?);
    println!("{}\nfile: {}", meter.table(), path.display());
    Ok(())
}

/// What stands before each destination: up to two seconds an attempt, and several attempts.
fn branch(exporter: impl Exporter) -> BoxExporter {
    ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .attempt_timeout(Duration::from_secs(2))
        .service(exporter)
        .boxed_exporter()
}

/// An exporter of one's own, as a function: one line of OTLP/JSON for each request.
fn json_lines(file: File) -> impl Exporter {
    let file = Arc::new(file);
    tower::service_fn(move |request: ExportRequest| {
        let file = Arc::clone(&file);
        async move {
            let mut line = request.encoded(Encoding::Json).to_vec();
            line.push(b'\n');
            // One call a line: lines of concurrent requests do not mix.
            (&*file).write_all(&line).map_err(to_export_error)?;
            Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
        }
    })
}

/// Takes what Prometheus has no use for.
fn nowhere() -> impl Exporter {
    tower::service_fn(|request: ExportRequest| async move {
        Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    })
}

fn to_export_error(error: io::Error) -> ExportError {
    // Knows the errors of many libraries, and says which of them are worth a retry.
    ExportError::from(Box::new(error) as BoxError)
}

/// Starts both receivers on free ports of the loopback interface; beside that of HTTP stand the
/// pages for Prometheus.
async fn receive(
    pipeline: impl Exporter,
    pages: axum::Router,
) -> io::Result<(SocketAddr, SocketAddr)> {
    let grpc = TcpListener::bind("127.0.0.1:0").await?;
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let addresses = (grpc.local_addr()?, http.local_addr()?);

    let services = OtlpGrpcReceiver::new(pipeline.clone()).routes();
    let server = tonic::transport::Server::builder().add_routes(services);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(grpc)));

    let router = OtlpHttpReceiver::new(pipeline)
        .into_axum_router()
        .merge(pages);
    tokio::spawn(async move { axum::serve(http, router).await });
    Ok(addresses)
}
