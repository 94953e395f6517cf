//! Callers that go away, flushes, shutdowns, and the end of the worker.

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::ServiceBuilder;
use tower_otlp::{
    ExporterExt, Lifecycle, RetryAdvice, ServiceBuilderExt,
    layers::queue::{Queue, QueueConfig, QueueLayer},
    testing::logs,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_loses_its_answer_only() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::Deliver, Step::Fail(down())]);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .batch(layer(BatchConfig::new().lifecycle(&lifecycle)))
        .service(ReadinessProbe::new(exporter.clone()));
    for (items, expected) in [(3, 7), (5, 6)] {
        let mut gone = task::spawn(service.clone().oneshot(logs(items)));
        assert_pending!(gone.poll());
        let stays = tokio::spawn(service.clone().oneshot(logs(expected - items)));
        settle().await;
        drop(gone);
        let _ = stays.await.unwrap();
    }
    assert_eq!(exporter.items(), [7, 6]);
    let report = lifecycle.report();
    assert!(report.complete, "{report:?}");
    assert_eq!((report.accepted, report.delivered), (13, 7));
    assert_eq!(report.refused, 1, "the caller who stayed has it");
    assert_eq!(
        report.dropped, 5,
        "nobody has that any more, and it is said"
    );
    assert_eq!(report.cancelled, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_sends_what_is_there_and_what_comes_later_waits_again() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = batch(patient().lifecycle(&lifecycle), []);
    let started = Instant::now();
    let answers = [1, 2].map(|items| send(&service, logs(items)));
    settle().await;
    assert_eq!(exporter.calls(), 0);
    let report = lifecycle.force_flush(SECOND).await;
    assert!(report.complete);
    for (answer, items) in answers.into_iter().zip([1, 2]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [3], "in one batch");
    assert!(started.elapsed() < SECOND);
    assert_eq!(delivered(send(&service, logs(4))).await, 4);
    assert!(started.elapsed() >= HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_flush_right_after_the_call_does_not_miss_it() {
    let lifecycle = Lifecycle::new();
    let (mut service, exporter) = batch(patient().lifecycle(&lifecycle), []);
    let call = service.ready().await.unwrap().call(logs(5));
    let report = lifecycle.force_flush(SECOND).await;
    assert!(report.complete);
    assert_eq!(exporter.delivered(), 5);
    assert_eq!(call.await.unwrap().delivered_items(), 5);
}

/// Two batch layers that would wait for an hour each, over a probe.
fn nested(lifecycle: Option<&Lifecycle>) -> (Batch, ScriptedExporter) {
    let config = |items| {
        let config = patient().max_items(items);
        match lifecycle {
            Some(lifecycle) => config.lifecycle(lifecycle),
            None => config,
        }
    };
    let exporter = ScriptedExporter::delivering();
    let service = ServiceBuilder::new()
        .batch(layer(config(100)))
        .batch(layer(config(1000)))
        .service(ReadinessProbe::new(exporter.clone()));
    (service, exporter)
}

#[tokio::test(start_paused = true)]
async fn when_its_handles_are_gone_everything_is_sent_at_once() {
    for config in [patient(), patient().max_in_flight(1)] {
        let (service, exporter) = batch(config.max_items(5), []);
        let answers = [4, 4, 12, 3].map(|items| send(&service, logs(items)));
        drop(service);
        let started = Instant::now();
        for (answer, items) in answers.into_iter().zip([4, 4, 12, 3]) {
            assert_eq!(delivered(answer).await, items);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        settle().await;
        assert_eq!(exporter.handles(), 1, "the worker has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn nested_batches_are_drained_by_dropping_them() {
    let (service, exporter) = nested(None);
    let answers = [1, 2].map(|items| send(&service, logs(items)));
    settle().await;
    let started = Instant::now();
    drop(service);
    for (answer, items) in answers.into_iter().zip([1, 2]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [3]);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nested_batches_are_shut_down_at_once() {
    let lifecycle = Lifecycle::new();
    let (service, exporter) = nested(Some(&lifecycle));
    let tracked = lifecycle.layer().layer(service);
    let answers = [1, 2].map(|items| tokio::spawn(tracked.clone().oneshot(logs(items))));
    settle().await;
    let started = Instant::now();
    let report = lifecycle.shutdown(SECOND).await;
    assert!(report.complete);
    assert_eq!(report.to_string(), "delivered=3 retained=0 dropped=0");
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(exporter.items(), [3]);
    for (answer, items) in answers.into_iter().zip([1, 2]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(lifecycle.report().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_ones_own_is_run_by_hand() {
    let exporter = ScriptedExporter::delivering();
    let (service, worker) = layer(patient()).pair(ReadinessProbe::new(exporter.clone()));
    let answer = send(&service, logs(2));
    settle().await;
    let worker = tokio::spawn(worker.run());
    drop(service);
    assert_eq!(delivered(answer).await, 2);
    worker.await.unwrap();
    assert_eq!(exporter.handles(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_its_worker_it_is_closed() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let (mut service, worker) = layer(patient().max_items(2)).pair(exporter.clone());
    let worker = tokio::spawn(worker.run());
    let in_flight = send(&service, logs(2));
    let pending = send(&service, logs(1));
    exporter.wait_for_calls(1).await;
    service.ready().await.unwrap();
    worker.abort();
    for answer in [in_flight, pending] {
        let error = failed(answer).await;
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(
            error.retry(),
            RetryAdvice::Backoff,
            "another process may take it"
        );
    }
    assert_eq!(
        service.call(logs(1)).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let mut ready = task::spawn(service.ready());
    assert_eq!(
        assert_ready!(ready.poll()).unwrap_err().kind(),
        ErrorKind::Closed
    );
    settle().await;
    assert_eq!(exporter.dropped(), 1, "nothing stays behind");
}

#[test]
fn outside_a_runtime_it_says_so() {
    let (mut service, exporter) = batch(BatchConfig::new(), []);
    let mut ready = task::spawn(service.ready());
    assert!(assert_ready!(ready.poll()).is_ok());
    drop(ready);
    let mut call = task::spawn(service.call(logs(1)));
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("runtime"), "{error}");
    assert_eq!(exporter.calls(), 0);
}

/// How long a pipeline with these batches takes to deliver three requests once it is dropped.
async fn drained(service: Queue, exporter: &ScriptedExporter) -> Duration {
    let answers = [1, 2, 4].map(|items| tokio::spawn(service.clone().oneshot(logs(items))));
    settle().await;
    assert_eq!(exporter.calls(), 0, "the batch waits for more");
    let started = Instant::now();
    drop(service);
    for answer in answers {
        let response = answer.await.expect("no panic");
        assert!(response.unwrap().delivered_items() > 0);
    }
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_batch_below_a_queue_is_drained_by_dropping_it() {
    let exporter = ScriptedExporter::delivering();
    let service = ServiceBuilder::new()
        .queue(QueueLayer::default())
        .attempt_timeout(2 * HOUR)
        .batch(layer(patient()))
        .service(ReadinessProbe::new(exporter.clone()));
    assert_eq!(drained(service, &exporter).await, Duration::ZERO);
    assert_eq!(exporter.items(), [7]);
    settle().await;
    assert_eq!(exporter.handles(), 1, "both workers have ended");
}

#[tokio::test(start_paused = true)]
async fn workers_below_workers_are_drained_by_dropping_them() {
    let exporter = ScriptedExporter::delivering();
    let service = ServiceBuilder::new()
        .queue(QueueLayer::default())
        .batch(layer(patient().max_items(100)))
        .queue(QueueLayer::default())
        .batch(layer(patient().max_items(1000)))
        .service(ReadinessProbe::new(exporter.clone()).boxed_exporter());
    assert_eq!(drained(service, &exporter).await, Duration::ZERO);
    assert_eq!(exporter.items(), [7]);
    settle().await;
    assert_eq!(exporter.handles(), 1, "all workers have ended");
}

#[tokio::test(start_paused = true)]
async fn a_queue_drains_in_turns_if_it_must_and_sends_again_what_fails() {
    let exporter = ScriptedExporter::new([Step::Fail(down())]);
    let config = QueueConfig::new()
        .concurrency(2)
        .initial_backoff(SECOND)
        .max_backoff(SECOND);
    let service = ServiceBuilder::new()
        .queue(QueueLayer::new(config).unwrap())
        .batch(layer(patient()))
        .service(ReadinessProbe::new(exporter.clone()));
    let took = drained(service, &exporter).await;
    assert!(took <= SECOND, "backoff and no timer: {took:?}");
    assert_eq!(exporter.delivered(), 7);
}

#[tokio::test(start_paused = true)]
async fn while_a_handle_of_the_queue_is_left_the_batch_waits_for_company() {
    let (lower, exporter) = batch(patient(), []);
    let service = QueueLayer::default().layer(lower);
    let answers = [1, 2].map(|items| tokio::spawn(service.clone().oneshot(logs(items))));
    let started = Instant::now();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(started.elapsed(), HOUR);
    assert_eq!(exporter.items(), [3]);
    drop(service);
}
