use std::fmt;

use tower_layer::Layer;

use super::{RateLimit, RateLimiter, drain::Drain};
use crate::Lifecycle;

/// Applies [`RateLimit`] to a service. All services made by it share one limiter. See the
/// [module](super).
#[derive(Clone)]
pub struct RateLimitLayer {
    limiter: RateLimiter,
    drain: Option<Drain>,
}

impl RateLimitLayer {
    /// Limits by this limiter.
    #[must_use]
    pub const fn new(limiter: RateLimiter) -> Self {
        Self {
            limiter,
            drain: None,
        }
    }

    /// Keeps to the deadline of a shutdown: the limit holds to the end, but who would have to wait
    /// beyond the deadline is told at once, with [`Closed`](crate::ErrorKind::Closed).
    ///
    /// Without it such a request waits in vain until the deadline. It is lost then all the same,
    /// and what stands above has no time left to keep it elsewhere.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.drain = Some(Drain::new(lifecycle));
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::of(inner, self.limiter.clone(), self.drain.clone())
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("lifecycle", &self.drain.is_some())
            .finish()
    }
}
