use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Event, LastError, Observer, Role, Snapshot};
use crate::{ExportError, ExportResponse};

/// Counts in memory, for status pages and tests. Clones are the same counters.
///
/// ```
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_otlp::layers::observe::{ObserveLayer, Recorder};
/// use tower_otlp::{ExportError, ExportRequest, ExportResponse, Signal};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let recorder = Recorder::new();
/// let mut pipeline = ServiceBuilder::new()
///     .layer(ObserveLayer::request(recorder.clone()))
///     .service_fn(|request: ExportRequest| async move {
///         Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
///     });
///
/// // ResourceLogs { scope_logs { log_records { } } }
/// let request = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0])?;
/// pipeline.ready().await?.call(request).await?;
///
/// assert_eq!(recorder.snapshot().requests().delivered.items, 1);
/// # Ok::<_, ExportError>(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Recorder {
    /// Held for a few instructions at a time. One lock over all counters: a snapshot adds up.
    counts: Arc<Mutex<Snapshot>>,
}

impl Recorder {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The counts at this moment, which add up.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Observer for Recorder {
    fn observe(&self, event: Event) {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(&event);
    }

    fn failed(&self, role: Role, error: &ExportError) {
        self.set_last_error(LastError::of_failure(role, error));
    }

    fn rejected(&self, role: Role, answer: &ExportResponse) {
        self.set_last_error(LastError::of_rejection(role, answer));
    }
}

impl Recorder {
    fn set_last_error(&self, error: LastError) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counts.replace_last_error(error);
        // An error may hold a great deal, which is not to be freed under the lock.
        drop(counts);
        drop(before);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("counts", &self.snapshot())
            .finish()
    }
}
