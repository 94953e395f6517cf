//! What the SDK is told when the pipeline fails.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SdkTracerProvider, SpanExporter as _},
};
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    ErrorKind, ExportError, ServiceBuilderExt,
    exporters::otlp::OtlpHttpExporter,
    sdk::Bridge,
    testing::{ScriptedExporter, Step},
};

use super::{LONG, SHORT, alone, bridge, in_time, span, span_data};
use crate::support::http_server::nobody;

fn export(bridge: &Bridge, number: usize) -> OTelSdkResult {
    tokio_test::block_on(bridge.span_exporter().export(span_data(number)))
}

#[test]
fn an_error_names_its_kind_the_exporter_the_endpoint_and_how_much_is_lost() {
    in_time(|| {
        let address = tokio_test::block_on(nobody());
        let bridge = Bridge::start(|_| {
            OtlpHttpExporter::builder()
                .endpoint(format!("http://user:s3cret@{address}"))
                .header("authorization", "s3cret")
                .build()
        });
        let error = export(&bridge.expect("a bridge"), 3).expect_err("nobody listens");
        assert!(
            matches!(error, OTelSdkError::InternalFailure(_)),
            "{error:?}"
        );
        let error = error.to_string();
        for part in [
            "3 spans are not delivered",
            "otlp-http exporter",
            &address.to_string(),
            "unavailable",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("s3cret"), "{error}");
    });
}

#[test]
fn a_timeout_is_a_timeout() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Hold]);
        let bridge = Bridge::start(|_| {
            let builder = ServiceBuilder::new().attempt_timeout(SHORT);
            Ok::<_, BoxError>(builder.service(exporter))
        });
        let error = export(&bridge.expect("a bridge"), 1).expect_err("nobody answers");
        assert!(
            matches!(error, OTelSdkError::Timeout(took) if took >= SHORT),
            "{error:?}"
        );
    });
}

#[test]
fn after_a_shutdown_of_the_bridge_exports_are_told_so() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        let spans = bridge.span_exporter();
        bridge.shutdown(LONG);
        let late = tokio_test::block_on(spans.export(span_data(1)));
        assert!(
            matches!(late, Err(OTelSdkError::AlreadyShutdown)),
            "{late:?}"
        );
        assert_eq!(exporter.calls(), 0);
    });
}

#[test]
fn a_closed_pipeline_is_told_as_one_that_is_shut_down() {
    in_time(|| {
        let exporter = ScriptedExporter::delivering();
        let bridge = bridge(&exporter);
        tokio_test::block_on(bridge.lifecycle().shutdown(Duration::ZERO));
        let late = export(&bridge, 1);
        assert!(
            matches!(late, Err(OTelSdkError::AlreadyShutdown)),
            "{late:?}"
        );
    });
}

#[test]
fn rejected_items_are_counted_and_the_batch_is_well() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Reject(2)]);
        let bridge = bridge(&exporter);
        export(&bridge, 5).expect("a partial success");
        let report = bridge.shutdown(LONG);
        assert_eq!((report.delivered, report.rejected), (3, 2), "{report:?}");
    });
}

#[test]
fn an_exporter_that_panics_fails_its_export_and_no_other() {
    in_time(|| {
        let exporter = ScriptedExporter::new([Step::Panic]);
        let bridge = bridge(&exporter);
        let error = export(&bridge, 1).expect_err("it panics");
        assert!(
            matches!(error, OTelSdkError::InternalFailure(_)),
            "{error:?}"
        );
        export(&bridge, 1).expect("the next one");
    });
}

#[test]
fn a_processor_that_does_not_wait_loses_its_answer_and_not_its_spans() {
    in_time(|| {
        let exporter = ScriptedExporter::new([
            Step::Hold,
            Step::Fail(ExportError::new(ErrorKind::Rejected, "no")),
        ]);
        // The second cannot be answered before the first is released.
        let one_by_one = tower::limit::ConcurrencyLimit::new(exporter.clone(), 1);
        let bridge = Bridge::start(|_| Ok::<_, BoxError>(one_by_one)).expect("a thread");
        let to = bridge.span_exporter();
        for _ in 0..2 {
            let mut export = tokio_test::task::spawn(to.export(span_data(1)));
            assert!(export.poll().is_pending());
        }
        exporter.release();
        let report = bridge.force_flush(LONG);
        assert_eq!((report.delivered, report.refused), (1, 1), "{report:?}");
    });
}

/// A subscriber that keeps what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn text(&self) -> String {
        let told = self.0.lock().expect("no panic").clone();
        String::from_utf8(told).expect("UTF-8")
    }
}

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn rejected_items_and_timeouts_are_logged_with_what_the_sdk_has_no_place_for() {
    in_time(|| {
        let late = ExportError::new(ErrorKind::Timeout, "no answer in time")
            .with_exporter("otlp-http", "http://h:4318");
        let exporter = ScriptedExporter::new([Step::Reject(2), Step::Fail(late)]);
        let bridge = bridge(&exporter);
        let told = Told::default();
        let writer = told.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            export(&bridge, 5).expect("a partial success");
            export(&bridge, 4).expect_err("late");
        });
        let told = told.text();
        for part in [
            "WARN",
            "the backend rejected spans",
            "rejected=2",
            "of=5",
            "4 spans are not delivered",
            "otlp-http exporter (http://h:4318): timeout: no answer in time",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    });
}

#[test]
fn the_sdk_logs_what_failed_and_where_and_no_secret() {
    if let Some(endpoint) = alone::child() {
        tracing_subscriber::fmt().with_ansi(false).init();
        let bridge = Bridge::start(|_| {
            OtlpHttpExporter::builder()
                .endpoint(endpoint)
                .header("authorization", "s3cret")
                .build()
        });
        let bridge = bridge.expect("a bridge");
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(bridge.span_exporter())
            .build();
        span(&traces);
        traces.force_flush().expect_err("nobody listens");
        return;
    }
    in_time(|| {
        let address = tokio_test::block_on(nobody());
        let endpoint = format!("http://user:s3cret@{address}");
        let test = "sdk::errors::the_sdk_logs_what_failed_and_where_and_no_secret";
        let told = alone::run(test, &endpoint, &[]);
        for part in [
            "ERROR",
            "BatchSpanProcessor.ExportError",
            "1 spans are not delivered",
            "otlp-http exporter",
            &address.to_string(),
            "unavailable",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
    });
}
