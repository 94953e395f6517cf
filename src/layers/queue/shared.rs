use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tracing::Span;

use super::{
    Entry, EntryId, QueueConfig, QueueStats, Storage,
    evicted::Evicted,
    stats::Totals,
    ticket::{Answer, End, Ticket},
};
use crate::{
    DropReason, ErrorKind, ExportError, ExportRequest, Held, RetryAdvice, Stage,
    layers::{
        observe::{Amount, Event, QueueState},
        presence::Presence,
    },
};

/// What observers call a queue.
const NAME: &str = "queue";

/// What the handles of a queue and its worker have in common.
pub(super) struct Shared {
    pub(super) config: QueueConfig,
    pub(super) stage: Stage,
    /// Free places, in requests and in bytes. Tokio's semaphore is fair: first come, first served.
    pub(super) slots: Arc<Semaphore>,
    pub(super) room: Arc<Semaphore>,
    /// Tells the worker to look again.
    pub(super) wake: Notify,
    pub(super) presence: Arc<Presence>,
    /// Held for a few instructions at a time, never over an await, and never while a waker runs.
    state: Mutex<State>,
    /// Whether the storage survives the end of the process.
    pub(super) survives: bool,
    pub(super) has_dead_letter: bool,
}

pub(super) struct State {
    pub(super) storage: Box<dyn Storage>,
    pub(super) tickets: HashMap<EntryId, Ticket>,
    pub(super) evicted: Evicted,
    /// No handle is left, nor a request that waits for room.
    pub(super) forsaken: bool,
    pub(super) closed: bool,
    pub(super) in_flight: usize,
    /// Items of all tickets.
    items: u64,
    pub(super) totals: Totals,
    /// By how much a storage came with more than fits: paid back before anything is free.
    debt: (usize, u64),
}

/// How the worker is to go on.
pub(super) struct Survey {
    /// When there is something to send: now, if that is past.
    pub(super) next_due: Option<Instant>,
    /// Nobody is about to send anything.
    pub(super) deserted: bool,
    /// Nothing is left and nothing can come.
    pub(super) over: bool,
}

impl Shared {
    pub(super) fn new(
        config: QueueConfig,
        storage: Box<dyn Storage>,
        has_dead_letter: bool,
    ) -> Self {
        let (len, bytes) = (storage.len(), storage.bytes());
        let free_slots = config.max_requests.saturating_sub(len);
        let used = usize::try_from(bytes).unwrap_or(usize::MAX);
        let free_room = config.max_bytes.saturating_sub(used);
        let debt = (
            len.saturating_sub(config.max_requests),
            bytes.saturating_sub(config.max_bytes as u64),
        );
        let shared = Self {
            stage: config.stage.clone().unwrap_or_default(),
            slots: Arc::new(Semaphore::new(free_slots)),
            room: Arc::new(Semaphore::new(free_room)),
            wake: Notify::new(),
            presence: Arc::default(),
            survives: storage.survives(),
            has_dead_letter,
            state: Mutex::new(State {
                storage,
                tickets: HashMap::new(),
                evicted: Evicted::new(config.max_bytes),
                forsaken: false,
                closed: false,
                in_flight: 0,
                items: 0,
                totals: Totals::default(),
                debt,
            }),
            config,
        };
        let filled = shared.filled(&shared.lock());
        shared.config.observer.emit(filled);
        shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a request that has its places.
    pub(super) fn push(
        &self,
        request: ExportRequest,
        slot: OwnedSemaphorePermit,
        room: OwnedSemaphorePermit,
        span: Span,
    ) -> Result<(EntryId, oneshot::Receiver<Answer>), ExportError> {
        let items = request.items();
        let charge = room.num_permits() as u64;
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return Err(closed());
        }
        let id = match state.storage.push(request, Instant::now(), charge) {
            Ok(id) => id,
            Err(error) => {
                drop(state);
                return Err(error);
            }
        };
        let ticket = Ticket {
            items,
            answer: Some(answer),
            held: self.stage.hold(items),
            span,
        };
        state.tickets.insert(id, ticket);
        state.items += items;
        state.note_peaks();
        let filled = self.filled(&state);
        drop(state);
        self.config.observer.emit(filled);
        // Given back when the request is done with.
        slot.forget();
        room.forget();
        self.wake.notify_one();
        Ok((id, answered))
    }

    /// Whether the early answer may be given: the request is durable and still in the queue.
    pub(super) fn poll_retained(&self, id: EntryId, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let mut state = self.lock();
        if !state.tickets.contains_key(&id) {
            return Poll::Ready(None);
        }
        match state.storage.poll_durable(id, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                drop(state);
                tracing::warn!(%error, "a queued request is not durable, its caller waits");
                return Poll::Ready(None);
            }
        }
        let Some(ticket) = state.tickets.get_mut(&id) else {
            return Poll::Ready(None);
        };
        let items = ticket.items;
        let waited = ticket.answer.take();
        let held = std::mem::replace(&mut ticket.held, self.stage.retain(items));
        drop(state);
        held.answered();
        drop(waited);
        Poll::Ready(Some(items))
    }

    /// Counts a request that a full queue does not take; its error.
    pub(super) fn refuse(&self) -> ExportError {
        self.lock().totals.refused_requests += 1;
        ExportError::new(
            ErrorKind::Overloaded,
            format!(
                "the queue is full: it holds {} requests and {} bytes at most",
                self.config.max_requests, self.config.max_bytes
            ),
        )
    }

    pub(super) fn survey(&self) -> Survey {
        let state = self.lock();
        Survey {
            next_due: state.storage.next_due(),
            deserted: state.forsaken || self.presence.is_over(),
            over: (state.forsaken || state.closed)
                && state.storage.is_empty()
                && state.evicted.len() == 0,
        }
    }

    /// Leases what is to be sent next.
    pub(super) fn pop(&self) -> Option<(Entry, Span)> {
        loop {
            let mut state = self.lock();
            match state.storage.pop(Instant::now())? {
                Ok(entry) => {
                    state.in_flight += 1;
                    let State {
                        tickets,
                        items: all,
                        ..
                    } = &mut *state;
                    let ticket = tickets.entry(entry.id).or_insert_with(|| {
                        // It comes from before a restart, and was answered for then.
                        let items = entry.request.items();
                        *all += items;
                        Ticket {
                            items,
                            answer: None,
                            held: self.stage.retain(items),
                            span: Span::none(),
                        }
                    });
                    let span = ticket.span.clone();
                    drop(state);
                    if entry.attempts == 0 && !self.config.observer.is_none() {
                        let waited = entry.enqueued_at.elapsed();
                        let event = Event::dequeued(NAME, &entry.request, waited);
                        self.config.observer.emit(event);
                    }
                    return Some((entry, span));
                }
                Err(lost) => {
                    let ticket = state.tickets.remove(&lost.id);
                    let items = ticket.as_ref().map_or(lost.items, |ticket| ticket.items);
                    let reason = DropReason::Failed(lost.error.kind());
                    state.totals.drop(reason, items);
                    let freed = state.free(1, lost.charge);
                    drop(state);
                    self.give_back(freed);
                    tracing::error!(items, error = %lost.error, "a stored request does not read");
                    if let Some(ticket) = ticket {
                        ticket.resolve(Err(lost.error), Held::ended);
                    }
                }
            }
        }
    }

    /// The span of the caller of a request.
    pub(super) fn span(&self, id: EntryId) -> Span {
        let state = self.lock();
        let span = state.tickets.get(&id).map(|ticket| ticket.span.clone());
        span.or_else(|| state.evicted.span(id))
            .unwrap_or_else(Span::none)
    }

    /// Parks a leased request.
    pub(super) fn put_back(&self, mut entry: Entry, until: Instant) {
        let less = self.recharge(&mut entry);
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.storage.put_back(entry, until);
        state.note_peaks();
        let freed = state.free(0, less);
        drop(state);
        self.give_back(freed);
    }

    pub(super) fn hurry(&self, beyond: Option<Instant>) {
        self.lock().storage.hurry(beyond);
    }

    /// A leased request is done with, or one that was given up for newer ones.
    pub(super) fn finish(&self, entry: Entry, end: End) {
        let mut state = self.lock();
        if let Some(ticket) = state.evicted.end(entry.id) {
            // The dead letter exporter failed, or there was no time left for it.
            let end = match end {
                End::Failed(error) | End::Dropped(_, error) => {
                    End::Dropped(DropReason::Overflow, error)
                }
                end => end,
            };
            return self.conclude(state, entry, ticket, end);
        }
        state.in_flight = state.in_flight.saturating_sub(1);
        state.storage.ack(entry.id);
        self.leave(state, entry, end);
    }

    /// Ends a request that is no longer stored.
    pub(super) fn end(&self, entry: Entry, end: End) {
        self.leave(self.lock(), entry, end);
    }

    /// Frees the place of a request that is no longer stored.
    fn leave(&self, mut state: MutexGuard<'_, State>, entry: Entry, end: End) {
        let ticket = state.take_ticket(entry.id);
        let freed = state.free(1, entry.charge);
        self.conclude(state, entry, ticket, end);
        self.give_back(freed);
    }

    /// Counts how a request ended, and tells its caller.
    fn conclude(
        &self,
        mut state: MutexGuard<'_, State>,
        entry: Entry,
        ticket: Option<Ticket>,
        end: End,
    ) {
        let dropped = match &end {
            End::Dropped(reason, _) => Some(*reason),
            End::Failed(error) => Some(DropReason::Failed(error.kind())),
            End::Delivered(_) | End::DeadLettered(..) => None,
        };
        if let End::DeadLettered(..) = &end {
            state.totals.dead_lettered += entry.request.items();
        }
        if let Some(reason) = dropped {
            state.totals.drop(reason, entry.request.items());
        }
        let filled = self.filled(&state);
        drop(state);
        if let Some(reason) = dropped {
            let event = Event::dropped(&entry.request, reason);
            self.config.observer.emit(event);
        }
        self.config.observer.emit(filled);
        if let Some(ticket) = ticket {
            ticket.end(entry, end);
        }
    }

    /// How full the queue is, for an observer.
    pub(super) fn filled(&self, state: &State) -> Event {
        let held = Amount {
            requests: state.storage.len() as u64,
            items: state.items,
            bytes: state.storage.bytes(),
        };
        Event::Queue(
            QueueState::new(NAME)
                .holding(held)
                .max_requests(self.config.max_requests as u64)
                .max_bytes(self.config.max_bytes as u64)
                .oldest(state.storage.oldest()),
        )
    }

    pub(super) fn give_back(&self, (slots, room): (usize, usize)) {
        self.slots.add_permits(slots);
        self.room.add_permits(room);
    }

    /// Adds what this queue holds and has seen.
    pub(super) fn add_to(&self, stats: &mut QueueStats) {
        let state = self.lock();
        let age = state.storage.oldest().map(|oldest| oldest.elapsed());
        stats.requests += state.storage.len();
        stats.bytes += state.storage.bytes();
        if !state.closed {
            stats.max_requests += self.config.max_requests;
            stats.max_bytes += self.config.max_bytes as u64;
        }
        stats.oldest_age = stats.oldest_age.max(age);
        stats.parked += state.storage.parked();
        stats.in_flight += state.in_flight;
        stats.evicted += state.evicted.len();
        stats.evicted_bytes += state.evicted.bytes();
        state.totals.add_to(stats);
    }
}

impl State {
    fn note_peaks(&mut self) {
        let (requests, bytes) = (self.storage.len(), self.storage.bytes());
        let totals = &mut self.totals;
        totals.peak_requests = totals.peak_requests.max(requests);
        totals.peak_bytes = totals.peak_bytes.max(bytes);
    }

    /// The ticket of a request that is no longer stored.
    pub(super) fn take_ticket(&mut self, id: EntryId) -> Option<Ticket> {
        let ticket = self.tickets.remove(&id);
        let items = ticket.as_ref().map_or(0, |ticket| ticket.items);
        self.items = self.items.saturating_sub(items);
        ticket
    }

    /// How many permits come free, after what is owed.
    pub(super) fn free(&mut self, requests: usize, bytes: u64) -> (usize, usize) {
        let paid = (requests.min(self.debt.0), bytes.min(self.debt.1));
        self.debt = (self.debt.0 - paid.0, self.debt.1 - paid.1);
        let room = usize::try_from(bytes - paid.1).unwrap_or(usize::MAX);
        (requests - paid.0, room)
    }
}

/// The error of a request that comes too late.
pub(super) fn closed() -> ExportError {
    ExportError::new(ErrorKind::Closed, "the queue has shut down").with_retry(RetryAdvice::Backoff)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stats = QueueStats::default();
        self.add_to(&mut stats);
        f.debug_struct("Shared")
            .field("stats", &stats)
            .finish_non_exhaustive()
    }
}
