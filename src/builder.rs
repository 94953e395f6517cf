//! `ServiceBuilderExt`: one thin method per layer.

use std::time::Duration;

use tower::{ServiceBuilder, layer::util::Stack};

use crate::{
    BoxExporter, Lifecycle,
    layers::{
        fan_out::FanOutLayer,
        queue::QueueLayer,
        retry::{RetryLayer, RetryPolicy},
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

    /// Sends failed requests again: see [`layers::retry`](crate::layers::retry).
    fn export_retry(self, policy: RetryPolicy) -> ServiceBuilder<Stack<RetryLayer, L>>;

    /// Bounds each attempt, below a retry: see [`layers::timeout`](crate::layers::timeout).
    fn attempt_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>>;

    /// Bounds all attempts, above a retry: see [`layers::timeout`](crate::layers::timeout).
    fn total_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>>;

    /// Sends to `others` what is sent to the service below, and needs all of them to deliver:
    /// see [`layers::fan_out`](crate::layers::fan_out), also for other policies.
    fn fan_out(
        self,
        others: impl IntoIterator<Item = BoxExporter>,
    ) -> ServiceBuilder<Stack<FanOutLayer, L>>;

    /// Holds requests and delivers them from a task of its own: see
    /// [`layers::queue`](crate::layers::queue).
    fn queue(self, layer: QueueLayer) -> ServiceBuilder<Stack<QueueLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn tracked(self, lifecycle: &Lifecycle) -> ServiceBuilder<Stack<TrackLayer, L>> {
        self.layer(lifecycle.layer())
    }

    fn export_retry(self, policy: RetryPolicy) -> ServiceBuilder<Stack<RetryLayer, L>> {
        self.layer(RetryLayer::new(policy))
    }

    fn attempt_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>> {
        self.layer(TimeoutLayer::attempt(duration))
    }

    fn total_timeout(self, duration: Duration) -> ServiceBuilder<Stack<TimeoutLayer, L>> {
        self.layer(TimeoutLayer::total(duration))
    }

    fn fan_out(
        self,
        others: impl IntoIterator<Item = BoxExporter>,
    ) -> ServiceBuilder<Stack<FanOutLayer, L>> {
        self.layer(FanOutLayer::new(others))
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
