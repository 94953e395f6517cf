//! The fallback: who gets what, when the traffic changes sides, and what is answered.

// Helpers of tests may say what they expect, like tests.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, ServiceBuilderExt,
    layers::{
        fallback::{Fallback, FallbackLayer, FallbackPolicy},
        retry::RetryPolicy,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

type Scripted = ReadinessProbe<ScriptedExporter>;

fn error(kind: ErrorKind) -> ExportError {
    ExportError::new(kind, "no")
}

fn down() -> Step {
    Step::Fail(error(ErrorKind::Unavailable))
}

fn policy() -> FallbackPolicy {
    FallbackPolicy::new()
        .after_unready(5 * SECOND)
        .probe_interval(30 * SECOND)
        .probe_timeout(10 * SECOND)
}

fn fallback(
    primary: impl IntoIterator<Item = Step>,
    secondary: impl IntoIterator<Item = Step>,
) -> (Fallback<Scripted>, ScriptedExporter, ScriptedExporter) {
    let primary = ScriptedExporter::new(primary);
    let secondary = ScriptedExporter::new(secondary);
    let layer =
        FallbackLayer::with_policy(ReadinessProbe::new(secondary.clone()), policy()).unwrap();
    let service = layer.layer(ReadinessProbe::new(primary.clone()));
    (service, primary, secondary)
}

async fn send<S>(service: &mut S, items: usize) -> Result<ExportResponse, ExportError>
where
    S: Service<ExportRequest, Response = ExportResponse, Error = ExportError>,
{
    service.ready().await?.call(logs(items)).await
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    // With a secondary that fails, everything depends on the service below.
    let failing = || ScriptedExporter::new(vec![down(); 99]);
    contract::check(&FallbackLayer::new(ScriptedExporter::delivering())).await;
    contract::check(&FallbackLayer::new(ReadinessProbe::new(
        ScriptedExporter::delivering(),
    )))
    .await;
    let at_once = policy().probe_interval(Duration::ZERO);
    contract::check(&FallbackLayer::with_policy(failing(), at_once).unwrap()).await;
}

/// Whatever side the traffic is on, the secondary is treated as the contract demands.
#[tokio::test(start_paused = true)]
async fn keeps_the_contract_towards_the_secondary() {
    #[derive(Clone)]
    struct AsSecondary;
    impl<S: tower_otlp::Exporter> Layer<S> for AsSecondary {
        type Service = Fallback<Scripted>;
        fn layer(&self, inner: S) -> Self::Service {
            let never = ScriptedExporter::new(vec![down(); 99]);
            FallbackLayer::new(inner).layer(ReadinessProbe::new(never))
        }
    }
    contract::check(&AsSecondary).await;
}

#[tokio::test(start_paused = true)]
async fn the_secondary_takes_over_and_keeps_the_traffic() {
    let (mut service, primary, secondary) = fallback([down()], []);
    let response = send(&mut service, 3).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert!(response.taken_over());
    assert!(service.is_away());
    // A clone knows it too.
    let response = send(&mut service.clone(), 4).await.unwrap();
    assert!(response.taken_over());
    assert_eq!(primary.items(), [3]);
    assert_eq!(secondary.items(), [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn while_the_primary_works_the_secondary_sees_nothing() {
    let (mut service, primary, secondary) = fallback([], []);
    for _ in 0..3 {
        assert!(!send(&mut service, 2).await.unwrap().taken_over());
    }
    assert_eq!((primary.calls(), secondary.calls()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_about_the_request_goes_to_the_caller() {
    for kind in [
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Unsupported,
    ] {
        let (mut service, _, secondary) = fallback([Step::Fail(error(kind))], []);
        assert_eq!(send(&mut service, 1).await.unwrap_err().kind(), kind);
        assert!(!service.is_away());
        assert_eq!(secondary.calls(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_predicate_decides() {
    let primary = ScriptedExporter::new([down(), Step::Fail(error(ErrorKind::TooLarge))]);
    let secondary = ScriptedExporter::delivering();
    let policy = policy().fail_over_on(|error| error.kind() == ErrorKind::TooLarge);
    let mut service = FallbackLayer::with_policy(secondary.clone(), policy)
        .unwrap()
        .layer(primary);
    assert!(send(&mut service, 1).await.is_err());
    assert!(send(&mut service, 2).await.unwrap().taken_over());
    assert_eq!(secondary.items(), [2]);
}

#[tokio::test(start_paused = true)]
async fn only_what_remains_goes_to_the_secondary() {
    let partial = Step::Partial(60, error(ErrorKind::Unavailable));
    let (mut service, primary, secondary) = fallback([partial], [Step::Reject(4)]);
    let response = send(&mut service, 100).await.unwrap();
    assert_eq!(secondary.items(), [40]);
    assert_eq!(primary.delivered() + secondary.delivered(), 96);
    assert_eq!(response.delivered_items(), 96);
    assert_eq!(response.rejected_items(), 4);
    assert!(response.taken_over());
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_error_holds_what_neither_delivered() {
    let primary = Step::Partial(60, error(ErrorKind::Unavailable));
    let secondary = Step::Partial(30, error(ErrorKind::Unauthenticated));
    let (mut service, ..) = fallback([primary], [secondary]);
    let failed = send(&mut service, 100).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "a retry can help it");
    assert_eq!(failed.retry(), RetryAdvice::Backoff);
    assert_eq!(failed.progress().unwrap().delivered_items(), 90);
    assert_eq!(failed.remainder().unwrap().items(), 10);
    assert_eq!(
        failed.to_string(),
        "unavailable: the primary failed (unavailable: no) and so did the secondary: \
         unauthenticated: no"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_progress_says_nothing_of_a_remainder() {
    let (mut service, ..) = fallback([down()], [down()]);
    let failed = send(&mut service, 1).await.unwrap_err();
    assert!(failed.remainder().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_final_error_of_the_secondary_may_be_retried_at_the_next_probe() {
    let refused = || Step::Fail(error(ErrorKind::Unauthenticated));
    let rejected = Step::Fail(error(ErrorKind::Rejected));
    let (mut service, ..) = fallback([down()], [Step::Deliver, refused(), rejected]);
    send(&mut service, 1).await.unwrap();
    advance(10 * SECOND).await;
    let failed = send(&mut service, 1).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unauthenticated);
    assert_eq!(failed.retry(), RetryAdvice::After(20 * SECOND));
    let failed = send(&mut service, 1).await.unwrap_err();
    assert_eq!(
        failed.retry(),
        RetryAdvice::Never,
        "it is about the request"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_returns_the_traffic() {
    let (mut service, primary, secondary) = fallback([down()], []);
    send(&mut service, 1).await.unwrap();
    advance(29 * SECOND).await;
    send(&mut service, 2).await.unwrap();
    assert_eq!(primary.calls(), 1, "too early for a probe");
    advance(SECOND).await;
    assert!(!send(&mut service, 3).await.unwrap().taken_over());
    assert!(!service.is_away());
    send(&mut service, 4).await.unwrap();
    assert_eq!(primary.items(), [1, 3, 4]);
    assert_eq!(secondary.items(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_is_delivered_by_the_secondary() {
    let (mut service, primary, secondary) = fallback([down(), down()], []);
    send(&mut service, 1).await.unwrap();
    advance(30 * SECOND).await;
    assert!(send(&mut service, 2).await.unwrap().taken_over());
    send(&mut service, 3).await.unwrap();
    assert_eq!(primary.items(), [1, 2], "the next interval has begun");
    assert_eq!(secondary.items(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_the_request_proves_that_the_primary_works() {
    let rejected = Step::Fail(error(ErrorKind::Rejected));
    let (mut service, ..) = fallback([down(), rejected], []);
    send(&mut service, 1).await.unwrap();
    advance(30 * SECOND).await;
    let failed = send(&mut service, 2).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Rejected);
    assert!(!service.is_away());
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time() {
    let (mut service, primary, secondary) = fallback([down(), Step::Hold], []);
    send(&mut service, 1).await.unwrap();
    advance(30 * SECOND).await;
    let mut probe = task::spawn(service.clone().oneshot(logs(2)));
    assert_pending!(probe.poll());
    assert_pending!(probe.poll());
    assert_eq!(primary.items(), [1, 2]);
    send(&mut service, 3).await.unwrap();
    assert_eq!(secondary.items(), [1, 3]);
    primary.release();
    assert!(!assert_ready!(probe.poll()).unwrap().taken_over());
    send(&mut service, 4).await.unwrap();
    assert_eq!(primary.items(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_goes_to_the_secondary() {
    let (mut service, primary, secondary) = fallback([down(), Step::Hold], []);
    send(&mut service, 1).await.unwrap();
    advance(30 * SECOND).await;
    let started = Instant::now();
    assert!(send(&mut service, 2).await.unwrap().taken_over());
    assert_eq!(started.elapsed().as_secs(), 10);
    assert_eq!(primary.dropped(), 1);
    assert_eq!(secondary.items(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_lets_the_next_request_try() {
    let (mut service, primary, _) = fallback([down(), Step::Hold], []);
    send(&mut service, 1).await.unwrap();
    advance(30 * SECOND).await;
    let mut probe = task::spawn(service.clone().oneshot(logs(2)));
    assert_pending!(probe.poll());
    assert_pending!(probe.poll());
    drop(probe);
    assert!(!send(&mut service, 3).await.unwrap().taken_over());
    assert_eq!(primary.items(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_the_server_named_is_kept() {
    let busy = error(ErrorKind::Throttled).with_retry(RetryAdvice::After(90 * SECOND));
    let (mut service, primary, _) = fallback([Step::Fail(busy)], []);
    send(&mut service, 1).await.unwrap();
    advance(89 * SECOND).await;
    send(&mut service, 1).await.unwrap();
    assert_eq!(primary.calls(), 1);
    advance(SECOND).await;
    send(&mut service, 1).await.unwrap();
    assert_eq!(primary.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_does_not_move_the_traffic_again() {
    let late = Step::FailAfter(31 * SECOND, error(ErrorKind::Unavailable));
    let (mut service, primary, secondary) = fallback([late, down()], []);
    let slow = tokio::spawn(service.clone().oneshot(logs(1)));
    primary.wait_for_calls(1).await;
    send(&mut service, 2).await.unwrap();
    advance(30 * SECOND).await;
    send(&mut service, 3).await.unwrap();
    assert!(!service.is_away(), "the probe succeeded");
    assert!(slow.await.unwrap().unwrap().taken_over());
    assert!(!service.is_away());
    assert_eq!(secondary.items(), [2, 1]);
}

/// A primary with one permit, which somebody else has.
async fn occupied(
    policy: FallbackPolicy,
) -> (
    Fallback<ConcurrencyLimit<ScriptedExporter>>,
    ScriptedExporter,
    ConcurrencyLimit<ScriptedExporter>,
) {
    let mut limit = ConcurrencyLimit::new(ScriptedExporter::delivering(), 1);
    let secondary = ScriptedExporter::delivering();
    let service = FallbackLayer::with_policy(secondary.clone(), policy)
        .unwrap()
        .layer(limit.clone());
    limit.ready().await.unwrap();
    (service, secondary, limit)
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_not_ready_for_too_long_is_left() {
    let (mut service, secondary, occupant) = occupied(policy()).await;
    let started = Instant::now();
    assert!(send(&mut service, 1).await.unwrap().taken_over());
    assert_eq!(started.elapsed().as_secs(), 5);
    assert_eq!(secondary.items(), [1]);
    // The place in the primary's queue was given up: the permit is free for others.
    let mut other = occupant.clone();
    drop(occupant);
    other.ready().await.unwrap();
}

/// Ready for the first who asks, and never for anyone else.
#[derive(Clone)]
struct OnlyOne {
    taken: Arc<AtomicBool>,
    mine: bool,
    exporter: ScriptedExporter,
}

impl Service<ExportRequest> for OnlyOne {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = <ScriptedExporter as Service<ExportRequest>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.mine |= !self.taken.swap(true, Ordering::Relaxed);
        match self.mine {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        self.exporter.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_the_primary_are_woken_when_it_is_left() {
    let primary = OnlyOne {
        taken: Arc::default(),
        mine: false,
        exporter: ScriptedExporter::new([down()]),
    };
    let secondary = ScriptedExporter::delivering();
    let mut lucky = FallbackLayer::with_policy(secondary.clone(), policy().no_after_unready())
        .unwrap()
        .layer(primary);
    lucky.ready().await.unwrap();
    let mut waiting = task::spawn(lucky.clone().oneshot(logs(2)));
    assert_pending!(waiting.poll());
    advance(3600 * SECOND).await;
    assert_pending!(waiting.poll());
    lucky.call(logs(1)).await.unwrap();
    assert!(waiting.is_woken());
    assert!(assert_ready!(waiting.poll()).unwrap().taken_over());
    assert_eq!(secondary.items(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_primary_is_left() {
    let (dead, worker) =
        tower::buffer::Buffer::<ExportRequest, _>::pair(ScriptedExporter::delivering(), 1);
    drop(worker);
    let secondary = ScriptedExporter::delivering();
    let mut service = Fallback::new(dead, secondary.clone());
    for _ in 0..3 {
        assert!(send(&mut service, 1).await.unwrap().taken_over());
        advance(31 * SECOND).await;
    }
    assert_eq!(secondary.calls(), 3, "two of them after a probe");
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_made_though_the_secondary_is_not_ready() {
    let primary = ScriptedExporter::new([down()]);
    let mut secondary = ConcurrencyLimit::new(ScriptedExporter::delivering(), 1);
    let mut service = FallbackLayer::with_policy(secondary.clone(), policy())
        .unwrap()
        .layer(primary.clone());
    send(&mut service, 1).await.unwrap();
    secondary.ready().await.unwrap();
    let started = Instant::now();
    assert!(!send(&mut service, 2).await.unwrap().taken_over());
    assert_eq!(started.elapsed().as_secs(), 30);
    assert_eq!(primary.items(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_on_the_side_that_was_left_is_let_go() {
    let primary = ConcurrencyLimit::new(
        ScriptedExporter::new([Step::Deliver, Step::Fail(error(ErrorKind::Unavailable))]),
        2,
    );
    let secondary = ScriptedExporter::delivering();
    let mut first = FallbackLayer::with_policy(secondary.clone(), policy())
        .unwrap()
        .layer(primary.clone());
    send(&mut first, 1).await.unwrap();
    let mut second = first.clone();
    second.ready().await.unwrap();
    send(&mut first, 2).await.unwrap();
    assert!(first.is_away());
    assert!(second.call(logs(3)).await.unwrap().taken_over());
    assert_eq!(secondary.items(), [2, 3]);
    // Both permits are free.
    let (mut one, mut two) = (primary.clone(), primary.clone());
    assert!(task::spawn(one.ready()).poll().is_ready());
    assert!(task::spawn(two.ready()).poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn chains_of_three_work_both_ways_round() {
    let script = |steps: &[Step]| ScriptedExporter::new(steps.iter().cloned());
    let (one, two, three) = (script(&[down()]), script(&[down()]), script(&[]));
    let inner = Fallback::new(two.clone(), three.clone());
    let mut service = Fallback::new(one.clone(), inner);
    assert!(send(&mut service, 1).await.unwrap().taken_over());
    send(&mut service, 2).await.unwrap();
    assert_eq!((one.items(), two.items()), (vec![1], vec![1]));
    assert_eq!(three.items(), [1, 2]);
    // Both probes succeed, the outer one first.
    advance(30 * SECOND).await;
    assert!(!send(&mut service, 3).await.unwrap().taken_over());
    assert_eq!(one.items(), [1, 3]);

    let partial = |items| Step::Partial(items, error(ErrorKind::Unavailable));
    let (one, two, three) = (script(&[partial(5)]), script(&[partial(3)]), script(&[]));
    let mut service = ServiceBuilder::new()
        .fallback(three.clone())
        .fallback(two.clone())
        .service(one.clone());
    let response = send(&mut service, 10).await.unwrap();
    assert_eq!(response.delivered_items(), 10);
    assert_eq!((two.items(), three.items()), (vec![5], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_retry_below_gives_up_first_and_one_above_recovers_both() {
    let primary = ScriptedExporter::new(vec![down(); 3]);
    let secondary = ScriptedExporter::new([down()]);
    let mut service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .fallback(secondary.clone())
        .export_retry(RetryPolicy::new().max_attempts(3))
        .service(ReadinessProbe::new(primary.clone()));
    assert!(send(&mut service, 7).await.unwrap().taken_over());
    assert_eq!(primary.items(), [7, 7, 7]);
    assert_eq!(secondary.items(), [7, 7]);
}

/// Whatever the two do, in the end every item was delivered exactly once.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut script = || {
            let steps: Vec<_> = (0..rng.usize(0..12))
                .map(|_| match rng.u8(0..4) {
                    0 => Step::Deliver,
                    1 => Step::Fail(error(ErrorKind::Unauthenticated)),
                    2 => Step::Partial(rng.u64(0..=5), error(ErrorKind::Unavailable)),
                    _ => down(),
                })
                .collect();
            ScriptedExporter::new(steps)
        };
        let (one, two, three) = (script(), script(), script());
        let policy = policy().fail_over_on(|_| true);
        let layer = |secondary: &ScriptedExporter| {
            FallbackLayer::with_policy(ReadinessProbe::new(secondary.clone()), policy.clone())
                .unwrap()
        };
        let mut service = ServiceBuilder::new()
            .export_retry(RetryPolicy::new().no_max_elapsed().seed(seed))
            .layer(layer(&three))
            .layer(layer(&two))
            .service(ReadinessProbe::new(one.clone()));
        let mut sent = 0;
        for _ in 0..6 {
            match send(&mut service, 20).await {
                Ok(response) => {
                    sent += 20;
                    assert_eq!(response.delivered_items(), 20, "seed {seed}");
                }
                // All three refuse the credentials.
                Err(failed) => {
                    assert_eq!(failed.retry(), RetryAdvice::Never, "seed {seed}: {failed}");
                    sent += failed.progress().map_or(0, ExportResponse::delivered_items);
                }
            }
            advance(rng.u32(0..40) * SECOND).await;
        }
        let delivered = one.delivered() + two.delivered() + three.delivered();
        assert_eq!(delivered, sent, "seed {seed}");
    }
}
