//! The circuit breaker: when it opens and closes, and what its handles do meanwhile.

// Helpers of tests may say what they expect, like tests.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Service, ServiceBuilder, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, RetryAdvice,
    ServiceBuilderExt,
    layers::{
        circuit_breaker::{
            CircuitBreaker, CircuitBreakerLayer, CircuitBreakerPolicy, CircuitHandle, CircuitState,
            Verdict,
        },
        observe::{BreakerState, Recorder},
        retry::RetryPolicy,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

mod shutdown;

const SECOND: Duration = Duration::from_secs(1);

fn error(kind: ErrorKind) -> ExportError {
    ExportError::new(kind, "no")
}

fn down() -> Step {
    Step::Fail(error(ErrorKind::Unavailable))
}

fn policy() -> CircuitBreakerPolicy {
    CircuitBreakerPolicy::new()
        .consecutive_failures(3)
        .no_failure_rate()
        .open_for(5 * SECOND, 15 * SECOND)
        .probe_timeout(10 * SECOND)
}

type Scripted = CircuitBreaker<ReadinessProbe<ScriptedExporter>>;

fn breaker(
    layer: Result<CircuitBreakerLayer, tower_otlp::InvalidConfig>,
    script: impl IntoIterator<Item = Step>,
) -> (Scripted, ScriptedExporter, CircuitHandle) {
    let exporter = ScriptedExporter::new(script);
    let service = layer.unwrap().layer(ReadinessProbe::new(exporter.clone()));
    let handle = service.handle();
    (service, exporter, handle)
}

async fn send<S>(service: &mut S, items: usize) -> Result<ExportResponse, ExportError>
where
    S: Service<ExportRequest, Response = ExportResponse, Error = ExportError>,
{
    service.ready().await?.call(logs(items)).await
}

/// A breaker in `error` mode that three failures have opened.
async fn open(
    policy: CircuitBreakerPolicy,
    then: impl IntoIterator<Item = Step>,
) -> (Scripted, ScriptedExporter, CircuitHandle) {
    let script = vec![down(); 3].into_iter().chain(then);
    let (mut service, exporter, handle) = breaker(CircuitBreakerLayer::error(policy), script);
    for _ in 0..3 {
        assert_eq!(handle.state(), CircuitState::Closed);
        send(&mut service, 1).await.unwrap_err();
    }
    assert_eq!(handle.state(), CircuitState::Open);
    (service, exporter, handle)
}

#[test]
fn an_observer_hears_from_the_start_that_the_circuit_is_closed() {
    let recorder = Recorder::new();
    let layer = CircuitBreakerLayer::error(policy().observer(recorder.clone())).unwrap();
    let _service = layer.layer(ScriptedExporter::delivering());
    assert_eq!(recorder.snapshot().breaker(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&CircuitBreakerLayer::error(CircuitBreakerPolicy::new()).unwrap()).await;
    contract::check(&CircuitBreakerLayer::pending(CircuitBreakerPolicy::new()).unwrap()).await;
    // The first failure opens it; those who wait for readiness see nothing of that.
    let strict = policy().consecutive_failures(1);
    contract::check(&CircuitBreakerLayer::pending(strict).unwrap()).await;
}

/// A breaker that is half open during the check: every request is a probe.
#[tokio::test(start_paused = true)]
async fn keeps_the_contract_while_it_probes() {
    let probing = policy().probes(u32::MAX).open_for(SECOND, SECOND);
    let layer = |layer: CircuitBreakerLayer| async move {
        let (layer, handle) = layer.shared();
        let mut failing = layer.layer(ScriptedExporter::new(vec![down(); 3]));
        for _ in 0..3 {
            send(&mut failing, 1).await.unwrap_err();
        }
        advance(SECOND).await;
        assert_eq!(handle.state(), CircuitState::HalfOpen);
        layer
    };
    let error = layer(CircuitBreakerLayer::error(probing.clone()).unwrap()).await;
    contract::readiness_belongs_to_one_handle(&error).await;
    contract::a_dropped_request_lets_go(&error).await;
    contract::a_panic_ends_only_its_request(&error).await;
    contract::accepted_requests_outlive_the_handles(&error).await;
    let pending = layer(CircuitBreakerLayer::pending(probing).unwrap()).await;
    contract::check(&pending).await;
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it() {
    let (mut service, exporter, _) = open(policy(), []).await;
    advance(2 * SECOND).await;
    let refused = send(&mut service, 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CircuitOpen);
    assert_eq!(refused.retry(), RetryAdvice::After(3 * SECOND));
    assert_eq!(exporter.calls(), 3, "it was not sent");
}

#[tokio::test(start_paused = true)]
async fn a_success_between_failures_keeps_it_closed() {
    let rejected = Step::Fail(error(ErrorKind::Rejected));
    let script = [
        down(),
        down(),
        Step::Deliver,
        down(),
        down(),
        rejected,
        down(),
        down(),
    ];
    let (mut service, exporter, handle) = breaker(CircuitBreakerLayer::error(policy()), script);
    for _ in 0..8 {
        let _ = send(&mut service, 1).await;
    }
    assert_eq!(handle.state(), CircuitState::Closed);
    assert_eq!(exporter.calls(), 8);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_error_counts_as_it_should() {
    for (kind, streak, rate) in [
        (ErrorKind::Rejected, false, false),
        (ErrorKind::TooLarge, false, false),
        (ErrorKind::Unauthenticated, false, false),
        (ErrorKind::Unsupported, false, false),
        (ErrorKind::Throttled, false, true),
        (ErrorKind::Unavailable, true, true),
        (ErrorKind::Timeout, true, true),
        (ErrorKind::Overloaded, false, true),
        (ErrorKind::CircuitOpen, false, false),
        (ErrorKind::Closed, false, false),
        (ErrorKind::Internal, true, true),
    ] {
        let by_rate = policy()
            .no_consecutive_failures()
            .failure_rate(1.0, 60 * SECOND, 3);
        for (policy, opens) in [(policy(), streak), (by_rate, rate)] {
            let steps = vec![Step::Fail(error(kind)); 3];
            let (mut service, _, handle) = breaker(CircuitBreakerLayer::error(policy), steps);
            for _ in 0..3 {
                send(&mut service, 1).await.unwrap_err();
            }
            assert_eq!(handle.state() == CircuitState::Open, opens, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_classification_is_the_users() {
    let policy = policy().classify(|error| match error.kind() {
        ErrorKind::Unauthenticated => Verdict::Fails,
        _ => Verdict::Unknown,
    });
    let refused = || Step::Fail(error(ErrorKind::Unauthenticated));
    let script = [refused(), down(), refused(), down(), refused()];
    let (mut service, _, handle) = breaker(CircuitBreakerLayer::error(policy), script);
    for _ in 0..5 {
        assert_eq!(handle.state(), CircuitState::Closed);
        send(&mut service, 1).await.unwrap_err();
    }
    assert_eq!(handle.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_failures_opens_it_when_there_were_enough_requests() {
    let policy = policy()
        .no_consecutive_failures()
        .failure_rate(0.5, 10 * SECOND, 6);
    let script = [down(), Step::Deliver].into_iter().cycle().take(99);
    let (mut service, _, handle) = breaker(CircuitBreakerLayer::error(policy), script);
    for _ in 0..3 {
        let _ = send(&mut service, 1).await;
        let _ = send(&mut service, 1).await;
    }
    // It opens upon a failure: that is the seventh.
    assert_eq!(handle.state(), CircuitState::Closed);
    send(&mut service, 1).await.unwrap_err();
    assert_eq!(handle.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_closes_it() {
    let (mut service, exporter, handle) = open(policy(), []).await;
    advance(5 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    send(&mut service, 2).await.unwrap();
    assert_eq!(handle.state(), CircuitState::Closed);
    // It takes three failures again.
    exporter.extend([down(), down()]);
    send(&mut service, 1).await.unwrap_err();
    send(&mut service, 1).await.unwrap_err();
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn each_probe_that_fails_doubles_the_pause_up_to_its_maximum() {
    let throttled = || Step::Fail(error(ErrorKind::Throttled));
    let (mut service, exporter, handle) = open(policy(), [throttled(), down(), down()]).await;
    for pause in [5, 10, 15, 15] {
        advance(pause * SECOND - SECOND).await;
        assert_eq!(handle.state(), CircuitState::Open, "{pause}");
        advance(SECOND).await;
        assert_eq!(handle.state(), CircuitState::HalfOpen, "{pause}");
        let _ = send(&mut service, 1).await;
    }
    assert_eq!(exporter.calls(), 7);
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn as_many_probes_as_configured_at_a_time_and_all_must_succeed() {
    let holds = vec![Step::Hold; 3];
    let (service, exporter, handle) = open(policy().probes(2), holds).await;
    advance(5 * SECOND).await;
    let mut probes = [(); 2].map(|()| task::spawn(service.clone().oneshot(logs(1))));
    for probe in &mut probes {
        assert_pending!(probe.poll());
        assert_pending!(probe.poll());
    }
    assert_eq!(exporter.calls(), 5);
    let refused = send(&mut service.clone(), 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CircuitOpen);
    assert_eq!(refused.retry(), RetryAdvice::Backoff);
    let [mut first, mut second] = probes;
    exporter.release();
    assert!(assert_ready!(first.poll()).is_ok());
    assert_eq!(handle.state(), CircuitState::HalfOpen, "one is not all");
    exporter.release();
    assert!(assert_ready!(second.poll()).is_ok());
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_frees_its_place() {
    let (mut service, _, handle) = open(policy(), [Step::Hold]).await;
    advance(5 * SECOND).await;
    let mut probe = task::spawn(service.clone().oneshot(logs(1)));
    assert_pending!(probe.poll());
    assert_pending!(probe.poll());
    assert!(send(&mut service, 1).await.is_err());
    drop(probe);
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    send(&mut service, 1).await.unwrap();
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_an_answer_is_late_and_left_alone() {
    let (service, exporter, handle) = open(policy(), [Step::Hold]).await;
    advance(5 * SECOND).await;
    let mut probe = task::spawn(service.clone().oneshot(logs(1)));
    assert_pending!(probe.poll());
    assert_pending!(probe.poll());
    advance(10 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::Open);
    // Its answer comes too late to close the circuit, and reaches its caller.
    exporter.release();
    assert!(assert_ready!(probe.poll()).is_ok());
    assert_eq!(handle.state(), CircuitState::Open);
    advance(10 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_readies_itself_and_does_nothing_keeps_no_place() {
    let (mut service, _, handle) = open(policy(), []).await;
    advance(5 * SECOND).await;
    let mut idle = service.clone();
    idle.ready().await.unwrap();
    assert!(send(&mut service, 1).await.is_err());
    advance(10 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen, "it has not failed");
    send(&mut service, 1).await.unwrap();
    // Dropped, it gives its place up at once.
    let (service, ..) = open(policy(), []).await;
    advance(5 * SECOND).await;
    let mut idle = service.clone();
    idle.ready().await.unwrap();
    drop(idle);
    send(&mut service.clone(), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_fails_the_probe() {
    let mut limit = ConcurrencyLimit::new(ScriptedExporter::new(vec![down(); 3]), 1);
    let mut service = CircuitBreakerLayer::error(policy())
        .unwrap()
        .layer(limit.clone());
    let handle = service.handle();
    for _ in 0..3 {
        send(&mut service, 1).await.unwrap_err();
    }
    limit.ready().await.unwrap();
    advance(5 * SECOND).await;
    let started = Instant::now();
    let refused = send(&mut service, 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CircuitOpen);
    assert_eq!(refused.retry(), RetryAdvice::After(10 * SECOND));
    assert_eq!(started.elapsed().as_secs(), 10);
    assert_eq!(handle.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_the_server_named_keeps_it_open() {
    let busy = |secs| error(ErrorKind::Unavailable).with_retry(RetryAdvice::After(secs * SECOND));
    let script = [
        Step::FailAfter(8 * SECOND, busy(90)),
        down(),
        down(),
        Step::Fail(busy(60)),
    ];
    let (mut service, exporter, handle) = breaker(CircuitBreakerLayer::error(policy()), script);
    let slow = tokio::spawn(service.clone().oneshot(logs(1)));
    exporter.wait_for_calls(1).await;
    for _ in 0..3 {
        send(&mut service, 1).await.unwrap_err();
    }
    let left = |error: ExportError| error.retry();
    assert_eq!(
        left(send(&mut service, 1).await.unwrap_err()),
        RetryAdvice::After(60 * SECOND)
    );
    // The answer to an earlier request names a longer one.
    slow.await.unwrap().unwrap_err();
    assert_eq!(
        left(send(&mut service, 1).await.unwrap_err()),
        RetryAdvice::After(90 * SECOND)
    );
    advance(90 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_request_from_before_it_opened_neither_closes_nor_opens_it() {
    let slow = Step::DeliverAfter(SECOND);
    let slower = Step::FailAfter(7 * SECOND, error(ErrorKind::Unavailable));
    let script = [slow, slower, down(), down(), down()];
    let policy = policy().open_for(5 * SECOND, 5 * SECOND);
    let (mut service, exporter, handle) = breaker(CircuitBreakerLayer::error(policy), script);
    let slow = tokio::spawn(service.clone().oneshot(logs(1)));
    exporter.wait_for_calls(1).await;
    let slower = tokio::spawn(service.clone().oneshot(logs(1)));
    exporter.wait_for_calls(2).await;
    for _ in 0..3 {
        send(&mut service, 1).await.unwrap_err();
    }
    slow.await.unwrap().unwrap();
    assert_eq!(handle.state(), CircuitState::Open);
    advance(4 * SECOND).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    slower.await.unwrap().unwrap_err();
    assert_eq!(handle.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn in_pending_mode_requests_wait_and_none_is_lost() {
    let script = vec![down(); 5];
    let (service, exporter, handle) = breaker(CircuitBreakerLayer::pending(policy()), script);
    let started = Instant::now();
    for _ in 0..3 {
        send(&mut service.clone(), 1).await.unwrap_err();
    }
    let mut waiting: Vec<_> = (1..=4)
        .map(|items| task::spawn(service.clone().oneshot(logs(items))))
        .collect();
    for one in &mut waiting {
        assert_pending!(one.poll());
    }
    assert_eq!(exporter.calls(), 3);
    let results = futures_util::future::join_all(waiting.into_iter().map(|task| task.into_inner()));
    let failed = results.await.iter().filter(|one| one.is_err()).count();
    assert_eq!(failed, 2, "two probes, after 5 s and 10 s");
    assert_eq!(started.elapsed().as_secs(), 5 + 10 + 15);
    assert_eq!(exporter.calls(), 7);
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn in_pending_mode_closing_wakes_all_who_wait() {
    let script = vec![down(), down(), down(), Step::Hold];
    let (service, exporter, _) = breaker(CircuitBreakerLayer::pending(policy()), script);
    for _ in 0..3 {
        send(&mut service.clone(), 1).await.unwrap_err();
    }
    advance(5 * SECOND).await;
    let mut probe = task::spawn(service.clone().oneshot(logs(1)));
    assert_pending!(probe.poll());
    assert_pending!(probe.poll());
    let mut waiting = [(); 3].map(|()| task::spawn(service.clone().oneshot(logs(1))));
    for one in &mut waiting {
        assert_pending!(one.poll());
        assert!(!one.is_woken());
    }
    exporter.release();
    assert!(assert_ready!(probe.poll()).is_ok());
    for one in &mut waiting {
        assert!(one.is_woken());
    }
}

/// Who waits for the circuit must not hold the permit that the probe needs.
#[tokio::test(start_paused = true)]
async fn those_who_wait_hold_nothing_of_the_service_below() {
    for layer in [CircuitBreakerLayer::pending, CircuitBreakerLayer::error] {
        let limit = ConcurrencyLimit::new(ScriptedExporter::new(vec![down(); 3]), 1);
        let service = layer(policy()).unwrap().layer(limit);
        let mut failing = service.clone();
        send(&mut failing, 1).await.unwrap_err();
        send(&mut failing, 1).await.unwrap_err();
        failing.ready().await.unwrap();
        let mut parked = service.clone();
        let mut parked = task::spawn(async move {
            let _ = parked.ready().await.map(|_| ());
            std::future::pending::<()>().await;
        });
        assert_pending!(parked.poll());
        failing.call(logs(1)).await.unwrap_err();
        // It was next in line for the permit; the circuit opened instead.
        assert!(parked.is_woken());
        assert_pending!(parked.poll());
        advance(5 * SECOND).await;
        let mut probe = task::spawn(service.clone().oneshot(logs(1)));
        assert_ready_ok!(probe.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn in_error_mode_those_who_wait_for_the_service_are_refused_when_it_opens() {
    let limit = ConcurrencyLimit::new(
        ScriptedExporter::new([down(), down(), Step::Hold, down()]),
        2,
    );
    let mut failing = CircuitBreakerLayer::error(policy())
        .unwrap()
        .layer(limit.clone());
    send(&mut failing, 1).await.unwrap_err();
    send(&mut failing, 1).await.unwrap_err();
    let mut held = task::spawn(failing.clone().oneshot(logs(1)));
    assert_pending!(held.poll());
    failing.ready().await.unwrap();
    let mut waiting = task::spawn(failing.clone().oneshot(logs(1)));
    assert_pending!(waiting.poll());
    failing.call(logs(1)).await.unwrap_err();
    let refused = assert_ready!(waiting.poll()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn readiness_that_the_circuit_overtook() {
    for (layer, sent) in [
        (CircuitBreakerLayer::error(policy()), false),
        (CircuitBreakerLayer::pending(policy()), true),
    ] {
        let (mut service, exporter, _) = breaker(layer, vec![down(); 3]);
        let mut ready = service.clone();
        ready.ready().await.unwrap();
        for _ in 0..3 {
            send(&mut service, 1).await.unwrap_err();
        }
        assert_eq!(ready.call(logs(1)).await.is_ok(), sent);
        assert_eq!(exporter.calls(), 3 + usize::from(sent));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_handed_on_and_counts() {
    let (dead, worker) =
        tower::buffer::Buffer::<ExportRequest, _>::pair(ScriptedExporter::delivering(), 1);
    drop(worker);
    let policy = policy().classify(|_| Verdict::Fails);
    let mut service = CircuitBreakerLayer::error(policy).unwrap().layer(dead);
    for _ in 0..3 {
        let error = service.ready().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    assert_eq!(service.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn services_have_circuits_of_their_own_unless_shared() {
    let layer = CircuitBreakerLayer::error(policy().consecutive_failures(1)).unwrap();
    let apply = |layer: &CircuitBreakerLayer| {
        [down(), Step::Deliver].map(|step| layer.layer(ScriptedExporter::new([step])))
    };
    let [mut bad, mut good] = apply(&layer);
    send(&mut bad, 1).await.unwrap_err();
    assert!(send(&mut good, 1).await.is_ok());
    let (layer, handle) = layer.shared();
    let [mut bad, mut good] = apply(&layer);
    send(&mut bad, 1).await.unwrap_err();
    assert_eq!(handle.state(), CircuitState::Open);
    assert!(send(&mut good, 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn under_a_fallback_the_failing_service_is_spared() {
    let primary = ScriptedExporter::new([down()]);
    let secondary = ScriptedExporter::delivering();
    let policy = policy()
        .consecutive_failures(1)
        .open_for(60 * SECOND, 60 * SECOND);
    let service = ServiceBuilder::new()
        .fallback(secondary.clone())
        .circuit_breaker(CircuitBreakerLayer::error(policy).unwrap())
        .service(ReadinessProbe::new(primary.clone()));
    fn is_an_exporter(_: &impl Exporter) {}
    is_an_exporter(&service);
    // The second is a probe of the fallback, and the circuit keeps it from the primary.
    for taken_over in [true, true, false] {
        let response = service.clone().oneshot(logs(1)).await.unwrap();
        assert_eq!(response.taken_over(), taken_over);
        advance(30 * SECOND).await;
    }
    assert_eq!((primary.calls(), secondary.calls()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn under_a_retry_every_attempt_counts_and_the_circuit_is_waited_for() {
    let exporter = ScriptedExporter::new(vec![down(); 3]);
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .circuit_breaker(CircuitBreakerLayer::error(policy()).unwrap())
        .attempt_timeout(SECOND)
        .service(ReadinessProbe::new(exporter.clone()));
    let response = service.oneshot(logs(3)).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(exporter.calls(), 4);
}

/// Random traffic, random answers, random cancellations: it never wedges.
#[tokio::test(start_paused = true)]
async fn it_always_closes_in_the_end() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let script: Vec<_> = (0..40)
            .map(|_| match rng.u8(0..6) {
                0 | 1 => down(),
                2 => Step::Hold,
                3 => Step::DeliverAfter(rng.u32(0..20) * SECOND),
                4 => Step::FailAfter(rng.u32(0..20) * SECOND, error(ErrorKind::Timeout)),
                _ => Step::Deliver,
            })
            .collect();
        let exporter = ScriptedExporter::new(script);
        let layer = match rng.bool() {
            true => CircuitBreakerLayer::error(policy().probes(rng.u32(1..4))),
            false => CircuitBreakerLayer::pending(policy().probes(rng.u32(1..4))),
        };
        let limit = ConcurrencyLimit::new(ReadinessProbe::new(exporter.clone()), 3);
        let service = layer.unwrap().layer(limit);
        let mut tasks = Vec::new();
        for _ in 0..80 {
            let mut handle = service.clone();
            tasks.push(tokio::spawn(async move {
                let _ = handle.ready().await?.call(logs(1)).await;
                Ok::<_, ExportError>(())
            }));
            if rng.u8(0..3) == 0 {
                advance(rng.u32(0..8) * SECOND).await;
            }
            if rng.u8(0..4) == 0 {
                tasks.swap_remove(rng.usize(0..tasks.len())).abort();
            }
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.abort();
        }
        exporter.extend(vec![Step::Deliver; 10]);
        for _ in 0..200 {
            exporter.release();
        }
        let mut last = service.clone();
        let recovered = async {
            // What is left of the script may fail a few more.
            while send(&mut last, 1).await.is_err() || exporter.in_flight() > 0 {
                advance(5 * SECOND).await;
            }
        };
        let recovered = tokio::time::timeout(3600 * SECOND, recovered).await;
        assert!(recovered.is_ok(), "seed {seed}: {last:?}");
    }
}
