use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    super::line::Line, AdaptiveConcurrency, AdaptiveConcurrencyBuilder, controller::Controller,
    seats::Seats,
};
use crate::layers::observe::{Event, SharedObserver};

/// Applies [`AdaptiveConcurrency`] to a service. All services made by it share one limit. See
/// the [module](super).
#[derive(Clone, Debug)]
pub struct AdaptiveConcurrencyLayer {
    handle: AdaptiveConcurrencyHandle,
}

impl AdaptiveConcurrencyLayer {
    /// A limit between 1 and 256 requests in flight, from 1.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Controller::new(1, 256, 1), SharedObserver::none())
    }

    /// Sets other bounds.
    pub const fn builder() -> AdaptiveConcurrencyBuilder {
        AdaptiveConcurrencyBuilder::new()
    }

    pub(super) fn over(controller: Controller, observer: SharedObserver) -> Self {
        observer.emit(Event::concurrency_limit(controller.limit() as u64));
        Self {
            handle: AdaptiveConcurrencyHandle {
                line: Arc::new(Line::new(Seats::new(controller, observer))),
            },
        }
    }

    /// Shows the limit.
    #[must_use]
    pub fn handle(&self) -> AdaptiveConcurrencyHandle {
        self.handle.clone()
    }
}

impl Default for AdaptiveConcurrencyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for AdaptiveConcurrencyLayer {
    type Service = AdaptiveConcurrency<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptiveConcurrency::new(inner, self.handle())
    }
}

/// Shows a limit that is found by itself, and its use. Clones show the same.
#[derive(Clone)]
pub struct AdaptiveConcurrencyHandle {
    pub(super) line: Arc<Line<Seats>>,
}

impl AdaptiveConcurrencyHandle {
    /// How many requests may be in flight at the moment.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.line.with(|seats| seats.controller.limit())
    }

    /// How many requests are in flight. More than the limit for a while after it was lowered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.line.with(|seats| seats.in_flight)
    }

    /// How many handles wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }
}

impl fmt::Debug for AdaptiveConcurrencyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveConcurrencyHandle")
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .field("waiting", &self.waiting())
            .finish()
    }
}
