//! An app with `tracing` and OpenTelemetry metrics, set up by the standard variables.
//!
//! `cargo run --example sdk`
//!
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT` it starts a receiver in the same process, exports to it,
//! and prints what arrives. With it, it exports there:
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_SERVICE_NAME=shop cargo run --example sdk`

use std::{env, net::SocketAddr, sync::mpsc, thread, time::Duration};

use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tower::{BoxError, service_fn};
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse, Lifecycle, receivers::OtlpServer, sdk::Telemetry,
};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn main() -> Result<(), BoxError> {
    // An app has `tower_otlp::sdk::init_from_env()?` in place of these lines.
    let receiver = match env::var(ENDPOINT) {
        Ok(_) => None,
        Err(_) => Some(format!("http://{}", start_receiver()?)),
    };
    let telemetry = Telemetry::from_lookup(|name| match name {
        ENDPOINT if receiver.is_some() => receiver.clone(),
        _ => env::var(name).ok(),
    })?;
    telemetry.set_global();

    let tracer = telemetry.tracer_provider().tracer("shop");
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .with(OpenTelemetryTracingBridge::new(telemetry.logger_provider()))
        .init();

    let orders = global::meter("shop").u64_counter("orders").build();
    for (order, cents) in [(1, 1250), (2, 990), (3, 0)] {
        let paid = check_out(order, cents);
        orders.add(1, &[KeyValue::new("paid", paid)]);
    }

    let report = telemetry.shutdown(Duration::from_secs(5));
    println!("{report}");
    Ok(())
}

#[tracing::instrument]
fn check_out(order: i64, cents: i64) -> bool {
    tracing::info!("cart loaded");
    charge(cents)
}

#[tracing::instrument]
fn charge(cents: i64) -> bool {
    if cents == 0 {
        tracing::warn!(cents, "nothing to charge");
    }
    cents > 0
}

/// An OTLP receiver with a thread of its own. Returns where it takes HTTP.
fn start_receiver() -> Result<SocketAddr, BoxError> {
    let print = service_fn(|request: ExportRequest| async move {
        println!("received {}", shown(&request));
        Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    });
    let (tell, told) = mpsc::channel();
    thread::spawn(move || -> Result<(), BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let any = "127.0.0.1:0".parse()?;
            let server = OtlpServer::bind(any, any).await?;
            tell.send(server.http_address())?;
            server.serve(print, &Lifecycle::new()).await
        })
    });
    Ok(told.recv()?)
}

/// How many items came, and the names of those that have one.
fn shown(request: &ExportRequest) -> String {
    let mut names = Vec::new();
    for resource in request.traces().into_iter().flat_map(|all| all.resources()) {
        for scope in resource.scopes() {
            names.extend(scope.items().map(|span| span.name().as_str().to_owned()));
        }
    }
    for resource in request
        .metrics()
        .into_iter()
        .flat_map(|all| all.resources())
    {
        for scope in resource.scopes() {
            names.extend(
                scope
                    .items()
                    .map(|metric| metric.name().as_str().to_owned()),
            );
        }
    }
    format!(
        "{} {}: {}",
        request.items(),
        request.signal().item_name(),
        if names.is_empty() {
            "-".to_owned()
        } else {
            names.join(", ")
        }
    )
}
