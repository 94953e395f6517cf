//! The timeout layer: what is charged, what is not, and how it fails.

use std::time::Duration;

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task};
use tower::{Service, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    ErrorKind, ExportError, RetryAdvice,
    layers::{
        retry::{RetryLayer, RetryPolicy},
        timeout::{Timeout, TimeoutLayer},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&TimeoutLayer::attempt(SECOND)).await;
    contract::check(&TimeoutLayer::total(SECOND)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_passes_and_a_late_one_fails() {
    let exporter = ScriptedExporter::new([
        Step::DeliverAfter(4 * SECOND),
        Step::DeliverAfter(6 * SECOND),
    ]);
    let mut service = Timeout::attempt(ReadinessProbe::new(exporter.clone()), 5 * SECOND);
    service.ready().await.unwrap().call(logs(1)).await.unwrap();
    let started = Instant::now();
    let error = service
        .ready()
        .await
        .unwrap()
        .call(logs(1))
        .await
        .unwrap_err();
    assert_eq!(started.elapsed(), 5 * SECOND);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    assert_eq!(
        error.to_string(),
        "timeout: no answer within 5s (attempt timeout)"
    );
    assert_eq!(exporter.dropped(), 1, "the late request is cancelled");
}

#[tokio::test(start_paused = true)]
async fn the_answer_wins_over_the_clock() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let mut service = Timeout::attempt(exporter.clone(), 5 * SECOND);
    let mut answer = task::spawn(service.ready().await.unwrap().call(logs(1)));
    assert_pending!(answer.poll());
    tokio::time::advance(5 * SECOND).await;
    exporter.release();
    assert_eq!(assert_ready!(answer.poll()).unwrap().delivered_items(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_readiness_is_charged() {
    let exporter = ScriptedExporter::new([Step::Hold, Step::Hold]);
    let mut busy = ConcurrencyLimit::new(exporter.clone(), 1);
    let mut service = Timeout::attempt(busy.clone(), 5 * SECOND);
    let mut first = task::spawn(busy.ready().await.unwrap().call(logs(1)));
    assert_pending!(first.poll());

    let mut ready = task::spawn(());
    assert_pending!(ready.enter(|cx, _| service.poll_ready(cx)));
    tokio::time::advance(3 * SECOND).await;
    assert_pending!(ready.enter(|cx, _| service.poll_ready(cx)));
    exporter.release();
    assert!(assert_ready!(first.poll()).is_ok());
    // tower frees the permit when the future is dropped, not when it is done.
    drop(first);
    assert!(ready.is_woken());
    assert!(assert_ready!(ready.enter(|cx, _| service.poll_ready(cx))).is_ok());

    // Ready and idle: not charged.
    tokio::time::advance(60 * SECOND).await;
    assert!(assert_ready!(ready.enter(|cx, _| service.poll_ready(cx))).is_ok());
    let mut second = task::spawn(service.call(logs(1)));
    assert_pending!(second.poll());
    tokio::time::advance(Duration::from_millis(1_999)).await;
    assert_pending!(second.poll());
    tokio::time::advance(Duration::from_millis(2)).await;
    let error = assert_ready_err!(second.poll());
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_ready_fails_in_the_call_and_the_service_lives_on() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let mut busy = ConcurrencyLimit::new(exporter.clone(), 1);
    let mut service = Timeout::total(busy.clone(), 5 * SECOND);
    let mut first = task::spawn(busy.ready().await.unwrap().call(logs(1)));
    assert_pending!(first.poll());

    let started = Instant::now();
    let answer = service.ready().await.unwrap().call(logs(1));
    assert_eq!(started.elapsed().as_secs(), 5);
    let error = answer.await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "timeout: not ready within 5s (total timeout)"
    );
    assert_eq!(exporter.calls(), 1, "the inner service was not called");

    // A clone made while the original has expired starts anew.
    let mut ready = task::spawn(());
    assert_pending!(ready.enter(|cx, _| service.poll_ready(cx)));
    tokio::time::advance(6 * SECOND).await;
    assert!(assert_ready!(ready.enter(|cx, _| service.poll_ready(cx))).is_ok());
    let mut clone = service.clone();
    assert_pending!(ready.enter(|cx, _| clone.poll_ready(cx)));
    drop(clone);

    let error = service.call(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    exporter.release();
    assert!(first.await.is_ok());
    service.ready().await.unwrap().call(logs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn below_a_retry_it_bounds_an_attempt_and_above_it_the_whole() {
    let slow = || ScriptedExporter::new(vec![Step::DeliverAfter(60 * SECOND); 2]);
    let retry = RetryLayer::new(RetryPolicy::new().initial_backoff(Duration::ZERO));

    let exporter = slow();
    let attempts = retry.layer(Timeout::attempt(exporter.clone(), 5 * SECOND));
    let started = Instant::now();
    attempts.oneshot(logs(1)).await.unwrap();
    assert_eq!(exporter.calls(), 3, "the third attempt is fast");
    assert_eq!(started.elapsed().as_secs(), 10);

    let exporter = slow();
    let total = Timeout::total(retry.layer(exporter.clone()), 5 * SECOND);
    let error: ExportError = total.oneshot(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        exporter.calls(),
        1,
        "there was no time for a second attempt"
    );
}

#[tokio::test(start_paused = true)]
async fn a_duration_without_end_is_no_bound() {
    let exporter = ScriptedExporter::new([Step::DeliverAfter(3600 * SECOND)]);
    let service = Timeout::total(ReadinessProbe::new(exporter), Duration::MAX);
    service.oneshot(logs(1)).await.unwrap();
}
