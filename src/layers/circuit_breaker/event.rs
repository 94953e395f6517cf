use std::time::Duration;

use crate::layers::observe::BreakerState;

/// What there is to log, when the lock is free: a subscriber may ask for the state.
pub(super) enum Event {
    Quiet,
    Closed,
    Open { pause: Duration, first: bool },
}

impl Event {
    pub(super) const fn state(&self) -> BreakerState {
        match self {
            Event::Quiet => BreakerState::HalfOpen,
            Event::Closed => BreakerState::Closed,
            Event::Open { .. } => BreakerState::Open,
        }
    }

    pub(super) fn tell(self) {
        match self {
            Event::Quiet => {}
            Event::Closed => tracing::info!("the circuit breaker closes"),
            Event::Open { pause, first: true } => {
                tracing::warn!(?pause, "the circuit breaker opens");
            }
            Event::Open { pause, .. } => {
                tracing::debug!(?pause, "the circuit breaker stays open");
            }
        }
    }
}
