use tower_layer::Layer;

use super::{Batch, BatchConfig, Worker};
use crate::{Exporter, InvalidConfig};

/// Puts a [`Batch`] before a service. See the [module](super).
///
/// Every service it is applied to gets a worker of its own.
#[derive(Clone, Debug, Default)]
pub struct BatchLayer {
    config: BatchConfig,
}

impl BatchLayer {
    /// Batches by this configuration.
    ///
    /// # Errors
    /// If a bound is zero, so that nothing could be sent, or a key header has no name.
    pub fn new(config: BatchConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config })
    }

    /// A handle that takes requests for `inner`, and the worker that batches them, for those who
    /// spawn tasks themselves.
    pub fn pair<S: Exporter>(&self, inner: S) -> (Batch, Worker<S>) {
        let (door, inbox) = super::service::open(self.config.stage.clone());
        (
            Batch::new(door, None),
            Worker::new(inner, &self.config, inbox),
        )
    }
}

impl<S: Exporter> Layer<S> for BatchLayer {
    type Service = Batch;

    /// The worker is spawned when the service is first asked whether it is ready.
    fn layer(&self, inner: S) -> Batch {
        let (door, inbox) = super::service::open(self.config.stage.clone());
        let worker = Worker::new(inner, &self.config, inbox);
        Batch::new(door, Some(Box::pin(worker.run())))
    }
}
