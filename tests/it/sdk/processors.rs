//! Every processor of the SDK, called from everywhere, delivers over a real connection.

use opentelemetry_sdk::{
    logs::{
        SdkLoggerProvider, log_processor_with_async_runtime::BatchLogProcessor as AsyncBatchLog,
    },
    metrics::{SdkMeterProvider, Temporality, periodic_reader_with_async_runtime as async_reader},
    runtime,
    trace::{
        SdkTracerProvider, span_processor_with_async_runtime::BatchSpanProcessor as AsyncBatchSpan,
    },
};
use tower::BoxError;
use tower_otlp::{
    ExporterExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    sdk::Bridge,
};

use super::{Caller, LONG, Receiver, count, in_time, log, span, workers};

/// The providers of an app, all over one bridge.
struct App {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    metrics: SdkMeterProvider,
}

impl App {
    fn with_threads(bridge: &Bridge) -> Self {
        Self {
            traces: SdkTracerProvider::builder()
                .with_batch_exporter(bridge.span_exporter())
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_batch_exporter(bridge.log_exporter())
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_periodic_exporter(bridge.metric_exporter())
                .build(),
        }
    }

    fn simple(bridge: &Bridge) -> Self {
        Self {
            traces: SdkTracerProvider::builder()
                .with_simple_exporter(bridge.span_exporter())
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_simple_exporter(bridge.log_exporter())
                .build(),
            ..Self::with_threads(bridge)
        }
    }

    fn with_runtime<R: runtime::RuntimeChannel>(bridge: &Bridge, runtime: &R) -> Self {
        let runtime = || runtime.clone();
        Self {
            traces: SdkTracerProvider::builder()
                .with_span_processor(
                    AsyncBatchSpan::builder(bridge.span_exporter(), runtime()).build(),
                )
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_log_processor(
                    AsyncBatchLog::builder(bridge.log_exporter(), runtime()).build(),
                )
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_reader(
                    async_reader::PeriodicReader::builder(bridge.metric_exporter(), runtime())
                        .build(),
                )
                .build(),
        }
    }

    /// One item of each signal, and the end.
    fn run(self) {
        span(&self.traces);
        log(&self.logs);
        count(&self.metrics);
        self.traces.shutdown().expect("traces");
        self.logs.shutdown().expect("logs");
        self.metrics.shutdown().expect("metrics");
    }
}

fn over_http(receiver: &Receiver) -> Bridge {
    let endpoint = format!("http://{}", receiver.http);
    Bridge::start(|_| OtlpHttpExporter::builder().endpoint(endpoint).build()).expect("a bridge")
}

fn over_grpc(receiver: &Receiver) -> Bridge {
    let endpoint = format!("http://{}", receiver.grpc);
    Bridge::start(|_| {
        let exporter = OtlpGrpcExporter::builder().endpoint(endpoint).build()?;
        Ok::<_, BoxError>(exporter.boxed_exporter())
    })
    .expect("a bridge")
}

fn one_of_each(receiver: &Receiver) {
    for signal in Signal::ALL {
        assert_eq!(receiver.items(signal), 1, "{signal}");
    }
}

#[test]
fn batch_processors_deliver_from_every_caller_over_http_and_grpc() {
    for caller in Caller::ALL {
        for connect in [over_http, over_grpc] {
            in_time(move || {
                let receiver = Receiver::start();
                let bridge = connect(&receiver);
                let (bridge, report) = caller.run(move || {
                    App::with_threads(&bridge).run();
                    let report = bridge.shutdown(LONG);
                    (bridge, report)
                });
                one_of_each(&receiver);
                assert!(report.complete, "{caller:?}: {report:?}");
                assert_eq!(report.delivered, 3, "{caller:?}: {report:?}");
                drop(bridge);
            });
        }
    }
}

#[test]
fn simple_processors_deliver_from_every_caller_over_http_and_grpc() {
    for caller in Caller::ALL {
        for connect in [over_http, over_grpc] {
            in_time(move || {
                let receiver = Receiver::start();
                let bridge = connect(&receiver);
                caller.run(move || App::simple(&bridge).run());
                one_of_each(&receiver);
            });
        }
    }
}

#[test]
fn processors_with_an_async_runtime_deliver() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(&receiver);
        let workers = workers(2);
        let _entered = workers.enter();
        // Their `shutdown` blocks, so it is called from outside the runtime that they run on.
        App::with_runtime(&bridge, &runtime::Tokio).run();
        one_of_each(&receiver);
    });
}

#[test]
fn processors_with_an_async_runtime_of_their_own_deliver_from_a_current_thread_runtime() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(&receiver);
        Caller::CurrentThread
            .run(move || App::with_runtime(&bridge, &runtime::TokioCurrentThread).run());
        one_of_each(&receiver);
    });
}

#[test]
fn a_pipeline_on_a_runtime_of_the_users_delivers_from_every_caller() {
    for caller in Caller::ALL {
        in_time(move || {
            let receiver = Receiver::start();
            let home = workers(2);
            let bridge = {
                let _entered = home.enter();
                let endpoint = format!("http://{}", receiver.http);
                let exporter = OtlpHttpExporter::builder().endpoint(endpoint).build();
                let lifecycle = tower_otlp::Lifecycle::new();
                Bridge::on(home.handle().clone(), exporter.expect("valid"), &lifecycle)
            };
            let bridge = bridge.expect("several threads");
            let report = caller.run(move || {
                App::with_threads(&bridge).run();
                bridge.shutdown(LONG)
            });
            one_of_each(&receiver);
            assert_eq!(report.delivered, 3, "{caller:?}: {report:?}");
        });
    }
}

#[test]
fn temporality_is_cumulative_unless_it_is_told_otherwise() {
    use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

    let receiver = Receiver::start();
    let bridge = over_http(&receiver);
    let exporter = bridge.metric_exporter();
    assert_eq!(exporter.temporality(), Temporality::Cumulative);
    let exporter = exporter.with_temporality(Temporality::Delta);
    assert_eq!(exporter.temporality(), Temporality::Delta);
}

#[test]
fn a_resource_comes_along_with_every_signal() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(&receiver);
        let resource = opentelemetry_sdk::Resource::builder_empty()
            .with_service_name("checkout")
            .build();
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(bridge.span_exporter())
            .with_resource(resource.clone())
            .build();
        let logs = SdkLoggerProvider::builder()
            .with_batch_exporter(bridge.log_exporter())
            .with_resource(resource.clone())
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_periodic_exporter(bridge.metric_exporter())
            .with_resource(resource)
            .build();
        App {
            traces,
            logs,
            metrics,
        }
        .run();
        one_of_each(&receiver);
        for request in receiver.backend.seen() {
            let json = String::from_utf8(request.encoded(tower_otlp::Encoding::Json).to_vec())
                .expect("UTF-8");
            assert!(json.contains(r#""checkout""#), "{json}");
        }
    });
}
