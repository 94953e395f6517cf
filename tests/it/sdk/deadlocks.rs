//! Ways in which exporters of the SDK are known to hang. Each test must end in time.

use std::{
    sync::{Arc, Barrier, OnceLock},
    thread,
    time::Duration,
};

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::{
    error::OTelSdkError,
    logs::SdkLoggerProvider,
    metrics::{SdkMeterProvider, exporter::PushMetricExporter as _},
    trace::{SdkTracerProvider, SpanExporter as _},
};
use tokio::time::Instant;
use tower::{BoxError, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse, Lifecycle, ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::retry::RetryPolicy,
    sdk::Bridge,
    testing::{ScriptedExporter, Step},
};

use super::{Caller, LONG, Receiver, SHORT, bridge, count, in_time, log, span, span_data, workers};

/// What the SDK waits for where it cannot be told: its own timeout, and a little.
const SDK_TIMEOUT: Duration = Duration::from_secs(6);

fn tracer(bridge: &Bridge) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_batch_exporter(bridge.span_exporter())
        .build()
}

fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    (work(), started.elapsed())
}

/// A collector that is a part of the same process, on the runtime of whoever exports.
pub(super) async fn collector() -> (String, crate::support::backend::Backend) {
    let backend = crate::support::backend::Backend::new();
    let server = tower_otlp::receivers::OtlpHttpReceiver::new(backend.clone());
    let address = crate::support::http_server::serve(server.into_axum_router()).await;
    (format!("http://{address}"), backend)
}

pub(super) fn over_http(endpoint: String) -> Bridge {
    let bridge = Bridge::start(|_| OtlpHttpExporter::builder().endpoint(endpoint).build());
    bridge.expect("a bridge")
}

/// `#[tokio::main(flavor = "current_thread")]`, and a provider that is shut down at its end.
#[test]
fn a_provider_is_shut_down_on_the_only_thread_of_a_current_thread_runtime() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(format!("http://{}", receiver.http));
        Caller::CurrentThread.run(move || {
            let traces = tracer(&bridge);
            span(&traces);
            traces.force_flush().expect("flushed");
            span(&traces);
            traces.shutdown().expect("shut down");
        });
        assert_eq!(receiver.items(Signal::Traces), 2);
    });
}

/// A container with one CPU has a multi-threaded runtime of one worker.
#[test]
fn a_provider_is_shut_down_in_a_task_on_the_only_worker() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(format!("http://{}", receiver.http));
        Caller::OnlyWorker.run(move || {
            let traces = tracer(&bridge);
            span(&traces);
            traces.force_flush().expect("flushed");
            span(&traces);
            traces.shutdown().expect("shut down");
        });
        assert_eq!(receiver.items(Signal::Traces), 2);
    });
}

/// A simple processor exports in the task that ends the span; the exporter waits for its
/// A collector in the same process lives on the worker that shuts the bridge down.
#[test]
fn a_bridge_is_shut_down_by_the_worker_on_which_its_receiver_lives() {
    in_time(|| {
        let app = workers(1);
        let task = app.spawn(async {
            let (endpoint, backend) = collector().await;
            let bridge = over_http(endpoint);
            let spans = bridge.span_exporter();
            let mut export = tokio_test::task::spawn(spans.export(span_data(1)));
            assert!(export.poll().is_pending());
            let report = bridge.shutdown(LONG);
            (report, backend.seen().len())
        });
        let (report, requests) = app.block_on(task).expect("no panic");
        assert!(report.complete, "{report:?}");
        assert_eq!(report.delivered, 1, "{report:?}");
        assert_eq!(requests, 1);
    });
}

/// A pipeline on the user's runtime, and its only worker shuts it down.
#[test]
fn a_bridge_is_shut_down_by_the_only_worker_of_its_own_runtime() {
    in_time(|| {
        let home = workers(1);
        let handle = home.handle().clone();
        let task = home.spawn(async move {
            let exporter = ScriptedExporter::new([Step::DeliverAfter(SHORT)]);
            let bridge = Bridge::on(handle, exporter, &Lifecycle::new()).expect("a worker");
            let traces = tracer(&bridge);
            span(&traces);
            // The processor's thread hands over, while this worker is busy.
            let report = bridge.force_flush(LONG);
            assert!(report.complete, "{report:?}");
            let flushed = tokio::task::block_in_place(|| traces.force_flush());
            flushed.expect("flushed");
            bridge.shutdown(LONG)
        });
        let report = home.block_on(task).expect("no panic");
        assert_eq!(report.delivered, 1, "{report:?}");
    });
}

/// A provider's own shutdown blocks the only worker of the pipeline's runtime: nobody can help,
/// and it ends with the SDK's timeout.
#[test]
fn a_provider_is_shut_down_by_the_only_worker_of_the_pipelines_runtime() {
    in_time(|| {
        let home = workers(1);
        let handle = home.handle().clone();
        let task = home.spawn(async move {
            let exporter = ScriptedExporter::delivering();
            let bridge = Bridge::on(handle, exporter, &Lifecycle::new()).expect("a worker");
            let traces = tracer(&bridge);
            span(&traces);
            let (shut_down, time) = took(|| traces.shutdown_with_timeout(SHORT));
            assert!(time < SDK_TIMEOUT, "{time:?}");
            // Whether it was in time is up to whether another thread saw to the tasks.
            drop(shut_down);
            bridge.shutdown(LONG)
        });
        let report = home.block_on(task).expect("no panic");
        assert!(report.complete, "{report:?}");
        assert_eq!(report.delivered, 1, "late, and not lost: {report:?}");
    });
}

/// The backend is dead and the retries go on: every wait ends at its own deadline.
#[test]
fn a_shutdown_ends_at_its_deadline_while_an_export_is_stuck() {
    for caller in Caller::ALL {
        in_time(move || {
            let exporter = ScriptedExporter::new([Step::Hold]);
            let bridge = Bridge::start(|lifecycle| {
                Ok::<_, BoxError>(
                    ServiceBuilder::new()
                        .tracked(lifecycle)
                        .export_retry(RetryPolicy::new())
                        .service(exporter.clone()),
                )
            });
            let bridge = bridge.expect("a bridge");
            let metrics = bridge.metric_exporter();
            let traces = tracer(&bridge);
            span(&traces);
            caller.run(move || {
                let (shut_down, time) = took(|| traces.shutdown_with_timeout(SHORT));
                let shut_down = shut_down.expect_err("stuck").to_string();
                assert!(shut_down.contains("Timeout"), "{caller:?}: {shut_down}");
                assert!(time < Duration::from_secs(2), "{caller:?}: {time:?}");
                let (shut_down, time) = took(|| metrics.shutdown_with_timeout(SHORT));
                assert!(
                    matches!(shut_down, Err(OTelSdkError::Timeout(SHORT))),
                    "{caller:?}: {shut_down:?}"
                );
                assert!(time < Duration::from_secs(2), "{caller:?}: {time:?}");
                let (report, time) = took(|| bridge.shutdown(SHORT));
                assert_eq!(report.dropped, 1, "{caller:?}: {report:?}");
                assert!(time < Duration::from_secs(2), "{caller:?}: {time:?}");
            });
        });
    }
}

/// A guard at the end of `main`, dropped after its runtime.
#[test]
fn a_provider_is_dropped_after_the_runtime_of_the_app() {
    in_time(|| {
        struct Guard(SdkTracerProvider);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.shutdown().expect("in time");
            }
        }
        let receiver = Receiver::start();
        let bridge = over_http(format!("http://{}", receiver.http));
        let guard = Guard(tracer(&bridge));
        let runtime = workers(1);
        runtime.block_on(async { span(&guard.0) });
        drop(runtime);
        drop(bridge);
        drop(guard);
        assert_eq!(receiver.items(Signal::Traces), 1);
    });
}

/// A client that was made in the runtime of one test and is used from that of the next.
#[test]
fn a_bridge_outlives_the_runtime_in_which_it_was_started() {
    in_time(|| {
        static GLOBAL: OnceLock<(Receiver, Bridge, SdkTracerProvider)> = OnceLock::new();
        for expected in 1..=3 {
            Caller::CurrentThread.run(move || {
                let (receiver, _, traces) = GLOBAL.get_or_init(|| {
                    let receiver = Receiver::start();
                    let endpoint = format!("http://{}", receiver.grpc);
                    let bridge =
                        Bridge::start(|_| OtlpGrpcExporter::builder().endpoint(endpoint).build());
                    let bridge = bridge.expect("a bridge");
                    let traces = tracer(&bridge);
                    (receiver, bridge, traces)
                });
                span(traces);
                traces.force_flush().expect("flushed");
                assert_eq!(receiver.items(Signal::Traces), expected);
            });
        }
    });
}

/// The global providers are never dropped: the process must be able to end.
#[test]
fn a_process_ends_while_a_global_provider_lives() {
    in_time(|| {
        static GLOBAL: OnceLock<(Bridge, SdkTracerProvider)> = OnceLock::new();
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = bridge(&exporter);
        let traces = tracer(&bridge);
        span(&traces);
        GLOBAL.set((bridge, traces)).expect("once");
        // Nothing to wait for: the test's process ends like any other, and it does.
    });
}

/// An exporter that is instrumented itself, and a simple processor, which locks.
#[test]
fn a_span_and_a_log_record_are_made_inside_the_exporter() {
    in_time(|| {
        static TRACES: OnceLock<SdkTracerProvider> = OnceLock::new();
        static LOGS: OnceLock<SdkLoggerProvider> = OnceLock::new();
        let exporter = ScriptedExporter::delivering();
        let inner = exporter.clone();
        let bridge = Bridge::start(|_| {
            Ok::<_, BoxError>(service_fn(move |request: ExportRequest| {
                let mut inner = inner.clone();
                async move {
                    let telemetry = || {
                        let traces = TRACES.get().expect("set");
                        traces.tracer("http").start("POST").end();
                        log(LOGS.get().expect("set"));
                    };
                    telemetry();
                    let spawned = tokio::spawn(async move { telemetry() });
                    spawned.await.map_err(BoxError::from)?;
                    inner
                        .ready()
                        .await?
                        .call(request)
                        .await
                        .map_err(BoxError::from)
                }
            }))
        });
        let bridge = bridge.expect("a bridge");
        let traces = SdkTracerProvider::builder()
            .with_simple_exporter(bridge.span_exporter())
            .build();
        let logs = SdkLoggerProvider::builder()
            .with_simple_exporter(bridge.log_exporter())
            .build();
        TRACES.set(traces.clone()).expect("once");
        LOGS.set(logs.clone()).expect("once");
        span(&traces);
        log(&logs);
        assert_eq!(exporter.items(), [1, 1], "only what the app made");
    });
}

/// Providers, one inside the other's processor: the outer shutdown calls the inner one.
#[test]
fn a_bridge_is_shut_down_inside_the_shutdown_of_a_provider() {
    #[derive(Debug)]
    struct Last(Arc<Bridge>, SdkTracerProvider);
    impl opentelemetry_sdk::trace::SpanExporter for Last {
        async fn export(
            &self,
            _: Vec<opentelemetry_sdk::trace::SpanData>,
        ) -> Result<(), OTelSdkError> {
            Ok(())
        }
        fn shutdown_with_timeout(&self, timeout: Duration) -> Result<(), OTelSdkError> {
            self.1.shutdown_with_timeout(timeout)?;
            assert!(self.0.shutdown(timeout).complete);
            Ok(())
        }
    }
    for caller in Caller::ALL {
        in_time(move || {
            let exporter = ScriptedExporter::delivering();
            let bridge = Arc::new(bridge(&exporter));
            let inner = tracer(&bridge);
            span(&inner);
            let outer = SdkTracerProvider::builder()
                .with_batch_exporter(Last(bridge.clone(), inner))
                .build();
            caller.run(move || outer.shutdown()).expect("in time");
            assert_eq!(exporter.delivered(), 1, "{caller:?}");
        });
    }
}

/// Several threads shut down everything at once, and again.
#[test]
fn everything_is_shut_down_at_once_and_twice() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        let traces = tracer(&bridge);
        let logs = SdkLoggerProvider::builder()
            .with_batch_exporter(bridge.log_exporter())
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_periodic_exporter(bridge.metric_exporter())
            .build();
        span(&traces);
        log(&logs);
        count(&metrics);
        for provider_flush in [
            traces.force_flush(),
            logs.force_flush(),
            metrics.force_flush(),
        ] {
            provider_flush.expect("flushed");
        }
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    let _ = traces.shutdown();
                });
                scope.spawn(|| {
                    start.wait();
                    let _ = logs.shutdown();
                });
                scope.spawn(|| {
                    start.wait();
                    let _ = metrics.shutdown();
                });
                scope.spawn(|| {
                    start.wait();
                    assert!(bridge.shutdown(LONG).complete);
                });
            }
        });
        let report = bridge.shutdown(LONG);
        assert!(report.complete, "{report:?}");
        // The metric was exported by the flush, and perhaps again by its reader's shutdown.
        assert!(report.delivered >= 3, "{report:?}");
        assert_eq!(report.dropped, 0, "{report:?}");
    });
}

/// A periodic reader that is shut down inside a current-thread runtime.
#[test]
fn a_periodic_reader_is_shut_down_on_a_current_thread_runtime() {
    in_time(|| {
        let receiver = Receiver::start();
        let bridge = over_http(format!("http://{}", receiver.http));
        Caller::CurrentThread.run(move || {
            let metrics = SdkMeterProvider::builder()
                .with_periodic_exporter(bridge.metric_exporter())
                .build();
            count(&metrics);
            metrics.shutdown().expect("in time");
        });
        assert_eq!(receiver.items(Signal::Metrics), 1);
    });
}

/// A provider that is made, flushed and dropped inside a task that others wait for.
#[test]
fn a_provider_is_made_flushed_and_dropped_inside_a_spawned_task() {
    in_time(|| {
        let receiver = Receiver::start();
        let endpoint = format!("http://{}", receiver.grpc);
        let app = workers(1);
        let task = app.spawn(async move {
            let bridge = Bridge::start(|_| OtlpGrpcExporter::builder().endpoint(endpoint).build());
            let bridge = bridge.expect("a bridge");
            let traces = tracer(&bridge);
            span(&traces);
            traces.force_flush().expect("flushed");
            span(&traces);
            drop((traces, bridge));
        });
        app.block_on(task).expect("no panic");
        assert_eq!(receiver.items(Signal::Traces), 2);
    });
}

/// A shutdown in a panic hook or a drop while a thread panics.
#[test]
fn a_provider_is_shut_down_while_its_thread_panics() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        let traces = tracer(&bridge);
        let panics = thread::spawn(move || {
            struct Guard(SdkTracerProvider, Bridge);
            impl Drop for Guard {
                fn drop(&mut self) {
                    span(&self.0);
                    self.0.shutdown().expect("in time");
                    assert_eq!(self.1.shutdown(LONG).delivered, 1);
                }
            }
            let _guard = Guard(traces, bridge);
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let panic = panics.join().expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        assert_eq!(exporter.delivered(), 1);
    });
}

/// Whoever shuts the bridge down is a part of its own pipeline.
#[test]
fn a_bridge_is_shut_down_inside_its_own_pipeline() {
    in_time(|| {
        let bridge: Arc<OnceLock<Bridge>> = Arc::default();
        let inner = bridge.clone();
        let made = Bridge::start(|_| {
            Ok::<_, BoxError>(service_fn(move |request: ExportRequest| {
                let report = inner.get().expect("set").force_flush(SHORT);
                assert!(!report.complete, "its own request is in flight");
                std::future::ready(Ok::<_, ExportError>(ExportResponse::delivered(
                    request.items(),
                )))
            }))
        });
        assert!(bridge.set(made.expect("a bridge")).is_ok());
        let bridge = bridge.get().expect("set");
        let traces = tracer(bridge);
        span(&traces);
        traces.shutdown().expect("in time");
        assert_eq!(bridge.shutdown(LONG).delivered, 1);
    });
}

/// A configuration is loaded anew in a task: the old provider is dropped there.
#[test]
fn a_provider_is_replaced_inside_a_task() {
    for caller in Caller::ALL {
        in_time(move || {
            let receiver = Receiver::start();
            let bridge = over_http(format!("http://{}", receiver.http));
            caller.run(move || {
                let mut traces = tracer(&bridge);
                for _ in 0..3 {
                    span(&traces);
                    traces = tracer(&bridge);
                }
                span(&traces);
                traces.shutdown().expect("in time");
            });
            assert_eq!(receiver.items(Signal::Traces), 4, "{caller:?}");
        });
    }
}

/// A flush while the backend is dead: the SDK names no deadline for it.
#[test]
fn a_flush_of_an_exporter_ends_while_an_export_is_stuck() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = bridge(&exporter);
        let traces = tracer(&bridge);
        let spans = bridge.span_exporter();
        let mut export = tokio_test::task::spawn(spans.export(span_data(1)));
        assert!(export.poll().is_pending());
        let (flushed, time) = took(|| spans.force_flush());
        assert!(
            matches!(flushed, Err(OTelSdkError::Timeout(_))),
            "{flushed:?}"
        );
        assert!(time < SDK_TIMEOUT, "{time:?}");
        exporter.release();
        spans.force_flush().expect("in time");
        drop(traces);
    });
}

/// A dropped bridge whose runtime has not even begun with what it was handed.
#[test]
fn a_span_is_handed_over_and_everything_is_dropped_at_once() {
    in_time(|| {
        for _ in 0..100 {
            let exporter = ScriptedExporter::delivering();
            let bridge = bridge(&exporter);
            let spans = bridge.span_exporter();
            let mut export = tokio_test::task::spawn(spans.export(span_data(1)));
            let _ = export.poll();
            drop(export);
            drop((spans, bridge));
            assert_eq!(exporter.delivered(), 1);
        }
    });
}
