//! Flushes and shutdowns: who ends what, and what is told.

use std::{sync::mpsc, thread, time::Duration};

use opentelemetry_sdk::{
    error::OTelSdkError,
    logs::{LogBatch, LogExporter as _, SdkLoggerProvider},
    metrics::exporter::PushMetricExporter as _,
    trace::{SdkTracerProvider, SpanExporter as _},
};
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    Lifecycle, ServiceBuilderExt,
    layers::{
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    sdk::Bridge,
    testing::{ScriptedExporter, Step},
};

use super::{Caller, LONG, SHORT, bridge, in_time, log, span, span_data, workers};

/// Answers early, and keeps at it until a shutdown.
fn queued(exporter: &ScriptedExporter) -> Bridge {
    let exporter = exporter.clone();
    let bridge = Bridge::start(|lifecycle| {
        let queue = QueueConfig::new()
            .acknowledge(Acknowledge::OnEnqueue)
            .lifecycle(lifecycle);
        Ok::<_, BoxError>(
            ServiceBuilder::new()
                .tracked(lifecycle)
                .queue(QueueLayer::new(queue)?)
                .export_retry(RetryPolicy::new())
                .service(exporter),
        )
    });
    bridge.expect("a bridge")
}

fn tracer(bridge: &Bridge) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_simple_exporter(bridge.span_exporter())
        .build()
}

fn logger(bridge: &Bridge) -> SdkLoggerProvider {
    SdkLoggerProvider::builder()
        .with_simple_exporter(bridge.log_exporter())
        .build()
}

#[test]
fn a_flush_waits_for_what_a_queue_has_answered_for() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = queued(&exporter);
        let traces = tracer(&bridge);
        span(&traces);
        // The provider has nothing left; the backend has nothing yet.
        traces.force_flush().expect("flushed");
        let report = bridge.force_flush(SHORT);
        assert!(!report.complete, "{report:?}");
        assert_eq!((report.retained, report.delivered), (1, 0), "{report:?}");
        exporter.release();
        let report = bridge.force_flush(LONG);
        assert!(report.complete, "{report:?}");
        assert_eq!((report.retained, report.delivered), (0, 1), "{report:?}");
    });
}

#[test]
fn a_flush_of_an_exporter_reaches_the_pipeline() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = queued(&exporter);
        span(&tracer(&bridge));
        let (spans, metrics) = (bridge.span_exporter(), bridge.metric_exporter());
        exporter.release();
        spans.force_flush().expect("delivered");
        assert_eq!(exporter.delivered(), 1);
        metrics.force_flush().expect("nothing to do");
    });
}

#[test]
fn one_exporter_shut_down_is_flushed_and_leaves_the_others_at_work() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = queued(&exporter);
        let (traces, logs) = (tracer(&bridge), logger(&bridge));
        span(&traces);
        traces.shutdown().expect("in time");
        assert_eq!(exporter.delivered(), 1, "flushed");
        assert!(!bridge.lifecycle().is_draining());
        log(&logs);
        bridge.force_flush(LONG);
        assert_eq!(exporter.delivered(), 2, "the other one works");
        logs.shutdown().expect("in time");
        assert!(bridge.lifecycle().is_draining(), "it was the last");
        let report = bridge.shutdown(LONG);
        assert_eq!(report.delivered, 2, "{report:?}");
    });
}

#[test]
fn what_is_late_for_the_sdk_is_delivered_by_the_shutdown_of_the_bridge() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = queued(&exporter);
        let spans = bridge.span_exporter();
        tokio_test::block_on(spans.export(span_data(1))).expect("queued");
        let late = spans.shutdown_with_timeout(SHORT);
        assert!(
            matches!(late, Err(OTelSdkError::Timeout(SHORT))),
            "{late:?}"
        );
        exporter.release();
        let report = bridge.shutdown(LONG);
        assert_eq!((report.delivered, report.dropped), (1, 0), "{report:?}");
    });
}

#[test]
fn what_is_late_for_the_sdk_is_dropped_and_counted_if_there_is_no_bridge() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = queued(&exporter);
        let lifecycle = bridge.lifecycle().clone();
        let spans = bridge.span_exporter();
        drop(bridge);
        tokio_test::block_on(spans.export(span_data(1))).expect("queued");
        let late = spans.shutdown_with_timeout(SHORT);
        assert!(
            matches!(late, Err(OTelSdkError::Timeout(SHORT))),
            "{late:?}"
        );
        let report = lifecycle.report();
        assert_eq!((report.delivered, report.dropped), (0, 1), "{report:?}");
    });
}

#[test]
fn an_exporter_that_is_shut_down_says_so() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        let _other = bridge.span_exporter();
        let logs = bridge.log_exporter();
        logs.shutdown().expect("the first time");
        let again = logs.shutdown();
        assert!(
            matches!(again, Err(OTelSdkError::AlreadyShutdown)),
            "{again:?}"
        );
        let late = tokio_test::block_on(logs.export(LogBatch::new(&[])));
        assert!(
            matches!(late, Err(OTelSdkError::AlreadyShutdown)),
            "{late:?}"
        );
        let late = bridge.metric_exporter();
        late.shutdown().expect("the first time");
        let flush = late.force_flush();
        assert!(
            matches!(flush, Err(OTelSdkError::AlreadyShutdown)),
            "{flush:?}"
        );
        assert_eq!(exporter.calls(), 0);
    });
}

#[test]
fn a_dropped_exporter_counts_as_shut_down() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        drop(bridge.log_exporter());
        let spans = bridge.span_exporter();
        assert!(!bridge.lifecycle().is_draining());
        spans.shutdown().expect("in time");
        assert!(bridge.lifecycle().is_draining(), "it was the last");
    });
}

#[test]
fn a_shutdown_tells_what_became_of_everything() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Deliver, Step::Reject(1), Step::Hold]);
        let bridge = queued(&exporter);
        let traces = tracer(&bridge);
        for _ in 0..2 {
            span(&traces);
            bridge.force_flush(LONG);
        }
        span(&traces);
        let report = bridge.shutdown(SHORT);
        assert!(!report.complete, "{report:?}");
        let counts = (report.delivered, report.rejected, report.dropped);
        assert_eq!(counts, (1, 1, 1), "{report:?}");
        // Again: nothing more, and nothing twice.
        let again = bridge.shutdown(SHORT);
        let counts = (again.delivered, again.rejected, again.dropped);
        assert_eq!(counts, (1, 1, 1), "{again:?}");
    });
}

#[tokio::test]
async fn a_shutdown_may_be_awaited() {
    let exporter = ScriptedExporter::delivering();
    let bridge = queued(&exporter);
    let traces = tracer(&bridge);
    span(&traces);
    assert!(bridge.force_flush_async(LONG).await.complete);
    assert_eq!(exporter.delivered(), 1);
    span(&traces);
    let report = bridge.shutdown_async(LONG).await;
    assert_eq!(report.delivered, 2, "{report:?}");
    assert_eq!(bridge.shutdown_async(LONG).await.delivered, 2);
}

#[test]
fn with_nothing_shut_down_the_last_drop_delivers() {
    for caller in Caller::ALL {
        in_time(move || {
            let exporter = ScriptedExporter::new([Step::DeliverAfter(SHORT)]);
            let bridge = queued(&exporter);
            let kept = exporter.clone();
            caller.run(move || {
                // The exporter alone, as in an app that dropped the bridge after its setup.
                let spans = bridge.span_exporter();
                drop(bridge);
                let batch = span_data(1);
                let sent = thread::scope(|scope| {
                    let send = || tokio_test::block_on(spans.export(batch));
                    scope.spawn(send).join().expect("no panic")
                });
                sent.expect("accepted");
                assert_eq!(kept.delivered(), 0, "only queued");
                drop(spans);
            });
            assert_eq!(exporter.delivered(), 1, "{caller:?}");
        });
    }
}

#[test]
fn with_nothing_shut_down_a_drop_gives_up_after_a_while() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = queued(&exporter);
        let traces = SdkTracerProvider::builder()
            .with_simple_exporter(bridge.span_exporter())
            .build();
        span(&traces);
        // The provider's own drop shuts it down, and with it the pipeline.
        drop((traces, bridge));
        assert_eq!(exporter.delivered(), 0);
    });
}

#[test]
fn an_untracked_pipeline_is_tracked_by_the_bridge_and_a_tracked_one_is_not_again() {
    in_time(|| {
        for tracked in [false, true] {
            let exporter = ScriptedExporter::delivering();
            let bridge = Bridge::start(|lifecycle| {
                let layer = tracked.then(|| lifecycle.layer());
                let builder = ServiceBuilder::new().option_layer(layer);
                Ok::<_, BoxError>(builder.service(exporter))
            });
            let bridge = bridge.expect("a bridge");
            span(&tracer(&bridge));
            let report = bridge.shutdown(LONG);
            assert_eq!((report.accepted, report.delivered), (1, 1), "{tracked}");
        }
    });
}

#[test]
fn a_current_thread_runtime_is_refused_with_what_to_do_instead() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let exporter = ScriptedExporter::delivering();
    let refused = Bridge::on(runtime.handle().clone(), exporter, &Lifecycle::new());
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("Bridge::start"), "{refused}");
}

#[test]
fn a_closure_that_fails_leaves_no_thread() {
    let (dropped, gone) = mpsc::channel::<()>();
    let failed = Bridge::start(|_| {
        tokio::spawn(async move {
            let _dropped = dropped;
            std::future::pending::<()>().await;
        });
        Err::<ScriptedExporter, _>("no such exporter")
    });
    assert_eq!(
        failed.expect_err("it fails").to_string(),
        "no such exporter"
    );
    let ended = gone.recv_timeout(LONG);
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn debug_shows_no_request_and_no_secret() {
    let exporter = tower_otlp::exporters::otlp::OtlpHttpExporter::builder()
        .endpoint("http://user:s3cret@localhost:4318")
        .header("x-key", "s3cret")
        .timeout(Duration::from_secs(1))
        .build();
    let bridge = Bridge::start(|_| exporter).expect("a bridge");
    let shown = format!(
        "{bridge:?} {:?} {:?} {:?}",
        bridge.span_exporter(),
        bridge.log_exporter(),
        bridge.metric_exporter()
    );
    assert!(!shown.contains("s3cret"), "{shown}");
    for part in [
        "Bridge",
        "SpanExporter",
        "LogExporter",
        "MetricExporter",
        "Cumulative",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_bridge_that_is_dropped_first_leaves_its_exporters_at_work() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = queued(&exporter);
        let traces = tracer(&bridge);
        drop(bridge);
        span(&traces);
        traces.shutdown().expect("in time");
        assert_eq!(exporter.delivered(), 1);
    });
}

#[test]
fn what_outlives_a_runtime_of_the_users_says_so() {
    in_time(|| {
        let home = workers(1);
        let exporter = ScriptedExporter::delivering();
        let bridge = Bridge::on(home.handle().clone(), exporter, &Lifecycle::new());
        let bridge = bridge.expect("several threads");
        let (spans, metrics) = (bridge.span_exporter(), bridge.metric_exporter());
        drop(home);
        let late = tokio_test::block_on(spans.export(Vec::new())).expect_err("an error");
        assert!(late.to_string().contains("let it live longer"), "{late}");
        let late = metrics.force_flush().expect_err("an error");
        assert!(late.to_string().contains("let it live longer"), "{late}");
        let late = spans.shutdown().expect_err("an error");
        assert!(late.to_string().contains("let it live longer"), "{late}");
        assert!(bridge.shutdown(LONG).complete, "nothing was there");
    });
}
