use tower_layer::Layer;

use super::RetryPolicy;
use crate::IntoExportError;

/// The service made by [`RetryLayer`]: tower's, with our policy, over any error type.
pub type Retry<S> = tower::retry::Retry<RetryPolicy, IntoExportError<S>>;

/// Applies [`Retry`] to a service. See the [module](super).
#[derive(Clone, Debug, Default)]
pub struct RetryLayer {
    policy: RetryPolicy,
}

impl RetryLayer {
    /// Retries by this policy.
    #[must_use]
    pub const fn new(policy: RetryPolicy) -> Self {
        Self { policy }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        tower::retry::Retry::new(self.policy.clone(), IntoExportError::new(inner))
    }
}
