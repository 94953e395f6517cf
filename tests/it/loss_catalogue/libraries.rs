//! What batches, drivers and buffers of other libraries lose.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tower::BoxError;
use tower_otlp::testing::{logs, traces};

use super::*;

/// A request larger than two batches is dropped, and the small ones that were waiting as well.
#[tokio::test(start_paused = true)]
async fn a_request_of_many_batches_arrives_and_so_do_its_neighbours() {
    let exporter = ScriptedExporter::delivering();
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let small = pipeline.send(traces(10)).await;
    let large = pipeline.send(traces(20_000)).await;
    let after = pipeline.send(traces(7)).await;
    for (answer, items) in [(small, 10), (large, 20_000), (after, 7)] {
        assert_eq!(answer.await.unwrap().unwrap().delivered_items(), items);
    }
    assert_eq!(exporter.delivered(), 20_017);
    assert!(exporter.items().into_iter().all(|items| items <= 8192));
}

/// One batch that fails is held against requests that were in another one.
#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_the_failure_of_its_members_only() {
    let exporter = ScriptedExporter::new([
        Step::Deliver,
        Step::Fail(ExportError::new(ErrorKind::Unauthenticated, "expired")),
    ]);
    let batch = BatchConfig::new().max_items(4);
    let pipeline = batching(QueueConfig::new(), batch, exporter);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(pipeline.send(logs(2)).await);
        settle().await;
    }
    let mut kinds = Vec::new();
    for answer in answers {
        kinds.push(answer.await.unwrap().map_err(|error| error.kind()).is_ok());
    }
    assert_eq!(kinds, [true, false, true, true]);
}

/// A layer whose errors the retry policy does not know: "unexpected error type, dropping".
#[tokio::test(start_paused = true)]
async fn an_error_of_an_unknown_layer_is_retried_and_not_dropped() {
    #[derive(Debug, thiserror::Error)]
    #[error("the flux is out of phase")]
    struct Unheard;

    let exporter = ScriptedExporter::delivering();
    let calls = Arc::new(AtomicUsize::new(0));
    let (inner, seen) = (exporter.clone(), calls.clone());
    let foreign = tower::service_fn(move |request: ExportRequest| {
        let mut inner = inner.clone();
        let call = seen.fetch_add(1, Ordering::SeqCst);
        async move {
            if call < 3 {
                return Err(BoxError::from(Unheard));
            }
            Ok(inner.call(request).await?)
        }
    });
    let pipeline = pipeline(early(), foreign);
    pipeline.deliver(logs(6)).await.unwrap();
    exporter.wait_for_calls(1).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (6, 0));
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

/// An error nobody knows that never goes away is given up in the end: by name, and counted.
#[tokio::test(start_paused = true)]
async fn an_unknown_error_that_stays_is_given_up_and_counted() {
    let broken = tower::service_fn(|_: ExportRequest| async {
        Err::<ExportResponse, _>(BoxError::from("the flux is out of phase"))
    });
    let pipeline = pipeline(early(), broken);
    pipeline.deliver(logs(6)).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let report = pipeline.shutdown(MINUTE).await;
    let lost = (DropReason::Failed(ErrorKind::Internal), 6);
    assert_eq!(drops(&report), [lost]);
}

/// Dead after its first question, as every instance is until the script of deaths ends.
#[derive(Clone)]
struct Mortal {
    inner: ScriptedExporter,
    deaths: Arc<Mutex<usize>>,
    is_dead: bool,
}

impl Mortal {
    fn new(inner: &ScriptedExporter, deaths: usize) -> Self {
        Self {
            inner: inner.clone(),
            deaths: Arc::new(Mutex::new(deaths)),
            is_dead: false,
        }
    }
}

impl Service<ExportRequest> for Mortal {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = <ScriptedExporter as Service<ExportRequest>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        assert!(!self.is_dead, "asked again after its end");
        let mut deaths = self.deaths.lock().unwrap();
        if *deaths == 0 {
            return Poll::Ready(Ok(()));
        }
        *deaths -= 1;
        self.is_dead = true;
        Poll::Ready(Err(down()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        self.inner.call(request)
    }
}

/// One error of readiness that ends a driver, or a buffer, for good, with all it holds.
#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_takes_nothing_along() {
    let exporter = ScriptedExporter::delivering();
    let pipeline = pipeline(early(), Mortal::new(&exporter, 3));
    for _ in 0..10 {
        pipeline.deliver(logs(2)).await.unwrap();
        settle().await;
    }
    tokio::time::sleep(HOUR).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (20, 0), "{report:?}");
}

/// A panic of an exporter that ends the only task there is, and all later telemetry with it.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_exporter_takes_nothing_along() {
    let exporter = ScriptedExporter::new([Step::Panic, Step::Deliver, Step::Panic]);
    let pipeline = pipeline(early(), exporter.clone());
    for _ in 0..10 {
        pipeline.deliver(logs(2)).await.unwrap();
        settle().await;
    }
    tokio::time::sleep(HOUR).await;
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (20, 0), "{report:?}");
}

/// A caller that goes away cancels its request, in the queue or on its way.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_no_telemetry_along() {
    let exporter = ScriptedExporter::new(vec![Step::DeliverAfter(5 * SECOND); 20]);
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(pipeline.send(logs(2)).await);
    }
    exporter.wait_for_calls(1).await;
    for answer in answers {
        answer.abort();
    }
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.cancelled), (40, 0), "{report:?}");
    assert_eq!(exporter.delivered(), 40);
    assert_eq!(exporter.dropped(), 0);
}

/// A timeout drops the future that knew whom to tell: neither success nor failure is heard of.
#[tokio::test(start_paused = true)]
async fn a_timeout_is_an_answer() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 100]);
    let config = QueueConfig::new().max_redeliveries(0);
    let pipeline = pipeline(config, exporter.clone());
    let error = pipeline.deliver(logs(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        exporter.dropped(),
        exporter.calls(),
        "each attempt is ended"
    );
    assert_eq!(pipeline.requests().failed.items, 2);
    assert_eq!(pipeline.requests().in_flight().items, 0);
}

/// A driver that never asks whether the exporter is ready, so that no limit can work.
#[tokio::test(start_paused = true)]
async fn a_limit_below_the_queue_holds() {
    let exporter = ScriptedExporter::new(vec![Step::Hold; 40]);
    let batch = BatchConfig::new().max_items(1);
    let pipeline = batching(early().concurrency(40), batch, exporter.clone());
    for _ in 0..40 {
        pipeline.deliver(logs(1)).await.unwrap();
    }
    settle().await;
    assert_eq!(exporter.in_flight(), 4);
    (0..40).for_each(|_| exporter.release());
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (40, 0));
}

/// Requests that wait for their retry hold all permits, and nothing else passes.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_retry_holds_no_permit() {
    let exporter = failing(4, &throttled(20 * SECOND));
    let batch = BatchConfig::new().max_items(1);
    let pipeline = batching(early(), batch, exporter.clone());
    for _ in 0..4 {
        pipeline.deliver(logs(1)).await.unwrap();
    }
    exporter.wait_for_calls(4).await;
    settle().await;
    pipeline.deliver(logs(1)).await.unwrap();
    settle().await;
    assert_eq!(exporter.delivered(), 1, "passed the four in backoff");
    let report = pipeline.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (5, 0), "{report:?}");
}

/// A partial failure after which the whole is sent again, or nothing.
#[tokio::test(start_paused = true)]
async fn after_a_partial_failure_the_rest_is_sent_and_only_the_rest() {
    let exporter = ScriptedExporter::new([Step::Partial(6, down()), Step::Partial(3, down())]);
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let response = pipeline.deliver(logs(10)).await.unwrap();
    assert_eq!(response.delivered_items(), 10);
    assert_eq!(exporter.items(), [10, 4, 1]);
    assert_eq!(exporter.delivered(), 10);
}

/// The last handle is dropped, and what was waiting for more to come never leaves.
#[tokio::test(start_paused = true)]
async fn what_a_batch_holds_when_the_last_handle_goes_is_sent_at_once() {
    let exporter = ScriptedExporter::delivering();
    let lifecycle = Lifecycle::new();
    let config = BatchConfig::new().timeout(DAY).lifecycle(&lifecycle);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .batch(BatchLayer::new(config).unwrap())
        .service(exporter.clone());
    let mut answers = Vec::new();
    for _ in 0..5 {
        let mut handle = service.clone();
        answers.push(tokio::spawn(handle.ready().await.unwrap().call(logs(2))));
    }
    settle().await;
    assert_eq!(exporter.calls(), 0);
    drop(service);
    settle().await;
    assert_eq!(exporter.items(), [10]);
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().delivered_items(), 2);
    }
}

/// The same through the whole stack: a queue that delivers keeps its handle of the batch, which
/// therefore ends by its timer, and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn what_a_pipeline_holds_when_the_last_handle_goes_is_sent() {
    let exporter = failing(2, &down());
    let pipeline = pipeline(early(), exporter.clone());
    for _ in 0..50 {
        pipeline.deliver(logs(2)).await.unwrap();
    }
    drop(pipeline.service);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(exporter.delivered(), 100);
    let report = pipeline.lifecycle.report();
    balanced(&report);
    assert_eq!((report.delivered, report.retained), (100, 0));
    assert_eq!(exporter.handles(), 1, "no task is left behind");
}

/// A flush that is heard by the outer of two stages before the inner one has anything to send.
#[tokio::test(start_paused = true)]
async fn a_flush_reaches_what_is_still_on_its_way_to_the_batch() {
    let exporter = ScriptedExporter::delivering();
    let batch = BatchConfig::new().timeout(DAY);
    let pipeline = batching(early().concurrency(2), batch, exporter.clone());
    for _ in 0..50 {
        pipeline.deliver(logs(2)).await.unwrap();
    }
    let report = pipeline.lifecycle.force_flush(MINUTE).await;
    balanced(&report);
    assert!(report.complete, "{report:?}");
    assert_eq!((report.delivered, report.retained), (100, 0));
    assert_eq!(exporter.delivered(), 100);
}
