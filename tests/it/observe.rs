//! The observe layer: what is counted, once each, and what the sinks make of it.

mod metrics;
mod tracing_events;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, layer::Layer};
use tower_otlp::{
    DropReason, ErrorKind, ExportError, ExportRequest, ExportResponse, ServiceBuilderExt, Signal,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::{
            Amount, BreakerState, Event, Observe, ObserveLayer, Observer, Outcome, QueueState,
            Recorder, Role, SharedObserver, Tally,
        },
        retry::RetryPolicy,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs, metrics as points, traces},
};

use crate::support::allocations::allocations;

const SECOND: Duration = Duration::from_secs(1);

fn fail(kind: ErrorKind) -> Step {
    Step::Fail(ExportError::new(kind, "as scripted"))
}

fn observed(recorder: &Recorder, exporter: &ScriptedExporter) -> Observe<ScriptedExporter> {
    ObserveLayer::request(recorder.clone()).layer(exporter.clone())
}

fn assert_adds_up(tally: Tally) {
    let ended = [
        tally.delivered,
        tally.rejected,
        tally.failed,
        tally.cancelled,
        tally.in_flight(),
    ];
    let sum = ended.into_iter().fold(Amount::default(), Amount::plus);
    assert_eq!(tally.started, sum, "{tally:?}");
}

fn requests(amount: Amount) -> (u64, u64) {
    (amount.requests, amount.items)
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    let recorder = Recorder::new();
    contract::check(&ObserveLayer::request(recorder.clone())).await;
    contract::check(&ObserveLayer::attempt(recorder.clone())).await;
    contract::check(&ObserveLayer::request(SharedObserver::none())).await;
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.requests().in_flight(), Amount::default());
    let (requests, attempts) = (snapshot.requests(), snapshot.attempts());
    assert_eq!(requests.started, attempts.started);
    assert_eq!(requests.cancelled.requests, 1);
    assert_eq!(snapshot.failed(Role::Request, "panic").requests, 1);
    assert_eq!(snapshot.failed(Role::Request, "unavailable").requests, 3);
    assert_adds_up(requests);
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted_once_and_in_its_place() {
    let recorder = Recorder::new();
    let exporter = ScriptedExporter::new([
        Step::Deliver,
        Step::Reject(2),
        fail(ErrorKind::Throttled),
        Step::Partial(3, ExportError::new(ErrorKind::Unavailable, "gone")),
        Step::Panic,
        Step::Hold,
        Step::Hold,
    ]);
    let service = observed(&recorder, &exporter);
    service.clone().oneshot(logs(1)).await.unwrap();
    service.clone().oneshot(logs(10)).await.unwrap();
    service.clone().oneshot(logs(100)).await.unwrap_err();
    service.clone().oneshot(logs(1_000)).await.unwrap_err();
    AssertUnwindSafe(service.clone().oneshot(logs(10_000)))
        .catch_unwind()
        .await
        .unwrap_err();
    let mut cancelled = task::spawn(service.clone().oneshot(logs(100_000)));
    assert_pending!(cancelled.poll());
    drop(cancelled);
    let mut held = task::spawn(service.clone().oneshot(logs(1_000_000)));
    assert_pending!(held.poll());

    let snapshot = recorder.snapshot();
    let tally = snapshot.requests();
    assert_eq!(
        tally.to_string(),
        "started=1111111 delivered=12 rejected=2 failed=11097 cancelled=100000 in_flight=1000000"
    );
    assert_eq!(requests(tally.delivered), (1, 1 + 8 + 3));
    assert_eq!(requests(tally.rejected), (1, 2));
    assert_eq!(requests(tally.failed), (3, 100 + 997 + 10_000));
    assert_eq!(requests(tally.cancelled), (1, 100_000));
    assert_eq!(requests(tally.in_flight()), (1, 1_000_000));
    let bytes = |items: usize| logs(items).byte_size() as u64;
    assert_eq!(tally.delivered.bytes, bytes(1));
    assert_eq!(tally.rejected.bytes, bytes(10));
    assert_eq!(tally.cancelled.bytes, bytes(100_000));
    assert_eq!(tally.in_flight().bytes, bytes(1_000_000));
    assert_adds_up(tally);

    let failed = |error_type| requests(snapshot.failed(Role::Request, error_type));
    assert_eq!(failed("throttled"), (1, 100));
    assert_eq!(failed("unavailable"), (1, 997));
    assert_eq!(failed("panic"), (1, 10_000));
    assert_eq!(snapshot.failures().len(), 3);
    assert_eq!(snapshot.attempts(), Tally::default());

    exporter.release();
    assert!(assert_ready!(held.poll()).is_ok());
    drop(held);
    let tally = recorder.snapshot().requests();
    assert_eq!(requests(tally.delivered), (2, 1_000_012));
    assert_eq!(tally.in_flight(), Amount::default());
}

#[tokio::test(start_paused = true)]
async fn signals_are_counted_apart() {
    let recorder = Recorder::new();
    let service = observed(&recorder, &ScriptedExporter::delivering());
    for request in [traces(1), points(2), logs(3), logs(4)] {
        service.clone().oneshot(request).await.unwrap();
    }
    let snapshot = recorder.snapshot();
    let delivered = Signal::ALL.map(|signal| requests(snapshot.requests_of(signal).delivered));
    assert_eq!(delivered, [(1, 1), (1, 2), (2, 7)]);
    assert_eq!(requests(snapshot.requests().delivered), (4, 10));
    assert_eq!(snapshot.attempts_of(Signal::Logs), Tally::default());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_one_and_its_attempts_are_many() {
    let recorder = Recorder::new();
    let exporter = ScriptedExporter::new([
        fail(ErrorKind::Unavailable),
        Step::Partial(4, ExportError::new(ErrorKind::Throttled, "slow down")),
        Step::Reject(1),
    ]);
    let response = ServiceBuilder::new()
        .observed(recorder.clone())
        .export_retry(RetryPolicy::new())
        .observed_attempts(recorder.clone())
        .service(ReadinessProbe::new(exporter.clone()))
        .oneshot(logs(10))
        .await
        .unwrap();
    assert_eq!(response.delivered_items(), 9);
    let snapshot = recorder.snapshot();
    let tally = snapshot.requests();
    assert_eq!(requests(tally.started), (1, 10));
    assert_eq!(requests(tally.delivered), (0, 9));
    assert_eq!(requests(tally.rejected), (1, 1));
    assert_adds_up(tally);

    let tally = snapshot.attempts();
    assert_eq!(requests(tally.started), (3, 10 + 10 + 6));
    assert_eq!(requests(tally.delivered), (0, 4 + 5));
    assert_eq!(requests(tally.rejected), (1, 1));
    assert_eq!(requests(tally.failed), (2, 10 + 6));
    assert_adds_up(tally);
    let failed = |role| requests(snapshot.failed(role, "unavailable"));
    assert_eq!(failed(Role::Attempt), (1, 10));
    assert_eq!(failed(Role::Request), (0, 0), "the retry made it good");
}

#[tokio::test(start_paused = true)]
async fn a_retry_above_is_in_the_duration_of_the_request() {
    let recorder = Recorder::new();
    let exporter = ScriptedExporter::new([
        Step::FailAfter(2 * SECOND, ExportError::new(ErrorKind::Unavailable, "down")),
        Step::DeliverAfter(3 * SECOND),
    ]);
    ServiceBuilder::new()
        .observed(recorder.clone())
        .export_retry(RetryPolicy::new().initial_backoff(Duration::ZERO))
        .observed_attempts(recorder.clone())
        .service(exporter)
        .oneshot(logs(1))
        .await
        .unwrap();
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.requests().duration.as_secs(), 5);
    assert_eq!(snapshot.attempts().duration.as_secs(), 5);
    assert_eq!(snapshot.attempts().started.requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_never_polled_is_cancelled() {
    let recorder = Recorder::new();
    let mut service = observed(&recorder, &ScriptedExporter::delivering());
    drop(service.ready().await.unwrap().call(logs(5)));
    let tally = recorder.snapshot().requests();
    assert_eq!(requests(tally.cancelled), (1, 5));
    assert_adds_up(tally);
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_by_the_panic_of_another_is_cancelled_and_has_not_panicked() {
    let recorder = Recorder::new();
    let exporter = ScriptedExporter::new([Step::Hold]);
    let service = observed(&recorder, &exporter);
    let together = AssertUnwindSafe(async {
        let mut held = task::spawn(service.clone().oneshot(logs(5)));
        assert_pending!(held.poll());
        std::panic::resume_unwind(Box::new("not the exporter"));
    });
    together.catch_unwind().await.unwrap_err();
    let snapshot = recorder.snapshot();
    assert_eq!(requests(snapshot.requests().cancelled), (1, 5));
    assert_eq!(snapshot.failures(), []);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_call_itself_is_counted() {
    let recorder = Recorder::new();
    let panicking = tower::service_fn(|_: ExportRequest| {
        if true {
            std::panic::resume_unwind(Box::new("in call"));
        }
        std::future::ready(Err::<ExportResponse, _>(BoxError::from("unreachable")))
    });
    let mut service = ObserveLayer::attempt(recorder.clone()).layer(panicking);
    service.ready().await.unwrap();
    std::panic::catch_unwind(AssertUnwindSafe(|| service.call(logs(3)))).unwrap_err();
    let snapshot = recorder.snapshot();
    assert_eq!(requests(snapshot.failed(Role::Attempt, "panic")), (1, 3));
    assert_adds_up(snapshot.attempts());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_add_up_is_not_believed() {
    let recorder = Recorder::new();
    for answer in [
        ExportResponse::delivered(99),
        ExportResponse::delivered(99).with_rejected(99, "all of it, and more"),
    ] {
        let liar = tower::service_fn(move |_: ExportRequest| {
            std::future::ready(Ok::<_, BoxError>(answer.clone()))
        });
        ObserveLayer::request(recorder.clone())
            .layer(liar)
            .oneshot(logs(5))
            .await
            .unwrap();
    }
    let tally = recorder.snapshot().requests();
    assert_eq!(requests(tally.delivered), (1, 5));
    assert_eq!(requests(tally.rejected), (1, 5));
    assert_adds_up(tally);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_belongs_to_no_request() {
    let recorder = Recorder::new();
    let (dead, handle) = tower_test::mock::pair::<ExportRequest, ExportResponse>();
    drop(handle);
    let mut service = ObserveLayer::request(recorder.clone()).layer(dead);
    let error = service.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(recorder.snapshot().requests(), Tally::default());
}

/// Panics at every event.
struct Panicking;

impl Observer for Panicking {
    fn observe(&self, _: Event) {
        std::panic::resume_unwind(Box::new("the sink is broken"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_harms_neither_the_export_nor_other_sinks() {
    let recorder = Recorder::new();
    let observer = SharedObserver::new(Panicking)
        .and(SharedObserver::none())
        .and(recorder.clone());
    let exporter = ScriptedExporter::new([Step::Deliver, Step::Panic]);
    let service = ObserveLayer::request(observer).layer(exporter);
    service.clone().oneshot(logs(1)).await.unwrap();
    // The event of the end comes from a destructor while the thread unwinds.
    AssertUnwindSafe(service.clone().oneshot(logs(2)))
        .catch_unwind()
        .await
        .unwrap_err();
    let tally = recorder.snapshot().requests();
    assert_eq!(requests(tally.delivered), (1, 1));
    assert_eq!(requests(tally.failed), (1, 2));
}

#[test]
fn other_layers_report_through_the_same_handle() {
    let recorder = Recorder::new();
    let observer = SharedObserver::from(recorder.clone());
    let clone = observer.clone();
    let held = Amount {
        requests: 2,
        items: 700,
        bytes: 90_000,
    };
    observer.emit(Event::Queue(QueueState::new("queue").holding(held)));
    clone.emit(Event::Queue(QueueState::new("batch").max_requests(7)));
    clone.emit(Event::Queue(
        QueueState::new("queue").holding(held).max_bytes(1 << 20),
    ));
    observer.emit(Event::dequeued("queue", &logs(5), 2 * SECOND));
    observer.emit(Event::dequeued("queue", &logs(6), SECOND));
    observer.emit(Event::dropped(&logs(3), DropReason::Overflow));
    observer.emit(Event::dropped(&traces(4), DropReason::Overflow));
    observer.emit(Event::dropped_amount(
        Signal::Logs,
        held,
        DropReason::Abandoned,
    ));
    observer.emit(Event::Breaker(BreakerState::Open));
    observer.emit(Event::Breaker(BreakerState::HalfOpen));
    observer.emit(Event::concurrency_limit(16));

    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.queues().len(), 2);
    let queue = snapshot.queue("queue").unwrap();
    assert_eq!((queue.held, queue.max_bytes), (held, Some(1 << 20)));
    assert_eq!(queue.oldest_age(), Duration::ZERO);
    assert_eq!(snapshot.queue("batch").unwrap().max_requests, Some(7));
    assert_eq!(snapshot.queue("other"), None);
    assert_eq!(requests(snapshot.dequeued()), (2, 11));
    assert_eq!(snapshot.waited(), 3 * SECOND);
    assert_eq!(requests(snapshot.dropped(DropReason::Overflow)), (2, 3 + 4));
    assert_eq!(snapshot.dropped(DropReason::Abandoned), held);
    assert_eq!(snapshot.dropped(DropReason::Shutdown), Amount::default());
    assert_eq!(snapshot.drops().len(), 2);
    assert_eq!(snapshot.breaker(), Some(BreakerState::HalfOpen));
    assert_eq!(snapshot.concurrency_limit(), Some(16));
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_oldest_request_grows_while_nothing_happens() {
    let recorder = Recorder::new();
    let observer = SharedObserver::from(recorder.clone());
    let now = tokio::time::Instant::now();
    observer.emit(Event::Queue(QueueState::new("queue").oldest(Some(now))));
    tokio::time::advance(90 * SECOND).await;
    let queue = recorder.snapshot().queue("queue").unwrap();
    assert_eq!(queue.oldest_age(), 90 * SECOND);
}

/// Counts what it is told.
#[derive(Default)]
struct Told(AtomicU64);

impl Observer for Told {
    fn observe(&self, _: Event) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn handles_add_up() {
    let (first, second) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let both = SharedObserver::new(first.clone()).and(second.clone());
    assert!(!both.is_none());
    both.and(SharedObserver::none())
        .emit(Event::concurrency_limit(1));
    SharedObserver::none()
        .and(second.clone())
        .emit(Event::concurrency_limit(2));
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
    assert_eq!(second.0.load(Ordering::Relaxed), 2);

    let none = SharedObserver::none().and(SharedObserver::default());
    assert!(none.is_none());
    none.emit(Event::concurrency_limit(3));
}

#[test]
fn names_of_outcomes_are_fixed() {
    let outcomes = [
        (Outcome::Delivered, "delivered", None),
        (Outcome::Rejected, "rejected", Some("rejected")),
        (
            Outcome::Failed(ErrorKind::TooLarge),
            "failed",
            Some("too_large"),
        ),
        (Outcome::Panicked, "panicked", Some("panic")),
        (Outcome::Cancelled, "cancelled", Some("cancelled")),
    ];
    for (outcome, name, error_type) in outcomes {
        assert_eq!(outcome.to_string(), name);
        assert_eq!(outcome.error_type(), error_type);
    }
}

/// Answers at once and allocates nothing.
fn instant() -> impl Service<
    ExportRequest,
    Response = ExportResponse,
    Error = ExportError,
    Future = std::future::Ready<Result<ExportResponse, ExportError>>,
> {
    tower::service_fn(|request: ExportRequest| {
        std::future::ready(Ok(ExportResponse::delivered(request.items())))
    })
}

/// What 100 requests through an observed service allocate on this thread, after the first few.
fn allocated(observer: impl Into<SharedObserver>) -> u64 {
    let observer = observer.into();
    let mut service = ObserveLayer::attempt(observer.clone())
        .layer(ObserveLayer::request(observer.clone()).layer(instant()));
    let request = logs(100);
    let mut send = || {
        let answer = service.call(request.clone()).now_or_never();
        assert!(matches!(answer, Some(Ok(_))));
        observer.emit(Event::Queue(QueueState::new("queue")));
        observer.emit(Event::dequeued("queue", &request, SECOND));
        observer.emit(Event::dropped(&request, DropReason::Overflow));
    };
    send();
    let ((), count, _) = allocations(|| (0..100).for_each(|_| send()));
    count
}

#[test]
fn counting_allocates_nothing() {
    assert_eq!(allocated(SharedObserver::none()), 0);
    assert_eq!(allocated(Recorder::new()), 0);
    assert_eq!(allocated(Arc::new(Told::default())), 0);
}

/// What one request does in [`whatever_happens_the_counts_add_up`].
#[derive(Clone, Copy, Debug)]
enum Fate {
    Delivered,
    Rejected(u64),
    Failed,
    Partial(u64),
    Panicked,
    Cancelled,
    Held,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Delivered),
        (0_u64..12).prop_map(Fate::Rejected),
        Just(Fate::Failed),
        (0_u64..12).prop_map(Fate::Partial),
        Just(Fate::Panicked),
        Just(Fate::Cancelled),
        Just(Fate::Held),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_counts_add_up(
        fates in proptest::collection::vec((fate(), 0_usize..10), 0..20),
    ) {
        let recorder = Recorder::new();
        let exporter = ScriptedExporter::delivering();
        let mut service = observed(&recorder, &exporter);
        let mut held = Vec::new();
        let (mut started, mut cancelled, mut in_flight) = (0, 0, 0);
        for (fate, items) in fates {
            exporter.extend([match fate {
                Fate::Delivered => Step::Deliver,
                Fate::Rejected(items) => Step::Reject(items),
                Fate::Failed => fail(ErrorKind::Timeout),
                Fate::Partial(items) => {
                    Step::Partial(items, ExportError::new(ErrorKind::Timeout, "late"))
                }
                Fate::Panicked => Step::Panic,
                Fate::Cancelled | Fate::Held => Step::Hold,
            }]);
            started += items as u64;
            let mut answer = task::spawn(AssertUnwindSafe(service.call(logs(items))).catch_unwind());
            let pending = answer.poll().is_pending();
            prop_assert_eq!(pending, matches!(fate, Fate::Cancelled | Fate::Held));
            match fate {
                Fate::Held => {
                    in_flight += items as u64;
                    held.push(answer);
                }
                Fate::Cancelled => {
                    cancelled += items as u64;
                    drop(answer);
                }
                _ => drop(answer),
            }
            let tally = recorder.snapshot().requests();
            assert_adds_up(tally);
            prop_assert_eq!(tally.started.items, started);
            prop_assert_eq!(tally.cancelled.items, cancelled);
            prop_assert_eq!(tally.in_flight().items, in_flight);
            prop_assert_eq!(tally.in_flight().requests, held.len() as u64);
            prop_assert_eq!(tally.delivered.items, exporter.delivered());
        }
        drop(held);
        let tally = recorder.snapshot().requests();
        prop_assert_eq!(tally.in_flight(), Amount::default());
        prop_assert_eq!(tally.cancelled.items, cancelled + in_flight);
        assert_adds_up(tally);
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_and_an_adaptive_limit_tell_what_they_come_to() {
    let recorder = Recorder::new();
    let observer = SharedObserver::new(recorder.clone());
    let policy = CircuitBreakerPolicy::new()
        .consecutive_failures(2)
        .observer(observer.clone());
    let down = || ExportError::new(ErrorKind::Unavailable, "down");
    let exporter = ScriptedExporter::new([Step::Fail(down()), Step::Fail(down())]);
    let mut service = ServiceBuilder::new()
        .circuit_breaker(CircuitBreakerLayer::error(policy).unwrap())
        .service(exporter);
    for _ in 0..2 {
        let ready = service.ready().await.unwrap();
        assert!(ready.call(logs(1)).await.is_err());
    }
    assert_eq!(recorder.snapshot().breaker(), Some(BreakerState::Open));

    let limit = AdaptiveConcurrencyLayer::builder()
        .observer(observer)
        .build()
        .unwrap();
    let handle = limit.handle();
    let service = limit.layer(ScriptedExporter::delivering());
    for _ in 0..50 {
        service.clone().oneshot(logs(1)).await.unwrap();
    }
    assert!(handle.limit() > 1);
    let told = recorder.snapshot().concurrency_limit();
    assert_eq!(told, Some(handle.limit() as u64));
}
