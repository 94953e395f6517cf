//! The lifecycle: what is counted, what is waited for, what is turned away.

use std::time::Duration;

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit};
use tower_otlp::{
    DropReason, ErrorKind, ExportError, ExportResponse, Lifecycle, RetryAdvice, ServiceBuilderExt,
    layers::{retry::RetryPolicy, track::Track},
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

fn pipeline(
    script: impl IntoIterator<Item = Step>,
) -> (
    Lifecycle,
    ScriptedExporter,
    Track<ReadinessProbe<ScriptedExporter>>,
) {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new(script);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .service(ReadinessProbe::new(exporter.clone()));
    (lifecycle, exporter, service)
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract_and_counts_it() {
    let lifecycle = Lifecycle::new();
    contract::check(&lifecycle.layer()).await;
    let report = lifecycle.report();
    assert!(report.complete);
    assert_eq!(report.in_flight, 0);
    // One request was dropped by its caller and one by a panic.
    assert_eq!((report.cancelled, report.dropped), (2, 0));
    assert_eq!(report.refused, 3);
    assert_eq!(
        report.accepted,
        report.delivered + report.refused + report.cancelled
    );
}

#[tokio::test(start_paused = true)]
async fn every_item_is_counted_once() {
    let (lifecycle, _, service) = pipeline([
        Step::Deliver,
        Step::Reject(3),
        Step::Fail(down()),
        Step::Partial(4, down()),
        Step::Hold,
        Step::Hold,
    ]);
    for _ in 0..4 {
        // Whether it is delivered is for the counts to say.
        let _ = service.clone().oneshot(logs(10)).await;
    }
    let mut cancelled = task::spawn(service.clone().oneshot(logs(10)));
    let mut waiting = task::spawn(service.oneshot(logs(10)));
    for _ in 0..2 {
        assert_pending!(cancelled.poll());
        assert_pending!(waiting.poll());
    }
    drop(cancelled);

    let report = lifecycle.report();
    assert_eq!(report.accepted, 60);
    assert_eq!(report.delivered, 10 + 7 + 4);
    assert_eq!(report.rejected, 3);
    assert_eq!(report.refused, 10 + 6);
    assert_eq!(report.cancelled, 10);
    assert_eq!(report.in_flight, 10);
    assert!(!report.complete);
    assert_eq!(report.to_string(), "delivered=21 retained=0 dropped=0");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_is_in_flight_and_turns_new_requests_away() {
    let (lifecycle, exporter, mut service) = pipeline([Step::DeliverAfter(3 * SECOND)]);
    let request = tokio::spawn(service.ready().await.unwrap().call(logs(5)));
    exporter.wait_for_calls(1).await;

    let started = Instant::now();
    let mut shutdown = task::spawn(lifecycle.shutdown(10 * SECOND));
    assert_pending!(shutdown.poll());
    let error = service
        .ready()
        .await
        .unwrap()
        .call(logs(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(
        error.retry(),
        RetryAdvice::Backoff,
        "another process takes it"
    );

    let report = shutdown.await;
    assert_eq!(started.elapsed(), 3 * SECOND, "not until the deadline");
    assert!(report.complete);
    assert_eq!(report.to_string(), "delivered=5 retained=0 dropped=0");
    assert_eq!(report.accepted, 5, "what is turned away was never let in");
    assert_eq!(request.await.unwrap().unwrap().delivered_items(), 5);
    assert_eq!(exporter.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_late_counts_as_dropped_and_not_twice() {
    let (lifecycle, exporter, mut service) = pipeline([Step::Hold]);
    let request = tokio::spawn(service.ready().await.unwrap().call(logs(5)));
    exporter.wait_for_calls(1).await;
    let started = Instant::now();
    let report = lifecycle.shutdown(2 * SECOND).await;
    assert_eq!(started.elapsed().as_secs(), 2);
    assert!(!report.complete);
    assert_eq!(report.to_string(), "delivered=0 retained=0 dropped=5");

    exporter.release();
    assert!(
        request.await.unwrap().is_ok(),
        "the request itself is left alone"
    );
    assert_eq!(
        lifecycle.shutdown(SECOND).await.to_string(),
        report.to_string()
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_readiness_is_told() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::Hold]);
    let mut limited = ConcurrencyLimit::new(exporter.clone(), 1);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .service(limited.clone());
    let mut occupant = task::spawn(limited.ready().await.unwrap().call(logs(1)));
    assert_pending!(occupant.poll());
    let mut waiting = task::spawn(service.clone().oneshot(logs(1)));
    let abandoned = task::spawn(service.oneshot(logs(1)));
    assert_pending!(waiting.poll());
    drop(abandoned);

    let report = lifecycle.shutdown(SECOND).await;
    assert!(report.complete, "who waits for readiness is not in flight");
    assert!(waiting.is_woken());
    let error = assert_ready!(waiting.poll()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn draining_is_a_level() {
    let lifecycle = Lifecycle::new();
    let mut early = task::spawn(lifecycle.draining());
    assert_pending!(early.poll());
    assert!(!lifecycle.is_draining());
    lifecycle.shutdown(Duration::ZERO).await;
    assert!(early.is_woken());
    assert_ready!(early.poll());
    let mut late = task::spawn(lifecycle.draining());
    assert_ready!(late.poll());
    assert!(lifecycle.clone().is_draining());
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_came_before_it_and_for_nothing_else() {
    let (lifecycle, exporter, mut service) = pipeline([
        Step::DeliverAfter(3 * SECOND),
        Step::DeliverAfter(60 * SECOND),
    ]);
    let before = tokio::spawn(service.ready().await.unwrap().call(logs(1)));
    exporter.wait_for_calls(1).await;
    let started = Instant::now();
    let mut flush = task::spawn(lifecycle.force_flush(10 * SECOND));
    assert_pending!(flush.poll());
    let after = tokio::spawn(service.ready().await.unwrap().call(logs(2)));
    let report = flush.await;
    assert_eq!(started.elapsed(), 3 * SECOND);
    assert!(report.complete);
    assert_eq!((report.delivered, report.in_flight), (1, 2));

    let late = lifecycle.force_flush(SECOND).await;
    assert!(!late.complete);
    assert_eq!(late.dropped, 0, "a flush gives nothing up");
    assert!(before.await.unwrap().is_ok());
    assert!(after.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_in_backoff_is_in_flight() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::Fail(
        down().with_retry(RetryAdvice::After(5 * SECOND)),
    )]);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .export_retry(RetryPolicy::new())
        .service(exporter.clone());
    let request = tokio::spawn(service.oneshot(logs(4)));
    exporter.wait_for_calls(1).await;
    let report = lifecycle.shutdown(60 * SECOND).await;
    assert_eq!(report.to_string(), "delivered=4 retained=0 dropped=0");
    assert!(request.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stage_is_waited_for_and_hurried() {
    let lifecycle = Lifecycle::new();
    let mut stage = lifecycle.stage();
    assert!(!stage.is_rushed());
    let held = stage.hold(3);
    let worker = tokio::spawn(async move {
        stage.rushed().await;
        assert!(!stage.is_draining(), "a flush is no shutdown");
        held.answered();
        stage
    });
    let report = lifecycle.force_flush(SECOND).await;
    assert!(report.complete);
    let stage = worker.await.unwrap();
    assert!(!stage.is_rushed(), "the flush is over");
}

#[tokio::test(start_paused = true)]
async fn what_a_stage_answered_for_is_counted_to_its_end() {
    let lifecycle = Lifecycle::new();
    let stage = lifecycle.stage();
    let delivered = stage.retain(10);
    let failed = stage.retain(20);
    let replaced = stage.retain(30);
    let abandoned = stage.retain(40);
    let late = stage.retain(50);
    assert_eq!(lifecycle.report().retained, 150);
    delivered.ended(&Ok(ExportResponse::delivered(8).with_rejected(2, "old")));
    failed.ended(&Err(down()));
    replaced.dropped(DropReason::Overflow);
    drop(abandoned);
    assert_eq!(lifecycle.report().retained, 50);

    let report = lifecycle.shutdown(SECOND).await;
    late.ended(&Ok(ExportResponse::delivered(50)));
    assert!(!report.complete);
    let mut after = lifecycle.report();
    after.complete = false;
    assert_eq!(report, after, "what ends late is not counted twice");
    assert_eq!((report.delivered, report.rejected), (8, 2));
    assert_eq!((report.retained, report.dropped), (0, 140));
    let drops: Vec<_> = report.drops().collect();
    assert_eq!(
        drops,
        [
            (DropReason::Failed(ErrorKind::Unavailable), 20),
            (DropReason::Overflow, 30),
            (DropReason::Abandoned, 40),
            (DropReason::Shutdown, 50),
        ]
    );
    assert_eq!(report.accepted, 150);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_caller_went_away_is_counted_by_its_stage() {
    let (lifecycle, _, service) = pipeline([Step::Hold]);
    let stage = lifecycle.stage();
    let mut request = task::spawn(service.oneshot(logs(5)));
    assert_pending!(request.poll());
    assert_pending!(request.poll());
    let held = stage.hold(5);
    drop(request);
    assert_eq!(lifecycle.report().cancelled, 5);
    held.ended(&Ok(ExportResponse::delivered(5)));
    let report = lifecycle.report();
    assert_eq!(
        (report.accepted, report.cancelled, report.delivered),
        (5, 0, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_wakes_a_request_in_backoff_and_retries_it_before_the_deadline() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::Fail(down()), Step::Fail(down()), Step::Deliver]);
    let policy = RetryPolicy::new()
        .seed(3)
        .initial_backoff(3600 * SECOND)
        .max_backoff(3600 * SECOND)
        .no_max_elapsed()
        .lifecycle(&lifecycle);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .export_retry(policy)
        .service(exporter.clone());
    let request = tokio::spawn(service.oneshot(logs(5)));
    exporter.wait_for_calls(1).await;
    let started = Instant::now();
    let report = lifecycle.shutdown(4 * SECOND).await;
    assert_eq!(
        started.elapsed(),
        SECOND,
        "no wait takes more than half of what is left until half-time"
    );
    assert_eq!((report.delivered, report.dropped), (5, 0));
    assert!(request.await.unwrap().is_ok());
    assert_eq!(exporter.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_a_fallback_the_time_that_a_retry_would_take() {
    let hangs = Step::Hold;
    let fails = Step::Fail(down());
    for (what, step) in [("fails", fails), ("hangs", hangs)] {
        let lifecycle = Lifecycle::new();
        let primary = ScriptedExporter::new(vec![step; 1000]);
        let secondary = ScriptedExporter::new([]);
        let service = ServiceBuilder::new()
            .tracked(&lifecycle)
            .fallback(secondary.clone())
            .export_retry(RetryPolicy::new().no_max_elapsed().lifecycle(&lifecycle))
            .attempt_timeout(5 * SECOND)
            .service(primary.clone());
        let request = tokio::spawn(service.oneshot(logs(5)));
        primary.wait_for_calls(1).await;
        let started = Instant::now();
        let report = lifecycle.shutdown(10 * SECOND).await;
        assert_eq!((report.delivered, report.dropped), (5, 0), "{what}");
        assert!(
            started.elapsed() <= 5 * SECOND,
            "{what}: {:?}",
            started.elapsed()
        );
        assert!(request.await.unwrap().unwrap().taken_over(), "{what}");
        assert_eq!(secondary.items(), [5], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sum_holds_when_a_timeout_gives_up_on_a_worker_below() {
    use tower_otlp::layers::batch::{BatchConfig, BatchLayer};

    let lifecycle = Lifecycle::new();
    let batch = BatchLayer::new(BatchConfig::new().lifecycle(&lifecycle)).unwrap();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .total_timeout(SECOND)
        .batch(batch)
        .service(ScriptedExporter::new([Step::DeliverAfter(5 * SECOND)]));
    let error = service.oneshot(logs(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);

    let report = lifecycle.shutdown(10 * SECOND).await;
    // Once for the caller, who was told of a failure, and once for the batch that arrived.
    assert_eq!(
        (report.refused, report.delivered, report.cancelled),
        (3, 3, 0)
    );
    assert_eq!(report.accepted, 6, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_below_took_before_an_error_is_counted_by_the_queue() {
    let lifecycle = Lifecycle::new();
    let stage = lifecycle.stage();
    // Four items: a queue below took three of them and answered for them, then failed.
    let failed = move || {
        let held = stage.retain(3);
        let progress = ExportResponse::retained(3);
        (held, down().with_remainder(progress, logs(1)))
    };

    // The caller is told, and has the one that is left.
    let (held, error) = failed();
    let mut service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .service(ScriptedExporter::new([Step::Fail(error)]));
    service
        .ready()
        .await
        .unwrap()
        .call(logs(4))
        .await
        .unwrap_err();
    let report = lifecycle.report();
    assert_eq!(
        (report.accepted, report.refused, report.retained),
        (4, 1, 3)
    );
    held.ended(&Ok(ExportResponse::delivered(3)));
    let report = lifecycle.report();
    assert_eq!(
        (report.accepted, report.delivered, report.refused),
        (4, 3, 1)
    );

    // A queue above answered for all four, and gives up: one is lost.
    let promised = lifecycle.stage().retain(4);
    let (held, error) = failed();
    promised.ended(&Err(error));
    held.ended(&Ok(ExportResponse::delivered(3)));
    let report = lifecycle.report();
    assert_eq!((report.accepted, report.delivered), (8, 6));
    assert_eq!((report.refused, report.dropped), (1, 1));
}
