//! The state behind a lifecycle: who is in flight, what is held, what became of the rest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    task::Waker,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{DrainReport, DropReason};
use crate::{ExportError, ExportResponse};

/// What everyone in a pipeline is told. A level and not an edge: who comes late sees it too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) draining: bool,
    pub(crate) deadline: Option<Instant>,
    /// The middle between the beginning of the shutdown and its deadline.
    pub(crate) halftime: Option<Instant>,
    /// How many flushes are under way.
    flushes: usize,
    /// How often it was raised: for who was not looking, and finds it down again.
    pub(crate) raised: u64,
}

impl Level {
    pub(crate) const fn is_rushed(&self) -> bool {
        self.draining || self.flushes > 0
    }
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Held for a few instructions at a time, never over an await.
    state: Mutex<State>,
    pub(crate) level: watch::Sender<Level>,
    /// A request was settled.
    settled: Notify,
    /// Whether there is a layer that counts requests.
    pub(super) is_tracked: AtomicBool,
}

/// One lock over all of it: a request is either let in before the level is raised, and waited
/// for, or turned away.
#[derive(Default)]
struct State {
    draining: bool,
    /// The number of the next request, or of the next place to park. Older ones are lower.
    next: u64,
    /// Items of each request without an answer.
    in_flight: BTreeMap<u64, u64>,
    /// Requests in the charge of layers with workers: items, and whether they were answered for.
    held: BTreeMap<u64, (u64, bool)>,
    /// Who waits for readiness: a request that waits is not in flight, and must be told.
    parked: BTreeMap<u64, Waker>,
    counts: Counts,
}

/// Signed where a worker may count the end of a request before its caller counts how it left.
#[derive(Default)]
pub(crate) struct Counts {
    accepted: i64,
    delivered: u64,
    rejected: u64,
    refused: u64,
    cancelled: i64,
    /// Retained by what outlives the process.
    kept: u64,
    drops: Vec<(DropReason, u64)>,
}

const fn signed(items: u64) -> i64 {
    // Nobody holds 2^63 items.
    items.cast_signed()
}

fn unsigned(items: i64) -> u64 {
    u64::try_from(items).unwrap_or(0)
}

impl Counts {
    /// Counts an answer.
    pub(crate) fn delivered(&mut self, items: u64, response: &ExportResponse) {
        let rejected = response.rejected_items().min(items);
        // What a layer answered early it accepted itself.
        let retained = response.retained_items().min(items - rejected);
        self.accepted -= signed(retained);
        self.rejected += rejected;
        self.delivered += items - rejected - retained;
    }

    /// Counts what a failed request had achieved; returns how many items are left.
    pub(crate) fn progress(&mut self, items: u64, progress: Option<&ExportResponse>) -> u64 {
        let Some(progress) = progress else {
            return items;
        };
        let delivered = progress.delivered_items().min(items);
        let rejected = progress.rejected_items().min(items - delivered);
        // What a layer answered early it accepted itself.
        let retained = progress.retained_items().min(items - delivered - rejected);
        self.accepted -= signed(retained);
        self.delivered += delivered;
        self.rejected += rejected;
        items - delivered - rejected - retained
    }

    pub(crate) fn drop(&mut self, reason: DropReason, items: u64) {
        if items == 0 {
            return;
        }
        match self.drops.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += items,
            None => self.drops.push((reason, items)),
        }
    }

    pub(crate) fn keep(&mut self, items: u64) {
        self.kept += items;
    }

    /// A held request ends without its caller. One that was answered for is simply no longer
    /// retained; any other was counted as cancelled when its caller went away.
    pub(crate) fn leave(&mut self, items: u64, answered: bool) {
        if !answered {
            self.cancelled -= signed(items);
        }
    }
}

impl State {
    fn report(&self) -> DrainReport {
        let counts = &self.counts;
        let retained = self.held.values().filter(|(_, answered)| *answered);
        // Below zero more requests ended without a caller than callers went away: a layer in
        // between gave up on some, or sent them to several workers. Those count once for each end.
        let again = unsigned(-counts.cancelled.min(0));
        DrainReport {
            accepted: unsigned(counts.accepted) + again,
            delivered: counts.delivered,
            rejected: counts.rejected,
            refused: counts.refused,
            cancelled: unsigned(counts.cancelled),
            retained: counts.kept + retained.map(|(items, _)| items).sum::<u64>(),
            dropped: counts.drops.iter().map(|(_, items)| items).sum(),
            in_flight: self.in_flight.values().sum(),
            complete: self.in_flight.is_empty() && self.held.is_empty(),
            drops: counts.drops.clone(),
        }
    }

    const fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self) -> DrainReport {
        self.lock().report()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    pub(crate) fn requests_in_flight(&self) -> usize {
        self.lock().in_flight.len()
    }

    /// Lets a request in, unless the pipeline is draining.
    pub(crate) fn admit(self: &Arc<Self>, items: u64) -> Option<Admission> {
        let mut state = self.lock();
        if state.draining {
            return None;
        }
        let number = state.number();
        state.in_flight.insert(number, items);
        state.counts.accepted += signed(items);
        drop(state);
        Some(Admission {
            shared: self.clone(),
            number,
        })
    }

    /// A layer takes charge of a request.
    pub(super) fn hold(&self, items: u64, answered: bool) -> u64 {
        let mut state = self.lock();
        let number = state.number();
        state.held.insert(number, (items, answered));
        if answered {
            state.counts.accepted += signed(items);
        }
        number
    }

    /// A layer is done with a request. Once only: nothing is counted for one that it no longer
    /// holds.
    pub(super) fn release(&self, number: u64, count: impl FnOnce(u64, bool, &mut Counts)) {
        let mut state = self.lock();
        if let Some((items, answered)) = state.held.remove(&number) {
            count(items, answered, &mut state.counts);
            drop(state);
            self.settled.notify_waiters();
        }
    }

    /// Remembers whom to wake when draining begins. `None` if it has begun.
    pub(crate) fn park(self: &Arc<Self>, place: Option<Parked>, waker: &Waker) -> Option<Parked> {
        let mut state = self.lock();
        if state.draining {
            drop(state);
            return None;
        }
        let place = place.unwrap_or_else(|| Parked {
            shared: self.clone(),
            number: state.number(),
        });
        let replaced = state.parked.insert(place.number, waker.clone());
        // Dropping a waker may drop a task and all it holds, which may want the lock.
        drop(state);
        drop(replaced);
        Some(place)
    }

    /// Raises the level for a flush of what is in flight and held now.
    pub(super) async fn flush(&self, deadline: Duration) -> DrainReport {
        let before = self.lock().next;
        let _level = Flush::new(self);
        let complete = self.settled(before, deadline).await;
        DrainReport {
            complete,
            ..self.report()
        }
    }

    /// Raises the level for good, waits, and counts what is late as dropped.
    pub(super) async fn shut_down(&self, deadline: Duration) -> DrainReport {
        let parked = {
            let mut state = self.lock();
            state.draining = true;
            std::mem::take(&mut state.parked)
        };
        self.level.send_modify(|level| {
            level.draining = true;
            level.raised += 1;
            let now = Instant::now();
            level.deadline = level.deadline.or(now.checked_add(deadline));
            level.halftime = level.halftime.or(now.checked_add(deadline / 2));
        });
        for waker in parked.into_values() {
            waker.wake();
        }
        let complete = self.settled(u64::MAX, deadline).await;
        let mut state = self.lock();
        let late: u64 = std::mem::take(&mut state.in_flight).values().sum();
        let held = std::mem::take(&mut state.held);
        let promised = held.into_values().filter(|(_, answered)| *answered);
        let promised: u64 = promised.map(|(items, _)| items).sum();
        state.counts.drop(DropReason::Shutdown, late + promised);
        DrainReport {
            complete,
            ..state.report()
        }
    }

    /// Whether all that is numbered below `before` was settled within `deadline`.
    async fn settled(&self, before: u64, deadline: Duration) -> bool {
        let is_settled = || {
            let state = self.lock();
            let first = state.in_flight.keys().next();
            let held = state.held.keys().next();
            first.into_iter().chain(held).all(|first| *first >= before)
        };
        let wait = async {
            loop {
                // Listen first, look then: an answer in between is not missed.
                let settled = self.settled.notified();
                if is_settled() {
                    return;
                }
                settled.await;
            }
        };
        tokio::time::timeout(deadline, wait).await.is_ok()
    }
}

/// A flush under way: the level comes down with it.
struct Flush<'a>(&'a Shared);

impl<'a> Flush<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.level.send_modify(|level| {
            level.flushes += 1;
            level.raised += 1;
        });
        Self(shared)
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.0.level.send_modify(|level| level.flushes -= 1);
    }
}

/// A request that was let in. Dropped before it is [settled](Self::settle), its items count as
/// cancelled.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    number: u64,
}

impl Admission {
    /// Counts the answer.
    pub(crate) fn settle(&self, result: &Result<ExportResponse, ExportError>) {
        self.end(|items, counts| match result {
            Ok(response) => counts.delivered(items, response),
            Err(error) => counts.refused += counts.progress(items, error.progress()),
        });
    }

    /// Once only: nothing is counted for a request that is no longer in flight.
    fn end(&self, count: impl FnOnce(u64, &mut Counts)) {
        let mut state = self.shared.lock();
        if let Some(items) = state.in_flight.remove(&self.number) {
            count(items, &mut state.counts);
            drop(state);
            self.shared.settled.notify_waiters();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.end(|items, counts| counts.cancelled += signed(items));
    }
}

/// A place among those to wake when draining begins. It is given up on drop.
pub(crate) struct Parked {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Parked {
    fn drop(&mut self) {
        let waker = self.shared.lock().parked.remove(&self.number);
        // Not under the lock, as in `park`.
        drop(waker);
    }
}
