use tower_layer::Layer;

use super::{Split, SplitConfig};
use crate::InvalidConfig;

/// Applies [`Split`] to a service. See the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitLayer {
    config: SplitConfig,
}

impl SplitLayer {
    /// Cuts by this configuration.
    ///
    /// # Errors
    /// If a bound is zero, so that nothing could be sent.
    pub fn new(config: SplitConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config })
    }
}

impl<S> Layer<S> for SplitLayer {
    type Service = Split<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Split::with(inner, self.config)
    }
}
