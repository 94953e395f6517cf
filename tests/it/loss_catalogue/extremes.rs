//! A clock that jumps, a caller that never reads, a backend that never answers, through the whole
//! stack: memory stays within its bounds, and nothing is lost or waits for ever.

use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, task};
use tower_otlp::{layers::queue::Overflow, testing::logs};

use super::*;
use crate::support::allocations::kept;

/// A clock that jumps by days while telemetry waits for a batch to fill.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_sends_what_waits_for_a_batch() {
    let exporter = ScriptedExporter::delivering();
    let pipeline = batching(early(), BatchConfig::new().timeout(DAY), exporter.clone());
    for _ in 0..5 {
        pipeline.deliver(logs(2)).await.unwrap();
    }
    advance(SECOND).await;
    assert_eq!(exporter.calls(), 0);
    advance(3 * DAY).await;
    exporter.wait_for_calls(1).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (10, 0));
}

/// A clock that jumps by days while requests back off and the circuit is open.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_in_an_outage_loses_nothing() {
    let exporter = failing(60, &down());
    let pipeline = pipeline(early(), exporter.clone());
    for _ in 0..30 {
        pipeline.deliver(logs(2)).await.unwrap();
        advance(SECOND).await;
    }
    for _ in 0..3 {
        advance(5 * DAY).await;
        settle().await;
    }
    tokio::time::sleep(DAY).await;
    assert_eq!(exporter.delivered(), 60);
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (60, 0), "{report:?}");
}

/// A clock that jumps over the timeout of a request that is on its way.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_ends_what_hangs_and_sends_it_again() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let answer = pipeline.send(logs(2)).await;
    exporter.wait_for_calls(1).await;
    advance(400 * DAY).await;
    let response = answer.await.unwrap().unwrap();
    assert_eq!(response.delivered_items(), 2);
    assert_eq!((exporter.calls(), exporter.dropped()), (2, 1));
}

/// A delay that no clock will ever show: an overflow, or a request that is parked for ever.
#[tokio::test(start_paused = true)]
async fn a_delay_without_end_is_an_error_and_not_a_panic() {
    let pipeline = pipeline(QueueConfig::new(), failing(9, &throttled(Duration::MAX)));
    let error = pipeline.deliver(logs(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let report = pipeline.shutdown(Duration::MAX).await;
    assert!(report.complete);
    assert_eq!(report.refused, 2);
}

/// Callers that keep the future of their answer and never look at it.
#[tokio::test(start_paused = true)]
async fn callers_that_never_read_their_answer_hold_up_nobody() {
    let exporter = ScriptedExporter::delivering();
    let pipeline = pipeline(QueueConfig::new().max_requests(10), exporter.clone());
    let mut unread = Vec::new();
    for _ in 0..1_000 {
        let mut service = pipeline.service.clone();
        let ready = tokio::time::timeout(MINUTE, service.ready()).await;
        unread.push(ready.expect("others let it in").unwrap().call(logs(3)));
    }
    exporter_has(&exporter, 3_000).await;
    let stats = pipeline.queue.stats();
    assert_eq!((stats.requests, stats.bytes), (0, 0));
    assert!(stats.peak_requests <= 10, "{stats:?}");
    // Those who look after all find it.
    for answer in unread {
        assert_eq!(answer.await.unwrap().delivered_items(), 3);
    }
    assert_eq!(pipeline.shutdown(MINUTE).await.delivered, 3_000);
}

/// Waits until so many items are delivered, for an hour at most.
async fn exporter_has(exporter: &ScriptedExporter, items: u64) {
    let end = Instant::now() + HOUR;
    while exporter.delivered() < items && Instant::now() < end {
        settle().await;
    }
    assert_eq!(exporter.delivered(), items);
}

/// A backend that never answers, and senders that do not stop: memory without bound.
#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_costs_no_more_than_the_queue_may_hold() {
    let max_bytes = 256 << 10;
    let never = tower::service_fn(|_: ExportRequest| {
        std::future::pending::<Result<ExportResponse, ExportError>>()
    });
    let config = early().max_bytes(max_bytes).overflow(Overflow::RejectNew);
    let pipeline = pipeline(config, never);
    let mut refused = 0_u64;
    for _ in 0..20_000 {
        if let Err(error) = pipeline.deliver(logs(100)).await {
            assert_eq!(error.kind(), ErrorKind::Overloaded);
            assert!(error.is_retryable(), "{error}");
            refused += 100;
        }
    }
    let stats = pipeline.queue.stats();
    assert!(stats.peak_bytes <= max_bytes as u64, "{stats:?}");
    assert!(refused > 1_000_000, "{refused}");
    tokio::time::sleep(DAY).await;
    let held = pipeline.queue.stats();
    assert_eq!(
        held.requests, stats.requests,
        "kept for as long as it takes"
    );
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!(report.refused, refused);
    assert_eq!(
        drops(&report),
        [(DropReason::Shutdown, 2_000_000 - refused)]
    );
}

/// The same with callers who wait: the next one is not let in, and hears nothing false.
#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_makes_callers_wait_at_the_door() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 10_000]);
    let pipeline = pipeline(QueueConfig::new().max_requests(8), exporter);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(pipeline.send(logs(1)).await);
    }
    settle().await;
    let mut ninth = pipeline.service.clone();
    let mut door = task::spawn(ninth.ready());
    assert_pending!(door.poll());
    tokio::time::sleep(HOUR).await;
    assert_pending!(door.poll());
    drop(door);
    // In flight at the deadline: the report cannot wait for their answers, and counts them as
    // lost. The callers hear the truth all the same.
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!(drops(&report), [(DropReason::Shutdown, 8)]);
    for answer in answers {
        let error = answer.await.unwrap().unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
}

/// What the counters call bytes is what the queue really keeps in memory.
#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_stalled_pipeline_are_those_it_reports() {
    let exporter = tower::service_fn(|_: ExportRequest| {
        std::future::pending::<Result<ExportResponse, ExportError>>()
    });
    let pipeline = pipeline(early(), exporter);
    let requests: Vec<_> = (0..500).map(|_| logs(1_000)).collect();
    let body = requests[0].byte_size() as u64;
    drop(requests);
    let mut fill = task::spawn(async {
        for _ in 0..500 {
            pipeline.deliver(logs(1_000)).await.unwrap();
        }
    });
    let (_, bytes) = kept(|| fill.poll());
    let stats = pipeline.queue.stats();
    let reported = stats.bytes;
    assert!(stats.requests > 0 && reported >= stats.requests as u64 * body);
    assert!(
        bytes <= reported * 5 / 4 + (64 << 10),
        "{bytes} bytes kept, {reported} reported, {} requests",
        stats.requests
    );
}
