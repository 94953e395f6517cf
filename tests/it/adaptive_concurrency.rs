//! The adaptive limit against simulated backends whose capacity changes, on a paused clock.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt, layer::Layer, limit::ConcurrencyLimitLayer};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, ExporterExt,
    ServiceBuilderExt,
    layers::{
        adaptive_concurrency::{AdaptiveConcurrencyHandle, AdaptiveConcurrencyLayer},
        admission::AdmissionBudget,
        rate_limit::RateLimiter,
        retry::RetryPolicy,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

/// Latency of a backend that is not overloaded.
const LATENCY: Duration = Duration::from_millis(50);

/// What a backend does beyond its capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beyond {
    /// It serves everybody, but more slowly.
    Slower,
    /// It refuses, at once.
    Throttles,
}

/// A backend that serves so many requests at a time.
#[derive(Clone)]
struct Backend {
    beyond: Beyond,
    capacity: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
    attempts: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    /// Spread of the latency, in percent, drawn from a fixed sequence.
    spread: u64,
    random: Arc<Mutex<fastrand::Rng>>,
}

impl Backend {
    fn new(beyond: Beyond, capacity: usize) -> Self {
        Self {
            beyond,
            capacity: Arc::new(AtomicUsize::new(capacity)),
            in_flight: Arc::default(),
            attempts: Arc::default(),
            refused: Arc::default(),
            spread: 0,
            random: Arc::new(Mutex::new(fastrand::Rng::with_seed(7))),
        }
    }

    fn set_capacity(&self, requests: usize) {
        self.capacity.store(requests, Ordering::Relaxed);
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits for so many more attempts.
    async fn serve(&self, attempts: usize) {
        let until = self.attempts() + attempts;
        while self.attempts() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Service<ExportRequest> for Backend {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let this = self.clone();
        this.attempts.fetch_add(1, Ordering::Relaxed);
        let load = this.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let capacity = this.capacity.load(Ordering::Relaxed);
        let spread = this
            .random
            .lock()
            .expect("no panic")
            .u64(0..=2 * this.spread);
        let factor = 1.0 + (spread as f64 - this.spread as f64) / 100.0;
        Box::pin(async move {
            let outcome = match this.beyond {
                Beyond::Throttles if load > capacity => {
                    this.refused.fetch_add(1, Ordering::Relaxed);
                    Err(ExportError::new(ErrorKind::Throttled, "slow down"))
                }
                _ => {
                    let queue = (load as f64 / capacity as f64).max(1.0);
                    tokio::time::sleep(LATENCY.mul_f64(queue * factor)).await;
                    Ok(ExportResponse::delivered(request.items()))
                }
            };
            this.in_flight.fetch_sub(1, Ordering::Relaxed);
            outcome
        })
    }
}

/// Senders that have always something to send, below a retry of their own.
struct Senders {
    _tasks: tokio::task::JoinSet<()>,
}

impl Senders {
    fn start<E: Exporter>(number: usize, pipeline: &E) -> Self {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..number {
            let pipeline = pipeline.clone();
            tasks.spawn(async move {
                loop {
                    let _ = pipeline.clone().oneshot(logs(1)).await.map_err(Into::into);
                }
            });
        }
        Self { _tasks: tasks }
    }
}

fn pipeline<L>(layer: L, backend: &Backend) -> BoxExporter
where
    L: Layer<Backend>,
    L::Service: Exporter,
{
    let policy = RetryPolicy::new()
        .seed(11)
        .initial_backoff(Duration::from_millis(100))
        .max_backoff(Duration::from_secs(1));
    ServiceBuilder::new()
        .export_retry(policy)
        .layer(layer)
        .service(backend.clone())
        .boxed_exporter()
}

/// The middle of the limits during so many attempts: a probe now and then is no matter.
async fn usual_limit(
    handle: &AdaptiveConcurrencyHandle,
    backend: &Backend,
    attempts: usize,
) -> usize {
    let until = backend.attempts() + attempts;
    let mut limits = Vec::new();
    while backend.attempts() < until {
        tokio::time::sleep(Duration::from_millis(7)).await;
        limits.push(handle.limit());
    }
    limits.sort_unstable();
    limits[limits.len() / 2]
}

fn near(limit: usize, capacity: usize) -> bool {
    (capacity * 3 / 4..=capacity * 3 / 2).contains(&limit)
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    // A layer is one limit: a new one for each check would hide what an earlier one left behind.
    let layer = AdaptiveConcurrencyLayer::builder();
    contract::check(&layer.initial_limit(2).build().unwrap()).await;
    let layer = AdaptiveConcurrencyLayer::builder().initial_limit(8);
    let layer = layer.build().unwrap();
    contract::check(&layer).await;
    assert_eq!(layer.handle().in_flight(), 0);
    assert_eq!(layer.handle().waiting(), 0);
}

#[test]
fn what_cannot_work_is_an_error_when_built() {
    let build = |min, initial, max| {
        let builder = AdaptiveConcurrencyLayer::builder().min_limit(min);
        builder.initial_limit(initial).max_limit(max).build()
    };
    for (min, initial, max, says) in [
        (0, 1, 1, "at least 1"),
        (5, 5, 4, "above the max_limit of 4"),
        (2, 1, 4, "initial_limit of 1"),
        (2, 5, 4, "initial_limit of 5"),
    ] {
        let error = build(min, initial, max).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(build(2, 3, 4).unwrap().handle().limit(), 3);
}

#[tokio::test(start_paused = true)]
async fn it_finds_the_capacity_and_follows_it() {
    for beyond in [Beyond::Slower, Beyond::Throttles] {
        for spread in [0, 20] {
            for capacity in [20, 60] {
                let case = format!("{beyond:?}, {capacity} at a time, {spread} % spread");
                let mut backend = Backend::new(beyond, capacity);
                backend.spread = spread;
                let layer = AdaptiveConcurrencyLayer::new();
                let handle = layer.handle();
                let _senders = Senders::start(200, &pipeline(layer, &backend));

                backend.serve(10 * capacity).await;
                let limit = usual_limit(&handle, &backend, 1500).await;
                assert!(near(limit, capacity), "{case}: {limit}");

                backend.set_capacity(capacity / 4);
                backend.serve(1000).await;
                let limit = usual_limit(&handle, &backend, 1500).await;
                assert!(
                    near(limit, capacity / 4),
                    "{case}, down to a quarter: {limit}"
                );

                backend.set_capacity(capacity);
                backend.serve(2500).await;
                let limit = usual_limit(&handle, &backend, 1500).await;
                assert!(near(limit, capacity), "{case}, up again: {limit}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn few_attempts_are_refused_on_the_way() {
    let backend = Backend::new(Beyond::Throttles, 30);
    let _senders = Senders::start(200, &pipeline(AdaptiveConcurrencyLayer::new(), &backend));
    backend.serve(5000).await;
    let share = backend.refused() as f64 / backend.attempts() as f64;
    assert!(share < 0.05, "{share}");
}

#[tokio::test(start_paused = true)]
async fn a_fixed_limit_works_in_the_same_place_if_one_knows_it() {
    let served = |layer: BoxExporter, backend: Backend| async move {
        let senders = Senders::start(100, &layer);
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(senders);
        backend.attempts() - backend.refused()
    };
    let backend = Backend::new(Beyond::Throttles, 20);
    let fixed = served(
        pipeline(ConcurrencyLimitLayer::new(20), &backend),
        backend.clone(),
    )
    .await;
    assert_eq!(backend.refused(), 0);
    let backend = Backend::new(Beyond::Throttles, 20);
    let adaptive = served(
        pipeline(AdaptiveConcurrencyLayer::new(), &backend),
        backend.clone(),
    )
    .await;
    // Without being told, it comes close to what is possible.
    assert!(adaptive * 10 > fixed * 8, "{adaptive} of {fixed}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_far_too_high_is_corrected() {
    let backend = Backend::new(Beyond::Slower, 8);
    let layer = AdaptiveConcurrencyLayer::builder().initial_limit(100);
    let layer = layer.build().unwrap();
    let handle = layer.handle();
    let _senders = Senders::start(200, &pipeline(layer, &backend));
    backend.serve(15_000).await;
    let limit = usual_limit(&handle, &backend, 3000).await;
    assert!(near(limit, 8), "{limit}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_a_retry_above_is_no_latency() {
    let deferred = || Step::Fail(ExportError::new(ErrorKind::Throttled, "later"));
    let exporter = ScriptedExporter::new([deferred()]);
    let layer = AdaptiveConcurrencyLayer::builder().initial_limit(10);
    let layer = layer.build().unwrap();
    let handle = layer.handle();
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .layer(layer)
        .service(exporter.clone());
    let mut request = task::spawn(service.oneshot(logs(1)));
    assert_pending!(request.poll());
    assert_eq!(exporter.calls(), 1);
    assert_eq!(handle.in_flight(), 0, "no permit during the backoff");
    // Though the request will succeed, its first attempt was pushed back.
    assert!(handle.limit() < 10, "{}", handle.limit());
    assert!(request.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_stands_between_the_other_layers() {
    let down = || Step::Fail(ExportError::new(ErrorKind::Unavailable, "down"));
    let late = || Step::DeliverAfter(Duration::from_secs(60));
    let exporter = ScriptedExporter::new([down(), late()]);
    let limiter = RateLimiter::items_per_second(10.0).unwrap();
    let budget = AdmissionBudget::new(1 << 20).unwrap();
    let service = ServiceBuilder::new()
        .admission(budget.clone())
        .export_retry(RetryPolicy::new())
        .rate_limited(limiter)
        .adaptive_concurrency()
        .attempt_timeout(Duration::from_secs(5))
        .service(ReadinessProbe::new(exporter.clone()));
    let requests = (0..20).map(|_| service.clone().oneshot(logs(5)));
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.unwrap().delivered_items(), 5);
    }
    assert_eq!((exporter.calls(), exporter.delivered()), (22, 100));
    assert_eq!((budget.in_use(), budget.refused()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn cancelled_attempts_release_and_teach_nothing() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 50]);
    let layer = AdaptiveConcurrencyLayer::builder().initial_limit(4);
    let layer = layer.build().unwrap();
    let handle = layer.handle();
    let service = layer.layer(ReadinessProbe::new(exporter.clone()));
    for _ in 0..50 {
        let patience =
            tokio::time::timeout(Duration::from_secs(9), service.clone().oneshot(logs(1)));
        assert!(patience.await.is_err());
    }
    assert_eq!((handle.limit(), handle.in_flight()), (4, 0));
    let start = Instant::now();
    service.oneshot(logs(1)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_free_when_the_answer_is_there() {
    let exporter = ScriptedExporter::delivering();
    let layer = AdaptiveConcurrencyLayer::builder().max_limit(1);
    let layer = layer.build().unwrap();
    let mut service = layer.layer(exporter);
    let mut first = task::spawn(service.ready().await.unwrap().call(logs(1)));
    let mut other = service.clone();
    let mut waits = task::spawn(());
    assert_pending!(waits.enter(|cx, _| other.poll_ready(cx)));
    assert_eq!(layer.handle().waiting(), 1);
    assert_ready!(first.poll()).unwrap();
    // `first` still exists.
    assert!(waits.is_woken());
    assert_ready!(waits.enter(|cx, _| other.poll_ready(cx))).unwrap();
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_stopped_waiting_does_not_hold_up_the_line() {
    let layer = AdaptiveConcurrencyLayer::builder().max_limit(1);
    let layer = layer.build().unwrap();
    let exporter = ScriptedExporter::new([Step::Hold]);
    let mut service = layer.layer(exporter.clone());
    let mut first = task::spawn(service.ready().await.unwrap().call(logs(1)));
    assert_pending!(first.poll());
    let mut kept = service.clone();
    let mut asked = task::spawn(());
    assert_pending!(asked.enter(|cx, _| kept.poll_ready(cx)));
    let behind = tokio::spawn(service.clone().oneshot(logs(2)));
    exporter.release();
    first.await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(1), behind).await;
    assert!(answer.unwrap().unwrap().is_ok());
    drop(kept);
}
