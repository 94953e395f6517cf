//! Losses that operators of other pipelines reported: cuts, branches, failover, overload, books.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower::{balance::p2c::Balance, discover::Change, load::Constant};
use tower_otlp::{
    Metadata,
    exporters::otlp::OtlpHttpExporter,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        fallback::FallbackLayer,
        fan_out::FanOut,
        observe::Role,
        queue::{Overflow, QueueLayer},
    },
    testing::logs,
};

use super::*;

/// A backend with a limit on bytes, as stock receivers have one. Keeps what it takes.
fn limited(bytes: usize) -> (ScriptedExporter, impl Exporter) {
    let backend = ScriptedExporter::delivering();
    let inner = backend.clone();
    let service = tower::service_fn(move |request: ExportRequest| {
        let mut inner = inner.clone();
        async move {
            if request.byte_size() > bytes {
                return Err(ExportError::new(ErrorKind::TooLarge, "HTTP 413"));
            }
            inner.call(request).await
        }
    });
    (backend, service)
}

/// A batch that a stock receiver refuses for its size is dropped as a whole.
#[tokio::test(start_paused = true)]
async fn a_request_beyond_the_limit_of_the_backend_arrives_in_pieces() {
    let (backend, service) = limited(200);
    let pipeline = pipeline(QueueConfig::new(), service);
    let response = pipeline.deliver(logs(5_000)).await.unwrap();
    assert_eq!(response.delivered_items(), 5_000);
    assert_eq!(response.rejected_items(), 0);
    assert_eq!(backend.delivered(), 5_000);
}

/// One record too large in front, and the valid ones behind it are cut off with it.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_loses_nothing_behind_it_wherever_it_stands() {
    for place in 0..10 {
        let (backend, service) = limited(300);
        let pipeline = pipeline(QueueConfig::new(), service);
        let bodies = (0..10).map(|number| match number {
            number if number == place => "x".repeat(500),
            _ => format!("record {number}"),
        });
        let response = pipeline.deliver(records(bodies)).await.unwrap();
        assert_eq!(response.delivered_items(), 9, "the large one at {place}");
        assert_eq!(response.rejected_items(), 1, "the large one at {place}");
        assert_eq!(backend.delivered(), 9);
    }
}

/// One tenant with a poisonous record takes the batch of all the others along, or blocks them.
#[tokio::test(start_paused = true)]
async fn what_one_tenant_sends_is_no_loss_to_another() {
    let backend = ScriptedExporter::delivering();
    let inner = backend.clone();
    let judge = tower::service_fn(move |request: ExportRequest| {
        let mut inner = inner.clone();
        async move {
            if request.metadata().tenant() == Some("bad") {
                return Err(refused());
            }
            inner.call(request).await
        }
    });
    let pipeline = pipeline(QueueConfig::new(), judge);
    let of = |tenant: &str| logs(3).with_metadata(Metadata::default().with_tenant(tenant));
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for _ in 0..20 {
        bad.push(pipeline.send(of("bad")).await);
        good.push(pipeline.send(of("good")).await);
    }
    for answer in good {
        assert_eq!(answer.await.unwrap().unwrap().delivered_items(), 3);
    }
    for answer in bad {
        let error = answer.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
    assert_eq!(backend.delivered(), 60);
}

/// A retry that sends the whole fan-out again, to those that had it already.
#[tokio::test(start_paused = true)]
async fn a_retry_doubles_nothing_in_the_branches_that_have_it() {
    let (healthy, flaky) = (ScriptedExporter::delivering(), failing(3, &down()));
    let fan_out = FanOut::empty()
        .branch(healthy.clone())
        .branch(flaky.clone());
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .service(fan_out);
    service.oneshot(logs(6)).await.unwrap();
    assert_eq!((healthy.calls(), flaky.calls()), (1, 4));
    assert_eq!((healthy.delivered(), flaky.delivered()), (6, 6));
}

/// An outage of one destination that stops the whole pipeline.
#[tokio::test(start_paused = true)]
async fn an_outage_of_one_branch_stops_no_other() {
    let lifecycle = Lifecycle::new();
    let (healthy, dead) = (
        ScriptedExporter::delivering(),
        ScriptedExporter::new(vec![Step::Hold; 1000]),
    );
    let config = early()
        .max_requests(10)
        .overflow(Overflow::DropOldest)
        .lifecycle(&lifecycle);
    let branch = QueueLayer::new(config).unwrap();
    let queued = |exporter: &ScriptedExporter| {
        ServiceBuilder::new()
            .queue(branch.clone())
            .service(exporter.clone())
    };
    let fan_out = FanOut::empty()
        .branch(queued(&healthy))
        .branch(queued(&dead));
    for _ in 0..100 {
        fan_out.clone().oneshot(logs(1)).await.unwrap();
        settle().await;
    }
    assert_eq!(healthy.delivered(), 100);
    let report = lifecycle.shutdown(MINUTE).await;
    balanced(&report);
    let lost: u64 = drops(&report).iter().map(|(_, items)| items).sum();
    assert_eq!((report.delivered, lost), (100, 100), "{report:?}");
}

/// An endpoint that is scaled away takes the queue along that was its own.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_goes_away_takes_nothing_along() {
    let leaving = ScriptedExporter::new(vec![Step::FailAfter(SECOND, down()); 4]);
    let staying = ScriptedExporter::delivering();
    let (changes, discover) = tokio::sync::mpsc::unbounded_channel();
    let insert = |key: u8, exporter: &ScriptedExporter| {
        Change::Insert(key, Constant::new(exporter.clone(), 1))
    };
    changes.send(insert(0, &leaving)).unwrap();
    let discover = futures_util::stream::unfold(discover, |mut discover| async move {
        let change = discover.recv().await?;
        Some((Ok::<_, Infallible>(change), discover))
    });
    let balance: Balance<_, ExportRequest> = Balance::new(Box::pin(discover));
    let lifecycle = Lifecycle::new();
    let queue = QueueLayer::new(early().concurrency(4).lifecycle(&lifecycle)).unwrap();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(queue)
        .buffer(16)
        .service(balance);
    for _ in 0..10 {
        service.clone().oneshot(logs(5)).await.unwrap();
    }
    leaving.wait_for_calls(4).await;
    changes.send(insert(1, &staying)).unwrap();
    changes.send(Change::Remove(0)).unwrap();
    let report = lifecycle.shutdown(5 * MINUTE).await;
    balanced(&report);
    assert_eq!((report.delivered, report.dropped), (50, 0), "{report:?}");
    assert_eq!(staying.delivered(), 50);
    drop(changes);
}

/// A queue and a retry below the failover hide every failure from it.
#[tokio::test(start_paused = true)]
async fn a_fallback_below_the_queue_sees_the_failure_and_takes_over() {
    let lifecycle = Lifecycle::new();
    let (primary, secondary) = (failing(1_000, &down()), ScriptedExporter::delivering());
    let queue = QueueLayer::new(early().lifecycle(&lifecycle)).unwrap();
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(queue)
        .layer(FallbackLayer::new(secondary.clone()))
        .export_retry(RetryPolicy::new().max_elapsed(5 * SECOND))
        .service(primary.clone());
    service.oneshot(logs(4)).await.unwrap();
    let report = lifecycle.shutdown(MINUTE).await;
    assert_eq!((report.delivered, report.dropped), (4, 0));
    assert_eq!(secondary.delivered(), 4);
    assert!(primary.calls() > 0);
}

/// A failover that moves all traffic because of one bad request.
#[tokio::test(start_paused = true)]
async fn bad_data_moves_no_traffic_to_the_secondary() {
    let (primary, secondary) = (failing(1, &refused()), ScriptedExporter::delivering());
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::new(secondary.clone()))
        .service(primary.clone());
    let error = service.clone().oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    service.oneshot(logs(2)).await.unwrap();
    assert_eq!((primary.delivered(), secondary.calls()), (2, 0));
}

/// Counts from which nobody can tell a failure that a retry made good from a loss.
#[tokio::test(start_paused = true)]
async fn a_failure_that_was_made_good_is_told_apart_from_a_loss() {
    let pipeline = pipeline(QueueConfig::new(), failing(2, &down()));
    pipeline.deliver(logs(5)).await.unwrap();
    let snapshot = pipeline.recorder.snapshot();
    assert_eq!(snapshot.failed(Role::Attempt, "unavailable").requests, 2);
    assert_eq!(snapshot.failed(Role::Request, "unavailable").requests, 0);
    assert_eq!(pipeline.attempts().delivered.items, 5);
    assert_eq!(pipeline.requests().delivered.items, 5);
    assert_eq!(pipeline.requests().in_flight().items, 0);
    assert_eq!(pipeline.shutdown(MINUTE).await.dropped, 0);
}

/// A fixed number of senders that overloads the backend, whose refusals are then final.
#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_four_at_a_time_is_found_out_and_gets_everything() {
    let busy = Arc::new(AtomicUsize::new(0));
    let seats = busy.clone();
    let backend = tower::service_fn(move |request: ExportRequest| {
        let seats = seats.clone();
        async move {
            let taken = seats.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(SECOND / 10).await;
            seats.fetch_sub(1, Ordering::SeqCst);
            match taken {
                0..4 => Ok(ExportResponse::delivered(request.items())),
                _ => Err(ExportError::new(ErrorKind::Throttled, "too many")),
            }
        }
    });
    let adaptive = AdaptiveConcurrencyLayer::builder()
        .initial_limit(64)
        .build()
        .unwrap();
    let gauge = adaptive.handle();
    let lifecycle = Lifecycle::new();
    let config = early().concurrency(64).lifecycle(&lifecycle);
    let service = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(QueueLayer::new(config).unwrap())
        .export_retry(RetryPolicy::new().lifecycle(&lifecycle))
        .layer(adaptive)
        .service(backend);
    for _ in 0..500 {
        service.clone().oneshot(logs(2)).await.unwrap();
    }
    let report = lifecycle.force_flush(HOUR).await;
    balanced(&report);
    assert_eq!((report.delivered, report.dropped), (1_000, 0), "{report:?}");
    assert!(gauge.limit() < 32, "{gauge:?}");
}

/// A status that the protocol calls final and a gateway means for a moment: 500, 530.
#[tokio::test(start_paused = true)]
async fn a_gateway_with_statuses_of_its_own_is_no_loss() {
    for status in [408, 500, 530] {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = calls.clone();
        let gateway = tower::service_fn(move |_: http::Request<_>| {
            let status = match seen.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => status,
                _ => 200,
            };
            let body = http_body_util::Full::new(bytes::Bytes::new());
            let response = http::Response::builder().status(status).body(body);
            std::future::ready(response)
        });
        let exporter = OtlpHttpExporter::builder()
            .on_status(status, ErrorKind::Unavailable, RetryAdvice::Backoff)
            .build_on(gateway)
            .unwrap();
        let pipeline = pipeline(QueueConfig::new(), exporter);
        let response = pipeline.deliver(logs(3)).await.unwrap();
        assert_eq!(response.delivered_items(), 3, "{status}");
        assert_eq!(calls.load(Ordering::SeqCst), 3, "{status}");
    }
}

/// A sender that hears "ok" before the telemetry has left the process.
#[tokio::test(start_paused = true)]
async fn success_means_that_the_backend_has_it() {
    let exporter = ScriptedExporter::new([Step::Fail(down()), Step::Hold]);
    let pipeline = pipeline(QueueConfig::new(), exporter.clone());
    let mut answer = pipeline.send(logs(3)).await;
    exporter.wait_for_calls(2).await;
    assert!(!answered(&mut answer), "in flight is not delivered");
    exporter.release();
    let response = answer.await.unwrap().unwrap();
    assert_eq!(
        (response.delivered_items(), response.retained_items()),
        (3, 0)
    );
    assert_eq!(exporter.delivered(), 3);
}

/// A sender who is answered at once, and cannot see that this is a promise and not a delivery.
#[tokio::test(start_paused = true)]
async fn a_promise_says_that_it_is_one() {
    let pipeline = pipeline(early(), ScriptedExporter::new([Step::Hold]));
    let response = pipeline.deliver(logs(3)).await.unwrap();
    assert_eq!(
        (response.delivered_items(), response.retained_items()),
        (0, 3)
    );
    assert_eq!(pipeline.lifecycle.report().retained, 3);
}

/// Traffic that is lost between the stop of the receivers and the end of the process.
#[tokio::test(start_paused = true)]
async fn what_comes_during_a_stop_is_turned_away_to_be_sent_again() {
    let exporter = ScriptedExporter::new([Step::DeliverAfter(5 * SECOND)]);
    let pipeline = pipeline(early(), exporter.clone());
    pipeline.deliver(logs(3)).await.unwrap();
    exporter.wait_for_calls(1).await;
    let lifecycle = pipeline.lifecycle.clone();
    let stop = tokio::spawn(async move { lifecycle.shutdown(MINUTE).await });
    pipeline.lifecycle.draining().await;
    let error = pipeline.deliver(logs(40)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.is_retryable(), "{error}");
    let report = stop.await.unwrap();
    balanced(&report);
    assert_eq!((report.accepted, report.delivered), (3, 3));
}

/// An item that is larger than the whole queue eats the memory, or waits for ever.
#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_queue_is_told_so() {
    let pipeline = pipeline(
        QueueConfig::new().max_bytes(10_000),
        ScriptedExporter::delivering(),
    );
    let error = pipeline.deliver(logs(20_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(pipeline.queue.stats().bytes, 0);
    assert_eq!(pipeline.shutdown(MINUTE).await.refused, 20_000);
}
