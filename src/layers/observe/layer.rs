use tower_layer::Layer;

use super::{Observe, Role, SharedObserver};

/// Applies [`Observe`] to a service. See the [module](super).
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    role: Role,
    observer: SharedObserver,
}

impl ObserveLayer {
    /// Reports each request as a whole. Put it above a retry and a queue, outermost.
    #[must_use]
    pub fn request(observer: impl Into<SharedObserver>) -> Self {
        Self {
            role: Role::Request,
            observer: observer.into(),
        }
    }

    /// Reports each attempt. Put it below a retry.
    #[must_use]
    pub fn attempt(observer: impl Into<SharedObserver>) -> Self {
        Self {
            role: Role::Attempt,
            observer: observer.into(),
        }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe::new(inner, self.role, self.observer.clone())
    }
}
