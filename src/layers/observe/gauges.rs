use std::time::Duration;

use tokio::time::Instant;

use super::{Amount, BreakerState, Event};

/// How far a queue is filled.
///
/// ```
/// use tokio::time::Instant;
/// use tower_otlp::layers::observe::{Amount, Event, QueueState};
///
/// let held = Amount { requests: 2, items: 700, bytes: 90_000 };
/// let event = Event::Queue(
///     QueueState::new("queue")
///         .holding(held)
///         .max_bytes(64 << 20)
///         .oldest(Some(Instant::now())),
/// );
/// # let _ = event;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueState {
    /// The queue: a constant of the layer that holds it, such as `"queue"`.
    pub queue: &'static str,
    /// What is in it.
    pub held: Amount,
    /// How many requests it can hold, if that is bounded.
    pub max_requests: Option<u64>,
    /// How many bytes it can hold, if that is bounded.
    pub max_bytes: Option<u64>,
    /// When the oldest request in it came: an instant and not an age, because an age told at the
    /// last change would stand still just when the queue does.
    pub oldest: Option<Instant>,
}

impl QueueState {
    /// An empty queue without bounds.
    #[must_use]
    pub const fn new(queue: &'static str) -> Self {
        Self {
            queue,
            held: Amount {
                requests: 0,
                items: 0,
                bytes: 0,
            },
            max_requests: None,
            max_bytes: None,
            oldest: None,
        }
    }

    /// Sets what is in it.
    #[must_use]
    pub const fn holding(mut self, held: Amount) -> Self {
        self.held = held;
        self
    }

    /// Sets how many requests it can hold.
    #[must_use]
    pub const fn max_requests(mut self, requests: u64) -> Self {
        self.max_requests = Some(requests);
        self
    }

    /// Sets how many bytes it can hold.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets when the oldest request in it came.
    #[must_use]
    pub const fn oldest(mut self, since: Option<Instant>) -> Self {
        self.oldest = since;
        self
    }

    /// For how long the oldest request has been in it; zero if it is empty.
    #[must_use]
    pub fn oldest_age(&self) -> Duration {
        self.oldest.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The last value of everything that has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    /// One entry a queue: a handful, so a search is quicker than a map.
    pub(super) queues: Vec<QueueState>,
    pub(super) breaker: Option<BreakerState>,
    pub(super) concurrency_limit: Option<u64>,
}

impl Gauges {
    pub(super) fn update(&mut self, event: &Event) {
        match event {
            Event::Queue(state) => {
                match self
                    .queues
                    .iter_mut()
                    .find(|known| known.queue == state.queue)
                {
                    Some(known) => *known = *state,
                    None => self.queues.push(*state),
                }
            }
            Event::Breaker(state) => self.breaker = Some(*state),
            Event::ConcurrencyLimit { requests } => self.concurrency_limit = Some(*requests),
            _ => {}
        }
    }
}
