use tower_layer::Layer;

use super::{Fallback, FallbackPolicy};
use crate::{BoxExporter, Exporter, ExporterExt, InvalidConfig};

/// Applies [`Fallback`] to a service, which becomes the primary. See the [module](super).
#[derive(Clone, Debug)]
pub struct FallbackLayer {
    secondary: BoxExporter,
    policy: FallbackPolicy,
}

impl FallbackLayer {
    /// Falls back to this exporter, with the default [`FallbackPolicy`].
    pub fn new(secondary: impl Exporter) -> Self {
        Self {
            secondary: secondary.boxed_exporter(),
            policy: FallbackPolicy::new(),
        }
    }

    /// Falls back to this exporter by this policy.
    ///
    /// # Errors
    /// If a duration of the policy that must be more than zero is zero.
    pub fn with_policy(
        secondary: impl Exporter,
        policy: FallbackPolicy,
    ) -> Result<Self, InvalidConfig> {
        policy.check()?;
        Ok(Self {
            secondary: secondary.boxed_exporter(),
            policy,
        })
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Fallback<S> {
        Fallback::of(inner, self.secondary.clone(), self.policy.clone())
    }
}
