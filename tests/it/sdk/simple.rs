//! Simple processors export in the task that ends a span: ways in which that is known to hang.

use opentelemetry_sdk::{logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tower_otlp::{
    Lifecycle, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    sdk::Bridge,
    testing::{ScriptedExporter, Step},
};

use super::{
    Caller, LONG, Receiver, SHORT,
    deadlocks::{collector, over_http},
    in_time, log, span, workers,
};

/// connection, which waits for the same thread.
#[test]
fn a_simple_processor_exports_inside_a_task() {
    for caller in [Caller::CurrentThread, Caller::OnlyWorker] {
        in_time(move || {
            let receiver = Receiver::start();
            let endpoint = format!("http://{}", receiver.grpc);
            let bridge = Bridge::start(|_| OtlpGrpcExporter::builder().endpoint(endpoint).build());
            let bridge = bridge.expect("a bridge");
            caller.run(move || {
                let traces = SdkTracerProvider::builder()
                    .with_simple_exporter(bridge.span_exporter())
                    .build();
                let logs = SdkLoggerProvider::builder()
                    .with_simple_exporter(bridge.log_exporter())
                    .build();
                for _ in 0..10 {
                    span(&traces);
                    log(&logs);
                }
            });
            assert_eq!(receiver.items(Signal::Traces), 10, "{caller:?}");
            assert_eq!(receiver.items(Signal::Logs), 10, "{caller:?}");
        });
    }
}

/// As before, and the pipeline lives on the same runtime: its only worker is the one that waits.
#[test]
fn a_simple_processor_exports_on_the_only_worker_of_the_pipelines_own_runtime() {
    in_time(|| {
        let receiver = Receiver::start();
        let home = workers(1);
        let endpoint = format!("http://{}", receiver.http);
        let handle = home.handle().clone();
        let task = home.spawn(async move {
            let exporter = OtlpHttpExporter::builder().endpoint(endpoint).build();
            let bridge = Bridge::on(handle, exporter.expect("valid"), &Lifecycle::new());
            let bridge = bridge.expect("a worker");
            let traces = SdkTracerProvider::builder()
                .with_simple_exporter(bridge.span_exporter())
                .build();
            for _ in 0..10 {
                span(&traces);
            }
            bridge.shutdown(LONG)
        });
        let report = home.block_on(task).expect("no panic");
        assert_eq!(report.delivered, 10, "{report:?}");
    });
}

/// As before, with more tasks than workers: the processor's lock stops all but one.
#[test]
fn a_simple_processor_exports_in_more_tasks_than_there_are_workers() {
    in_time(|| {
        let receiver = Receiver::start();
        let home = workers(2);
        let endpoint = format!("http://{}", receiver.http);
        let bridge = {
            let _entered = home.enter();
            let exporter = OtlpHttpExporter::builder().endpoint(endpoint).build();
            let exporter = exporter.expect("valid");
            Bridge::on(home.handle().clone(), exporter, &Lifecycle::new())
        };
        let bridge = bridge.expect("two workers");
        let traces = SdkTracerProvider::builder()
            .with_simple_exporter(bridge.span_exporter())
            .build();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let traces = traces.clone();
                home.spawn(async move { span(&traces) })
            })
            .collect();
        home.block_on(async {
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        assert!(bridge.force_flush(LONG).complete);
        assert_eq!(receiver.items(Signal::Traces), 16);
    });
}

/// A collector in the same process has only the worker that the processor blocks.
#[test]
fn a_simple_processor_exports_to_a_receiver_on_its_own_worker() {
    in_time(|| {
        let app = workers(1);
        let task = app.spawn(async {
            let (endpoint, backend) = collector().await;
            let bridge = over_http(endpoint);
            let traces = SdkTracerProvider::builder()
                .with_simple_exporter(bridge.span_exporter())
                .build();
            span(&traces);
            backend.only().items()
        });
        assert_eq!(app.block_on(task).expect("no panic"), 1);
    });
}

/// A simple processor that waits for nobody must not fill the memory.
#[test]
fn a_simple_processor_on_the_pipelines_own_runtime_is_bounded() {
    in_time(|| {
        let home = workers(1);
        let handle = home.handle().clone();
        let task = home.spawn(async move {
            let exporter = ScriptedExporter::new(vec![Step::Hold; 2000]);
            let bridge = Bridge::on(handle, exporter.clone(), &Lifecycle::new());
            let bridge = bridge.expect("a worker");
            let traces = SdkTracerProvider::builder()
                .with_simple_exporter(bridge.span_exporter())
                .build();
            for _ in 0..2000 {
                span(&traces);
            }
            let report = bridge.shutdown(SHORT);
            (report, exporter.calls())
        });
        let (report, calls) = home.block_on(task).expect("no panic");
        assert_eq!((calls, report.dropped), (1024, 1024), "{report:?}");
    });
}
