use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::{ExportError, ExportRequest, ExportResponse};

/// The number of a request in a queue. Later requests have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// A request in a queue, and what it has been through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its number, given by the storage.
    pub id: EntryId,
    /// What is still to be delivered.
    pub request: ExportRequest,
    /// When it came into the queue.
    pub enqueued_at: Instant,
    /// How many times it was handed to the inner service.
    pub attempts: u32,
    /// What earlier attempts have achieved.
    pub progress: ExportResponse,
    /// What it counts for against the capacity, in bytes.
    pub charge: u64,
    /// A server asked not to send it before this moment.
    pub not_before: Option<Instant>,
}

impl Entry {
    /// A request that was not sent yet.
    #[must_use]
    pub fn new(id: EntryId, request: ExportRequest, enqueued_at: Instant, charge: u64) -> Self {
        Self {
            id,
            request,
            enqueued_at,
            attempts: 0,
            progress: ExportResponse::default(),
            charge,
            not_before: None,
        }
    }

    /// After a failure: only what remains is still to be delivered.
    pub(super) fn take_progress(&mut self, error: &ExportError) {
        if let (Some(progress), Some(remainder)) = (error.progress(), error.remainder()) {
            self.progress = progress.clone().merge(&self.progress);
            self.request = remainder.clone();
        }
    }

    /// Whether an attempt has delivered a part, or settled a branch of a fan-out.
    pub(super) fn has_progress(&self) -> bool {
        let progress = &self.progress;
        progress.delivered_items() + progress.rejected_items() + progress.retained_items() > 0
            || self.request.resume().is_some()
    }
}

/// An entry that a storage had taken and cannot give back: a record that does not read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its number.
    pub id: EntryId,
    /// How many items are lost, or zero if that is not known.
    pub items: u64,
    /// What it counted for against the capacity, in bytes.
    pub charge: u64,
    /// Why.
    pub error: ExportError,
}

impl Unreadable {
    /// An entry that is lost.
    #[must_use]
    pub const fn new(id: EntryId, items: u64, charge: u64, error: ExportError) -> Self {
        Self {
            id,
            items,
            charge,
            error,
        }
    }
}

/// Where a queue keeps its requests: the extension point for queues on disk or elsewhere.
///
/// An entry is *ready*, *parked* until a moment, or *leased*:
///
/// ```text
/// push ──► ready ──pop──► leased ──ack──► gone
///            ▲              │
///            └── parked ◄───┘ put_back
/// ```
///
/// All methods are called under one lock and must not block for long; slow work belongs into a
/// thread of the storage, with [`poll_durable`](Self::poll_durable) to wait for it. Sizes count
/// every entry that is not gone, leased ones included.
///
/// A storage that outlives the process gives back, after a restart, what was ready, parked or
/// leased before it: all of it is ready then, and counts in [`len`](Self::len) and
/// [`bytes`](Self::bytes) from the beginning.
pub trait Storage: Send + 'static {
    /// Takes a request that came in at `at` and counts for `charge` bytes.
    ///
    /// # Errors
    /// If it cannot be kept: the caller is told, and the queue forgets the request.
    fn push(
        &mut self,
        request: ExportRequest,
        at: Instant,
        charge: u64,
    ) -> Result<EntryId, ExportError>;

    /// Whether the entry would survive what this storage promises to survive. A queue that
    /// answers on enqueue waits for this before it does. The default: from the start.
    ///
    /// # Errors
    /// If the entry could not be made durable. It stays in the queue; the caller, who has no
    /// promise then, waits for its delivery instead.
    fn poll_durable(&mut self, id: EntryId, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        let _ = (id, cx);
        Poll::Ready(Ok(()))
    }

    /// Whether entries survive the end of the process. If so, what a shutdown cannot deliver is
    /// kept and counts as retained, and is neither dropped nor sent to the dead letter exporter.
    fn survives(&self) -> bool {
        false
    }

    /// Leases the oldest entry that is ready at `now`, or parked until `now` or before.
    ///
    /// # Errors
    /// [`Unreadable`] says that an entry is lost; the storage has forgotten it.
    fn pop(&mut self, now: Instant) -> Option<Result<Entry, Unreadable>>;

    /// The leased entry is done with.
    fn ack(&mut self, id: EntryId);

    /// A leased entry comes back, and is parked until `until`. There may be less in it, after a
    /// partial failure, or more, such as the compressed form of its body, and its charge is what
    /// it counts for now. [`Entry::not_before`] says whether a server named that moment.
    fn put_back(&mut self, entry: Entry, until: Instant);

    /// Makes ready what is parked by the queue's own backoff, and, if `beyond` is given, what is
    /// parked until a later moment than that.
    fn hurry(&mut self, beyond: Option<Instant>);

    /// Removes the oldest entry that is not leased.
    fn evict(&mut self) -> Option<Entry>;

    /// The earliest moment at which [`pop`](Self::pop) gives something: in the past if an entry
    /// is ready.
    fn next_due(&self) -> Option<Instant>;

    /// Number of entries.
    fn len(&self) -> usize;

    /// Whether there is no entry.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the charges of all entries, in bytes.
    fn bytes(&self) -> u64;

    /// Number of parked entries.
    fn parked(&self) -> usize;

    /// When the oldest entry came in.
    fn oldest(&self) -> Option<Instant>;
}
