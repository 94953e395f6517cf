//! The retry layer: what it sends again, when, and what it answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt, layer::Layer, retry::budget::Budget};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Metadata, RetryAdvice,
    layers::retry::{RetryLayer, RetryPolicy},
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

fn throttled(delay: Duration) -> ExportError {
    ExportError::new(ErrorKind::Throttled, "slow down").with_retry(RetryAdvice::After(delay))
}

async fn send(
    policy: RetryPolicy,
    exporter: &ScriptedExporter,
    items: usize,
) -> Result<ExportResponse, ExportError> {
    RetryLayer::new(policy)
        .layer(ReadinessProbe::new(exporter.clone()))
        .oneshot(logs(items))
        .await
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&RetryLayer::default()).await;
    contract::check(&tower::retry::RetryLayer::new(RetryPolicy::new())).await;
}

#[tokio::test(start_paused = true)]
async fn sends_again_until_delivered() {
    let exporter =
        ScriptedExporter::new([Step::Fail(down()), Step::Fail(down()), Step::Fail(down())]);
    let started = Instant::now();
    let response = send(RetryPolicy::new(), &exporter, 3).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(exporter.items(), [3, 3, 3, 3]);
    // At most 1 s, 2 s and 4 s; the clock rounds each up to a millisecond.
    assert!(started.elapsed() <= Duration::from_millis(7_003));
}

#[tokio::test(start_paused = true)]
async fn does_not_send_again_what_cannot_help() {
    for kind in [
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Unauthenticated,
        ErrorKind::Unsupported,
        ErrorKind::Closed,
    ] {
        let exporter = ScriptedExporter::new([Step::Fail(ExportError::new(kind, "no"))]);
        let error = send(RetryPolicy::new(), &exporter, 1).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(exporter.calls(), 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_kind_is_sent_again_as_often_as_the_policy_allows() {
    let refused = || Step::Fail(ExportError::new(ErrorKind::Unauthenticated, "expired"));
    let policy = RetryPolicy::new().also_retry(ErrorKind::Unauthenticated, 1);
    let service = |exporter: &ScriptedExporter| {
        RetryLayer::new(policy.clone()).layer(ReadinessProbe::new(exporter.clone()))
    };

    // Once for each request, and other failures in between do not count.
    let exporter = ScriptedExporter::new([refused(), Step::Fail(down()), Step::Deliver]);
    let mut one = service(&exporter);
    one.ready().await.unwrap().call(logs(1)).await.unwrap();
    exporter.extend([refused(), Step::Deliver]);
    one.ready().await.unwrap().call(logs(2)).await.unwrap();
    assert_eq!(exporter.items(), [1, 1, 1, 2, 2]);

    // A second refusal is final, and keeps its advice.
    let exporter = ScriptedExporter::new([refused(), Step::Fail(down()), refused()]);
    let error = service(&exporter).oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.retry(), RetryAdvice::Never);
    assert_eq!(exporter.calls(), 3);

    // Other kinds are as final as ever.
    let rejected = Step::Fail(ExportError::new(ErrorKind::Rejected, "no"));
    let exporter = ScriptedExporter::new([rejected]);
    service(&exporter).oneshot(logs(1)).await.unwrap_err();
    assert_eq!(exporter.calls(), 1);
    assert!(format!("{policy:?}").contains("also_retry: [(Unauthenticated, 1)]"));
}

#[tokio::test(start_paused = true)]
async fn the_other_bounds_hold_for_a_kind_that_is_also_sent_again() {
    let refused = || Step::Fail(ExportError::new(ErrorKind::Unauthenticated, "expired"));
    let exporter = ScriptedExporter::new([refused(), refused(), refused()]);
    let policy = RetryPolicy::new()
        .also_retry(ErrorKind::Unauthenticated, u32::MAX)
        .max_attempts(2);
    send(policy, &exporter, 1).await.unwrap_err();
    assert_eq!(exporter.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_nobody_recognises_is_tried_five_times() {
    let calls = Arc::new(AtomicUsize::new(0));
    let foreign = tower::service_fn({
        let calls = calls.clone();
        move |_: ExportRequest| {
            calls.fetch_add(1, Ordering::Relaxed);
            async { Err::<ExportResponse, _>(tower::BoxError::from("what is this")) }
        }
    });
    let retry = RetryLayer::default().layer(foreign);
    let error = retry.oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("what is this"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn waits_at_least_as_long_as_the_server_asks() {
    let exporter = ScriptedExporter::new([Step::Fail(throttled(17 * SECOND))]);
    let started = Instant::now();
    send(RetryPolicy::new(), &exporter, 1).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_server_delay_beyond_the_time_left_ends_the_request_and_is_handed_on() {
    let exporter = ScriptedExporter::new([Step::Fail(throttled(90 * SECOND))]);
    let policy = RetryPolicy::new().max_elapsed(60 * SECOND);
    let started = Instant::now();
    let error = send(policy, &exporter, 1).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(error.retry(), RetryAdvice::After(90 * SECOND));
    assert_eq!(exporter.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_at_the_end_of_the_time() {
    // Waits from 0 to an hour: one that ends within ten seconds is unlikely.
    let policy = RetryPolicy::new()
        .seed(1)
        .initial_backoff(3600 * SECOND)
        .max_backoff(3600 * SECOND)
        .max_elapsed(10 * SECOND);
    let exporter = ScriptedExporter::new([
        Step::FailAfter(4 * SECOND, down()),
        Step::FailAfter(SECOND, down()),
    ]);
    let started = Instant::now();
    let error = send(policy, &exporter, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(exporter.calls(), 2);
    assert_eq!(started.elapsed().as_secs(), 11);
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_own_clock() {
    let exporter = ScriptedExporter::delivering();
    let policy = RetryPolicy::new().max_elapsed(10 * SECOND);
    let mut service = RetryLayer::new(policy).layer(exporter.clone());
    for _ in 0..3 {
        exporter.extend([Step::FailAfter(9 * SECOND, down())]);
        let response = service.ready().await.unwrap().call(logs(1)).await.unwrap();
        assert_eq!(response.delivered_items(), 1);
    }
    assert_eq!(exporter.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn attempts_can_be_counted_out() {
    for (allowed, seen) in [(0, 1), (1, 1), (3, 3)] {
        let exporter = ScriptedExporter::new(vec![Step::Fail(down()); 9]);
        let policy = RetryPolicy::new().max_attempts(allowed);
        send(policy, &exporter, 1).await.unwrap_err();
        assert_eq!(exporter.calls(), seen);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_remains_is_sent_and_the_answer_counts_all() {
    let exporter = ScriptedExporter::new([
        Step::Fail(down()),
        Step::Partial(60, down()),
        Step::Fail(down()),
        Step::Partial(30, down()),
        Step::Reject(4),
    ]);
    let response = send(RetryPolicy::new(), &exporter, 100).await.unwrap();
    assert_eq!(exporter.items(), [100, 100, 40, 40, 10]);
    assert_eq!(response.delivered_items(), 96);
    assert_eq!(response.rejected_items(), 4);
    assert_eq!(exporter.delivered(), 96);
}

#[tokio::test(start_paused = true)]
async fn a_final_error_tells_what_was_done_and_what_remains() {
    let exporter = ScriptedExporter::new([
        Step::Partial(60, down()),
        Step::Partial(30, down()),
        Step::Fail(ExportError::new(ErrorKind::Unauthenticated, "expired")),
    ]);
    let service = RetryLayer::default().layer(exporter.clone());
    let request = logs(100).with_metadata(Metadata::default().with_tenant("acme"));
    let error = service.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.progress().unwrap().delivered_items(), 90);
    let remainder = error.remainder().unwrap();
    assert_eq!(remainder.items(), 10);
    assert_eq!(remainder.metadata().tenant(), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn an_error_without_progress_says_nothing_of_a_remainder() {
    let exporter = ScriptedExporter::new(vec![Step::Fail(down()); 2]);
    let policy = RetryPolicy::new().max_attempts(2);
    let error = send(policy, &exporter, 1).await.unwrap_err();
    assert!(error.remainder().is_none());
}

struct Credits(AtomicUsize);

impl Budget for Credits {
    fn deposit(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn withdraw(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_allows_no_retry_and_success_fills_it() {
    let exporter = ScriptedExporter::new(vec![Step::Fail(down()); 3]);
    let policy = RetryPolicy::new().budget(Arc::new(Credits(AtomicUsize::new(2))));
    send(policy.clone(), &exporter, 1).await.unwrap_err();
    assert_eq!(exporter.calls(), 3, "two retries");
    send(policy.clone(), &exporter, 1).await.unwrap();
    exporter.extend([Step::Fail(down())]);
    send(policy, &exporter, 1).await.unwrap();
    assert_eq!(exporter.calls(), 6, "one retry was earned");
}
