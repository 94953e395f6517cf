use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::Track;
use crate::lifecycle::Shared;

/// Applies [`Track`] to a service; made by [`Lifecycle::layer`](crate::Lifecycle::layer).
#[derive(Clone)]
pub struct TrackLayer {
    shared: Arc<Shared>,
}

impl TrackLayer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl fmt::Debug for TrackLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Track::new(inner, self.shared.clone())
    }
}
