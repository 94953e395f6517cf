//! What a circuit breaker does when its pipeline is flushed or shut down.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, advance, sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt, layer::Layer};
use tower_otlp::{
    BoxExporter, DropReason, ErrorKind, ExportError, ExportRequest, ExportResponse, ExporterExt,
    Lifecycle, RetryAdvice, ServiceBuilderExt,
    layers::{
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitState},
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, logs},
};

use super::{SECOND, Scripted, breaker, down, error, policy, send};

type Answer = JoinHandle<Result<ExportResponse, ExportError>>;

/// A breaker in `pending` mode whose pauses are of a minute, opened by three failures.
async fn open(lifecycle: &Lifecycle, then: Vec<Step>) -> (Scripted, ScriptedExporter) {
    opened_by(lifecycle, down(), then).await
}

async fn opened_by(
    lifecycle: &Lifecycle,
    last: Step,
    then: Vec<Step>,
) -> (Scripted, ScriptedExporter) {
    let policy = policy()
        .open_for(60 * SECOND, 60 * SECOND)
        .lifecycle(lifecycle);
    let script = [down(), down(), last].into_iter().chain(then);
    let (mut service, exporter, handle) = breaker(CircuitBreakerLayer::pending(policy), script);
    for _ in 0..3 {
        send(&mut service, 1).await.unwrap_err();
    }
    assert_eq!(handle.state(), CircuitState::Open);
    (service, exporter)
}

/// Several callers who wait for the circuit.
async fn callers(service: &Scripted) -> Vec<Answer> {
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(service.clone().oneshot(logs(1))))
        .collect();
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    callers
}

/// Their answers, and when the last of them came.
async fn answers(
    callers: Vec<Answer>,
    began: Instant,
) -> (Vec<Result<ExportResponse, ExportError>>, Duration) {
    let all = timeout(3600 * SECOND, join_all(callers)).await;
    let all = all.expect("nobody hangs").into_iter();
    (all.map(|one| one.unwrap()).collect(), began.elapsed())
}

fn shut_down(lifecycle: &Lifecycle, deadline: Duration) -> Instant {
    let lifecycle = lifecycle.clone();
    let began = Instant::now();
    tokio::spawn(async move { lifecycle.shutdown(deadline).await });
    began
}

/// Timers go by whole milliseconds, and may be one late.
fn is_about(time: Duration, expected: Duration) -> bool {
    time >= expected && time < expected + Duration::from_millis(10)
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tries_at_once_and_wakes_all_who_wait() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = open(&lifecycle, Vec::new()).await;
    let callers = callers(&service).await;
    let began = shut_down(&lifecycle, 10 * SECOND);
    let (answers, after) = answers(callers, began).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(is_about(after, Duration::ZERO), "{after:?}");
    assert_eq!(exporter.calls(), 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_half_of_what_is_left_until_the_deadline() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = open(&lifecycle, vec![down(), down()]).await;
    let callers = callers(&service).await;
    let began = shut_down(&lifecycle, 16 * SECOND);
    // Probes at 0 s, 8 s and 12 s.
    let (answers, after) = answers(callers, began).await;
    assert_eq!(answers.iter().filter(|one| one.is_err()).count(), 2);
    assert!(is_about(after, 12 * SECOND), "{after:?}");
    assert_eq!(exporter.calls(), 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_those_who_wait_and_those_who_come_are_told() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = open(&lifecycle, vec![down(); 1000]).await;
    let mut callers = callers(&service).await;
    let late: Vec<_> = (0..30)
        .map(|_| tokio::spawn(service.clone().oneshot(logs(1))))
        .collect();
    callers.extend(late);
    let began = shut_down(&lifecycle, 10 * SECOND);
    let (answers, after) = answers(callers, began).await;
    assert!(
        after <= 10 * SECOND + Duration::from_millis(10),
        "{after:?}"
    );
    let told = |kind| {
        let errors = answers.iter().map(|one| one.as_ref().unwrap_err().kind());
        errors.filter(|told| *told == kind).count()
    };
    // Each probe is one attempt: a few of them are all that the backend saw of 34 callers.
    let probes = told(ErrorKind::Unavailable);
    assert!((2..=10).contains(&probes), "{probes}");
    assert_eq!(exporter.calls(), 3 + probes);
    assert_eq!(
        told(ErrorKind::Closed) + told(ErrorKind::CircuitOpen),
        34 - probes
    );
    sleep(SECOND).await;
    let refused = send(&mut service.clone(), 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert!(refused.is_retryable(), "another process may take it");
    assert_eq!(exporter.calls(), 3 + probes);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_answer_to_a_probe_is_told_at_the_deadline() {
    let lifecycle = Lifecycle::new();
    let (service, _) = open(&lifecycle, vec![Step::Hold; 99]).await;
    let mut callers = callers(&service).await;
    callers.extend((0..30).map(|_| tokio::spawn(service.clone().oneshot(logs(1)))));
    let began = shut_down(&lifecycle, 10 * SECOND);
    sleep(10 * SECOND + Duration::from_millis(5)).await;
    // Probes that hang are their own affair; no one else waits for them.
    let (hanging, told): (Vec<_>, Vec<_>) = callers.into_iter().partition(|one| !one.is_finished());
    assert!(!told.is_empty());
    assert!(
        hanging.len() >= 2,
        "a probe that hangs is followed by another"
    );
    let (answers, _) = answers(told, began).await;
    for answer in answers {
        let kind = answer.unwrap_err().kind();
        assert!(
            [ErrorKind::Closed, ErrorKind::CircuitOpen].contains(&kind),
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_the_server_named_is_kept_if_it_ends_before_the_deadline() {
    let busy = |secs| {
        let error = error(ErrorKind::Unavailable).with_retry(RetryAdvice::After(secs * SECOND));
        Step::Fail(error)
    };
    // Named before the shutdown, and by a probe in it.
    for (last, then, second) in [(busy(7), vec![], 7), (down(), vec![busy(9)], 9)] {
        let lifecycle = Lifecycle::new();
        let (service, _) = opened_by(&lifecycle, last, then.clone()).await;
        let callers = callers(&service).await;
        let began = shut_down(&lifecycle, 10 * SECOND);
        let (answers, after) = answers(callers, began).await;
        let failed = answers.iter().filter(|one| one.is_err()).count();
        assert_eq!(failed, then.len());
        assert!(is_about(after, second * SECOND), "{after:?}");
    }
    // Beyond the deadline: one probe all the same, and if that is told the same, no other.
    let lifecycle = Lifecycle::new();
    let (service, exporter) = opened_by(&lifecycle, busy(20), vec![busy(20)]).await;
    let callers = callers(&service).await;
    let began = shut_down(&lifecycle, 10 * SECOND);
    let (answers, after) = answers(callers, began).await;
    assert!(is_about(after, Duration::ZERO), "{after:?}");
    let errors: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
    for error in &errors {
        let RetryAdvice::After(delay) = error.retry() else {
            panic!("{error:?}")
        };
        assert!(delay > 19 * SECOND, "{delay:?}");
    }
    let refused = errors.iter().filter(|e| e.kind() == ErrorKind::CircuitOpen);
    assert_eq!(refused.count(), 3);
    assert_eq!(exporter.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_and_one_that_nobody_sends_leave_time_for_another() {
    for hangs in [true, false] {
        let lifecycle = Lifecycle::new();
        let (service, exporter) = open(&lifecycle, vec![Step::Hold]).await;
        advance(60 * SECOND).await;
        let mut idle = service.clone();
        idle.ready().await.unwrap();
        if hangs {
            tokio::spawn(idle.call_boxed());
            exporter.wait_for_calls(4).await;
        } else {
            exporter.release();
        }
        let callers = callers(&service).await;
        let began = shut_down(&lifecycle, 8 * SECOND);
        let (answers, after) = answers(callers, began).await;
        assert!(answers.iter().all(Result::is_ok));
        // Late after 4 s, a pause of 2 s. The idle one is not waited for at all.
        let expected = if hangs { 6 * SECOND } else { Duration::ZERO };
        assert!(is_about(after, expected), "{after:?}");
    }
}

trait CallBoxed {
    fn call_boxed(self) -> impl Future<Output = ()> + Send;
}

impl CallBoxed for Scripted {
    /// Sends on this very handle, which is ready.
    async fn call_boxed(mut self) {
        let _ = tower::Service::call(&mut self, logs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_tries_at_once_and_changes_nothing_else() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = open(&lifecycle, vec![down(), down()]).await;
    let handle = service.handle();
    let mut waiting = callers(&service).await;
    let began = Instant::now();
    for flush in 1..=3 {
        // Nobody need look at the circuit between two flushes.
        lifecycle.force_flush(SECOND).await;
        exporter.wait_for_calls(3 + flush).await;
        yield_now().await;
    }
    assert!(is_about(began.elapsed(), Duration::ZERO));
    // Two failed, and the third has closed it.
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(handle.state(), CircuitState::Closed);
    waiting.retain(|one| !one.is_finished());
    assert!(waiting.is_empty());

    // What the server named is kept.
    let busy = error(ErrorKind::Unavailable).with_retry(RetryAdvice::After(90 * SECOND));
    let (service, exporter) = opened_by(&lifecycle, Step::Fail(busy), Vec::new()).await;
    let callers = callers(&service).await;
    let began = Instant::now();
    lifecycle.force_flush(SECOND).await;
    let (_, after) = answers(callers, began).await;
    assert!(is_about(after, 90 * SECOND), "{after:?}");
    assert_eq!(exporter.calls(), 7);
}

/// A backend that is down until then.
fn back_at(back: Instant, calls: Arc<std::sync::atomic::AtomicUsize>) -> BoxExporter {
    let service = tower::service_fn(move |request: ExportRequest| {
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ready(if Instant::now() < back {
            Err(ExportError::new(ErrorKind::Unavailable, "down"))
        } else {
            Ok(ExportResponse::delivered(request.items()))
        })
    });
    ReadinessProbe::new(service).boxed_exporter()
}

struct Stack {
    mode: fn(
        tower_otlp::layers::circuit_breaker::CircuitBreakerPolicy,
    ) -> Result<CircuitBreakerLayer, tower_otlp::InvalidConfig>,
    acknowledge: Acknowledge,
    batches: bool,
    retries: bool,
}

impl Stack {
    fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits| Self {
            mode: [CircuitBreakerLayer::pending, CircuitBreakerLayer::error][bits & 1],
            acknowledge: [Acknowledge::OnEnqueue, Acknowledge::OnDelivery][bits >> 1 & 1],
            batches: bits & 4 != 0,
            retries: bits & 8 != 0,
        })
    }

    /// The order of the documentation.
    fn build(&self, lifecycle: &Lifecycle, backend: BoxExporter) -> BoxExporter {
        let queue = QueueConfig::new()
            .acknowledge(self.acknowledge)
            .lifecycle(lifecycle);
        let batch = BatchConfig::new().max_items(4).lifecycle(lifecycle);
        let breaker = policy()
            .open_for(60 * SECOND, 60 * SECOND)
            .lifecycle(lifecycle);
        let attempts = ServiceBuilder::new()
            .circuit_breaker((self.mode)(breaker).unwrap())
            .concurrency_limit(2)
            .attempt_timeout(SECOND)
            .service(backend);
        let attempts = match self.retries {
            true => ServiceBuilder::new()
                .export_retry(RetryPolicy::new().lifecycle(lifecycle))
                .service(attempts)
                .boxed_exporter(),
            false => attempts.boxed_exporter(),
        };
        ServiceBuilder::new()
            .tracked(lifecycle)
            .queue(QueueLayer::new(queue).unwrap())
            .option_layer(self.batches.then(|| BatchLayer::new(batch).unwrap()))
            .service(attempts)
            .boxed_exporter()
    }
}

#[tokio::test(start_paused = true)]
async fn below_a_queue_all_is_delivered_when_the_backend_is_back_in_time() {
    for (back, in_time) in [(2, true), (12, true), (25, true), (3600, false)] {
        for (bits, stack) in Stack::all().enumerate() {
            let lifecycle = Lifecycle::new();
            let calls = Arc::default();
            let back = Instant::now() + back * SECOND;
            let pipeline = stack.build(&lifecycle, back_at(back, Arc::clone(&calls)));
            let callers: Vec<_> = (0..12)
                .map(|_| tokio::spawn(pipeline.clone().oneshot(logs(3))))
                .collect();
            sleep(10 * SECOND).await;
            let report = lifecycle.shutdown(20 * SECOND).await;
            let about = format!("{bits:04b}, back {in_time}: {report:?}");
            let told = report.rejected + report.refused + report.cancelled;
            assert_eq!(
                report.accepted,
                report.delivered + told + report.retained + report.dropped,
                "{about}"
            );
            assert_eq!((report.accepted, report.in_flight), (36, 0), "{about}");
            assert_eq!(report.delivered, if in_time { 36 } else { 0 }, "{about}");
            assert_eq!(report.retained, 0, "{about}");
            if !in_time && stack.acknowledge == Acknowledge::OnEnqueue {
                assert_eq!(report.dropped, 36, "{about}");
                assert!(
                    report.drops().all(|(reason, _)| matches!(
                        reason,
                        DropReason::Shutdown | DropReason::Failed(_)
                    )),
                    "{about}"
                );
            }
            let ended = timeout(60 * SECOND, join_all(callers)).await;
            ended.unwrap_or_else(|_| panic!("a caller hangs, {about}"));
        }
    }
}

/// Random outages, flushes and deadlines: nobody who waits is forgotten.
#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let lifecycle = Lifecycle::new();
        let back = Instant::now() + rng.u32(0..60) * SECOND;
        let calls = Arc::default();
        let policy = policy()
            .probes(rng.u32(1..4))
            .open_for(rng.u32(1..30) * SECOND, 30 * SECOND)
            .lifecycle(&lifecycle);
        let layer = CircuitBreakerLayer::pending(policy).unwrap();
        let service = layer.layer(back_at(back, calls));
        let mut callers = Vec::new();
        for _ in 0..30 {
            callers.push(tokio::spawn(service.clone().oneshot(logs(1))));
            match rng.u8(0..8) {
                0 => drop(lifecycle.force_flush(SECOND).await),
                1 => callers.swap_remove(rng.usize(0..callers.len())).abort(),
                2 | 3 => sleep(rng.u32(0..4000) * Duration::from_millis(1)).await,
                _ => yield_now().await,
            }
        }
        let left = rng.u32(1..40) * SECOND;
        let began = shut_down(&lifecycle, left);
        let all = timeout(left + SECOND, join_all(callers)).await;
        let all = all.unwrap_or_else(|_| panic!("seed {seed}: someone hangs: {service:?}"));
        let answered = all.into_iter().filter_map(Result::ok);
        // Half of the time is left when a probe succeeds: enough for all who wait.
        if back < began + left / 2 {
            for answer in answered {
                let Err(error) = answer else { continue };
                assert_eq!(error.kind(), ErrorKind::Unavailable, "seed {seed}: {error}");
            }
        }
    }
}
