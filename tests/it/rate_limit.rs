//! The rate limit: what passes, what waits, in which order, and what an idle handle costs others.

use std::time::Duration;

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    DropReason, ErrorKind, ExportError, Lifecycle, RetryAdvice, ServiceBuilderExt,
    layers::{
        queue::{Acknowledge, QueueConfig, QueueLayer},
        rate_limit::{RateLimit, RateLimitLayer, RateLimiter},
        retry::{RetryLayer, RetryPolicy},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn items(rate: f64, burst: f64) -> RateLimiter {
    RateLimiter::items_per_second(rate)
        .and_then(|limiter| limiter.with_burst(burst))
        .expect("a rate and a burst")
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&RateLimitLayer::new(items(10.0, 10.0))).await;
    contract::check(&RateLimitLayer::new(items(0.5, 1.0))).await;
    let limiter = RateLimiter::requests_per_second(2.0).unwrap();
    contract::check(&RateLimitLayer::new(limiter)).await;
    let limiter = RateLimiter::bytes_per_second(3.0).unwrap();
    contract::check(&RateLimitLayer::new(limiter)).await;
}

#[test]
fn what_cannot_work_is_an_error_when_built() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for limiter in [
            RateLimiter::items_per_second(rate),
            RateLimiter::bytes_per_second(rate),
            RateLimiter::requests_per_second(rate),
        ] {
            let error = limiter.unwrap_err().to_string();
            assert!(error.contains("finite rate above zero"), "{error}");
        }
        let limiter = RateLimiter::items_per_second(1.0).unwrap();
        let error = limiter.with_burst(rate).unwrap_err().to_string();
        assert!(error.contains("at least one"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_burst_passes_at_once_and_the_rate_holds_after() {
    let exporter = ScriptedExporter::delivering();
    let limiter = items(100.0, 500.0);
    let mut service = RateLimit::new(ReadinessProbe::new(exporter.clone()), limiter.clone());
    let start = Instant::now();
    for _ in 0..5 {
        service
            .ready()
            .await
            .unwrap()
            .call(logs(100))
            .await
            .unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "the burst");
    for _ in 0..100 {
        service
            .ready()
            .await
            .unwrap()
            .call(logs(100))
            .await
            .unwrap();
    }
    // The last one leaves a debt that nobody waited for.
    let seconds = start.elapsed().as_secs_f64();
    assert!((98.9..100.0).contains(&seconds), "{seconds}");
    assert_eq!(exporter.delivered(), 10_500);

    // A long pause saves up no more than the burst.
    tokio::time::advance(3600 * SECOND).await;
    assert_eq!(limiter.balance(), 500.0);
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_burst_passes_and_leaves_a_debt() {
    let limiter = items(10.0, 10.0);
    let mut service = RateLimit::new(ScriptedExporter::delivering(), limiter.clone());
    let start = Instant::now();
    service
        .ready()
        .await
        .unwrap()
        .call(logs(1000))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(limiter.balance(), -990.0);
    service.ready().await.unwrap().call(logs(1)).await.unwrap();
    let waited = start.elapsed();
    assert!((99 * SECOND..100 * SECOND).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn each_unit_counts_its_own() {
    let request = logs(300);
    let bytes = request.byte_size() as f64;
    for (limiter, cost) in [
        (RateLimiter::items_per_second(1e6), 300.0),
        (RateLimiter::bytes_per_second(1e6), bytes),
        (RateLimiter::requests_per_second(1e6), 1.0),
    ] {
        let limiter = limiter.unwrap();
        let service = RateLimit::new(ScriptedExporter::delivering(), limiter.clone());
        service.oneshot(request.clone()).await.unwrap();
        assert_eq!(limiter.balance(), 1e6 - cost);
    }
}

#[tokio::test(start_paused = true)]
async fn several_pipelines_share_one_rate_in_the_order_of_their_asking() {
    let limiter = RateLimiter::requests_per_second(10.0)
        .unwrap()
        .with_burst(1.0)
        .unwrap();
    let (left, right) = (
        ScriptedExporter::delivering(),
        ScriptedExporter::delivering(),
    );
    let layer = RateLimitLayer::new(limiter.clone());
    let services = [layer.layer(left.clone()), layer.layer(right.clone())];
    let start = Instant::now();
    let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..40 {
        let (service, done) = (services[number % 2].clone(), done.clone());
        tokio::spawn(async move {
            service.oneshot(logs(1)).await.unwrap();
            done.send(number).unwrap();
        });
    }
    for number in 0..40 {
        assert_eq!(order.recv().await, Some(number));
    }
    // One passes at once, one more on the first bit of a token.
    let seconds = start.elapsed().as_secs_f64();
    assert!((3.8..4.0).contains(&seconds), "{seconds}");
    assert_eq!((left.calls(), right.calls()), (20, 20));
    assert_eq!(limiter.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_woken_one_by_one() {
    let limiter = RateLimiter::requests_per_second(1.0).unwrap();
    let service = RateLimit::new(ScriptedExporter::delivering(), limiter.clone());
    service.clone().oneshot(logs(1)).await.unwrap();
    let mut waiting: Vec<_> = (0..100)
        .map(|_| task::spawn(service.clone().oneshot(logs(1))))
        .collect();
    for request in &mut waiting {
        assert_pending!(request.poll());
    }
    assert_eq!(limiter.waiting(), 100);
    tokio::time::advance(Duration::from_millis(2)).await;
    let woken = waiting.iter().filter(|request| request.is_woken()).count();
    assert_eq!(woken, 1);
    assert_ready!(waiting[0].poll()).unwrap();
    let woken: Vec<_> = (1..100).filter(|n| waiting[*n].is_woken()).collect();
    assert_eq!(woken, [1], "the next takes over the watch");
    assert_pending!(waiting[1].poll());
    drop(waiting);
    assert_eq!(limiter.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_ready_handle_holds_nothing_that_others_need() {
    let limiter = RateLimiter::requests_per_second(1.0).unwrap();
    let service = RateLimit::new(ScriptedExporter::delivering(), limiter.clone());
    let mut idle = service.clone();
    idle.ready().await.unwrap();
    let start = Instant::now();
    service.clone().oneshot(logs(1)).await.unwrap();
    service.clone().oneshot(logs(1)).await.unwrap();
    let waited = start.elapsed();
    assert!(waited < Duration::from_millis(1100), "{waited:?}");
    // What it paid comes back if it goes away unused.
    let before = limiter.balance();
    drop(idle);
    assert_eq!(limiter.balance(), before + 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_stopped_waiting_does_not_hold_up_the_line() {
    let limiter = RateLimiter::requests_per_second(1.0).unwrap();
    let mut service = RateLimit::new(ScriptedExporter::delivering(), limiter);
    service.ready().await.unwrap().call(logs(1)).await.unwrap();
    // It is asked once, and kept.
    let mut asked = task::spawn(());
    let mut kept = service.clone();
    assert_pending!(asked.enter(|cx, _| kept.poll_ready(cx)));
    let start = Instant::now();
    for _ in 0..3 {
        service.clone().oneshot(logs(1)).await.unwrap();
    }
    let waited = start.elapsed();
    assert!(waited < Duration::from_millis(2500), "{waited:?}");
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn clones_wait_for_themselves() {
    let limiter = RateLimiter::requests_per_second(1.0).unwrap();
    let mut service = RateLimit::new(ScriptedExporter::delivering(), limiter.clone());
    service.ready().await.unwrap().call(logs(1)).await.unwrap();
    let mut asked = task::spawn(());
    assert_pending!(asked.enter(|cx, _| service.poll_ready(cx)));
    let clone = service.clone();
    assert_eq!(limiter.waiting(), 1, "the clone does not wait");
    drop(service);
    assert_eq!(
        limiter.waiting(),
        0,
        "and the original took its place along"
    );
    clone.oneshot(logs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn below_a_retry_each_attempt_pays() {
    let down = || Step::Fail(ExportError::new(ErrorKind::Unavailable, "down"));
    let exporter = ScriptedExporter::new([down(), down()]);
    let limiter = items(10.0, 1000.0);
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().initial_backoff(Duration::ZERO))
        .rate_limited(limiter.clone())
        .service(exporter);
    service.oneshot(logs(100)).await.unwrap();
    assert_eq!(limiter.balance(), 700.0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_tokens_holds_no_permit_below() {
    let exporter = ScriptedExporter::delivering();
    let shared = ConcurrencyLimit::new(exporter.clone(), 1);
    let limiter = items(1.0, 1.0);
    let mut limited =
        RetryLayer::new(RetryPolicy::new()).layer(RateLimit::new(shared.clone(), limiter));
    limited.ready().await.unwrap().call(logs(60)).await.unwrap();
    let mut waits = task::spawn(limited.clone().oneshot(logs(1)));
    assert_pending!(waits.poll());
    let start = Instant::now();
    shared.oneshot(logs(1)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "the only permit is free");
}

/// A limit of an item a second that is in debt by `debt` items, in a lifecycle.
async fn in_debt(debt: usize) -> (Lifecycle, RateLimitLayer, ScriptedExporter) {
    let lifecycle = Lifecycle::new();
    let layer = RateLimitLayer::new(items(1.0, 1.0)).lifecycle(&lifecycle);
    let exporter = ScriptedExporter::delivering();
    let service = layer.layer(ReadinessProbe::new(exporter.clone()));
    service.oneshot(logs(debt + 1)).await.unwrap();
    (lifecycle, layer, exporter)
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_of_a_shutdown_ends_at_once() {
    let (lifecycle, layer, exporter) = in_debt(60).await;
    let service = layer.layer(ReadinessProbe::new(exporter.clone()));
    let mut waiting = [(); 3].map(|()| task::spawn(service.clone().oneshot(logs(1))));
    for waiting in &mut waiting {
        assert_pending!(waiting.poll());
    }
    let started = Instant::now();
    let draining = tokio::spawn(async move { lifecycle.shutdown(10 * SECOND).await });
    for waiting in waiting {
        let error = waiting.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let RetryAdvice::After(wait) = error.retry() else {
            panic!("a later process may send it: {error}");
        };
        assert_eq!(wait.as_secs_f64().round() as u64, 60);
        assert!(error.to_string().contains("rate limit"), "{error}");
    }
    // One that comes later hears it as well.
    let error = service.oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(exporter.calls(), 1);
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_draining_the_limit_holds_for_those_it_leaves_time_for() {
    let (lifecycle, layer, exporter) = in_debt(5).await;
    let service = layer.layer(exporter.clone());
    let started = Instant::now();
    let answers = [(); 3].map(|()| {
        let call = service.clone().oneshot(logs(10));
        tokio::spawn(async move { (call.await, started.elapsed().as_secs()) })
    });
    tokio::task::yield_now().await;
    let draining = tokio::spawn(async move { lifecycle.shutdown(10 * SECOND).await });
    let mut ends = Vec::new();
    for answer in answers {
        let (result, after) = answer.await.unwrap();
        ends.push((result.is_ok(), after));
    }
    // The debt of five is paid off, the next one of ten would last beyond the deadline.
    assert_eq!(ends, [(true, 5), (false, 5), (false, 5)]);
    assert_eq!(exporter.items(), [6, 10]);
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_let_pass_in_time_is_a_counted_drop() {
    let (lifecycle, layer, exporter) = in_debt(60).await;
    let queue = QueueConfig::new().acknowledge(Acknowledge::OnEnqueue);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(QueueLayer::new(queue.lifecycle(&lifecycle)).unwrap())
        .export_retry(RetryPolicy::new().lifecycle(&lifecycle))
        .layer(layer)
        .service(ReadinessProbe::new(exporter.clone()));
    service.oneshot(logs(7)).await.unwrap();
    tokio::task::yield_now().await;
    let started = Instant::now();
    let report = lifecycle.shutdown(10 * SECOND).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert!(report.complete, "{report:?}");
    assert_eq!((report.delivered, report.dropped), (0, 7));
    assert_eq!(
        report.drops().collect::<Vec<_>>(),
        [(DropReason::Shutdown, 7)]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_lifecycle_it_waits_beyond_any_deadline() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::delivering();
    let service = RateLimit::new(exporter.clone(), items(1.0, 1.0));
    service.clone().oneshot(logs(61)).await.unwrap();
    let mut waiting = task::spawn(service.oneshot(logs(1)));
    assert_pending!(waiting.poll());
    lifecycle.shutdown(SECOND).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_pending!(waiting.poll());
    waiting.await.unwrap();
    assert_eq!(exporter.calls(), 2);
}
