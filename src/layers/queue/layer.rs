use std::sync::Arc;

use tower_layer::Layer;

use super::{Memory, Queue, QueueConfig, QueueHandle, Storage, Worker, shared::Shared};
use crate::{Exporter, InvalidConfig};

/// Puts a [`Queue`] before a service. See the [module](super).
///
/// Every service it is applied to gets a queue of its own.
#[derive(Clone, Debug, Default)]
pub struct QueueLayer {
    config: QueueConfig,
    handle: QueueHandle,
}

impl QueueLayer {
    /// Queues that work like this, in memory.
    ///
    /// # Errors
    /// If the configuration cannot work: something is zero that must not be, or a bound
    /// contradicts another. The error says what to change.
    pub fn new(config: QueueConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self {
            config,
            handle: QueueHandle::default(),
        })
    }

    /// The gauges of the queues that this layer and its clones make.
    #[must_use]
    pub fn handle(&self) -> QueueHandle {
        self.handle.clone()
    }

    /// A queue before `inner`, and its worker, for those who spawn tasks themselves.
    pub fn pair<S: Exporter>(&self, inner: S) -> (Queue, Worker<S>) {
        self.pair_with(inner, Memory::new())
    }

    /// A queue before `inner` that keeps its requests in `storage`, and its worker.
    pub fn pair_with<S: Exporter>(&self, inner: S, storage: impl Storage) -> (Queue, Worker<S>) {
        let (shared, worker) = self.parts(inner, storage);
        (Queue::new(shared, None), worker)
    }

    /// A queue before `inner` that keeps its requests in `storage`. Its worker is spawned as that
    /// of [`layer`](Layer::layer) is.
    pub fn with_storage<S: Exporter>(&self, inner: S, storage: impl Storage) -> Queue {
        let (shared, worker) = self.parts(inner, storage);
        let queue = Queue::new(shared, Some(Box::pin(worker.run())));
        queue.start_if_possible();
        queue
    }

    fn parts<S: Exporter>(&self, inner: S, storage: impl Storage) -> (Arc<Shared>, Worker<S>) {
        let mut config = self.config.clone();
        let dead_letter = config.dead_letter.take();
        let shared = Arc::new(Shared::new(
            config,
            Box::new(storage),
            dead_letter.is_some(),
        ));
        self.handle.watch(&shared);
        let worker = Worker::new(inner, dead_letter, shared.clone());
        (shared, worker)
    }
}

impl<S: Exporter> Layer<S> for QueueLayer {
    type Service = Queue;

    fn layer(&self, inner: S) -> Queue {
        self.with_storage(inner, Memory::new())
    }
}
