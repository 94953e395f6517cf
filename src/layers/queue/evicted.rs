//! Requests that a full queue gave up for newer ones, on their way to the dead letter exporter.

use std::collections::{HashMap, VecDeque};

use tracing::Span;

use super::{
    Entry, EntryId, Overflow,
    shared::Shared,
    ticket::{End, Ticket},
};
use crate::{DropReason, ErrorKind, ExportError};

/// They are no longer stored and hold no place, for that is what the newer ones needed. So they
/// have a bound of their own: this part of the bytes of the queue, on top of them.
const PART: u64 = 8;

/// They wait for their turn, or are being sent.
pub(super) struct Evicted {
    max_bytes: u64,
    waiting: VecDeque<Entry>,
    all: HashMap<EntryId, (u64, Option<Ticket>)>,
    bytes: u64,
}

impl Evicted {
    /// For a queue of so many bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes: max_bytes as u64 / PART,
            waiting: VecDeque::new(),
            all: HashMap::new(),
            bytes: 0,
        }
    }

    pub(super) const fn has_room(&self, charge: u64) -> bool {
        self.bytes.saturating_add(charge) <= self.max_bytes
    }

    pub(super) fn push(&mut self, entry: Entry, ticket: Option<Ticket>) {
        self.bytes += entry.charge;
        self.all.insert(entry.id, (entry.charge, ticket));
        self.waiting.push_back(entry);
    }

    /// The next to be sent.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.waiting.pop_front()
    }

    /// Forgets one that has ended. `None` if it is none of these.
    pub(super) fn end(&mut self, id: EntryId) -> Option<Option<Ticket>> {
        let (charge, ticket) = self.all.remove(&id)?;
        self.bytes -= charge;
        Some(ticket)
    }

    /// Forgets them all.
    pub(super) fn take(&mut self) -> Vec<Ticket> {
        self.waiting.clear();
        self.bytes = 0;
        self.all
            .drain()
            .filter_map(|(_, (_, ticket))| ticket)
            .collect()
    }

    pub(super) fn span(&self, id: EntryId) -> Option<Span> {
        let (_, ticket) = self.all.get(&id)?;
        ticket.as_ref().map(|ticket| ticket.span.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Shared {
    /// Gives up the oldest request that is not in flight. Whether there was one.
    pub(super) fn evict(&self) -> bool {
        let mut state = self.lock();
        let Some(entry) = state.storage.evict() else {
            return false;
        };
        if !self.has_dead_letter || state.closed || !state.evicted.has_room(entry.charge) {
            drop(state);
            self.end(entry, End::Dropped(DropReason::Overflow, evicted()));
            return true;
        }
        let ticket = state.take_ticket(entry.id);
        let freed = state.free(1, entry.charge);
        state.evicted.push(entry, ticket);
        let filled = self.filled(&state);
        drop(state);
        self.config.observer.emit(filled);
        self.give_back(freed);
        self.wake.notify_one();
        true
    }

    /// The next request for the dead letter exporter that was given up for newer ones, and why.
    pub(super) fn next_evicted(&self) -> Option<(Entry, ExportError)> {
        if self.config.overflow != Overflow::DropOldest {
            return None;
        }
        let entry = self.lock().evicted.pop()?;
        Some((entry, evicted()))
    }

    /// There is no time left to send those to the dead letter exporter that still wait for it.
    pub(super) fn drop_evicted(&self) {
        while let Some((entry, error)) = self.next_evicted() {
            self.finish(entry, End::Failed(error));
        }
    }
}

/// The error of a request that was given up for newer ones.
fn evicted() -> ExportError {
    ExportError::new(
        ErrorKind::Overloaded,
        "dropped from a full queue to make room for newer telemetry",
    )
}
