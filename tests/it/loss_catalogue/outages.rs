//! A backend that is down, for how long and in whatever way: the telemetry waits.

use std::time::Duration;

use tokio::time::Instant;
use tower_otlp::testing::logs;

use super::*;

/// A retry that gives up after three tries, or five minutes, and the telemetry with it.
#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_any_retry_loses_nothing() {
    let exporter = failing(500, &down());
    let pipeline = pipeline(early(), exporter.clone());
    let start = Instant::now();
    pipeline.deliver(logs(9)).await.unwrap();
    exporter.wait_for_calls(501).await;
    assert!(start.elapsed() > HOUR, "{:?}", start.elapsed());
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (9, 0));
}

/// A delay named by the server that is larger than what the retry has left: given up at once.
#[tokio::test(start_paused = true)]
async fn a_long_delay_of_the_server_is_waited_for_and_not_the_end() {
    let exporter = failing(1, &throttled(2 * HOUR));
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let start = Instant::now();
    let response = pipeline.deliver(logs(9)).await.unwrap();
    assert_eq!(response.delivered_items(), 9);
    assert!(start.elapsed() >= 2 * HOUR, "{:?}", start.elapsed());
    assert_eq!(exporter.calls(), 2);
}

/// A retry that does not read what the server asks for, and knocks until it is shut out.
#[tokio::test(start_paused = true)]
async fn a_short_delay_of_the_server_is_kept() {
    let exporter = failing(3, &throttled(7 * SECOND));
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let start = Instant::now();
    pipeline.deliver(logs(9)).await.unwrap();
    assert!(start.elapsed() >= 21 * SECOND, "{:?}", start.elapsed());
    assert_eq!(exporter.calls(), 4);
}

/// A stop while the backend is down: one try, and then the memory is gone without a word.
#[tokio::test(start_paused = true)]
async fn a_stop_while_the_backend_is_down_says_what_is_lost() {
    let exporter = failing(10_000, &down());
    let pipeline = pipeline(early(), exporter.clone());
    for items in [1, 20, 300] {
        pipeline.deliver(logs(items)).await.unwrap();
    }
    settle().await;
    let start = Instant::now();
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!(drops(&report), [(DropReason::Shutdown, 321)]);
    let took = start.elapsed();
    assert!(took <= MINUTE + SECOND, "{took:?}");
}

/// The same with somewhere else to go: nothing needs to be lost.
#[tokio::test(start_paused = true)]
async fn a_stop_while_the_backend_is_down_leaves_all_to_the_dead_letters() {
    let letters = ScriptedExporter::delivering();
    let config = early().dead_letter(letters.clone());
    let pipeline = pipeline(config, failing(10_000, &down()));
    for items in [1, 20, 300] {
        pipeline.deliver(logs(items)).await.unwrap();
    }
    settle().await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (321, 0), "{report:?}");
    assert_eq!(letters.delivered(), 321);
}

/// A backend that comes back during the shutdown: one try at its beginning would miss it.
#[tokio::test(start_paused = true)]
async fn a_backend_that_comes_back_during_a_stop_gets_everything() {
    let exporter = failing(8, &down());
    let pipeline = pipeline(early(), exporter.clone());
    for _ in 0..20 {
        pipeline.deliver(logs(5)).await.unwrap();
    }
    let report = pipeline.shutdown(5 * MINUTE).await;
    assert!(report.complete);
    assert_eq!((report.delivered, report.dropped), (100, 0), "{report:?}");
}

/// Without any retry, what is in flight when the process stops is deleted with its error.
#[tokio::test(start_paused = true)]
async fn a_stop_with_a_request_in_flight_and_no_retry_is_accounted_for() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::FailAfter(SECOND, down()), Step::Deliver]);
    let queue = QueueLayer::new(early().lifecycle(&lifecycle)).unwrap();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(queue)
        .service(exporter.clone());
    service.oneshot(logs(8)).await.unwrap();
    exporter.wait_for_calls(1).await;
    let report = lifecycle.shutdown(MINUTE).await;
    balanced(&report);
    assert_eq!((report.delivered, report.dropped), (8, 0), "{report:?}");
}

/// A flush at shutdown that waits for a dead backend for ever.
#[tokio::test(start_paused = true)]
async fn a_stop_with_a_backend_that_hangs_ends_at_its_deadline() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 100]);
    let pipeline = pipeline(early(), exporter.clone());
    for _ in 0..20 {
        pipeline.deliver(logs(5)).await.unwrap();
    }
    let start = Instant::now();
    let report = pipeline.shutdown(30 * SECOND).await;
    assert!(start.elapsed() <= 30 * SECOND + Duration::from_millis(1));
    assert_eq!(drops(&report), [(DropReason::Shutdown, 100)]);
}

/// A backlog that keeps fresh telemetry waiting until it is delivered itself.
#[tokio::test(start_paused = true)]
async fn a_backlog_that_backs_off_lets_fresh_telemetry_pass() {
    let exporter = failing(4, &throttled(HOUR));
    let pipeline = pipeline(early().concurrency(4), exporter.clone());
    for _ in 0..4 {
        pipeline.deliver(logs(1)).await.unwrap();
        settle().await;
    }
    let stats = pipeline.queue.stats();
    assert_eq!(stats.parked, 4);
    assert_eq!(stats.in_flight, 0, "what waits holds no slot");
    let before = exporter.delivered();
    pipeline.deliver(logs(50)).await.unwrap();
    settle().await;
    assert_eq!(exporter.delivered() - before, 50, "{:?}", exporter.items());
    exporter.wait_for_calls(9).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (54, 0));
}

/// A backend that is back is buried under the backlog: it comes at the rate it was given.
#[tokio::test(start_paused = true)]
async fn catching_up_keeps_to_the_rate() {
    let exporter = failing(1, &throttled(MINUTE));
    let limiter = RateLimiter::items_per_second(10.0).unwrap();
    let queue = QueueLayer::new(early()).unwrap();
    let service = ServiceBuilder::new()
        .queue(queue)
        .rate_limited(limiter)
        .service(exporter.clone());
    for _ in 0..60 {
        service.clone().oneshot(logs(10)).await.unwrap();
    }
    let start = Instant::now();
    exporter.wait_for_calls(61).await;
    let took = start.elapsed();
    assert!(took >= 59 * SECOND, "600 items at 10 a second: {took:?}");
    settle().await;
    assert_eq!(exporter.delivered(), 600);
}

/// Requests that failed together and come back together: an outage that feeds itself.
#[tokio::test(start_paused = true)]
async fn what_failed_together_does_not_come_back_together() {
    let exporter = failing(40, &down());
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .service(exporter.clone());
    let start = Instant::now();
    let calls = (0..40).map(|_| {
        let service = service.clone();
        async move {
            service.oneshot(logs(1)).await.unwrap();
            start.elapsed().as_millis()
        }
    });
    let mut times = futures_util::future::join_all(calls).await;
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 20, "{times:?}");
    assert_eq!(exporter.delivered(), 40);
}

/// A rate that is kept by requests and not by attempts, so that retries come on top of it.
#[tokio::test(start_paused = true)]
async fn every_attempt_pays_at_the_rate_limit() {
    let exporter = failing(9, &down());
    let policy = RetryPolicy::new().initial_backoff(Duration::from_millis(1));
    let limiter = RateLimiter::items_per_second(10.0).unwrap();
    let service = ServiceBuilder::new()
        .export_retry(policy.max_backoff(Duration::from_millis(1)))
        .rate_limited(limiter)
        .service(exporter.clone());
    let start = Instant::now();
    service.oneshot(logs(10)).await.unwrap();
    let took = start.elapsed();
    assert!(took >= 8 * SECOND, "100 items at 10 a second: {took:?}");
    assert_eq!(exporter.calls(), 10);
}

/// A budget that stops a storm of retries, and with it the telemetry.
#[tokio::test(start_paused = true)]
async fn a_retry_without_budget_leaves_the_telemetry_to_the_queue() {
    struct Spent;

    impl tower::retry::budget::Budget for Spent {
        fn deposit(&self) {}

        fn withdraw(&self) -> bool {
            false
        }
    }

    let lifecycle = Lifecycle::new();
    let exporter = failing(20, &down());
    let queue = QueueLayer::new(early().lifecycle(&lifecycle)).unwrap();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(queue)
        .export_retry(RetryPolicy::new().budget(std::sync::Arc::new(Spent)))
        .service(exporter.clone());
    service.oneshot(logs(4)).await.unwrap();
    exporter.wait_for_calls(21).await;
    let report = lifecycle.shutdown(MINUTE).await;
    balanced(&report);
    assert_eq!((report.delivered, report.dropped), (4, 0));
}
