//! The queue: what it takes, what it holds, what it sends again, and what it says became of it.

// Helpers are test code too, which the lint does not know.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    Compression, DrainReport, DropReason, Encoding, ErrorKind, ExportError, ExportRequest,
    ExportResponse, Lifecycle, Metadata, RetryAdvice, ServiceBuilderExt,
    layers::{
        observe::{Recorder, SharedObserver},
        queue::{
            Acknowledge, Entry, EntryId, Memory, Overflow, Queue, QueueConfig, QueueHandle,
            QueueLayer, Storage, Unreadable,
        },
        retry::RetryPolicy,
        track::Track,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

use crate::support::allocations::kept;

const SECOND: Duration = Duration::from_secs(1);

/// What a queue counts for each request beside its own size, in bytes, if its caller waits.
const OVERHEAD: usize = 760;

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

fn rejected() -> ExportError {
    ExportError::new(ErrorKind::Rejected, "bad data")
}

fn wait(delay: Duration) -> ExportError {
    ExportError::new(ErrorKind::Throttled, "slow down").with_retry(RetryAdvice::After(delay))
}

fn early() -> QueueConfig {
    QueueConfig::new().acknowledge(Acknowledge::OnEnqueue)
}

/// A queue over a scripted exporter, in a lifecycle.
struct Bench {
    lifecycle: Lifecycle,
    exporter: ScriptedExporter,
    handle: QueueHandle,
    service: Track<Queue>,
}

fn bench(config: QueueConfig, script: impl IntoIterator<Item = Step>) -> Bench {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new(script);
    let layer = QueueLayer::new(config.lifecycle(&lifecycle)).unwrap();
    let handle = layer.handle();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(layer)
        .service(ReadinessProbe::new(exporter.clone()));
    Bench {
        lifecycle,
        exporter,
        handle,
        service,
    }
}

type Answer = tokio::task::JoinHandle<Result<ExportResponse, ExportError>>;

impl Bench {
    /// Sends, looks for an answer once, and waits for it in a task.
    async fn send(&self, items: usize) -> Answer {
        let mut service = self.service.clone();
        let mut answer = Box::pin(service.ready().await.unwrap().call(logs(items)));
        let early = futures_util::poll!(&mut answer);
        tokio::spawn(async move {
            match early {
                Poll::Ready(result) => result,
                Poll::Pending => answer.await,
            }
        })
    }

    async fn shutdown(&self) -> DrainReport {
        let report = self.lifecycle.shutdown(60 * SECOND).await;
        balanced(&report);
        report
    }

    fn drops(&self) -> Vec<(DropReason, u64)> {
        self.handle.stats().drops().collect()
    }
}

/// Every item that was let in is accounted for.
fn balanced(report: &DrainReport) {
    let sum = report.delivered
        + report.rejected
        + report.refused
        + report.cancelled
        + report.retained
        + report.dropped
        + report.in_flight;
    assert_eq!(report.accepted, sum, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract_of_a_worker() {
    let layer = QueueLayer::default();
    contract::readiness_belongs_to_one_handle(&layer).await;
    contract::every_attempt_asks_for_readiness(&layer).await;
    contract::a_panic_ends_only_its_request(&layer).await;
    contract::accepted_requests_outlive_the_handles(&layer).await;
    assert_eq!(layer.handle().stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_work_is_an_error() {
    let configs = [
        (QueueConfig::new().max_bytes(0), "max_bytes"),
        (QueueConfig::new().max_bytes(usize::MAX), "max_bytes"),
        (QueueConfig::new().max_requests(0), "max_requests"),
        (QueueConfig::new().concurrency(0), "concurrency"),
        (
            QueueConfig::new().initial_backoff(Duration::ZERO),
            "initial_backoff",
        ),
        (QueueConfig::new().max_backoff(SECOND / 2), "max_backoff"),
    ];
    for (config, named) in configs {
        let error = QueueLayer::new(config).unwrap_err().to_string();
        assert!(error.contains(named), "{named}: {error}");
    }
    let finite = QueueConfig::new()
        .initial_backoff(Duration::ZERO)
        .max_redeliveries(3);
    assert!(QueueLayer::new(finite).is_ok());
}

#[tokio::test(start_paused = true)]
async fn on_delivery_the_answer_is_that_of_the_exporter() {
    let bench = bench(
        QueueConfig::new(),
        [Step::Reject(3), Step::Fail(rejected())],
    );
    let response = bench.send(10).await.await.unwrap().unwrap();
    assert_eq!(response.delivered_items(), 7);
    assert_eq!(response.rejected_items(), 3);
    let error = bench.send(5).await.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.remainder().is_none());
    let report = bench.shutdown().await;
    assert!(report.complete);
    assert_eq!(
        (report.delivered, report.rejected, report.refused),
        (7, 3, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn on_enqueue_the_answer_comes_first_and_the_books_follow() {
    let bench = bench(early(), [Step::Hold, Step::Fail(rejected())]);
    let response = bench.send(10).await.await.unwrap().unwrap();
    assert_eq!(response.retained_items(), 10);
    let report = bench.lifecycle.report();
    balanced(&report);
    assert_eq!(report.retained, 10);
    bench.exporter.release();
    let response = bench.send(5).await.await.unwrap().unwrap();
    assert_eq!(response.retained_items(), 5);
    let report = bench.shutdown().await;
    assert!(report.complete);
    assert_eq!((report.delivered, report.dropped), (10, 5));
    let lost = (DropReason::Failed(ErrorKind::Rejected), 5);
    assert_eq!(report.drops().collect::<Vec<_>>(), [lost]);
    assert_eq!(bench.drops(), [lost]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_loses_its_answer_and_nothing_else() {
    let bench = bench(QueueConfig::new(), [Step::Hold]);
    let answer = bench.send(10).await;
    bench.exporter.wait_for_calls(1).await;
    answer.abort();
    assert!(answer.await.is_err());
    // One that was never polled has not left the queue either.
    let mut service = bench.service.clone();
    drop(service.ready().await.unwrap().call(logs(4)));
    bench.exporter.release();
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.cancelled), (14, 0));
    assert_eq!(bench.exporter.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_blocks_in_order_of_arrival() {
    let bench = bench(
        QueueConfig::new().max_requests(2).concurrency(1),
        vec![Step::Hold; 6],
    );
    let mut answers = vec![bench.send(1).await, bench.send(2).await];
    bench.exporter.wait_for_calls(1).await;
    let mut handles: Vec<_> = (0..3).map(|_| bench.service.clone()).collect();
    let mut waiting: Vec<_> = handles
        .iter_mut()
        .map(|handle| task::spawn(handle.ready()))
        .collect();
    for handle in &mut waiting {
        assert_pending!(handle.poll());
    }
    bench.exporter.release();
    answers.remove(0).await.unwrap().unwrap();
    assert!(waiting[0].is_woken(), "one place, one is woken");
    assert!(!waiting[1].is_woken() && !waiting[2].is_woken(), "no herd");
    assert!(assert_ready!(waiting[0].poll()).is_ok());
    assert_eq!(bench.handle.stats().peak_requests, 2);
    drop(waiting);
    for _ in 0..5 {
        bench.exporter.release();
    }
    let report = bench.shutdown().await;
    assert_eq!(report.delivered, 3);
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_bytes_lets_the_first_in_first_however_large() {
    let large = logs(1_000);
    let charge = (large.memory_size() + OVERHEAD) as u64;
    let small = (logs(1).memory_size() + OVERHEAD) as u64;
    // The large one does not fit beside one small one; two small ones do.
    let max_bytes = usize::try_from(charge + small - 1).unwrap();
    assert!(charge > small + 100);
    let bench = bench(
        QueueConfig::new().max_bytes(max_bytes).concurrency(1),
        vec![Step::Hold; 4],
    );
    let first = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    let mut large = task::spawn(bench.service.clone().oneshot(large));
    assert_pending!(large.poll());
    let mut later = task::spawn(bench.service.clone().oneshot(logs(3)));
    assert_pending!(later.poll());
    assert_eq!(
        bench.handle.stats().requests,
        1,
        "a small one does not overtake"
    );
    // A caller that goes away while it waits takes its request along.
    drop(later);
    bench.exporter.release();
    first.await.unwrap().unwrap();
    assert_pending!(large.poll());
    assert_eq!(bench.handle.stats().bytes, charge);
    bench.exporter.release();
    large.await.unwrap();
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.cancelled), (1_001, 3));
}

#[tokio::test(start_paused = true)]
async fn what_never_fits_is_too_large() {
    let bench = bench(QueueConfig::new().max_bytes(2_000), []);
    let error = bench.send(1_000).await.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("2000 bytes"), "{error}");
    bench.send(1).await.await.unwrap().unwrap();
    assert_eq!(bench.shutdown().await.refused, 1_000);
}

#[tokio::test(start_paused = true)]
async fn reject_new_says_overloaded() {
    let config = early()
        .overflow(Overflow::RejectNew)
        .max_requests(2)
        .concurrency(1);
    let bench = bench(config, [Step::Hold]);
    bench.send(1).await.await.unwrap().unwrap();
    bench.send(2).await.await.unwrap().unwrap();
    let error = bench.send(3).await.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    assert_eq!(bench.handle.stats().refused_requests, 1);
    bench.exporter.release();
    let report = bench.shutdown().await;
    assert_eq!(
        (report.delivered, report.refused, report.dropped),
        (3, 3, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_makes_room_and_says_so() {
    let config = QueueConfig::new()
        .overflow(Overflow::DropOldest)
        .max_requests(3)
        .concurrency(1);
    let bench = bench(config, [Step::Hold]);
    let flying = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    let told = bench.send(2).await;
    let untold = bench.send(4).await;
    untold.abort();
    assert!(untold.await.is_err());
    let new = [bench.send(8).await, bench.send(16).await];
    let error = told.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(bench.handle.stats().requests, 3);
    bench.exporter.release();
    flying.await.unwrap().unwrap();
    for answer in new {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(bench.exporter.items(), [1, 8, 16]);
    assert_eq!(bench.drops(), [(DropReason::Overflow, 6)]);
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.refused), (25, 2));
    assert_eq!(
        report.drops().collect::<Vec<_>>(),
        [(DropReason::Overflow, 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_for_newer_goes_to_the_dead_letter_exporter() {
    let letters = ScriptedExporter::new([Step::Hold, Step::Fail(down()), Step::Deliver]);
    let config = QueueConfig::new()
        .overflow(Overflow::DropOldest)
        .dead_letter(ReadinessProbe::new(letters.clone()))
        .max_requests(2)
        .concurrency(1);
    let bench = bench(config, [Step::Hold]);
    let flying = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    let kept = bench.send(2).await;
    let refused = bench.send(4).await;
    letters.wait_for_calls(1).await;
    let last = bench.send(8).await;
    let stats = bench.handle.stats();
    // The second has made its place for the third, and the third for the fourth.
    assert_eq!((stats.requests, stats.evicted), (2, 2));
    let charges = [2, 4].map(|items| logs(items).memory_size() + OVERHEAD);
    assert_eq!(stats.evicted_bytes, charges.iter().sum::<usize>() as u64);
    letters.release();
    let response = kept.await.unwrap().unwrap();
    assert_eq!(response.delivered_items(), 2);
    assert_eq!(response.destination(), Some("dead letter"));
    let message = response.message().unwrap();
    assert!(message.contains("make room"), "{message}");
    let error = refused.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    bench.exporter.release();
    flying.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(letters.items(), [2, 4]);
    let stats = bench.handle.stats();
    assert_eq!((stats.evicted, stats.evicted_bytes), (0, 0));
    assert_eq!((stats.requests, stats.bytes), (0, 0));
    assert_eq!(stats.dead_lettered, 2);
    assert_eq!(bench.drops(), [(DropReason::Overflow, 4)]);
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.refused), (11, 4));
}

#[tokio::test(start_paused = true)]
async fn a_slow_dead_letter_exporter_bounds_what_is_kept_for_it() {
    let letters = ScriptedExporter::new(vec![Step::Hold; 100]);
    let charge = logs(10).memory_size() + OVERHEAD;
    let config = early()
        .overflow(Overflow::DropOldest)
        .dead_letter(letters.clone())
        // Room for a few more than twenty, whose callers were answered. An eighth of it is two
        // and a half.
        .max_bytes(20 * charge)
        .concurrency(1);
    let bench = bench(config, [Step::Hold]);
    for _ in 0..30 {
        bench.send(10).await.await.unwrap().unwrap();
    }
    let stats = bench.handle.stats();
    let places = (20 * charge) as u64 / (stats.bytes / stats.requests as u64);
    assert_eq!((stats.requests as u64, stats.evicted), (places, 2));
    let dropped = 10 * (30 - places - 2);
    assert_eq!(bench.drops(), [(DropReason::Overflow, dropped)]);
    // One of the two is on its way, the other waits for it; no shutdown forgets them.
    let report = bench.lifecycle.shutdown(SECOND).await;
    balanced(&report);
    assert_eq!((report.accepted, report.delivered), (300, 0));
    assert_eq!(report.dropped, 300);
    letters.release();
    bench.exporter.release();
    tokio::time::sleep(SECOND).await;
    let stats = bench.handle.stats();
    assert_eq!((stats.requests, stats.evicted), (0, 0));
    let drops: u64 = bench.drops().iter().map(|(_, items)| items).sum();
    assert_eq!(drops + stats.dead_lettered, 300);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_lost_with_its_worker_and_not_in_silence() {
    let config = early()
        .overflow(Overflow::DropOldest)
        .dead_letter(ScriptedExporter::delivering())
        .max_requests(1);
    let lifecycle = Lifecycle::new();
    let layer = QueueLayer::new(config.lifecycle(&lifecycle)).unwrap();
    let (queue, worker) = layer.pair(ScriptedExporter::delivering());
    let service = lifecycle.layer().layer(queue);
    service.clone().oneshot(logs(1)).await.unwrap();
    service.oneshot(logs(2)).await.unwrap();
    assert_eq!(layer.handle().stats().evicted, 1);
    drop(worker);
    let report = lifecycle.report();
    balanced(&report);
    assert_eq!(
        report.drops().collect::<Vec<_>>(),
        [(DropReason::Abandoned, 3)]
    );
    assert_eq!(layer.handle().stats().evicted_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_not_dropped_for_newer() {
    let config = QueueConfig::new()
        .overflow(Overflow::DropOldest)
        .max_requests(1);
    let bench = bench(config, [Step::Hold]);
    let flying = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    let error = bench.send(2).await.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    bench.exporter.release();
    flying.await.unwrap().unwrap();
    assert_eq!(bench.shutdown().await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_parked_on_a_server_holds_no_slot() {
    let bench = bench(
        QueueConfig::new().concurrency(1),
        [Step::Fail(wait(600 * SECOND))],
    );
    let started = Instant::now();
    let parked = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    for items in 2..5 {
        bench.send(items).await.await.unwrap().unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    let stats = bench.handle.stats();
    assert_eq!((stats.requests, stats.parked, stats.in_flight), (1, 1, 0));
    assert_eq!(stats.bytes, (logs(1).memory_size() + OVERHEAD) as u64);
    parked.await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), 600);
    assert_eq!(bench.exporter.items(), [1, 2, 3, 4, 1]);
    assert_eq!(bench.shutdown().await.delivered, 10);
}

/// A queue over an exporter that wants this form of every body, fails at first, and notes where
/// the form lay in memory each time.
fn over_compressor(config: QueueConfig, encoding: Encoding) -> (QueueHandle, Queue, Arc<Bodies>) {
    let bodies = Arc::new(Bodies::default());
    let seen = bodies.clone();
    let exporter = tower::service_fn(move |request: ExportRequest| {
        let body = request.body(encoding, Compression::Gzip).unwrap();
        let mut seen = seen.lock().unwrap();
        seen.push(body);
        let result = match seen.len() {
            1 => Err(wait(60 * SECOND)),
            _ => Ok(ExportResponse::delivered(request.items())),
        };
        std::future::ready(result)
    });
    let layer = QueueLayer::new(config).unwrap();
    (layer.handle(), layer.layer(exporter), bodies)
}

type Bodies = Mutex<Vec<bytes::Bytes>>;

#[tokio::test(start_paused = true)]
async fn the_compressed_form_outlives_the_wait_and_counts() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let (handle, service, bodies) = over_compressor(QueueConfig::new(), encoding);
        let request = logs(1_000);
        let before = request.memory_size() + OVERHEAD;
        let answer = tokio::spawn(service.oneshot(request));
        tokio::time::sleep(SECOND).await;
        let form = bodies.lock().unwrap()[0].len();
        let stats = handle.stats();
        assert_eq!(
            (stats.parked, stats.bytes),
            (1, (before + form) as u64),
            "{encoding:?}: the plain JSON is a step on the way and is not kept"
        );
        assert_eq!(stats.peak_bytes, stats.bytes);
        answer.await.unwrap().unwrap();
        let bodies = bodies.lock().unwrap();
        let [first, second] = &bodies[..] else {
            panic!("two attempts: {}", bodies.len());
        };
        assert_eq!(first.as_ptr(), second.as_ptr(), "compressed once");
        let stats = handle.stats();
        assert_eq!((stats.requests, stats.bytes), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_the_compressed_form_is_made_again() {
    let request = logs(1_000);
    let before = request.memory_size() + OVERHEAD;
    let config = QueueConfig::new().max_bytes(before + 10);
    let (handle, service, bodies) = over_compressor(config, Encoding::Protobuf);
    let answer = tokio::spawn(service.clone().oneshot(request));
    tokio::time::sleep(SECOND).await;
    assert_eq!(handle.stats().bytes, before as u64);
    answer.await.unwrap().unwrap();
    assert_eq!(bodies.lock().unwrap().len(), 2);
    // All of the room is free again.
    assert!(service.oneshot(logs(1_000)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_retry_below_hands_a_long_delay_up_and_the_queue_waits_it_out() {
    let exporter = ScriptedExporter::new([Step::Fail(down()), Step::Fail(wait(3600 * SECOND))]);
    let service = ServiceBuilder::new()
        .queue(QueueLayer::default())
        .export_retry(RetryPolicy::new())
        .concurrency_limit(1)
        .service(ReadinessProbe::new(exporter.clone()));
    let started = Instant::now();
    let response = service.oneshot(logs(5)).await.unwrap();
    assert_eq!(response.delivered_items(), 5);
    assert!(started.elapsed() >= 3600 * SECOND);
    assert_eq!(exporter.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn failures_are_sent_again_until_the_bounds_are_reached() {
    let bounds = [
        (QueueConfig::new().max_redeliveries(3), 4),
        (QueueConfig::new().max_redeliveries(0), 1),
    ];
    for (config, calls) in bounds {
        let bench = bench(config, vec![Step::Fail(down()); 99]);
        let error = bench.send(1).await.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(bench.exporter.calls(), calls);
        assert_eq!(bench.shutdown().await.refused, 1);
    }
    let bench = bench(
        QueueConfig::new().max_age(100 * SECOND),
        vec![Step::Fail(down()); 999],
    );
    let started = Instant::now();
    bench.send(1).await.await.unwrap().unwrap_err();
    assert_eq!(
        started.elapsed().as_secs(),
        100,
        "the last attempt is at the end"
    );
    bench.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_hours_loses_nothing() {
    let bench = bench(early().concurrency(2), vec![Step::Fail(down()); 2_000]);
    for items in 1..=10 {
        bench.send(items).await.await.unwrap().unwrap();
    }
    bench.exporter.wait_for_calls(2_010).await;
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.dropped), (55, 0));
}

#[tokio::test(start_paused = true)]
async fn only_the_remainder_is_sent_again_and_the_answer_counts_all() {
    let bench = bench(
        QueueConfig::new(),
        [
            Step::Partial(60, down()),
            Step::Partial(30, wait(5 * SECOND)),
            Step::Reject(4),
        ],
    );
    let response = bench.send(100).await.await.unwrap().unwrap();
    assert_eq!(bench.exporter.items(), [100, 40, 10]);
    assert_eq!(response.delivered_items(), 96);
    assert_eq!(response.rejected_items(), 4);
    assert_eq!(bench.shutdown().await.delivered, 96);
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_part_for_good_is_lost_in_part() {
    let script = || [Step::Partial(60, down()), Step::Partial(10, rejected())];
    let waiting = bench(QueueConfig::new(), script());
    let error = waiting.send(100).await.await.unwrap().unwrap_err();
    assert_eq!(error.progress().unwrap().delivered_items(), 70);
    assert_eq!(error.remainder().unwrap().items(), 30);
    let report = waiting.shutdown().await;
    assert_eq!((report.delivered, report.refused), (70, 30));

    let gone = bench(early(), script());
    gone.send(100).await.await.unwrap().unwrap();
    let report = gone.shutdown().await;
    assert_eq!((report.delivered, report.dropped), (70, 30));
    let lost = (DropReason::Failed(ErrorKind::Rejected), 30);
    assert_eq!(gone.drops(), [lost]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_good_goes_to_the_dead_letter_exporter() {
    let letters = ScriptedExporter::new([Step::Deliver, Step::Fail(down())]);
    let config = QueueConfig::new().dead_letter(ReadinessProbe::new(letters.clone()));
    let bench = bench(
        config,
        [
            Step::Partial(6, down()),
            Step::Fail(rejected()),
            Step::Fail(rejected()),
        ],
    );
    let response = bench.send(10).await.await.unwrap().unwrap();
    assert_eq!(response.delivered_items(), 10);
    assert_eq!(response.destination(), Some("dead letter"));
    let message = response.message().unwrap();
    assert!(message.contains("rejected: bad data"), "{message}");
    assert_eq!(letters.items(), [4], "only what remained");
    assert_eq!(bench.handle.stats().dead_lettered, 4);

    let error = bench.send(5).await.await.unwrap().unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Rejected,
        "the first failure tells more"
    );
    assert_eq!(letters.items(), [4, 5]);
    let report = bench.shutdown().await;
    assert_eq!((report.delivered, report.refused), (10, 5));
    assert_eq!(bench.handle.stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_an_attempt_and_the_worker_goes_on() {
    let config = QueueConfig::new().max_redeliveries(1);
    let bench = bench(config, [Step::Panic, Step::Panic, Step::Panic]);
    let error = bench.send(1).await.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    bench.send(2).await.await.unwrap().unwrap();
    assert_eq!(bench.exporter.items(), [1, 1, 2, 2]);
    assert_eq!(bench.shutdown().await.delivered, 2);
}

/// Panics outside of any future, in the first call or when first asked for readiness.
#[derive(Clone)]
struct Explosive {
    inner: ScriptedExporter,
    in_call: bool,
    fuse: Arc<std::sync::atomic::AtomicBool>,
}

impl Explosive {
    fn explode(&self) {
        if !self.fuse.swap(true, std::sync::atomic::Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("boom"));
        }
    }
}

impl Service<ExportRequest> for Explosive {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = <ScriptedExporter as Service<ExportRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if !self.in_call {
            self.explode();
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        if self.in_call {
            self.explode();
        }
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_the_future_is_survived_too() {
    for in_call in [true, false] {
        let exporter = ScriptedExporter::delivering();
        let service = QueueLayer::default().layer(Explosive {
            inner: exporter.clone(),
            in_call,
            fuse: Arc::default(),
        });
        let response = service.oneshot(logs(3)).await.unwrap();
        assert_eq!(response.delivered_items(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_fails_one_attempt_and_a_new_instance_takes_over() {
    // A buffer whose worker has gone is dead, and so are its clones.
    let (dead, worker) =
        tower::buffer::Buffer::<ExportRequest, _>::pair(ScriptedExporter::delivering(), 2);
    drop(worker);
    let letters = ScriptedExporter::delivering();
    let config = QueueConfig::new().dead_letter(letters.clone());
    let service = QueueLayer::new(config).unwrap().layer(dead);
    for items in 1..4 {
        let response = service.clone().oneshot(logs(items)).await.unwrap();
        assert_eq!(response.destination(), Some("dead letter"));
    }
    assert_eq!(letters.items(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_holds_no_permit_of_what_it_shares() {
    let exporter = ScriptedExporter::delivering();
    let limited = ConcurrencyLimit::new(exporter.clone(), 1);
    let service = QueueLayer::default().layer(limited.clone());
    for items in 1..4 {
        service.clone().oneshot(logs(items)).await.unwrap();
        limited.clone().oneshot(logs(items)).await.unwrap();
    }
    assert_eq!(exporter.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn several_requests_are_in_flight_at_a_time() {
    let bench = bench(
        QueueConfig::new().concurrency(4),
        vec![Step::DeliverAfter(SECOND); 8],
    );
    let started = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(bench.send(1).await);
    }
    bench.exporter.wait_for_calls(4).await;
    assert_eq!(bench.exporter.in_flight(), 4);
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(started.elapsed().as_secs(), 2);
    assert_eq!(bench.shutdown().await.delivered, 8);
}

#[tokio::test(start_paused = true)]
async fn a_flush_sends_what_backs_off_and_spares_the_server() {
    let bench = bench(
        early()
            .initial_backoff(3600 * SECOND)
            .max_backoff(3600 * SECOND),
        [Step::Fail(down()), Step::Fail(wait(5 * SECOND))],
    );
    bench.send(1).await.await.unwrap().unwrap();
    bench.send(2).await.await.unwrap().unwrap();
    bench.exporter.wait_for_calls(2).await;
    let started = Instant::now();
    let report = bench.lifecycle.force_flush(60 * SECOND).await;
    assert!(report.complete, "{report:?}");
    assert_eq!(started.elapsed().as_secs(), 5);
    assert_eq!(bench.exporter.items(), [1, 2, 1, 2]);
    // It takes and delivers as before.
    bench.send(4).await.await.unwrap().unwrap();
    assert_eq!(bench.shutdown().await.delivered, 7);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_delivers_what_it_can_and_reports_the_rest() {
    let bench = bench(
        early().concurrency(2),
        [
            Step::Fail(down()),
            Step::Fail(wait(3600 * SECOND)),
            Step::Hold,
            Step::Hold,
        ],
    );
    for items in [1, 2, 4, 8, 16] {
        bench.send(items).await.await.unwrap().unwrap();
    }
    bench.exporter.wait_for_calls(4).await;
    let started = Instant::now();
    let report = bench.lifecycle.shutdown(10 * SECOND).await;
    balanced(&report);
    assert_eq!(started.elapsed().as_secs(), 10);
    assert!(!report.complete);
    assert_eq!(
        (report.delivered, report.dropped, report.retained),
        (0, 31, 0)
    );
    let shutdown: u64 = report
        .drops()
        .filter(|(reason, _)| *reason == DropReason::Shutdown)
        .map(|(_, items)| items)
        .sum();
    assert_eq!(shutdown, 31);
    tokio::time::sleep(SECOND).await;
    let stats = bench.handle.stats();
    assert_eq!(
        (stats.requests, stats.in_flight),
        (2, 2),
        "those are left alone"
    );
    bench.exporter.release();
    bench.exporter.release();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.handle.stats().requests, 0);
    assert_eq!(bench.exporter.handles(), 1, "the worker is gone");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_what_a_server_wants_later() {
    let bench = bench(
        early(),
        [
            Step::Fail(wait(3600 * SECOND)),
            Step::Fail(wait(2 * SECOND)),
        ],
    );
    bench.send(1).await.await.unwrap().unwrap();
    bench.send(2).await.await.unwrap().unwrap();
    bench.exporter.wait_for_calls(2).await;
    let started = Instant::now();
    let report = bench.shutdown().await;
    assert_eq!(started.elapsed().as_secs(), 2);
    assert!(report.complete);
    assert_eq!((report.delivered, report.dropped), (2, 1));
    assert_eq!(
        report.drops().collect::<Vec<_>>(),
        [(DropReason::Shutdown, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn before_the_deadline_what_is_left_goes_to_the_dead_letter_exporter() {
    let letters = ScriptedExporter::delivering();
    let bench = bench(
        early().concurrency(1).dead_letter(letters.clone()),
        [Step::Fail(wait(3600 * SECOND)), Step::Hold],
    );
    for items in [1, 2, 4] {
        bench.send(items).await.await.unwrap().unwrap();
    }
    bench.exporter.wait_for_calls(2).await;
    let started = Instant::now();
    let report = bench.lifecycle.shutdown(10 * SECOND).await;
    balanced(&report);
    assert!(started.elapsed() < 10 * SECOND);
    assert!(report.complete);
    assert_eq!((report.delivered, report.dropped), (7, 0));
    let mut taken = letters.items();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 4]);
    assert_eq!(bench.exporter.dropped(), 1, "the one that hung");
}

#[tokio::test(start_paused = true)]
async fn callers_hear_of_the_deadline() {
    let bench = bench(QueueConfig::new().concurrency(1), [Step::Hold]);
    let _flying = bench.send(1).await;
    bench.exporter.wait_for_calls(1).await;
    let stored = bench.send(2).await;
    let mut blocked = bench.service.clone();
    let report = bench.lifecycle.shutdown(SECOND).await;
    assert_eq!(report.accepted, 3);
    let error = stored.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.is_retryable(), "another process may take it");
    let error = blocked
        .ready()
        .await
        .unwrap()
        .call(logs(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn when_all_handles_are_gone_the_queue_is_drained() {
    let bench = bench(
        early().concurrency(1),
        [
            Step::Fail(down()),
            Step::Fail(wait(60 * SECOND)),
            Step::DeliverAfter(SECOND),
        ],
    );
    for items in [1, 2, 4, 8] {
        bench.send(items).await.await.unwrap().unwrap();
    }
    let Bench {
        exporter,
        lifecycle,
        service,
        ..
    } = bench;
    drop(service);
    exporter.wait_for_calls(6).await;
    tokio::time::sleep(SECOND).await;
    let report = lifecycle.report();
    balanced(&report);
    assert!(report.complete);
    assert_eq!(report.delivered, 15);
    assert_eq!(exporter.handles(), 1, "the worker has ended");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_dropped_breaks_no_promise_in_silence() {
    let lifecycle = Lifecycle::new();
    let config = early().lifecycle(&lifecycle);
    let layer = QueueLayer::new(config).unwrap();
    let exporter = ScriptedExporter::delivering();
    let (queue, worker) = layer.pair(exporter);
    let service = lifecycle.layer().layer(queue);
    service.clone().oneshot(logs(5)).await.unwrap();
    drop(worker);
    let error = service.oneshot(logs(7)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let report = lifecycle.report();
    balanced(&report);
    let abandoned: Vec<_> = report.drops().collect();
    assert_eq!(abandoned, [(DropReason::Abandoned, 5)]);
    assert_eq!(
        layer.handle().stats().drops().collect::<Vec<_>>(),
        abandoned
    );
}

#[test]
fn a_layer_may_be_applied_outside_a_runtime() {
    let exporter = ScriptedExporter::delivering();
    let service = QueueLayer::default().layer(exporter);
    let error = futures_util::FutureExt::now_or_never(service.clone().oneshot(logs(1)))
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let response = runtime.block_on(service.oneshot(logs(1))).unwrap();
    assert_eq!(response.delivered_items(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_producers_lose_nothing() {
    for overflow in [Overflow::Block, Overflow::RejectNew, Overflow::DropOldest] {
        for acknowledge in [Acknowledge::OnDelivery, Acknowledge::OnEnqueue] {
            let script = (0..300).map(|step| match step % 5 {
                0 => Step::Fail(down()),
                1 => Step::DeliverAfter(Duration::from_micros(50)),
                2 => Step::Partial(1, down()),
                _ => Step::Deliver,
            });
            let config = QueueConfig::new()
                .overflow(overflow)
                .acknowledge(acknowledge)
                .initial_backoff(Duration::from_micros(100))
                .max_backoff(Duration::from_millis(1))
                .concurrency(4)
                .max_requests(8);
            let bench = bench(config, script);
            let producers = (0..8).map(|producer| {
                let mut service = bench.service.clone();
                tokio::spawn(async move {
                    for number in 0..50 {
                        let items = 1 + (number + producer) % 7;
                        // What became of it is for the books to say.
                        let _ = service.ready().await.unwrap().call(logs(items)).await;
                    }
                })
            });
            for producer in join_all(producers).await {
                producer.unwrap();
            }
            let report = bench.shutdown().await;
            assert!(report.complete, "{report:?}");
            assert_eq!(report.delivered, bench.exporter.delivered());
            assert_eq!(report.cancelled, 0);
            let stats = bench.handle.stats();
            assert_eq!((stats.requests, stats.bytes), (0, 0));
            assert!(stats.peak_requests <= 8);
            if overflow == Overflow::Block {
                assert_eq!(report.accepted, report.delivered);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_bytes_reported_are_the_bytes_held() {
    for acknowledge in [Acknowledge::OnDelivery, Acknowledge::OnEnqueue] {
        for (requests, body) in [(100, 1_000), (1_000, 1_000), (3_000, 4_000), (50, 100_000)] {
            let config = QueueConfig::new().acknowledge(acknowledge);
            let layer = QueueLayer::new(config.overflow(Overflow::RejectNew)).unwrap();
            // The worker does not run: what is stored stays.
            let (service, worker) = layer.pair(ScriptedExporter::delivering());
            let (answers, held) = kept(|| {
                let call = |_| {
                    let metadata = Metadata::default()
                        .with_tenant("acme")
                        .with_header("x-region", "north");
                    let request = logs(body / 2).with_metadata(metadata);
                    let mut answer = service.clone().call(request);
                    let early = futures_util::FutureExt::now_or_never(&mut answer);
                    assert_eq!(early.is_some(), acknowledge == Acknowledge::OnEnqueue);
                    early.is_none().then_some(answer)
                };
                (0..requests).map(call).collect::<Vec<_>>()
            });
            let futures = (answers.capacity() * size_of_val(&answers[0])) as u64;
            let (held, reported) = (held - futures, layer.handle().stats().bytes);
            let off = reported as f64 / held as f64 - 1.0;
            assert!(
                off.abs() < 0.05,
                "{acknowledge:?}: held {held}, reported {reported}"
            );
            drop(worker);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_oldest_is_known() {
    let bench = bench(early(), [Step::Hold, Step::Hold]);
    assert_eq!(bench.handle.stats().oldest_age, None);
    bench.send(1).await.await.unwrap().unwrap();
    tokio::time::sleep(3 * SECOND).await;
    bench.send(1).await.await.unwrap().unwrap();
    assert_eq!(bench.handle.stats().oldest_age.unwrap().as_secs(), 3);
    bench.exporter.release();
    bench.exporter.release();
    assert_eq!(bench.shutdown().await.delivered, 2);
    assert_eq!(bench.handle.stats().oldest_age, None);
}

/// Memory that says when it is durable, starts with what a process before left, and may lose some.
#[derive(Default)]
struct Journal {
    memory: Memory,
    durable: Arc<Mutex<Option<Result<(), ExportError>>>>,
    waker: Arc<Mutex<Option<Waker>>>,
    unreadable: Option<EntryId>,
    survives: bool,
}

impl Journal {
    fn with(items: impl IntoIterator<Item = usize>) -> Self {
        let mut journal = Self::default();
        for items in items {
            journal
                .memory
                .push(logs(items), Instant::now(), 1_000)
                .unwrap();
        }
        journal
    }
}

impl Storage for Journal {
    fn push(
        &mut self,
        request: ExportRequest,
        at: Instant,
        charge: u64,
    ) -> Result<EntryId, ExportError> {
        self.memory.push(request, at, charge)
    }

    fn poll_durable(&mut self, _: EntryId, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        let durable = self.durable.lock().unwrap();
        match &*durable {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                *self.waker.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn survives(&self) -> bool {
        self.survives
    }

    fn pop(&mut self, now: Instant) -> Option<Result<Entry, Unreadable>> {
        let popped = self.memory.pop(now)?;
        let entry = popped.unwrap();
        if self.unreadable == Some(entry.id) {
            self.memory.ack(entry.id);
            let error = ExportError::new(ErrorKind::Internal, "checksum");
            return Some(Err(Unreadable::new(entry.id, 2, entry.charge, error)));
        }
        Some(Ok(entry))
    }

    fn ack(&mut self, id: EntryId) {
        self.memory.ack(id);
    }

    fn put_back(&mut self, entry: Entry, until: Instant) {
        self.memory.put_back(entry, until);
    }

    fn hurry(&mut self, beyond: Option<Instant>) {
        self.memory.hurry(beyond);
    }

    fn evict(&mut self) -> Option<Entry> {
        self.memory.evict()
    }

    fn next_due(&self) -> Option<Instant> {
        self.memory.next_due()
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    fn bytes(&self) -> u64 {
        self.memory.bytes()
    }

    fn parked(&self) -> usize {
        self.memory.parked()
    }

    fn oldest(&self) -> Option<Instant> {
        self.memory.oldest()
    }
}

#[tokio::test(start_paused = true)]
async fn the_early_answer_waits_until_the_storage_is_durable() {
    let journal = Journal::default();
    let (durable, waker) = (journal.durable.clone(), journal.waker.clone());
    let exporter = ScriptedExporter::new([Step::Hold, Step::Hold]);
    let queue = QueueLayer::new(early())
        .unwrap()
        .with_storage(exporter.clone(), journal);
    let mut answer = task::spawn(queue.clone().oneshot(logs(3)));
    assert_pending!(answer.poll());
    *durable.lock().unwrap() = Some(Ok(()));
    waker.lock().unwrap().take().unwrap().wake();
    assert!(answer.is_woken());
    assert_eq!(assert_ready!(answer.poll()).unwrap().retained_items(), 3);

    // What cannot be made durable is no promise: the caller waits for the delivery.
    *durable.lock().unwrap() = Some(Err(ExportError::new(ErrorKind::Internal, "disk full")));
    let mut answer = task::spawn(queue.oneshot(logs(4)));
    assert_pending!(answer.poll());
    exporter.release();
    exporter.release();
    assert_eq!(answer.await.unwrap().delivered_items(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_a_storage_recovers_is_delivered_and_counts_against_the_capacity() {
    let lifecycle = Lifecycle::new();
    let exporter = ScriptedExporter::new([Step::Hold, Step::Hold, Step::Hold]);
    // One more than fits now: the capacity was larger before the restart.
    let config = QueueConfig::new()
        .max_requests(2)
        .overflow(Overflow::RejectNew)
        .concurrency(1)
        .lifecycle(&lifecycle);
    let layer = QueueLayer::new(config).unwrap();
    let queue = layer.with_storage(exporter.clone(), Journal::with([1, 2, 4]));
    let service = lifecycle.layer().layer(queue);
    exporter.wait_for_calls(1).await;
    for calls in 2..4 {
        let error = service.clone().oneshot(logs(8)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        exporter.release();
        exporter.wait_for_calls(calls).await;
    }
    let mut answer = task::spawn(service.clone().oneshot(logs(16)));
    assert_pending!(answer.poll());
    exporter.release();
    answer.await.unwrap();
    let report = lifecycle.shutdown(SECOND).await;
    balanced(&report);
    assert_eq!((report.delivered, report.refused), (23, 16));
    assert_eq!(layer.handle().stats().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_read_is_counted_and_the_rest_goes_on() {
    let exporter = ScriptedExporter::delivering();
    let layer = QueueLayer::default();
    let mut journal = Journal::with([1, 2, 4]);
    journal.unreadable = Some(EntryId(2));
    let _queue = layer.with_storage(exporter.clone(), journal);
    exporter.wait_for_calls(2).await;
    assert_eq!(exporter.items(), [1, 4]);
    let lost = (DropReason::Failed(ErrorKind::Internal), 2);
    assert_eq!(layer.handle().stats().drops().collect::<Vec<_>>(), [lost]);
    assert_eq!(layer.handle().stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_delivered_in_the_span_of_its_caller() {
    use tracing::Instrument;
    let subscriber = tracing_subscriber::registry();
    let _default = tracing::subscriber::set_default(subscriber);
    let exporter = tower::service_fn(|request: ExportRequest| async move {
        let name = tracing::Span::current().metadata().map(|span| span.name());
        assert_eq!(name, Some("the caller"));
        Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    });
    let config = QueueConfig::new().max_redeliveries(0);
    let queue = QueueLayer::new(config).unwrap().layer(exporter);
    let request = queue.oneshot(logs(1));
    let span = tracing::info_span!("the caller");
    let response = request.instrument(span).await.unwrap();
    assert_eq!(response.delivered_items(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_survives_is_kept_by_a_shutdown_and_not_dropped() {
    let lifecycle = Lifecycle::new();
    let letters = ScriptedExporter::delivering();
    let exporter = ScriptedExporter::new([
        Step::Fail(wait(3600 * SECOND)),
        Step::Hold,
        Step::FailAfter(SECOND, wait(60 * SECOND)),
    ]);
    let mut journal = Journal::with([1]);
    journal.survives = true;
    let config = QueueConfig::new()
        .concurrency(2)
        .dead_letter(letters.clone())
        .lifecycle(&lifecycle);
    let layer = QueueLayer::new(config).unwrap();
    let queue = layer.with_storage(exporter.clone(), journal);
    let service = lifecycle.layer().layer(queue);
    exporter.wait_for_calls(1).await;
    let hangs = tokio::spawn(service.clone().oneshot(logs(2)));
    let postponed = tokio::spawn(service.clone().oneshot(logs(4)));
    exporter.wait_for_calls(3).await;
    // The slots are taken by one that hangs and, from now on, another.
    exporter.extend([Step::Hold]);
    let gone = tokio::spawn(service.clone().oneshot(logs(8)));
    while layer.handle().stats().requests < 4 {
        tokio::task::yield_now().await;
    }
    let shutdown = lifecycle.shutdown(10 * SECOND);
    let aborted = async {
        exporter.wait_for_calls(4).await;
        gone.abort();
        // Its time to wait ends after the deadline: it is kept at once.
        postponed.await.unwrap().unwrap()
    };
    let (report, postponed) = tokio::join!(shutdown, aborted);
    assert_eq!(postponed.retained_items(), 4);
    balanced(&report);
    assert!(report.complete, "{report:?}");
    assert_eq!((report.retained, report.dropped), (15, 0));
    assert_eq!(hangs.await.unwrap().unwrap().retained_items(), 2);
    assert_eq!(letters.calls(), 0);
    let stats = layer.handle().stats();
    assert_eq!((stats.requests, stats.parked, stats.in_flight), (4, 2, 2));
    let error = service.oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_observer_hears_how_full_it_is_and_what_it_drops() {
    let recorder = Recorder::new();
    let config = early()
        .concurrency(1)
        .max_requests(2)
        .overflow(Overflow::DropOldest)
        .observer(SharedObserver::new(recorder.clone()));
    let Bench {
        exporter, service, ..
    } = bench(config, [Step::Hold, Step::Deliver, Step::Fail(rejected())]);
    service.clone().oneshot(logs(1)).await.unwrap();
    exporter.wait_for_calls(1).await;
    service.clone().oneshot(logs(2)).await.unwrap();
    let filled = recorder.snapshot().queue("queue").unwrap();
    assert_eq!((filled.held.requests, filled.held.items), (2, 3));
    assert_eq!(filled.max_requests, Some(2));

    service.clone().oneshot(logs(4)).await.unwrap();
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.dropped(DropReason::Overflow).items, 2);
    assert_eq!(snapshot.queue("queue").unwrap().held.items, 1 + 4);

    tokio::time::advance(3 * SECOND).await;
    exporter.release();
    exporter.wait_for_calls(2).await;
    service.oneshot(logs(8)).await.unwrap();
    exporter.wait_for_calls(3).await;
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.dequeued().items, 1 + 4 + 8);
    assert_eq!(snapshot.waited(), 3 * SECOND);
    let failed = DropReason::Failed(ErrorKind::Rejected);
    assert_eq!(snapshot.dropped(failed).items, 8);
    assert_eq!(snapshot.queue("queue").unwrap().held.requests, 0);
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_the_end_of_a_shutdown_is_dropped_and_not_said_to_be_kept() {
    let deadline = Duration::from_millis(10);
    let late = Step::FailAfter(deadline - Duration::from_micros(100), down());
    let Bench {
        lifecycle,
        exporter,
        service,
        ..
    } = bench(QueueConfig::new(), [late]);
    let caller = tokio::spawn(service.oneshot(logs(7)));
    exporter.wait_for_calls(1).await;
    let report = lifecycle.shutdown(deadline).await;
    assert_eq!(report.retained, 0, "nothing in memory outlives the process");
    assert_eq!(report.refused + report.dropped, 7);
    assert!(caller.await.unwrap().is_err());
}
