use std::{fmt, time::Duration};

use super::QueueState;
use crate::{ErrorKind, ExportRequest, ExportResponse, Signal};

/// Something that happened in a pipeline, as told to an [`Observer`](super::Observer).
///
/// All of it is numbers and names from a fixed list: no endpoint, no error text, no tenant, so
/// that whatever a sink makes of it has a bounded number of labels. The name of the exporter is
/// the sink's own.
///
/// A layer makes events with the constructors; the variants may get more fields.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A request was handed to the service below.
    #[non_exhaustive]
    Started {
        /// Whether this is the whole request or one attempt at it.
        role: Role,
        /// What kind of telemetry it is.
        signal: Signal,
        /// How much of it.
        amount: Amount,
    },
    /// A request that had started has ended. Follows each `Started` exactly once.
    Finished(Finished),
    /// A request left a queue to be sent.
    #[non_exhaustive]
    Dequeued {
        /// The queue: a constant of the layer that holds it, such as `"queue"`.
        queue: &'static str,
        /// What kind of telemetry it is.
        signal: Signal,
        /// How much of it.
        amount: Amount,
        /// For how long it was in the queue.
        waited: Duration,
    },
    /// A queue is now filled so far. The last one of each queue counts.
    Queue(QueueState),
    /// Telemetry was given up.
    #[non_exhaustive]
    Dropped {
        /// Why.
        reason: DropReason,
        /// What kind of telemetry it was.
        signal: Signal,
        /// How much of it.
        amount: Amount,
    },
    /// A circuit breaker is in this state now.
    Breaker(BreakerState),
    /// This many requests may be in flight at once now.
    #[non_exhaustive]
    ConcurrencyLimit {
        /// The limit, in requests.
        requests: u64,
    },
}

impl Event {
    /// A request was handed to the service below.
    #[must_use]
    pub const fn started(role: Role, signal: Signal, amount: Amount) -> Self {
        Event::Started {
            role,
            signal,
            amount,
        }
    }

    /// `request` left the queue of this name, after this long.
    #[must_use]
    pub fn dequeued(queue: &'static str, request: &ExportRequest, waited: Duration) -> Self {
        Event::Dequeued {
            queue,
            signal: request.signal(),
            amount: Amount::of(request),
            waited,
        }
    }

    /// `request` was given up.
    #[must_use]
    pub fn dropped(request: &ExportRequest, reason: DropReason) -> Self {
        Self::dropped_amount(request.signal(), Amount::of(request), reason)
    }

    /// So much was given up: for those who no longer have the request.
    #[must_use]
    pub const fn dropped_amount(signal: Signal, amount: Amount, reason: DropReason) -> Self {
        Event::Dropped {
            reason,
            signal,
            amount,
        }
    }

    /// So many requests may be in flight at once from now on.
    #[must_use]
    pub const fn concurrency_limit(requests: u64) -> Self {
        Event::ConcurrencyLimit { requests }
    }
}

/// Which side of a retry an [`Observe`](super::Observe) layer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Above: one logical request, whatever it takes to deliver it.
    Request,
    /// Below: one attempt.
    Attempt,
}

impl Role {
    /// `"request"` or `"attempt"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Request => "request",
            Role::Attempt => "attempt",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much telemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Requests.
    pub requests: u64,
    /// Spans, data points or log records.
    pub items: u64,
    /// Bytes of OTLP protobuf, without compression.
    pub bytes: u64,
}

impl Amount {
    /// One request.
    #[must_use]
    pub fn of(request: &ExportRequest) -> Self {
        Self {
            requests: 1,
            items: request.items(),
            bytes: u64::try_from(request.byte_size()).unwrap_or(u64::MAX),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left of it without the other, or nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            items: self.items.saturating_sub(other.items),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// How a request ended, or an attempt.
///
/// `delivered + rejected + failed + cancelled` is the number of items of the request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finished {
    /// Whether this is the whole request or one attempt at it.
    pub role: Role,
    /// What kind of telemetry it is.
    pub signal: Signal,
    /// How much of it.
    pub amount: Amount,
    /// How it ended.
    pub outcome: Outcome,
    /// Items that reached a backend.
    pub delivered: u64,
    /// Items that a backend refused for good in an answer to the others (OTLP's partial success).
    pub rejected: u64,
    /// Items that failed, or whose request panicked.
    pub failed: u64,
    /// Items whose request was dropped before its answer.
    pub cancelled: u64,
    /// From the call to the end.
    pub duration: Duration,
}

impl Finished {
    /// Splits the items by what became of them.
    ///
    /// An answer is believed as far as it goes: more items than there were are not counted, and
    /// what it does not mention was delivered.
    pub(super) fn new(
        role: Role,
        signal: Signal,
        amount: Amount,
        end: End<'_>,
        duration: Duration,
    ) -> Self {
        let mut finished = Self {
            role,
            signal,
            amount,
            outcome: Outcome::Delivered,
            delivered: 0,
            rejected: 0,
            failed: 0,
            cancelled: 0,
            duration,
        };
        let items = amount.items;
        match end {
            End::Answered(response) => {
                finished.rejected = response.rejected_items().min(items);
                finished.delivered = items - finished.rejected;
                if response.rejected_items() > 0 {
                    finished.outcome = Outcome::Rejected;
                }
            }
            End::Failed(kind, progress) => {
                finished.outcome = Outcome::Failed(kind);
                finished.delivered = progress
                    .map_or(0, ExportResponse::delivered_items)
                    .min(items);
                finished.rejected = progress
                    .map_or(0, ExportResponse::rejected_items)
                    .min(items - finished.delivered);
                finished.failed = items - finished.delivered - finished.rejected;
            }
            End::Panicked => {
                finished.outcome = Outcome::Panicked;
                finished.failed = items;
            }
            End::Cancelled => {
                finished.outcome = Outcome::Cancelled;
                finished.cancelled = items;
            }
        }
        finished
    }
}

/// The end of a request as the layer sees it.
pub(super) enum End<'a> {
    Answered(&'a ExportResponse),
    Failed(ErrorKind, Option<&'a ExportResponse>),
    Panicked,
    Cancelled,
}

/// How a request ended as a whole. Its items may differ: see [`Finished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Answered, and no item was refused.
    Delivered,
    /// Answered, and some items were refused for good (OTLP's partial success).
    Rejected,
    /// An error of this kind.
    Failed(ErrorKind),
    /// The service below panicked.
    Panicked,
    /// The response future was dropped before it was done.
    Cancelled,
}

impl Outcome {
    /// `"delivered"`, `"rejected"`, `"failed"`, `"panicked"` or `"cancelled"`: a metric attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Rejected => "rejected",
            Outcome::Failed(_) => "failed",
            Outcome::Panicked => "panicked",
            Outcome::Cancelled => "cancelled",
        }
    }

    /// The value of the attribute `error.type`: `None` for a full success only, the
    /// [name of the kind](ErrorKind::as_str) for an error, `"rejected"` for a partial success (as
    /// the semantic conventions ask), `"panic"` and `"cancelled"`.
    #[must_use]
    pub const fn error_type(self) -> Option<&'static str> {
        match self {
            Outcome::Delivered => None,
            Outcome::Rejected => Some(REJECTED),
            Outcome::Failed(kind) => Some(kind.as_str()),
            Outcome::Panicked => Some("panic"),
            Outcome::Cancelled => Some("cancelled"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a signal stands in [`Signal::ALL`].
pub(super) const fn place(signal: Signal) -> usize {
    match signal {
        Signal::Traces => 0,
        Signal::Metrics => 1,
        Signal::Logs => 2,
    }
}

/// `error.type` of items that a backend refused without saying why each.
pub(super) const REJECTED: &str = "rejected";

/// Why telemetry was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full, and what came was turned away.
    QueueFull,
    /// The queue was full, and what was in it had to make room.
    Evicted,
    /// It was not delivered, for good or after all retries, and no dead-letter exporter took it.
    Failed,
    /// One item alone was larger than the backend takes.
    TooLarge,
    /// It had been kept for longer than allowed.
    Expired,
    /// The pipeline shut down, or the worker that held it was gone.
    Shutdown,
    /// It could not be stored, or not be read back.
    Storage,
    /// A sampler or a filter left it out.
    Filtered,
}

impl DropReason {
    /// A stable lower-case name, fit for a metric attribute. `queue_full` is the one that the
    /// semantic conventions have for the SDK's processors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::Evicted => "evicted",
            DropReason::Failed => "failed",
            DropReason::TooLarge => "too_large",
            DropReason::Expired => "expired",
            DropReason::Shutdown => "shutdown",
            DropReason::Storage => "storage",
            DropReason::Filtered => "filtered",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// A few requests pass, to see whether the backend works again.
    HalfOpen,
    /// No request passes.
    Open,
}

impl BreakerState {
    /// All states.
    pub const ALL: [BreakerState; 3] = [
        BreakerState::Closed,
        BreakerState::HalfOpen,
        BreakerState::Open,
    ];

    /// `"closed"`, `"half_open"` or `"open"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
