//! How a queue ends: by a shutdown, for want of handles, or because its worker is gone.

use super::{EntryId, Memory, shared::Shared, ticket::End};
use crate::{DropReason, ExportError};

impl Shared {
    /// Ends what is stored and not leased, and takes nothing any more.
    pub(super) fn close(&self, reason: DropReason, error: &ExportError) {
        self.lock().closed = true;
        self.slots.close();
        self.room.close();
        self.drop_evicted();
        loop {
            let evicted = self.lock().storage.evict();
            let Some(entry) = evicted else { return };
            self.end(entry, End::Dropped(reason, error.clone()));
        }
    }

    /// Takes nothing any more, and leaves what is stored to a later process.
    pub(super) fn keep_all(&self) {
        let mut state = self.lock();
        state.closed = true;
        let tickets = std::mem::take(&mut state.tickets);
        drop(state);
        self.slots.close();
        self.room.close();
        self.drop_evicted();
        for ticket in tickets.into_values() {
            ticket.keep(&self.stage);
        }
    }

    /// Leaves one request to a later process.
    pub(super) fn keep(&self, id: EntryId) {
        let ticket = self.lock().tickets.remove(&id);
        if let Some(ticket) = ticket {
            ticket.keep(&self.stage);
        }
    }

    /// The worker is gone: nobody will end what it has not.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.in_flight = 0;
        let tickets = std::mem::take(&mut state.tickets);
        // Gauges may outlive the queue; what it held does not.
        let storage = std::mem::replace(&mut state.storage, Box::new(Memory::new()));
        let evicted = state.evicted.take();
        let lost = tickets.values().chain(&evicted);
        let lost = lost.map(|ticket| ticket.items).sum();
        state.totals.drop(DropReason::Abandoned, lost);
        drop(state);
        self.slots.close();
        self.room.close();
        if lost > 0 {
            tracing::error!(items = lost, "the worker of a queue ended before its time");
        }
        drop((tickets, evicted, storage));
    }

    /// No handle is left.
    pub(super) fn forsake(&self) {
        self.lock().forsaken = true;
        self.wake.notify_one();
    }
}
