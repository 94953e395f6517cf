use tower_layer::Layer;

use super::{FanOut, FanOutPolicy};
use crate::{BoxExporter, Exporter};

/// Adds branches to a service, which becomes the first of them. See the [module](super).
#[derive(Clone, Debug)]
pub struct FanOutLayer {
    others: Vec<BoxExporter>,
    policy: FanOutPolicy,
}

impl FanOutLayer {
    /// Sends to these exporters as well; they are branch 1 and so on. The policy is
    /// [`All`](FanOutPolicy::All).
    pub fn new(others: impl IntoIterator<Item = BoxExporter>) -> Self {
        Self {
            others: others.into_iter().collect(),
            policy: FanOutPolicy::All,
        }
    }

    /// Sets how many branches must deliver.
    #[must_use]
    pub fn policy(mut self, policy: FanOutPolicy) -> Self {
        self.policy = policy;
        self
    }
}

impl<S: Exporter> Layer<S> for FanOutLayer {
    type Service = FanOut;

    fn layer(&self, inner: S) -> FanOut {
        FanOut::empty()
            .branch(inner)
            .boxed_branches(self.others.iter().cloned())
            .policy(self.policy)
    }
}
