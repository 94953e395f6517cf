use std::time::Duration;

use tower_layer::Layer;

use super::{Timeout, service::Limit};

/// Applies [`Timeout`] to a service. See the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    limit: Limit,
}

impl TimeoutLayer {
    /// Bounds one attempt. Put it below a retry.
    #[must_use]
    pub const fn attempt(duration: Duration) -> Self {
        Self {
            limit: Limit::attempt(duration),
        }
    }

    /// Bounds all attempts and the waits between them. Put it above a retry.
    #[must_use]
    pub const fn total(duration: Duration) -> Self {
        Self {
            limit: Limit::total(duration),
        }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limit)
    }
}
