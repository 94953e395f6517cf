//! Orderly shutdown: counting what is in flight and waiting for it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::{ExportError, ExportResponse, layers::track::TrackLayer};

/// The handle by which a pipeline is flushed and shut down. Clones are the same handle.
///
/// Put its [`layer`](Self::layer) outermost, so that every request is counted once. A receiver
/// stops when [`draining`](Self::draining) ends; then [`shutdown`](Self::shutdown) says what
/// became of the telemetry.
///
/// ```
/// use std::time::Duration;
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse, Lifecycle, Signal};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let lifecycle = Lifecycle::new();
/// let mut pipeline = ServiceBuilder::new()
///     .layer(lifecycle.layer())
///     .service_fn(|request: ExportRequest| async move {
///         Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
///     });
///
/// // ResourceLogs { scope_logs { log_records { } } }
/// let request = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0])?;
/// pipeline.ready().await?.call(request.clone()).await?;
///
/// let report = lifecycle.shutdown(Duration::from_secs(5)).await;
/// assert_eq!(report.to_string(), "delivered=1 retained=0 dropped=0");
///
/// let error = pipeline.ready().await?.call(request).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Closed);
/// # Ok::<_, ExportError>(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

impl Lifecycle {
    /// A pipeline that is open and has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The layer that counts requests and, while draining, turns new ones away.
    #[must_use]
    pub fn layer(&self) -> TrackLayer {
        TrackLayer::new(self.shared.clone())
    }

    /// The counts so far. [`complete`](DrainReport::complete) says whether nothing is in flight.
    #[must_use]
    pub fn report(&self) -> DrainReport {
        self.shared.lock().report()
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.lock().draining
    }

    /// Ends when [`shutdown`](Self::shutdown) is called, and at once if it was called before: a
    /// level, not an edge, so it may be asked for at any time and any number of times.
    ///
    /// This is what a server takes as its signal to stop.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        // The sender stays alive with this, so the wait has no other end than the level.
        let shared = self.shared.clone();
        let mut level = shared.level.subscribe();
        async move {
            let _ = level.wait_for(|draining| *draining).await;
            drop(shared);
        }
    }

    /// Waits until what is in flight now is answered, for so long at most.
    ///
    /// Requests that come later are taken as usual and not waited for. The report holds the
    /// counts since the pipeline was built; it is [`complete`](DrainReport::complete) if
    /// everything that was in flight at the call was answered in time.
    pub async fn force_flush(&self, deadline: Duration) -> DrainReport {
        let before = self.shared.lock().next;
        let answered = self.shared.settled(before, deadline).await;
        DrainReport {
            complete: answered,
            ..self.report()
        }
    }

    /// Turns new requests away, and waits until those in flight are answered, for so long at
    /// most.
    ///
    /// A new request is answered with [`ErrorKind::Closed`](crate::ErrorKind::Closed), to be sent
    /// again with backoff: by then its sender may find another process. What is in flight at the
    /// deadline counts as dropped, whatever becomes of it afterwards; the requests themselves are
    /// left alone.
    ///
    /// The report holds the counts since the pipeline was built. There is no way back: calling
    /// this again waits again and turns nothing on.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        let parked = {
            let mut state = self.shared.lock();
            state.draining = true;
            std::mem::take(&mut state.parked)
        };
        self.shared.level.send_replace(true);
        for waker in parked.into_values() {
            waker.wake();
        }
        let answered = self.shared.settled(u64::MAX, deadline).await;
        let mut state = self.shared.lock();
        let late: u64 = std::mem::take(&mut state.in_flight).values().sum();
        state.counts.dropped += late;
        DrainReport {
            complete: answered,
            ..state.report()
        }
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Lifecycle")
            .field("draining", &state.draining)
            .field("requests_in_flight", &state.in_flight.len())
            .field("report", &state.report())
            .finish()
    }
}

/// What became of the telemetry that a pipeline accepted. All counts are items since the
/// pipeline was built.
///
/// `accepted = delivered + rejected + refused + retained + dropped + in_flight`. Requests that
/// were turned away while draining were never accepted and are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Items of all requests that were let in.
    pub accepted: u64,
    /// Items that reached a backend.
    pub delivered: u64,
    /// Items that a backend refused for good, in an answer that says so.
    pub rejected: u64,
    /// Items handed back to the caller in an error: the caller still has them.
    pub refused: u64,
    /// Items kept where they outlive the process. Zero as long as no layer keeps any.
    pub retained: u64,
    /// Items whose request was cancelled, or panicked, or had no answer at the deadline.
    pub dropped: u64,
    /// Items still without an answer. Zero after a shutdown.
    pub in_flight: u64,
    /// Whether the wait ended with an answer to every request and not with the deadline.
    pub complete: bool,
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            delivered,
            retained,
            dropped,
            ..
        } = self;
        write!(
            f,
            "delivered={delivered} retained={retained} dropped={dropped}"
        )
    }
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Held for a few instructions at a time, never over an await.
    state: Mutex<State>,
    level: watch::Sender<bool>,
    /// A request was settled.
    settled: Notify,
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
    /// Who waits for readiness: a request that waits is not in flight, and must be told.
    parked: BTreeMap<u64, Waker>,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    rejected: u64,
    refused: u64,
    dropped: u64,
}

impl State {
    fn report(&self) -> DrainReport {
        let Counts {
            accepted,
            delivered,
            rejected,
            refused,
            dropped,
        } = self.counts;
        DrainReport {
            accepted,
            delivered,
            rejected,
            refused,
            retained: 0,
            dropped,
            in_flight: self.in_flight.values().sum(),
            complete: self.in_flight.is_empty(),
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in, unless the pipeline is draining.
    pub(crate) fn admit(self: &Arc<Self>, items: u64) -> Option<Admission> {
        let mut state = self.lock();
        if state.draining {
            return None;
        }
        let number = state.number();
        state.in_flight.insert(number, items);
        state.counts.accepted += items;
        drop(state);
        Some(Admission {
            shared: self.clone(),
            number,
        })
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

    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Whether all requests numbered below `before` had an answer within `deadline`.
    async fn settled(&self, before: u64, deadline: Duration) -> bool {
        let wait = async {
            loop {
                // Listen first, look then: an answer in between is not missed.
                let settled = self.settled.notified();
                let first = self.lock().in_flight.keys().next().copied();
                if first.is_none_or(|first| first >= before) {
                    return;
                }
                settled.await;
            }
        };
        tokio::time::timeout(deadline, wait).await.is_ok()
    }
}

/// A request that was let in. Dropped before it is [settled](Self::settle), its items count as
/// dropped.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    number: u64,
}

impl Admission {
    /// Counts the answer.
    pub(crate) fn settle(&self, result: &Result<ExportResponse, ExportError>) {
        self.end(|items, counts| match result {
            Ok(response) => {
                let rejected = response.rejected_items().min(items);
                counts.rejected += rejected;
                counts.delivered += items - rejected;
            }
            Err(error) => {
                let progress = error.progress();
                let delivered = progress
                    .map_or(0, ExportResponse::delivered_items)
                    .min(items);
                let rejected = progress
                    .map_or(0, ExportResponse::rejected_items)
                    .min(items - delivered);
                counts.delivered += delivered;
                counts.rejected += rejected;
                counts.refused += items - delivered - rejected;
            }
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
        self.end(|items, counts| counts.dropped += items);
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
