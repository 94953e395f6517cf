//! What every layer promises, as checks that run against any layer.
//!
//! ```
//! use std::time::Duration;
//! use tower_otlp::{layers::timeout::TimeoutLayer, testing::contract};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true)
//! #     .build().unwrap().block_on(async {
//! contract::check(&TimeoutLayer::attempt(Duration::from_secs(5))).await;
//! # });
//! ```
//!
//! Run the checks on a paused clock: a layer that waits is then checked in no time.
//!
//! A layer that hands its requests to a worker keeps them when the caller goes away: it passes
//! every check but [`a_dropped_request_lets_go`].

use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tower::{ServiceExt, limit::ConcurrencyLimit};
use tower_layer::Layer;
use tower_service::Service;

use super::{ReadinessProbe, ScriptedExporter, Step, logs};
use crate::{ErrorKind, ExportError, Exporter};

/// What stands below the layer under test: a limit, whose permits must not leak, over a probe for
/// readiness, over a script.
pub type Inner = ConcurrencyLimit<ReadinessProbe<ScriptedExporter>>;

/// Longer than any layer should make a request wait.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Runs all checks of this module.
///
/// # Panics
/// If the layer breaks a rule.
pub async fn check<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    readiness_belongs_to_one_handle(layer).await;
    every_attempt_asks_for_readiness(layer).await;
    a_dropped_request_lets_go(layer).await;
    a_panic_ends_only_its_request(layer).await;
    accepted_requests_outlive_the_handles(layer).await;
}

/// A clone of a ready service asks for readiness itself, and the original stays ready.
///
/// # Panics
/// If the layer breaks the rule.
pub async fn readiness_belongs_to_one_handle<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    let exporter = ScriptedExporter::delivering();
    let mut original = layer.layer(inner(&exporter, 4));
    ready(&mut original).await;
    let mut clone = original.clone();
    ready(&mut clone).await;
    // Asked twice, it is still ready.
    ready(&mut original).await;
    let (first, second) = (original.call(logs(1)), clone.call(logs(2)));
    assert!(patiently(first).await.is_ok(), "the original was ready");
    assert!(patiently(second).await.is_ok(), "the clone was ready");
    assert_eq!(exporter.delivered(), 3, "items delivered");
}

/// Request after request, and attempt after attempt, the inner service is asked whether it is
/// ready; failures of the inner service are answers, not the end of the layer.
///
/// # Panics
/// If the layer breaks the rule.
pub async fn every_attempt_asks_for_readiness<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    let down = || Step::Fail(ExportError::new(ErrorKind::Unavailable, "down"));
    let exporter = ScriptedExporter::new([down(), down(), Step::Deliver, down()]);
    let mut service = layer.layer(inner(&exporter, 1));
    for _ in 0..4 {
        ready(&mut service).await;
        if let Err(error) = patiently(service.call(logs(1))).await {
            let error = error.into();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
    }
    ready(&mut service).await;
    assert!(
        patiently(service.call(logs(1))).await.is_ok(),
        "the inner service works again"
    );
}

/// When the response future is dropped, so is the inner one, and what it held is free again.
///
/// # Panics
/// If the layer breaks the rule.
pub async fn a_dropped_request_lets_go<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    let exporter = ScriptedExporter::new([Step::Hold]);
    let service = layer.layer(inner(&exporter, 1));
    {
        let request = pin!(service.clone().oneshot(logs(1)));
        let called = pin!(exporter.wait_for_calls(1));
        match patiently(select(called, request)).await {
            Either::Left(..) => {}
            Either::Right(..) => panic!("answered before the inner service did"),
        }
        assert_eq!(exporter.in_flight(), 1, "requests in flight");
    }
    assert_eq!(exporter.in_flight(), 0, "requests in flight after the drop");
    assert_eq!(exporter.dropped(), 1, "requests dropped");
    assert!(
        patiently(service.oneshot(logs(1))).await.is_ok(),
        "the only permit is free again"
    );
}

/// A panic of the inner service is the end of one request and of nothing else.
///
/// # Panics
/// If the layer breaks the rule.
pub async fn a_panic_ends_only_its_request<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    let exporter = ScriptedExporter::new([Step::Panic]);
    let mut service = layer.layer(inner(&exporter, 1));
    ready(&mut service).await;
    // What the layer makes of the panic is its own affair.
    let _ = patiently(AssertUnwindSafe(service.call(logs(1))).catch_unwind()).await;
    let before = exporter.delivered();
    ready(&mut service).await;
    assert!(
        patiently(service.call(logs(1))).await.is_ok(),
        "the next request after a panic"
    );
    assert_eq!(
        exporter.delivered() - before,
        1,
        "items delivered after the panic"
    );
}

/// What was accepted is answered when all handles are gone, and nothing stays behind then.
///
/// # Panics
/// If the layer breaks the rule.
pub async fn accepted_requests_outlive_the_handles<L>(layer: &L)
where
    L: Layer<Inner>,
    L::Service: Exporter,
{
    let exporter = ScriptedExporter::new([Step::Hold]);
    let mut service = layer.layer(inner(&exporter, 1));
    ready(&mut service).await;
    let request = service.call(logs(1));
    drop(service);
    exporter.release();
    assert!(
        patiently(request).await.is_ok(),
        "a request accepted before the handles were dropped"
    );
    assert_eq!(exporter.handles(), 1, "handles of the inner service");
}

fn inner(exporter: &ScriptedExporter, permits: usize) -> Inner {
    ConcurrencyLimit::new(ReadinessProbe::new(exporter.clone()), permits)
}

async fn ready<S: Exporter>(service: &mut S) {
    if let Err(error) = patiently(service.ready()).await.map(|_| ()) {
        let error: ExportError = error.into();
        panic!("not ready: {error}");
    }
}

async fn patiently<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("no progress within {PATIENCE:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use tower::layer::{layer_fn, util::Identity};

    use super::*;
    use crate::{ExportRequest, ExportResponse};

    #[tokio::test(start_paused = true)]
    async fn no_layer_at_all_passes() {
        check(&Identity::new()).await;
    }

    /// The mistake that the documentation of `tower::Service` warns of.
    #[derive(Clone)]
    struct CloneInCall<S>(S);

    impl<S> Service<ExportRequest> for CloneInCall<S>
    where
        S: Service<ExportRequest, Response = ExportResponse, Error = ExportError> + Clone,
        S::Future: Send,
    {
        type Response = ExportResponse;
        type Error = ExportError;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: ExportRequest) -> Self::Future {
            self.0.clone().call(request)
        }
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "poll_ready must be called first")]
    async fn calling_a_fresh_clone_is_caught_by_the_limit() {
        readiness_belongs_to_one_handle(&layer_fn(CloneInCall)).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "called without readiness")]
    async fn calling_a_fresh_clone_is_caught_by_the_probe() {
        let mut service = CloneInCall(ReadinessProbe::new(ScriptedExporter::delivering()));
        let _ = service.ready().await.unwrap().call(logs(1)).await;
    }

    /// Answers from a task: the caller may go, the task stays.
    #[derive(Clone)]
    struct Detached<S>(S);

    impl<S> Service<ExportRequest> for Detached<S>
    where
        S: Service<ExportRequest, Response = ExportResponse, Error = ExportError>,
        S::Future: Send + 'static,
    {
        type Response = ExportResponse;
        type Error = ExportError;
        type Future = futures_util::future::BoxFuture<'static, Result<ExportResponse, ExportError>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: ExportRequest) -> Self::Future {
            let task = tokio::spawn(self.0.call(request));
            Box::pin(async move { task.await.unwrap() })
        }
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "requests in flight after the drop")]
    async fn a_request_that_stays_behind_is_caught() {
        a_dropped_request_lets_go(&layer_fn(Detached)).await;
    }
}
