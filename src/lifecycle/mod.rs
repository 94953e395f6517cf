//! Orderly shutdown: counting what is in flight and waiting for it.

mod report;
mod shared;
mod stage;
#[cfg(feature = "server")]
mod termination;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

pub(crate) use self::shared::{Admission, Level, Parked, Shared};
#[cfg(feature = "server")]
pub use self::termination::Termination;
pub use self::{
    report::{DrainReport, DropReason},
    stage::{Held, Stage},
};
use crate::layers::track::TrackLayer;

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

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// The layer that counts requests and, while draining, turns new ones away.
    #[must_use]
    pub fn layer(&self) -> TrackLayer {
        self.shared.is_tracked.store(true, Ordering::Relaxed);
        TrackLayer::new(self.shared.clone())
    }

    /// Whether a [`layer`](Self::layer) was made: a pipeline should have one, and only one.
    #[cfg(feature = "sdk")]
    pub(crate) fn is_tracked(&self) -> bool {
        self.shared.is_tracked.load(Ordering::Relaxed)
    }

    /// The part of a layer that has a worker of its own: see [`Stage`].
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage::new(self.shared.clone())
    }

    /// The counts so far. [`complete`](DrainReport::complete) says whether nothing is in flight.
    #[must_use]
    pub fn report(&self) -> DrainReport {
        self.shared.report()
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Ends when [`shutdown`](Self::shutdown) is called, and at once if it was called before: a
    /// level, not an edge, so it may be asked for at any time and any number of times.
    ///
    /// This is what a server takes as its signal to stop.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut stage = self.stage();
        async move { stage.draining().await }
    }

    /// Hurries what is in flight and held now, and waits until it is done, for so long at most.
    ///
    /// Layers that hold requests back (a batch) let go of them at once. Requests that come later
    /// are taken as usual and not waited for. The report holds the counts since the pipeline was
    /// built; it is [`complete`](DrainReport::complete) if everything that was there at the call
    /// was done in time.
    pub async fn force_flush(&self, deadline: Duration) -> DrainReport {
        self.shared.flush(deadline).await
    }

    /// Turns new requests away, and waits until those in flight are answered and those held are
    /// delivered, for so long at most.
    ///
    /// A new request is answered with [`ErrorKind::Closed`](crate::ErrorKind::Closed), to be sent
    /// again with backoff: by then its sender may find another process. What is in flight at the
    /// deadline, and what a layer answered for and still has in memory, counts as dropped,
    /// whatever becomes of it afterwards; the requests themselves are left alone.
    ///
    /// The report holds the counts since the pipeline was built. There is no way back: calling
    /// this again waits again and turns nothing on.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        self.shared.shut_down(deadline).await
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("draining", &self.is_draining())
            .field("requests_in_flight", &self.shared.requests_in_flight())
            .field("report", &self.report())
            .finish()
    }
}
