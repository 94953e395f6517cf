use std::{cell::Cell, fmt, sync::Arc};

use tracing::{Level, debug, info, trace, warn};

use super::{BreakerState, Event, Finished, Observer, Outcome};

/// The target of all events of a [`TracingObserver`].
const TARGET: &str = "tower_otlp::observe";

/// Tells `tracing`, under the target `tower_otlp::observe`.
///
/// | what | level |
/// |---|---|
/// | a request or an attempt that was delivered | debug |
/// | one that failed, panicked, was cancelled, or had items rejected | warn |
/// | telemetry that was dropped | warn |
/// | a circuit breaker that opens | warn |
/// | a circuit breaker that closes or lets probes pass | info |
/// | a concurrency limit that changes | debug |
/// | a start, a queue that changes, a request that leaves it | trace |
///
/// There is one event for each; nothing is held back, so a filter belongs where there are many.
///
/// # No loops
///
/// If the subscriber hands its events to an OpenTelemetry appender whose logs are exported by the
/// observed pipeline itself, each export makes a log record, which is exported. Filter this
/// target (better all of `tower_otlp`) out of that appender. An export made by the subscriber
/// while it handles such an event, on the same thread, is not told to it again; counting sinks
/// still count it.
#[derive(Clone)]
pub struct TracingObserver {
    name: Arc<str>,
}

impl TracingObserver {
    /// An observer of the exporter of this name, which is the field `exporter` of each event.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    fn tell(&self, event: &Event) {
        let exporter = &*self.name;
        match event {
            Event::Started {
                role,
                signal,
                amount,
            } => trace!(
                target: TARGET,
                exporter,
                role = role.as_str(),
                signal = signal.as_str(),
                items = amount.items,
                bytes = amount.bytes,
                "export started"
            ),
            Event::Finished(finished) => self.tell_end(finished),
            Event::Dequeued {
                queue,
                signal,
                amount,
                waited,
            } => trace!(
                target: TARGET,
                exporter,
                queue,
                signal = signal.as_str(),
                items = amount.items,
                bytes = amount.bytes,
                waited_s = waited.as_secs_f64(),
                "left the queue"
            ),
            Event::Queue(state) => trace!(
                target: TARGET,
                exporter,
                queue = state.queue,
                requests = state.held.requests,
                items = state.held.items,
                bytes = state.held.bytes,
                max_requests = state.max_requests,
                max_bytes = state.max_bytes,
                "queue changed"
            ),
            Event::Dropped {
                reason,
                signal,
                amount,
            } => warn!(
                target: TARGET,
                exporter,
                reason = reason.as_str(),
                signal = signal.as_str(),
                requests = amount.requests,
                items = amount.items,
                bytes = amount.bytes,
                "telemetry dropped"
            ),
            Event::Breaker(BreakerState::Open) => {
                warn!(target: TARGET, exporter, "circuit breaker open");
            }
            Event::Breaker(state) => info!(
                target: TARGET,
                exporter,
                state = state.as_str(),
                "circuit breaker changed"
            ),
            Event::ConcurrencyLimit { requests } => debug!(
                target: TARGET,
                exporter,
                requests,
                "concurrency limit changed"
            ),
        }
    }

    fn tell_end(&self, finished: &Finished) {
        // The level of an event is part of its call site: hence twice the same.
        macro_rules! tell {
            ($level:expr, $message:literal) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    exporter = &*self.name,
                    role = finished.role.as_str(),
                    signal = finished.signal.as_str(),
                    outcome = finished.outcome.as_str(),
                    error_type = finished.outcome.error_type(),
                    items = finished.amount.items,
                    bytes = finished.amount.bytes,
                    delivered = finished.delivered,
                    rejected = finished.rejected,
                    failed = finished.failed,
                    cancelled = finished.cancelled,
                    duration_s = finished.duration.as_secs_f64(),
                    $message
                )
            };
        }
        match finished.outcome {
            Outcome::Delivered => tell!(Level::DEBUG, "exported"),
            _ => tell!(Level::WARN, "not exported"),
        }
    }
}

impl Observer for TracingObserver {
    fn observe(&self, event: Event) {
        let Some(_telling) = Telling::begin() else {
            return;
        };
        self.tell(&event);
    }
}

impl fmt::Debug for TracingObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingObserver")
            .field("name", &self.name)
            .finish()
    }
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// While this exists, the subscriber is at work on this thread on our behalf.
struct Telling(());

impl Telling {
    /// `None` if that is so already, or if the thread is about to end.
    fn begin() -> Option<Self> {
        match TELLING.try_with(|telling| telling.replace(true)) {
            Ok(false) => Some(Self(())),
            _ => None,
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        // If the thread is about to end there is nothing to reset.
        let _ = TELLING.try_with(|telling| telling.set(false));
    }
}
