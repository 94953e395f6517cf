//! `ServiceBuilderExt`: one thin method per layer.

use std::time::Duration;

use tower::{ServiceBuilder, layer::util::Stack};

use crate::{
    BoxExporter, Exporter, Lifecycle,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        admission::{AdmissionBudget, AdmissionLayer},
        batch::BatchLayer,
        circuit_breaker::CircuitBreakerLayer,
        fallback::FallbackLayer,
        fan_out::FanOutLayer,
        observe::{ObserveLayer, SharedObserver},
        queue::QueueLayer,
        rate_limit::{RateLimitLayer, RateLimiter},
        retry::{RetryLayer, RetryPolicy},
        route::RouteLayer,
        split::SplitLayer,
        timeout::TimeoutLayer,
        track::TrackLayer,
    },
};

/// Methods that add the layers of this crate to a [`ServiceBuilder`].
///
/// The first layer added is the outermost. `ServiceBuilder` has methods named `retry` and
/// `timeout` already, for tower's own layers: hence the longer names.
///
/// ```
/// use std::time::Duration;
/// use tower::ServiceBuilder;
/// use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, Lifecycle};
/// use tower_otlp::{ServiceBuilderExt, layers::retry::RetryPolicy};
///
/// fn pipeline(lifecycle: &Lifecycle, exporter: impl Exporter) -> impl Exporter {
///     ServiceBuilder::new()
///         .tracked(lifecycle)
///         .export_retry(RetryPolicy::new())
///         .concurrency_limit(8)
///         .attempt_timeout(Duration::from_secs(10))
///         .service(exporter)
/// }
/// # let _ = pipeline(&Lifecycle::new(), tower::service_fn(|request: ExportRequest| async move {
/// #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
/// # }));
/// ```
pub trait ServiceBuilderExt<L>: sealed::Sealed + Sized {
    /// Counts requests for `lifecycle`, and turns new ones away while it shuts down: see
    /// [`layers::track`](crate::layers::track).
    fn tracked(self, lifecycle: &Lifecycle) -> ServiceBuilder<Stack<TrackLayer, L>>;

    /// Reports each request as a whole, outermost: see [`layers::observe`](crate::layers::observe).
    fn observed(
        self,
        observer: impl Into<SharedObserver>,
    ) -> ServiceBuilder<Stack<ObserveLayer, L>>;

    /// Reports each attempt, below a retry: see [`layers::observe`](crate::layers::observe).
    fn observed_attempts(
        self,
        observer: impl Into<SharedObserver>,
    ) -> ServiceBuilder<Stack<ObserveLayer, L>>;

    /// Sends failed requests again: see [`layers::retry`](crate::layers::retry).
    fn export_retry(self, policy: RetryPolicy) -> ServiceBuilder<Stack<RetryLayer, L>>;

    /// Sends several requests as one: see [`layers::batch`](crate::layers::batch).
    fn batch(self, layer: BatchLayer) -> ServiceBuilder<Stack<BatchLayer, L>>;

    /// Bounds each attempt, below a retry: see [`layers::timeout`](crate::layers::timeout).
    fn attempt_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>>;

    /// Bounds all attempts, above a retry: see [`layers::timeout`](crate::layers::timeout).
    fn total_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>>;

    /// Cuts requests that are too large: see [`layers::split`](crate::layers::split).
    fn split(self, layer: SplitLayer) -> ServiceBuilder<Stack<SplitLayer, L>>;

    /// Sends to `others` what is sent to the service below, and needs all of them to deliver:
    /// see [`layers::fan_out`](crate::layers::fan_out), also for other policies.
    fn fan_out(
        self,
        others: impl IntoIterator<Item = BoxExporter>,
    ) -> ServiceBuilder<Stack<FanOutLayer, L>>;

    /// Keeps a rate, below a retry: see [`layers::rate_limit`](crate::layers::rate_limit).
    fn rate_limited(self, limiter: RateLimiter) -> ServiceBuilder<Stack<RateLimitLayer, L>>;

    /// Finds by itself how many attempts may be in flight, 256 at most: see
    /// [`layers::adaptive_concurrency`](crate::layers::adaptive_concurrency), also for other
    /// bounds.
    fn adaptive_concurrency(self) -> ServiceBuilder<Stack<AdaptiveConcurrencyLayer, L>>;

    /// Refuses what is beyond a budget of bytes: see
    /// [`layers::admission`](crate::layers::admission).
    fn admission(self, budget: AdmissionBudget) -> ServiceBuilder<Stack<AdmissionLayer, L>>;

    /// Sends to `secondary` while the service below fails: see
    /// [`layers::fallback`](crate::layers::fallback), also for other policies.
    fn fallback(self, secondary: impl Exporter) -> ServiceBuilder<Stack<FallbackLayer, L>>;

    /// Keeps requests from a service that fails: see
    /// [`layers::circuit_breaker`](crate::layers::circuit_breaker).
    fn circuit_breaker(
        self,
        breaker: CircuitBreakerLayer,
    ) -> ServiceBuilder<Stack<CircuitBreakerLayer, L>>;

    /// Sends some requests elsewhere than to the service below: see
    /// [`layers::route`](crate::layers::route).
    fn route(self, routes: RouteLayer) -> ServiceBuilder<Stack<RouteLayer, L>>;

    /// Holds requests and delivers them from a task of its own: see
    /// [`layers::queue`](crate::layers::queue).
    fn queue(self, layer: QueueLayer) -> ServiceBuilder<Stack<QueueLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn tracked(self, lifecycle: &Lifecycle) -> ServiceBuilder<Stack<TrackLayer, L>> {
        self.layer(lifecycle.layer())
    }

    fn observed(
        self,
        observer: impl Into<SharedObserver>,
    ) -> ServiceBuilder<Stack<ObserveLayer, L>> {
        self.layer(ObserveLayer::request(observer))
    }

    fn observed_attempts(
        self,
        observer: impl Into<SharedObserver>,
    ) -> ServiceBuilder<Stack<ObserveLayer, L>> {
        self.layer(ObserveLayer::attempt(observer))
    }

    fn export_retry(self, policy: RetryPolicy) -> ServiceBuilder<Stack<RetryLayer, L>> {
        self.layer(RetryLayer::new(policy))
    }

    fn batch(self, layer: BatchLayer) -> ServiceBuilder<Stack<BatchLayer, L>> {
        self.layer(layer)
    }

    fn attempt_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>> {
        self.layer(TimeoutLayer::attempt(duration))
    }

    fn total_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>> {
        self.layer(TimeoutLayer::total(duration))
    }

    fn split(self, layer: SplitLayer) -> ServiceBuilder<Stack<SplitLayer, L>> {
        self.layer(layer)
    }

    fn fan_out(
        self,
        others: impl IntoIterator<Item = BoxExporter>,
    ) -> ServiceBuilder<Stack<FanOutLayer, L>> {
        self.layer(FanOutLayer::new(others))
    }

    fn rate_limited(self, limiter: RateLimiter) -> ServiceBuilder<Stack<RateLimitLayer, L>> {
        self.layer(RateLimitLayer::new(limiter))
    }

    fn adaptive_concurrency(self) -> ServiceBuilder<Stack<AdaptiveConcurrencyLayer, L>> {
        self.layer(AdaptiveConcurrencyLayer::new())
    }

    fn admission(self, budget: AdmissionBudget) -> ServiceBuilder<Stack<AdmissionLayer, L>> {
        self.layer(AdmissionLayer::new(budget))
    }

    fn fallback(self, secondary: impl Exporter) -> ServiceBuilder<Stack<FallbackLayer, L>> {
        self.layer(FallbackLayer::new(secondary))
    }

    fn circuit_breaker(
        self,
        breaker: CircuitBreakerLayer,
    ) -> ServiceBuilder<Stack<CircuitBreakerLayer, L>> {
        self.layer(breaker)
    }

    fn route(self, routes: RouteLayer) -> ServiceBuilder<Stack<RouteLayer, L>> {
        self.layer(routes)
    }

    fn queue(self, layer: QueueLayer) -> ServiceBuilder<Stack<QueueLayer, L>> {
        self.layer(layer)
    }
}

mod sealed {
    #[allow(unreachable_pub)]
    pub trait Sealed {}
    impl<L> Sealed for tower::ServiceBuilder<L> {}
}
