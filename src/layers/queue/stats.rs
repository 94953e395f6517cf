use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::shared::Shared;
use crate::DropReason;

/// What a queue holds now, and what it has seen. From
/// [`QueueHandle::stats`](super::QueueHandle::stats).
///
/// Bytes are memory: bodies, metadata, and a fixed amount for each request. They stay within a
/// few percent of what is really held as long as bodies are not pieces of larger buffers; a body
/// of up to 16 KiB is copied on its way in, so that it is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Requests in the queue, those in flight and parked included.
    pub requests: usize,
    /// Bytes that they hold.
    pub bytes: u64,
    /// How many requests fit.
    pub max_requests: usize,
    /// How many bytes fit.
    pub max_bytes: u64,
    /// How long the oldest request has been in the queue.
    pub oldest_age: Option<Duration>,
    /// Requests that wait for their next attempt.
    pub parked: usize,
    /// Requests that the inner service, or the dead letter exporter, has or is about to get.
    pub in_flight: usize,
    /// Requests that were given up for newer ones, and are on their way to the dead letter
    /// exporter. They count in none of the above.
    pub evicted: usize,
    /// Bytes that they hold.
    pub evicted_bytes: u64,
    /// The most requests that were in the queue at a time.
    pub peak_requests: usize,
    /// The most bytes that were in the queue at a time.
    pub peak_bytes: u64,
    /// Requests that a full queue did not take.
    pub refused_requests: u64,
    /// Items that the dead letter exporter took.
    pub dead_lettered: u64,
    drops: Vec<(DropReason, u64)>,
}

impl QueueStats {
    /// Items that were not delivered in the end, by reason. A caller who waited was told; the
    /// [`DrainReport`](crate::DrainReport) of a lifecycle counts only those that nobody was told of.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.drops.iter().copied()
    }
}

/// What only grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) peak_requests: usize,
    pub(super) peak_bytes: u64,
    pub(super) refused_requests: u64,
    pub(super) dead_lettered: u64,
    drops: Vec<(DropReason, u64)>,
}

fn count(drops: &mut Vec<(DropReason, u64)>, reason: DropReason, items: u64) {
    if items == 0 {
        return;
    }
    match drops.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count += items,
        None => drops.push((reason, items)),
    }
}

impl Totals {
    pub(super) fn drop(&mut self, reason: DropReason, items: u64) {
        count(&mut self.drops, reason, items);
    }

    pub(super) fn add_to(&self, stats: &mut QueueStats) {
        stats.peak_requests += self.peak_requests;
        stats.peak_bytes += self.peak_bytes;
        stats.refused_requests += self.refused_requests;
        stats.dead_lettered += self.dead_lettered;
        for (reason, items) in &self.drops {
            count(&mut stats.drops, *reason, *items);
        }
    }
}

/// The gauges of a queue, or of all queues that one layer made. Clones are the same handle.
///
/// It keeps no queue alive: a queue whose handles are gone still ends.
#[derive(Clone, Default)]
pub struct QueueHandle {
    queues: Arc<Mutex<Vec<Arc<Shared>>>>,
}

impl QueueHandle {
    /// What the queues hold now and have seen, in sum. The age is that of the oldest request.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let mut stats = QueueStats::default();
        for queue in self
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            queue.add_to(&mut stats);
        }
        stats
    }

    pub(super) fn watch(&self, queue: &Arc<Shared>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.push(queue.clone());
    }
}

impl fmt::Debug for QueueHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueHandle")
            .field("stats", &self.stats())
            .finish()
    }
}
