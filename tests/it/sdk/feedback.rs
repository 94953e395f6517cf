//! The export's own telemetry does not become telemetry, with everything recorded at TRACE level.

use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::{logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    Exporter, ExporterExt, Lifecycle, ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::{
        observe::TracingObserver,
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    sdk::{Bridge, is_export_thread},
};
use tracing_subscriber::{
    EnvFilter, Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::{LONG, Receiver, alone, in_time, workers};

/// How often the app works and everything is flushed: what the export of one round left would
/// come with the next.
const ROUNDS: u64 = 5;

/// Everything, but what the SDK says of its own shutdown, in the thread of the app.
const ALL: &str = "trace,opentelemetry=off";

/// What the documentation says to keep out.
const TARGETS: &str = "trace,tower_otlp=off,tower::buffer=off,tonic=off,reqwest=off,hyper=off,\
                       h2=off,rustls=off,opentelemetry=off";

/// All that has a voice.
fn pipeline(endpoint: &str, lifecycle: &Lifecycle) -> Result<impl Exporter + use<>, BoxError> {
    let exporter = match endpoint.strip_prefix("grpc+") {
        Some(endpoint) => OtlpGrpcExporter::builder()
            .endpoint(endpoint)
            .build()?
            .boxed_exporter(),
        None => OtlpHttpExporter::builder()
            .endpoint(endpoint)
            .build()?
            .boxed_exporter(),
    };
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .lifecycle(lifecycle);
    Ok(ServiceBuilder::new()
        .tracked(lifecycle)
        .observed(TracingObserver::new("otlp"))
        .queue(QueueLayer::new(queue)?)
        .export_retry(RetryPolicy::new())
        .observed_attempts(TracingObserver::new("otlp"))
        .attempt_timeout(LONG)
        .service(exporter))
}

/// The app: each round makes a span and a log record.
fn app(bridge: &Bridge, filter: &str, simple: bool) {
    let (spans, logs) = (bridge.span_exporter(), bridge.log_exporter());
    let (traces, logs) = if simple {
        (
            SdkTracerProvider::builder()
                .with_simple_exporter(spans)
                .build(),
            SdkLoggerProvider::builder()
                .with_simple_exporter(logs)
                .build(),
        )
    } else {
        (
            SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .build(),
            SdkLoggerProvider::builder()
                .with_batch_exporter(logs)
                .build(),
        )
    };
    let filter = || EnvFilter::new(filter);
    tracing_subscriber::registry()
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(traces.tracer("app"))
                .with_filter(dynamic_filter_fn(|_, _| !is_export_thread()))
                .with_filter(filter()),
        )
        .with(OpenTelemetryTracingBridge::new(&logs).with_filter(filter()))
        .init();
    for round in 0..ROUNDS {
        tracing::info_span!(target: "app", "work", round).in_scope(|| {
            tracing::info!(target: "app", round, "at work");
        });
        traces.force_flush().expect("flushed");
        logs.force_flush().expect("flushed");
        assert!(bridge.force_flush(LONG).complete);
    }
    traces.shutdown().expect("in time");
    logs.shutdown().expect("in time");
}

/// How many spans and log records came.
fn came(receiver: &Receiver) -> (u64, u64) {
    (receiver.items(Signal::Traces), receiver.items(Signal::Logs))
}

fn on_a_runtime_of_its_own(test: &str, simple: bool) {
    if let Some(endpoint) = alone::child() {
        let bridge = Bridge::start(|lifecycle| pipeline(&endpoint, lifecycle));
        return app(&bridge.expect("a bridge"), ALL, simple);
    }
    in_time({
        let test = format!("sdk::feedback::{test}");
        move || {
            for protocol in ["http", "grpc+http"] {
                let receiver = Receiver::start();
                let port = if protocol == "http" {
                    receiver.http
                } else {
                    receiver.grpc
                };
                alone::run(&test, &format!("{protocol}://{port}"), &[]);
                assert_eq!(came(&receiver), (ROUNDS, ROUNDS), "{protocol}");
            }
        }
    });
}

#[test]
fn with_batch_processors_only_what_the_app_made_is_exported() {
    let test = "with_batch_processors_only_what_the_app_made_is_exported";
    on_a_runtime_of_its_own(test, false);
}

#[test]
fn with_simple_processors_only_what_the_app_made_is_exported() {
    let test = "with_simple_processors_only_what_the_app_made_is_exported";
    on_a_runtime_of_its_own(test, true);
}

fn on_a_runtime_of_the_users(test: &str, filter: &str) -> (u64, u64) {
    if let Some(endpoint) = alone::child() {
        let home = workers(2);
        let bridge = {
            let _entered = home.enter();
            let lifecycle = Lifecycle::new();
            let pipeline = pipeline(&endpoint, &lifecycle).expect("valid");
            Bridge::on(home.handle().clone(), pipeline, &lifecycle).expect("two workers")
        };
        app(&bridge, filter, false);
        return (ROUNDS, ROUNDS);
    }
    let test = format!("sdk::feedback::{test}");
    in_time(move || {
        let receiver = Receiver::start();
        alone::run(&test, &format!("http://{}", receiver.http), &[]);
        came(&receiver)
    })
}

/// That the tests here see the export's own telemetry if there is some.
#[test]
fn on_a_runtime_of_the_users_what_clients_spawn_is_not_covered() {
    let test = "on_a_runtime_of_the_users_what_clients_spawn_is_not_covered";
    let (spans, logs) = on_a_runtime_of_the_users(test, ALL);
    if alone::child().is_none() {
        assert!(spans + logs > 2 * ROUNDS, "{spans} {logs}");
    }
}

#[test]
fn on_a_runtime_of_the_users_the_documented_filter_helps() {
    let test = "on_a_runtime_of_the_users_the_documented_filter_helps";
    let came = on_a_runtime_of_the_users(test, TARGETS);
    assert_eq!(came, (ROUNDS, ROUNDS));
}
