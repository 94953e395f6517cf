//! `TracingObserver`: what a subscriber gets, and that it never goes in a circle.

use std::{
    cell::RefCell,
    io,
    sync::{Mutex, PoisonError},
};

use tower_otlp::{BoxExporter, ExporterExt, layers::observe::TracingObserver};
use tracing::{
    Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// Where a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is said at this level and above while `work` runs.
fn said(level: tracing::Level, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn success_is_debug_and_failure_is_a_warning_without_any_text_from_outside() {
    let exporter = ScriptedExporter::new([
        Step::DeliverAfter(2 * SECOND),
        Step::Reject(1),
        Step::Fail(
            ExportError::new(ErrorKind::Unavailable, "secret message")
                .with_exporter("otlp", "http://secret-endpoint"),
        ),
        Step::Hold,
    ]);
    let service = ServiceBuilder::new()
        .observed(TracingObserver::new("eu"))
        .service(exporter);
    let lines = said(tracing::Level::DEBUG, || {
        block_on(async {
            service.clone().oneshot(logs(5)).await.unwrap();
            service.clone().oneshot(logs(5)).await.unwrap();
            service.clone().oneshot(logs(5)).await.unwrap_err();
            let mut held = task::spawn(service.clone().oneshot(logs(5)));
            assert_pending!(held.poll());
        });
    });
    let line = |level: &str, message: &str, outcome: &str, counts: &str, seconds: &str| {
        let bytes = logs(5).byte_size();
        format!(
            "{level} tower_otlp::observe: {message} exporter=\"eu\" role=\"request\" \
             signal=\"logs\" {outcome} items=5 bytes={bytes} {counts} duration_s={seconds}"
        )
    };
    let expected = [
        line(
            "DEBUG",
            "exported",
            "outcome=\"delivered\"",
            "delivered=5 rejected=0 failed=0 cancelled=0",
            "2.0",
        ),
        line(
            "WARN",
            "not exported",
            "outcome=\"rejected\" error_type=\"rejected\"",
            "delivered=4 rejected=1 failed=0 cancelled=0",
            "0.0",
        ),
        line(
            "WARN",
            "not exported",
            "outcome=\"failed\" error_type=\"unavailable\"",
            "delivered=0 rejected=0 failed=5 cancelled=0",
            "0.0",
        ),
        line(
            "WARN",
            "not exported",
            "outcome=\"cancelled\" error_type=\"cancelled\"",
            "delivered=0 rejected=0 failed=0 cancelled=5",
            "0.0",
        ),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn other_events_have_a_level_each() {
    let observer = SharedObserver::new(TracingObserver::new("eu"));
    let lines = said(tracing::Level::TRACE, || {
        observer.emit(Event::started(
            Role::Attempt,
            Signal::Logs,
            Amount::of(&logs(2)),
        ));
        observer.emit(Event::Queue(QueueState::new("queue").max_bytes(9)));
        observer.emit(Event::dequeued("queue", &logs(2), SECOND));
        observer.emit(Event::dropped(&logs(2), DropReason::Evicted));
        observer.emit(Event::Breaker(BreakerState::Open));
        observer.emit(Event::Breaker(BreakerState::Closed));
        observer.emit(Event::concurrency_limit(4));
    });
    assert_eq!(
        lines,
        [
            "TRACE tower_otlp::observe: export started exporter=\"eu\" role=\"attempt\" signal=\"logs\" items=2 bytes=8",
            "TRACE tower_otlp::observe: queue changed exporter=\"eu\" queue=\"queue\" requests=0 items=0 bytes=0 max_bytes=9",
            "TRACE tower_otlp::observe: left the queue exporter=\"eu\" queue=\"queue\" signal=\"logs\" items=2 bytes=8 waited_s=1.0",
            "WARN tower_otlp::observe: telemetry dropped exporter=\"eu\" reason=\"evicted\" signal=\"logs\" requests=1 items=2 bytes=8",
            "WARN tower_otlp::observe: circuit breaker open exporter=\"eu\"",
            "INFO tower_otlp::observe: circuit breaker changed exporter=\"eu\" state=\"closed\"",
            "DEBUG tower_otlp::observe: concurrency limit changed exporter=\"eu\" requests=4",
        ]
    );
}

thread_local! {
    /// Through which this thread's events are exported, if they are.
    static EXPORTER: RefCell<Option<BoxExporter>> = const { RefCell::new(None) };
}

/// Exports one log record for each event of the observer, at once and on the same thread, as a
/// log appender with a simple processor does.
struct Appender;

impl Subscriber for Appender {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == "tower_otlp::observe" {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tower_otlp::observe"
            && EXPORTER.with_borrow(|exporter| exporter.is_some())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        if let Some(exporter) = EXPORTER.with_borrow(Option::clone) {
            assert!(exporter.oneshot(logs(1)).now_or_never().is_some());
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn an_appender_that_exports_at_once_does_not_make_a_circle() {
    // A global one: `tracing` itself breaks the circle of a scoped one.
    tracing::subscriber::set_global_default(Appender).unwrap();
    let recorder = Recorder::new();
    let exporter = ScriptedExporter::delivering();
    let service = ServiceBuilder::new()
        .observed(SharedObserver::new(recorder.clone()).and(TracingObserver::new("eu")))
        .service(exporter.clone())
        .boxed_exporter();
    EXPORTER.set(Some(service.clone()));
    let answer = service.oneshot(logs(10)).now_or_never();
    EXPORTER.set(None);
    assert!(matches!(answer, Some(Ok(_))));
    // The event of the start is a record, and so is that of the end. Theirs are not.
    assert_eq!(exporter.items().len(), 3);
    let tally = recorder.snapshot().requests();
    assert_eq!(requests(tally.delivered), (3, 12), "they are still counted");
    assert_adds_up(tally);
}
