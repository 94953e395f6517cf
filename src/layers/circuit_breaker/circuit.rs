//! The state that all clones of a breaker share. Every change is made under one short lock, at a
//! time that the caller names; time itself changes the state when somebody next looks.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{CircuitBreakerPolicy, Verdict, policy::LONGEST_NAMED, window::Window};
use crate::{
    ErrorKind, ExportError, RetryAdvice,
    layers::{
        observe::{self, BreakerState},
        waiting::{Parking, later},
    },
};

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// No request passes.
    Open,
    /// A few requests pass, to try whether the service works again.
    HalfOpen,
}

/// Tells the state of a circuit. Clones are the same handle.
#[derive(Clone)]
pub struct CircuitHandle {
    circuit: Arc<Circuit>,
}

impl CircuitHandle {
    pub(super) const fn new(circuit: Arc<Circuit>) -> Self {
        Self { circuit }
    }

    pub(super) fn circuit(&self) -> Arc<Circuit> {
        self.circuit.clone()
    }

    /// The state at the moment.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit.state(Instant::now())
    }
}

impl fmt::Debug for CircuitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

pub(super) struct Circuit {
    pub(super) policy: CircuitBreakerPolicy,
    pub(super) parking: Arc<Parking>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Counts changes. What began before a change has no say after it.
    epoch: u64,
    /// How often it was opened since it was last closed.
    openings: u32,
    /// The number of the next slot.
    next: u64,
}

enum Phase {
    Closed { streak: u32, window: Window },
    Open { until: Instant },
    HalfOpen { slots: Vec<Slot>, succeeded: u32 },
}

/// The place of one probe.
struct Slot {
    number: u64,
    deadline: Instant,
    stage: Stage,
}

/// How far a probe has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The service is asked whether it is ready.
    Asking,
    /// The handle is ready and was not called yet.
    Idle,
    /// The request is under way.
    Sent,
}

/// What a handle is told when it asks to be let in.
pub(super) enum Entry {
    /// Let in; as a probe until this time.
    Granted { deadline: Option<Instant> },
    /// Not before this time, unless it is woken.
    Barred { until: Instant },
}

impl Circuit {
    pub(super) fn new(policy: CircuitBreakerPolicy) -> Self {
        Self {
            policy,
            parking: Arc::default(),
            state: Mutex::new(State {
                phase: Phase::Closed {
                    streak: 0,
                    window: Window::default(),
                },
                epoch: 0,
                openings: 0,
                next: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, after what time has changed.
    fn at(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        loop {
            let late = match &mut state.phase {
                Phase::Closed { .. } => return state,
                // Open => HalfOpen.
                Phase::Open { until } if *until <= now => {
                    state.phase = Phase::HalfOpen {
                        slots: Vec::new(),
                        succeeded: 0,
                    };
                    state.epoch += 1;
                    return state;
                }
                Phase::Open { .. } => return state,
                Phase::HalfOpen { slots, .. } => {
                    let late = slots
                        .iter()
                        .filter(|slot| slot.stage != Stage::Idle && slot.deadline <= now)
                        .map(|slot| slot.deadline)
                        .min();
                    if late.is_none() {
                        // A handle that readied itself and then did nothing says nothing.
                        slots.retain(|slot| slot.deadline > now);
                    }
                    late
                }
            };
            // HalfOpen => Open, since the probe was late, and perhaps HalfOpen again by now.
            match late {
                Some(late) => self.open(&mut state, late, Duration::ZERO),
                None => return state,
            }
        }
    }

    fn open(&self, state: &mut State, at: Instant, named: Duration) {
        state.openings = state.openings.saturating_add(1);
        state.epoch += 1;
        let pause = self.policy.pause(state.openings, named);
        state.phase = Phase::Open {
            until: later(at, pause),
        };
    }

    fn close(state: &mut State) {
        state.openings = 0;
        state.epoch += 1;
        state.phase = Phase::Closed {
            streak: 0,
            window: Window::default(),
        };
    }

    pub(super) fn state(&self, now: Instant) -> CircuitState {
        match self.at(now).phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Changes whenever someone who was barred may be let in, or the other way round.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Asks to be let in. `pass` is what the handle has from earlier, and what it gets.
    pub(super) fn enter(self: &Arc<Self>, pass: &mut Option<Pass>, now: Instant) -> Entry {
        let mut state = self.at(now);
        let State {
            phase, epoch, next, ..
        } = &mut *state;
        let (entry, fresh) = match phase {
            Phase::Closed { .. } => (
                Entry::Granted { deadline: None },
                Some(Claim::Ordinary { epoch: *epoch }),
            ),
            Phase::Open { until } => (Entry::Barred { until: *until }, None),
            Phase::HalfOpen { slots, succeeded } => {
                let held = pass.as_ref().and_then(Pass::slot);
                if let Some(slot) = slots.iter().find(|slot| Some(slot.number) == held) {
                    let deadline = Some(slot.deadline);
                    return Entry::Granted { deadline };
                }
                let taken = u32::try_from(slots.len()).unwrap_or(u32::MAX);
                if taken.saturating_add(*succeeded) < self.policy.probes {
                    let slot = Slot {
                        number: *next,
                        deadline: later(now, self.policy.probe_timeout),
                        stage: Stage::Asking,
                    };
                    *next += 1;
                    let claim = Claim::Probe { slot: slot.number };
                    let deadline = Some(slot.deadline);
                    slots.push(slot);
                    (Entry::Granted { deadline }, Some(claim))
                } else {
                    let first = slots.iter().map(|slot| slot.deadline).min();
                    let until = first.unwrap_or(now);
                    (Entry::Barred { until }, None)
                }
            }
        };
        drop(state);
        // Not under the lock: a pass that goes gives up its slot.
        *pass = fresh.map(|claim| Pass {
            circuit: self.clone(),
            claim: Some(claim),
        });
        entry
    }

    /// The error of a request that is not let in.
    pub(super) fn refusal(&self, now: Instant) -> ExportError {
        match self.at(now).phase {
            Phase::Open { until } => {
                let left = until.saturating_duration_since(now);
                ExportError::new(
                    ErrorKind::CircuitOpen,
                    format!("the circuit breaker is open for another {left:?}"),
                )
                .with_retry(RetryAdvice::After(left))
            }
            Phase::Closed { .. } | Phase::HalfOpen { .. } => ExportError::new(
                ErrorKind::CircuitOpen,
                "the circuit breaker was open, and others try whether it may close",
            ),
        }
    }

    fn report(&self, claim: Claim, verdict: Verdict, named: Duration, now: Instant) {
        let mut state = self.at(now);
        let before = state.epoch;
        match (claim, &mut state.phase) {
            (Claim::Ordinary { epoch }, Phase::Closed { streak, window }) if epoch == before => {
                let failed = match verdict {
                    Verdict::Unknown => return,
                    Verdict::Works => {
                        *streak = 0;
                        false
                    }
                    Verdict::Fails => {
                        *streak = streak.saturating_add(1);
                        true
                    }
                    Verdict::Strained => true,
                };
                let mut opens = self.policy.streak_opens(*streak);
                if let Some(rate) = &self.policy.rate {
                    window.record(rate, now, failed);
                    opens |= failed && window.opens(rate, now);
                }
                // Closed => Open.
                if failed && opens {
                    self.open(&mut state, now, named);
                }
            }
            // A request from before it opened has heard from the server for how long.
            (Claim::Ordinary { .. }, Phase::Open { until }) => {
                *until = (*until).max(later(now, named.min(LONGEST_NAMED)));
            }
            (Claim::Probe { slot: number }, Phase::HalfOpen { slots, succeeded }) => {
                let Some(place) = slots.iter().position(|slot| slot.number == number) else {
                    return;
                };
                slots.swap_remove(place);
                match verdict {
                    // HalfOpen => (HalfOpen | Closed).
                    Verdict::Works => {
                        *succeeded = succeeded.saturating_add(1);
                        if *succeeded >= self.policy.probes {
                            Self::close(&mut state);
                        }
                    }
                    // HalfOpen => Open.
                    Verdict::Fails | Verdict::Strained => self.open(&mut state, now, named),
                    // The slot is free for another.
                    Verdict::Unknown => state.epoch += 1,
                }
            }
            _ => return,
        }
        let changed = state.epoch != before;
        let event = match &state.phase {
            Phase::Closed { .. } => Event::Closed,
            Phase::Open { until } => Event::Open {
                pause: until.saturating_duration_since(now),
                first: state.openings == 1,
            },
            Phase::HalfOpen { .. } => Event::Quiet,
        };
        drop(state);
        if changed {
            self.parking.wake_all();
            self.policy
                .observer
                .emit(observe::Event::Breaker(event.state()));
            event.tell();
        }
    }
}

/// What there is to log, when the lock is free: a subscriber may ask for the state.
enum Event {
    Quiet,
    Closed,
    Open { pause: Duration, first: bool },
}

impl Event {
    const fn state(&self) -> BreakerState {
        match self {
            Event::Quiet => BreakerState::HalfOpen,
            Event::Closed => BreakerState::Closed,
            Event::Open { .. } => BreakerState::Open,
        }
    }

    fn tell(self) {
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

/// The leave to send one request. A probe that is dropped without a report gives up its slot.
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    claim: Option<Claim>,
}

#[derive(Clone, Copy)]
enum Claim {
    Ordinary { epoch: u64 },
    Probe { slot: u64 },
}

impl Pass {
    const fn slot(&self) -> Option<u64> {
        match self.claim {
            Some(Claim::Probe { slot }) => Some(slot),
            _ => None,
        }
    }

    /// The service has said whether it is ready.
    pub(super) fn asked(&self, ready: bool) {
        let Some(number) = self.slot() else { return };
        if let Phase::HalfOpen { slots, .. } = &mut self.circuit.lock().phase
            && let Some(slot) = slots.iter_mut().find(|slot| slot.number == number)
        {
            slot.stage = if ready { Stage::Idle } else { Stage::Asking };
        }
    }

    /// The request is about to be sent. `false` if the leave has been withdrawn.
    pub(super) fn send(&self, now: Instant) -> bool {
        let mut state = self.circuit.at(now);
        match (self.claim, &mut state.phase) {
            (Some(Claim::Ordinary { .. }), Phase::Closed { .. }) => true,
            (Some(Claim::Probe { slot: number }), Phase::HalfOpen { slots, .. }) => {
                let slot = slots.iter_mut().find(|slot| slot.number == number);
                let Some(slot) = slot else { return false };
                slot.stage = Stage::Sent;
                slot.deadline = later(now, self.circuit.policy.probe_timeout);
                true
            }
            _ => false,
        }
    }

    /// The answer to the request. Only the first report counts.
    pub(super) fn report(&mut self, error: Option<&ExportError>) {
        let Some(claim) = self.claim.take() else {
            return;
        };
        let (verdict, named) = match error {
            None => (Verdict::Works, Duration::ZERO),
            Some(error) => (
                self.circuit.policy.verdict(error),
                match error.retry() {
                    RetryAdvice::After(delay) => delay,
                    _ => Duration::ZERO,
                },
            ),
        };
        self.circuit.report(claim, verdict, named, Instant::now());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(claim @ Claim::Probe { .. }) = self.claim.take() {
            let now = Instant::now();
            self.circuit
                .report(claim, Verdict::Unknown, Duration::ZERO, now);
        }
    }
}
