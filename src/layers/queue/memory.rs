use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{Entry, EntryId, Storage, Unreadable};
use crate::{ExportError, ExportRequest};

/// Keeps requests in memory, in the order in which they came. A process that dies loses them.
#[derive(Debug, Default)]
pub struct Memory {
    last: u64,
    ready: BTreeMap<EntryId, Entry>,
    parked: BTreeMap<EntryId, (Instant, Entry)>,
    due: BTreeSet<(Instant, EntryId)>,
    /// When each entry came, leased ones included, and its charge.
    all: BTreeMap<EntryId, (Instant, u64)>,
    bytes: u64,
}

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn unpark(&mut self, due: (Instant, EntryId)) {
        self.due.remove(&due);
        if let Some((_, entry)) = self.parked.remove(&due.1) {
            self.ready.insert(due.1, entry);
        }
    }

    fn forget(&mut self, id: EntryId) {
        if let Some((_, charge)) = self.all.remove(&id) {
            self.bytes -= charge;
        }
    }
}

impl Storage for Memory {
    fn push(
        &mut self,
        request: ExportRequest,
        at: Instant,
        charge: u64,
    ) -> Result<EntryId, ExportError> {
        self.last += 1;
        let id = EntryId(self.last);
        self.ready.insert(id, Entry::new(id, request, at, charge));
        self.all.insert(id, (at, charge));
        self.bytes += charge;
        Ok(id)
    }

    fn pop(&mut self, now: Instant) -> Option<Result<Entry, Unreadable>> {
        while let Some(due) = self.due.first().filter(|(until, _)| *until <= now) {
            self.unpark(*due);
        }
        self.ready.pop_first().map(|(_, entry)| Ok(entry))
    }

    fn ack(&mut self, id: EntryId) {
        self.forget(id);
    }

    fn put_back(&mut self, entry: Entry, until: Instant) {
        let id = entry.id;
        if let Some((_, charge)) = self.all.get_mut(&id) {
            self.bytes = self.bytes - *charge + entry.charge;
            *charge = entry.charge;
            self.due.insert((until, id));
            self.parked.insert(id, (until, entry));
        }
    }

    fn hurry(&mut self, beyond: Option<Instant>) {
        let hurried: Vec<_> = self
            .parked
            .iter()
            .filter(|(_, (until, entry))| {
                entry.not_before.is_none() || beyond.is_some_and(|beyond| *until > beyond)
            })
            .map(|(id, (until, _))| (*until, *id))
            .collect();
        for due in hurried {
            self.unpark(due);
        }
    }

    fn evict(&mut self) -> Option<Entry> {
        let ready = self.ready.first_key_value().map(|(id, _)| *id);
        let parked = self.parked.first_key_value().map(|(id, _)| *id);
        let oldest = ready.into_iter().chain(parked).min()?;
        self.forget(oldest);
        if let Some((until, entry)) = self.parked.remove(&oldest) {
            self.due.remove(&(until, oldest));
            return Some(entry);
        }
        self.ready.remove(&oldest)
    }

    fn next_due(&self) -> Option<Instant> {
        let ready = self.ready.values().next().map(|entry| entry.enqueued_at);
        ready.or_else(|| self.due.first().map(|(until, _)| *until))
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn parked(&self) -> usize {
        self.parked.len()
    }

    fn oldest(&self) -> Option<Instant> {
        self.all.values().next().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pop(memory: &mut Memory, now: Instant) -> Option<Entry> {
        memory.pop(now).map(|entry| entry.expect("readable"))
    }

    fn push(memory: &mut Memory, at: Instant, charge: u64) -> EntryId {
        let request = ExportRequest::from_protobuf(crate::Signal::Logs, "").expect("empty");
        memory.push(request, at, charge).expect("taken")
    }

    #[test]
    fn what_is_leased_counts_until_it_is_acknowledged() {
        let (mut memory, now) = (Memory::new(), Instant::now());
        let (first, second) = (push(&mut memory, now, 10), push(&mut memory, now, 20));
        let leased = pop(&mut memory, now).expect("ready");
        assert_eq!(leased.id, first);
        assert_eq!((memory.len(), memory.bytes()), (2, 30));
        assert_eq!(memory.evict().map(|entry| entry.id), Some(second));
        assert_eq!(memory.evict().map(|entry| entry.id), None, "it is leased");
        memory.ack(first);
        assert!(memory.is_empty());
        assert_eq!((memory.bytes(), memory.oldest()), (0, None));
    }

    #[test]
    fn parked_entries_wait_and_only_a_server_makes_them_wait_when_hurried() {
        let (mut memory, now) = (Memory::new(), Instant::now());
        let later = now + Duration::from_secs(10);
        for named in [false, true] {
            push(&mut memory, now, 10);
            let mut entry = pop(&mut memory, now).expect("ready");
            entry.not_before = named.then_some(later);
            entry.charge = 5;
            memory.put_back(entry, later);
        }
        assert_eq!((memory.parked(), memory.bytes()), (2, 10));
        assert_eq!(memory.next_due(), Some(later));
        assert!(pop(&mut memory, now).is_none());
        memory.hurry(None);
        let hurried = pop(&mut memory, now).expect("hurried");
        assert!(hurried.not_before.is_none());
        memory.hurry(Some(later));
        assert!(pop(&mut memory, now).is_none(), "not later than that");
        assert!(pop(&mut memory, later).is_some(), "its time has come");
    }
}
