//! The state that all clones of a breaker share. Every change is made under one short lock, at a
//! time that the caller names; time itself changes the state when somebody next looks.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    CircuitBreakerPolicy, Verdict,
    event::Event,
    pass::{Claim, Pass},
    policy::LONGEST_NAMED,
    window::Window,
};
use crate::{
    ErrorKind, ExportError, RetryAdvice,
    layers::{
        observe,
        waiting::{Parking, later},
    },
    lifecycle::Level,
};

/// The shortest pause, and the least time for a probe, when the deadline of a shutdown is near.
const SHORTEST: Duration = Duration::from_millis(50);

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
    /// The flush or shutdown that it has taken notice of, by its number.
    raised: u64,
}

enum Phase {
    Closed {
        streak: u32,
        window: Window,
    },
    Open {
        until: Instant,
        /// Until when the server wants to hear nothing; not after `until`.
        named: Instant,
    },
    HalfOpen {
        slots: Vec<Slot>,
        succeeded: u32,
    },
}

/// The place of one probe.
struct Slot {
    number: u64,
    deadline: Instant,
    stage: SlotStage,
}

/// How far a probe has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SlotStage {
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
    /// Not before the deadline of a shutdown: it is told so at once.
    Ended,
}

impl Circuit {
    pub(super) fn new(policy: CircuitBreakerPolicy) -> Self {
        // A state that is first told when it changes leaves an alert without a series until then.
        let closed = observe::BreakerState::Closed;
        policy.observer.emit(observe::Event::Breaker(closed));
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
                raised: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, after what time has changed.
    fn at(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        // Under the lock: who opens the circuit with an older level would miss the deadline.
        let level = self.level();
        if level.raised != state.raised {
            // A flush that is over by now counts too: it began after the last look at this state.
            state.raised = level.raised;
            Self::hurry(&mut state, level, now);
        }
        loop {
            let late = match &mut state.phase {
                Phase::Closed { .. } => return state,
                // Open => HalfOpen.
                Phase::Open { until, .. } if *until <= now => {
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
                        .filter(|slot| slot.stage != SlotStage::Idle && slot.deadline <= now)
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

    fn level(&self) -> Level {
        let stage = self.policy.stage.as_ref();
        stage.map(|stage| stage.level()).unwrap_or_default()
    }

    /// A flush or a shutdown has begun. Who waits hears of it too, and looks again.
    fn hurry(state: &mut State, level: Level, now: Instant) {
        let drain = level.deadline.filter(|_| level.draining);
        match &mut state.phase {
            Phase::Closed { .. } => {}
            // What the server named is kept, unless it is later than the end.
            Phase::Open { until, named } => {
                let hopeless = drain.is_some_and(|deadline| *named >= deadline);
                *until = if hopeless { now } else { (*named).max(now) }.min(*until);
            }
            // A probe that hangs leaves time for another; one that nobody has sent makes room.
            Phase::HalfOpen { slots, .. } => {
                if let Some(deadline) = drain {
                    slots.retain(|slot| slot.stage != SlotStage::Idle);
                    for slot in slots {
                        let end = later(now, half_of(deadline, now));
                        slot.deadline = slot.deadline.min(end);
                    }
                }
                state.epoch += 1;
            }
        }
    }

    fn open(&self, state: &mut State, at: Instant, named: Duration) {
        state.openings = state.openings.saturating_add(1);
        state.epoch += 1;
        let pause = self.until(at, self.policy.pause(state.openings));
        let named = later(at, named.min(LONGEST_NAMED));
        state.phase = Phase::Open {
            until: pause.max(named),
            named,
        };
    }

    /// When a pause or a probe ends that begins then. While a pipeline shuts down it takes half
    /// of the time left at most, so that another probe follows before the deadline.
    fn until(&self, from: Instant, longest: Duration) -> Instant {
        let longest = match self.level().deadline {
            Some(deadline) => longest.min(half_of(deadline, from)),
            None => longest,
        };
        later(from, longest)
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
        let deadline = self.level().deadline;
        let no_later = |until: Instant| deadline.map_or(until, |end| until.min(end));
        let State {
            phase, epoch, next, ..
        } = &mut *state;
        let (entry, fresh) = match phase {
            Phase::Closed { .. } => (
                Entry::Granted { deadline: None },
                Some(Claim::Ordinary { epoch: *epoch }),
            ),
            Phase::Open { until, .. } if deadline.is_some_and(|end| end <= *until) => {
                (Entry::Ended, None)
            }
            Phase::Open { until, .. } => (Entry::Barred { until: *until }, None),
            Phase::HalfOpen { .. } if deadline.is_some_and(|end| end <= now) => {
                (Entry::Ended, None)
            }
            Phase::HalfOpen { slots, succeeded } => {
                let held = pass.as_ref().and_then(Pass::slot);
                if let Some(slot) = slots.iter().find(|slot| Some(slot.number) == held) {
                    let deadline = Some(no_later(slot.deadline));
                    return Entry::Granted { deadline };
                }
                let taken = u32::try_from(slots.len()).unwrap_or(u32::MAX);
                if taken.saturating_add(*succeeded) < self.policy.probes {
                    let slot = Slot {
                        number: *next,
                        deadline: self.until(now, self.policy.probe_timeout),
                        stage: SlotStage::Asking,
                    };
                    *next += 1;
                    let claim = Claim::Probe { slot: slot.number };
                    let deadline = Some(no_later(slot.deadline));
                    slots.push(slot);
                    (Entry::Granted { deadline }, Some(claim))
                } else {
                    let first = slots.iter().map(|slot| slot.deadline).min();
                    let until = no_later(first.unwrap_or(now));
                    (Entry::Barred { until }, None)
                }
            }
        };
        drop(state);
        // Not under the lock: a pass that goes gives up its slot.
        *pass = fresh.map(|claim| Pass::new(self.clone(), claim));
        entry
    }

    /// The service has told a probe whether it is ready.
    pub(super) fn asked(&self, number: u64, ready: bool) {
        if let Phase::HalfOpen { slots, .. } = &mut self.lock().phase
            && let Some(slot) = slots.iter_mut().find(|slot| slot.number == number)
        {
            slot.stage = if ready {
                SlotStage::Idle
            } else {
                SlotStage::Asking
            };
        }
    }

    /// A request is about to be sent. `false` if its leave has been withdrawn.
    pub(super) fn send(&self, claim: Claim, now: Instant) -> bool {
        let mut state = self.at(now);
        match (claim, &mut state.phase) {
            (Claim::Ordinary { .. }, Phase::Closed { .. }) => true,
            (Claim::Probe { slot: number }, Phase::HalfOpen { slots, .. }) => {
                let slot = slots.iter_mut().find(|slot| slot.number == number);
                let Some(slot) = slot else { return false };
                slot.stage = SlotStage::Sent;
                slot.deadline = self.until(now, self.policy.probe_timeout);
                true
            }
            _ => false,
        }
    }

    /// The error of a request that is not let in.
    pub(super) fn refusal(&self, now: Instant) -> ExportError {
        let state = self.at(now);
        let ended = self.level().deadline.is_some_and(|end| end <= now);
        match state.phase {
            Phase::Open { .. } | Phase::HalfOpen { .. } if ended => ExportError::new(
                ErrorKind::Closed,
                "the pipeline has shut down, and the circuit breaker was open to the end",
            )
            .with_retry(RetryAdvice::Backoff),
            Phase::Open { until, .. } => {
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

    pub(super) fn report(&self, claim: Claim, verdict: Verdict, named: Duration, now: Instant) {
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
            (
                Claim::Ordinary { .. },
                Phase::Open {
                    until,
                    named: known,
                },
            ) => {
                *known = (*known).max(later(now, named.min(LONGEST_NAMED)));
                *until = (*until).max(*known);
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
            Phase::Open { until, .. } => Event::Open {
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

fn half_of(deadline: Instant, now: Instant) -> Duration {
    (deadline.saturating_duration_since(now) / 2).max(SHORTEST)
}
