use std::{fmt, time::Duration};

use super::{
    Amount, BreakerState, Event, Finished, LastError, Outcome, QueueState, Role,
    event::place,
    gauges::Gauges,
    histogram::{Durations, Sizes},
};
use crate::{DropReason, ErrorKind, Signal};

/// What a [`Recorder`](super::Recorder) had counted at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    requests: [Tally; Signal::ALL.len()],
    attempts: [Tally; Signal::ALL.len()],
    failures: Vec<Failure>,
    drops: Vec<(DropReason, Amount)>,
    signal_drops: [Vec<(DropReason, Amount)>; Signal::ALL.len()],
    dequeued: Amount,
    waited: Duration,
    gauges: Gauges,
    ended: Vec<Ended>,
    waits: Vec<Wait>,
    /// Of requests and of attempts.
    failures_in_a_row: [u64; 2],
    last_error: Option<LastError>,
}

/// What ended in one way: what metrics tell beyond sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) role: Role,
    pub(crate) signal: Signal,
    pub(crate) outcome: Outcome,
    /// Items that failed or were cancelled.
    pub(crate) undelivered: u64,
    pub(crate) durations: Durations,
    pub(crate) sizes: Sizes,
}

/// For how long requests were in one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) queue: &'static str,
    pub(crate) signal: Signal,
    pub(crate) durations: Durations,
}

impl Snapshot {
    /// Logical requests of all signals.
    #[must_use]
    pub fn requests(&self) -> Tally {
        self.requests
            .iter()
            .fold(Tally::default(), |sum, tally| sum.plus(tally))
    }

    /// Logical requests of this signal.
    #[must_use]
    pub fn requests_of(&self, signal: Signal) -> Tally {
        self.requests[place(signal)]
    }

    /// Attempts of all signals.
    #[must_use]
    pub fn attempts(&self) -> Tally {
        self.attempts
            .iter()
            .fold(Tally::default(), |sum, tally| sum.plus(tally))
    }

    /// Attempts of this signal.
    #[must_use]
    pub fn attempts_of(&self, signal: Signal) -> Tally {
        self.attempts[place(signal)]
    }

    /// What failed, by role and [kind of error](Outcome::error_type), panics included.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// What failed with this [`error_type`](Outcome::error_type).
    #[must_use]
    pub fn failed(&self, role: Role, error_type: &str) -> Amount {
        self.failures
            .iter()
            .find(|failure| failure.role == role && failure.error_type == error_type)
            .map_or(Amount::default(), |failure| failure.amount)
    }

    /// What was given up, by reason.
    #[must_use]
    pub fn drops(&self) -> &[(DropReason, Amount)] {
        &self.drops
    }

    /// What was given up for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> Amount {
        self.drops
            .iter()
            .find(|(known, _)| *known == reason)
            .map_or(Amount::default(), |(_, amount)| *amount)
    }

    /// What was given up of this signal, by reason.
    #[must_use]
    pub fn drops_of(&self, signal: Signal) -> &[(DropReason, Amount)] {
        &self.signal_drops[place(signal)]
    }

    /// How many requests, or attempts, have failed since one was answered; a panic is a failure,
    /// and one that was cancelled does not count.
    #[must_use]
    pub fn failures_in_a_row(&self, role: Role) -> u64 {
        self.failures_in_a_row[role as usize]
    }

    /// The last error in words: of an attempt or a request that failed, or what a backend said
    /// of items that it rejected. That a circuit breaker is open does not take the place of
    /// another one.
    #[must_use]
    pub fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// What left a queue to be sent.
    #[must_use]
    pub fn dequeued(&self) -> Amount {
        self.dequeued
    }

    /// For how long that had been in a queue, all requests together.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The queues, as they last were.
    #[must_use]
    pub fn queues(&self) -> &[QueueState] {
        &self.gauges.queues
    }

    /// The queue of this name, as it last was.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<QueueState> {
        let mut queues = self.gauges.queues.iter();
        queues.find(|state| state.queue == name).copied()
    }

    /// The state of the circuit breaker, if one reports.
    #[must_use]
    pub fn breaker(&self) -> Option<BreakerState> {
        self.gauges.breaker
    }

    /// How many requests may be in flight at once, if a limit reports.
    #[must_use]
    pub fn concurrency_limit(&self) -> Option<u64> {
        self.gauges.concurrency_limit
    }

    pub(crate) fn ended(&self) -> &[Ended] {
        &self.ended
    }

    pub(crate) fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// Returns what is not kept.
    pub(super) fn replace_last_error(&mut self, error: LastError) -> Option<LastError> {
        // That a breaker is open says nothing of why: what opened it does.
        if error.kind() == ErrorKind::CircuitOpen && self.last_error.is_some() {
            return Some(error);
        }
        self.last_error.replace(error)
    }

    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Started {
                role,
                signal,
                amount,
            } => {
                let tally = self.tally(*role, *signal);
                tally.started = tally.started.plus(*amount);
            }
            Event::Finished(finished) => {
                self.tally(finished.role, finished.signal).finish(finished);
                if let (Outcome::Failed(_) | Outcome::Panicked, Some(error_type)) =
                    (finished.outcome, finished.outcome.error_type())
                {
                    self.fail(finished, error_type);
                }
                self.end(finished);
            }
            Event::Dequeued {
                queue,
                signal,
                amount,
                waited,
            } => {
                self.dequeued = self.dequeued.plus(*amount);
                self.waited = self.waited.saturating_add(*waited);
                self.wait(queue, *signal, *waited);
            }
            Event::Dropped {
                reason,
                signal,
                amount,
            } => {
                for drops in [&mut self.drops, &mut self.signal_drops[place(*signal)]] {
                    match drops.iter_mut().find(|(known, _)| known == reason) {
                        Some((_, sum)) => *sum = sum.plus(*amount),
                        None => drops.push((*reason, *amount)),
                    }
                }
            }
            Event::Queue(_) | Event::Breaker(_) | Event::ConcurrencyLimit { .. } => {
                self.gauges.update(event);
            }
        }
    }

    fn tally(&mut self, role: Role, signal: Signal) -> &mut Tally {
        match role {
            Role::Request => &mut self.requests[place(signal)],
            Role::Attempt => &mut self.attempts[place(signal)],
        }
    }

    fn end(&mut self, finished: &Finished) {
        let in_a_row = &mut self.failures_in_a_row[finished.role as usize];
        *in_a_row = match finished.outcome {
            Outcome::Delivered | Outcome::Rejected => 0,
            Outcome::Failed(_) | Outcome::Panicked => *in_a_row + 1,
            Outcome::Cancelled => *in_a_row,
        };
        let key = (finished.role, finished.signal, finished.outcome);
        // A handful, so a search is quicker than a map.
        let place = self
            .ended
            .iter()
            .position(|known| (known.role, known.signal, known.outcome) == key)
            .unwrap_or_else(|| {
                self.ended.push(Ended {
                    role: finished.role,
                    signal: finished.signal,
                    outcome: finished.outcome,
                    undelivered: 0,
                    durations: Durations::default(),
                    sizes: Sizes::default(),
                });
                self.ended.len() - 1
            });
        if let Some(ended) = self.ended.get_mut(place) {
            ended.undelivered += finished.failed + finished.cancelled;
            ended.durations.record_duration(finished.duration);
            ended.sizes.record_size(finished.amount.bytes);
        }
    }

    fn wait(&mut self, queue: &'static str, signal: Signal, waited: Duration) {
        let mut waits = self.waits.iter_mut();
        match waits.find(|known| (known.queue, known.signal) == (queue, signal)) {
            Some(known) => known.durations.record_duration(waited),
            None => {
                let mut durations = Durations::default();
                durations.record_duration(waited);
                self.waits.push(Wait {
                    queue,
                    signal,
                    durations,
                });
            }
        }
    }

    fn fail(&mut self, finished: &Finished, error_type: &'static str) {
        let amount = Amount {
            items: finished.failed,
            ..finished.amount
        };
        match self
            .failures
            .iter_mut()
            .find(|known| known.role == finished.role && known.error_type == error_type)
        {
            Some(known) => known.amount = known.amount.plus(amount),
            None => self.failures.push(Failure {
                role: finished.role,
                error_type,
                amount,
            }),
        }
    }
}

/// What failed with one kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Logical requests or attempts.
    pub role: Role,
    /// See [`Outcome::error_type`].
    pub error_type: &'static str,
    /// How much.
    pub amount: Amount,
}

/// Counts of requests, or of attempts, by how they ended.
///
/// In requests, in items and in bytes, at any moment:
/// `started = delivered + rejected + failed + cancelled + in_flight`.
///
/// A request and its bytes are counted where the request as a whole ended: in `rejected` if any
/// item was (OTLP's partial success). Its items are counted where each of them ended: a failed
/// request that had delivered a part counts that part in `delivered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// All that came.
    pub started: Amount,
    /// Reached a backend.
    pub delivered: Amount,
    /// Refused for good in an answer that says so.
    pub rejected: Amount,
    /// Failed or panicked.
    pub failed: Amount,
    /// The response future was dropped before it was done.
    pub cancelled: Amount,
    /// From call to end, all finished ones together.
    pub duration: Duration,
}

impl Tally {
    /// What has started and not ended.
    #[must_use]
    pub const fn in_flight(&self) -> Amount {
        self.started
            .minus(self.delivered)
            .minus(self.rejected)
            .minus(self.failed)
            .minus(self.cancelled)
    }

    fn finish(&mut self, finished: &Finished) {
        let ended = match finished.outcome {
            Outcome::Delivered => &mut self.delivered,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Failed(_) | Outcome::Panicked => &mut self.failed,
            Outcome::Cancelled => &mut self.cancelled,
        };
        *ended = ended.plus(Amount {
            items: 0,
            ..finished.amount
        });
        self.delivered.items += finished.delivered;
        self.rejected.items += finished.rejected;
        self.failed.items += finished.failed;
        self.cancelled.items += finished.cancelled;
        self.duration = self.duration.saturating_add(finished.duration);
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            started: self.started.plus(other.started),
            delivered: self.delivered.plus(other.delivered),
            rejected: self.rejected.plus(other.rejected),
            failed: self.failed.plus(other.failed),
            cancelled: self.cancelled.plus(other.cancelled),
            duration: self.duration.saturating_add(other.duration),
        }
    }
}

impl fmt::Display for Tally {
    /// Items.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "started={} delivered={} rejected={} failed={} cancelled={} in_flight={}",
            self.started.items,
            self.delivered.items,
            self.rejected.items,
            self.failed.items,
            self.cancelled.items,
            self.in_flight().items,
        )
    }
}
