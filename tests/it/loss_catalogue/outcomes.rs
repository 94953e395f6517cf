//! What the caller, or the report, is told of each end that telemetry can come to.

use tower_layer::Layer;
use tower_otlp::layers::{
    observe::Role,
    queue::{Overflow, QueueLayer},
};
use tower_otlp::testing::{ReadinessProbe, logs};

use super::*;

/// A full queue that throws away what comes, while the sender hears that all is well.
#[tokio::test(start_paused = true)]
async fn what_finds_the_queue_full_stays_with_its_caller() {
    let exporter = ScriptedExporter::new(vec![Step::DeliverAfter(SECOND)]);
    let config = early().max_requests(1).overflow(Overflow::RejectNew);
    let pipeline = pipeline(config, exporter.clone());
    pipeline.deliver(logs(1)).await.unwrap();
    let error = pipeline.deliver(logs(10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.is_retryable(), "{error}");
    assert_eq!(pipeline.queue.stats().refused_requests, 1);
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!(
        (report.delivered, report.refused, report.dropped),
        (1, 10, 0)
    );
    assert_eq!(exporter.delivered(), 1);
}

/// A processor that drops the newest when its queue is full, and says so at exit.
#[tokio::test(start_paused = true)]
async fn by_default_a_full_queue_makes_callers_wait_and_drops_nothing() {
    let exporter = ScriptedExporter::new(vec![Step::DeliverAfter(SECOND); 100]);
    let pipeline = pipeline(early().max_requests(2), exporter.clone());
    for _ in 0..100 {
        pipeline.deliver(logs(1)).await.unwrap();
        assert!(pipeline.queue.stats().requests <= 2);
    }
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (100, 0));
    assert_eq!(exporter.delivered(), 100);
}

/// What had to make room for newer telemetry is lost on purpose: it is counted as that.
#[tokio::test(start_paused = true)]
async fn what_makes_room_is_counted_as_overflow() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 3]);
    let config = early()
        .max_requests(2)
        .concurrency(1)
        .overflow(Overflow::DropOldest);
    let pipeline = pipeline(config, exporter.clone());
    for items in [1, 10, 100] {
        pipeline.deliver(logs(items)).await.unwrap();
        settle().await;
    }
    exporter.release();
    exporter.release();
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (101, 10));
    assert_eq!(drops(&report), [(DropReason::Overflow, 10)]);
}

/// A permanent error that deletes the telemetry and leaves a line in a log.
#[tokio::test(start_paused = true)]
async fn what_a_backend_refuses_is_told_to_the_caller_who_waits() {
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Unsupported,
        ErrorKind::Rejected,
    ] {
        let error = ExportError::new(kind, "never");
        let pipeline = pipeline(QueueConfig::new(), failing(9, &error));
        let error = pipeline.deliver(logs(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let snapshot = pipeline.recorder.snapshot();
        assert_eq!(snapshot.failed(Role::Request, kind.as_str()).items, 1);
        assert_eq!(pipeline.shutdown(MINUTE).await.refused, 1);
    }
}

/// The same when the caller was answered long ago: nobody is left to be told.
#[tokio::test(start_paused = true)]
async fn what_a_backend_refuses_later_is_counted_by_its_kind() {
    let never = ExportError::new(ErrorKind::Unauthenticated, "who are you");
    let pipeline = pipeline(early(), failing(1, &never));
    pipeline.deliver(logs(7)).await.unwrap();
    settle().await;
    let report = pipeline.shutdown(MINUTE).await;
    let lost = (DropReason::Failed(ErrorKind::Unauthenticated), 7);
    assert_eq!(drops(&report), [lost]);
}

/// A queue without a place for what the backend refuses.
#[tokio::test(start_paused = true)]
async fn what_a_backend_refuses_later_goes_to_the_dead_letters() {
    let letters = ScriptedExporter::delivering();
    let never = ExportError::new(ErrorKind::Unauthenticated, "who are you");
    let pipeline = pipeline(early().dead_letter(letters.clone()), failing(1, &never));
    pipeline.deliver(logs(7)).await.unwrap();
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (7, 0));
    assert_eq!(letters.items(), [7]);
    assert_eq!(pipeline.queue.stats().dead_lettered, 7);
}

/// A process that dies with telemetry in memory, of which the sender believes that it is safe.
#[tokio::test(start_paused = true)]
async fn nobody_hears_that_telemetry_is_safe_while_it_is_only_in_memory() {
    let layer = QueueLayer::default();
    let exporter = ScriptedExporter::new([Step::Hold]);
    let (mut queue, worker) = layer.pair(ReadinessProbe::new(exporter.clone()));
    let worker = tokio::spawn(worker.run());
    let mut answer = tokio::spawn(queue.ready().await.unwrap().call(logs(5)));
    exporter.wait_for_calls(1).await;
    assert!(!answered(&mut answer));
    worker.abort();
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

/// The task that holds the telemetry ends, and what was promised is forgotten without a trace.
#[tokio::test(start_paused = true)]
async fn what_is_lost_with_a_worker_is_counted_as_abandoned() {
    let lifecycle = Lifecycle::new();
    let layer = QueueLayer::new(early().lifecycle(&lifecycle)).unwrap();
    let exporter = ScriptedExporter::new([Step::Hold]);
    let (queue, worker) = layer.pair(exporter.clone());
    let mut service = lifecycle.layer().layer(queue);
    let worker = tokio::spawn(worker.run());
    service.ready().await.unwrap().call(logs(5)).await.unwrap();
    exporter.wait_for_calls(1).await;
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    let report = lifecycle.shutdown(SECOND).await;
    balanced(&report);
    assert_eq!(drops(&report), [(DropReason::Abandoned, 5)]);
}

/// One item too large for the backend that takes its neighbours with it, or goes without a name.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_is_rejected_by_name_and_takes_no_neighbour_along() {
    let large = |request: &ExportRequest| request.byte_size() > 300;
    let backend = ScriptedExporter::delivering();
    let seen = backend.clone();
    let picky = tower::service_fn(move |request: ExportRequest| {
        let mut backend = seen.clone();
        let fails = large(&request);
        async move {
            if fails {
                return Err(ExportError::new(ErrorKind::TooLarge, "300 bytes at most"));
            }
            backend.call(request).await
        }
    });
    let pipeline = pipeline(QueueConfig::new(), picky);
    let bodies = (0..10).map(|number| match number {
        4 => "giant".repeat(100),
        _ => format!("record {number}"),
    });
    let response = pipeline.deliver(super::records(bodies)).await.unwrap();
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (9, 1)
    );
    assert!(
        response.message().unwrap().contains("giant"),
        "{response:?}"
    );
    assert_eq!(backend.delivered(), 9);
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.rejected), (9, 1));
}

/// A partial success that is counted as sent, or goes to a log only.
#[tokio::test(start_paused = true)]
async fn what_a_partial_success_rejects_is_not_counted_as_sent() {
    let exporter = ScriptedExporter::new([Step::Reject(3)]);
    let pipeline = pipeline(QueueConfig::new(), exporter);
    let (one, other) = (pipeline.send(logs(4)).await, pipeline.send(logs(6)).await);
    let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!(one.rejected_items() + other.rejected_items(), 3);
    assert_eq!(one.delivered_items() + other.delivered_items(), 7);
    assert!(one.message().unwrap().contains("rejected by the script"));
    assert_eq!(pipeline.requests().rejected.items, 3);
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.rejected), (7, 3));
}

/// Counts that hold a whole request for failed although a part of it had arrived.
#[tokio::test(start_paused = true)]
async fn a_part_that_arrived_counts_as_delivered_when_the_rest_fails() {
    let exporter = ScriptedExporter::new([Step::Partial(6, refused())]);
    exporter.extend(vec![Step::Fail(refused()); 9]);
    let pipeline = pipeline(QueueConfig::new(), exporter);
    let outcome = pipeline.deliver(logs(10)).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!(report.delivered, 6, "{outcome:?}");
    assert_eq!(report.rejected + report.refused, 4, "{outcome:?}");
}
