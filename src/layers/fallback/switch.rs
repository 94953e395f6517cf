//! Which of the two exporters has the traffic: the state that all clones share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::FallbackPolicy;
use crate::{
    BoxExporter, ExportError, RetryAdvice,
    layers::waiting::{Parking, later},
};

/// What the clones of a [`Fallback`](super::Fallback) share.
pub(super) struct Shared {
    pub(super) policy: FallbackPolicy,
    /// Never asked for readiness: it is cloned for that.
    pub(super) secondary: BoxExporter,
    pub(super) parking: Arc<Parking>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// Counts changes. What began before a change has no say after it.
    epoch: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Requests go to the primary.
    Primary,
    /// Requests go to the secondary; at this time one may try the primary.
    Away { next_probe: Instant },
}

/// Where one request goes.
pub(super) enum Course {
    Primary(Attempt),
    Secondary,
    Probe(Attempt),
}

impl Shared {
    pub(super) fn new(policy: FallbackPolicy, secondary: BoxExporter) -> Self {
        Self {
            policy,
            secondary,
            parking: Arc::default(),
            state: Mutex::new(State {
                mode: Mode::Primary,
                epoch: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mode, and when it began.
    pub(super) fn look(&self) -> (Mode, u64) {
        let state = self.lock();
        (state.mode, state.epoch)
    }

    /// Where the next request goes. If it is to try the primary again, no other will until it
    /// has reported or is late.
    pub(super) fn begin(self: &Arc<Self>, now: Instant) -> Course {
        let mut state = self.lock();
        match &mut state.mode {
            Mode::Primary => {
                let epoch = state.epoch;
                drop(state);
                Course::Primary(Attempt::ordinary(epoch))
            }
            Mode::Away { next_probe } if *next_probe <= now => {
                *next_probe = later(now, self.policy.timeout());
                state.epoch += 1;
                let epoch = state.epoch;
                drop(state);
                Course::Probe(Attempt {
                    epoch,
                    probe: Some(self.clone()),
                })
            }
            Mode::Away { .. } => Course::Secondary,
        }
    }

    /// Time until a request may try the primary again.
    pub(super) fn until_probe(&self) -> Duration {
        match self.look().0 {
            Mode::Primary => Duration::ZERO,
            Mode::Away { next_probe } => next_probe.saturating_duration_since(Instant::now()),
        }
    }

    /// Primary => Away, because of what happened to a request that began in `epoch`.
    pub(super) fn fail_over(&self, epoch: u64, cause: &ExportError) {
        let mut state = self.lock();
        if state.epoch != epoch || !matches!(state.mode, Mode::Primary) {
            return;
        }
        self.leave(&mut state, cause);
        drop(state);
        self.parking.wake_all();
        tracing::warn!(
            kind = cause.kind().as_str(),
            error = %cause,
            "the primary exporter failed, the secondary takes over"
        );
    }

    fn leave(&self, state: &mut State, cause: &ExportError) {
        let named = match cause.retry() {
            RetryAdvice::After(delay) => delay,
            _ => Duration::ZERO,
        };
        state.mode = Mode::Away {
            next_probe: later(Instant::now(), self.policy.interval().max(named)),
        };
        state.epoch += 1;
    }

    /// Away => (Primary | Away), because of a probe. `false` if it was late.
    fn settle(&self, epoch: u64, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.lock();
        if state.epoch != epoch {
            return false;
        }
        change(&mut state);
        drop(state);
        self.parking.wake_all();
        true
    }
}

/// A request at the primary. A probe that is dropped without a verdict lets another one try.
pub(super) struct Attempt {
    epoch: u64,
    probe: Option<Arc<Shared>>,
}

impl Attempt {
    const fn ordinary(epoch: u64) -> Self {
        Self { epoch, probe: None }
    }

    /// The primary works.
    pub(super) fn succeeded(&mut self) {
        let Some(shared) = self.probe.take() else {
            return;
        };
        let settled = shared.settle(self.epoch, |state| {
            state.mode = Mode::Primary;
            state.epoch += 1;
        });
        if settled {
            tracing::info!("the primary exporter works again, traffic returns to it");
        }
    }

    /// The primary failed: the secondary takes over, or goes on.
    pub(super) fn failed(&mut self, shared: &Shared, cause: &ExportError) {
        let Some(probed) = self.probe.take() else {
            return shared.fail_over(self.epoch, cause);
        };
        if probed.settle(self.epoch, |state| probed.leave(state, cause)) {
            tracing::debug!(
                kind = cause.kind().as_str(),
                error = %cause,
                "the primary exporter still fails"
            );
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(shared) = self.probe.take() {
            shared.settle(self.epoch, |state| {
                state.mode = Mode::Away {
                    next_probe: Instant::now(),
                };
                state.epoch += 1;
            });
        }
    }
}
