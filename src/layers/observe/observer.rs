use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Event, Role};
use crate::{ExportError, ExportResponse};

/// A sink for [`Event`]s.
///
/// It is called in the middle of an export, on whatever thread that is, and from destructors: it
/// must not block and should not panic (a panic loses the event and is otherwise contained). It
/// must not export through the very pipeline that it observes, not even by a detour through a log
/// appender: that never ends.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tower_otlp::layers::observe::{Event, Observer};
///
/// /// Counts lost items.
/// #[derive(Default)]
/// struct Lost(AtomicU64);
///
/// impl Observer for Lost {
///     fn observe(&self, event: Event) {
///         if let Event::Dropped { amount, .. } = event {
///             self.0.fetch_add(amount.items, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Takes note of what happened. Ignore events that you do not know: there will be more.
    fn observe(&self, event: Event);

    /// Takes note of why a request or an attempt fails: for people, since an [`Event`] holds
    /// numbers only. Told before the [`Finished`](super::Finished) that counts it, and by default
    /// ignored.
    fn failed(&self, role: Role, error: &ExportError) {
        let _ = (role, error);
    }

    /// Takes note of the answer of a backend that rejects items, whose
    /// [message](ExportResponse::message) may say why. Told before the
    /// [`Finished`](super::Finished) that counts it, and by default ignored.
    fn rejected(&self, role: Role, answer: &ExportResponse) {
        let _ = (role, answer);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, event: Event) {
        (**self).observe(event);
    }

    fn failed(&self, role: Role, error: &ExportError) {
        (**self).failed(role, error);
    }

    fn rejected(&self, role: Role, answer: &ExportResponse) {
        (**self).rejected(role, answer);
    }
}

/// A handle to an [`Observer`], or to none. Clones are the same handle.
///
/// This is what a layer keeps that has something to report. The default is no observer, which
/// costs a branch.
///
/// ```
/// use tower_otlp::layers::observe::{BreakerState, Event, Recorder, SharedObserver, TracingObserver};
///
/// let recorder = Recorder::new();
/// let observer = SharedObserver::new(recorder.clone()).and(TracingObserver::new("otlp"));
/// observer.emit(Event::Breaker(BreakerState::Open));
/// assert_eq!(recorder.snapshot().breaker(), Some(BreakerState::Open));
/// ```
#[derive(Clone, Default)]
pub struct SharedObserver {
    observer: Option<Arc<dyn Observer>>,
}

impl SharedObserver {
    /// Shares `observer`.
    #[must_use]
    pub fn new(observer: impl Observer) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
        }
    }

    /// Nobody listens.
    #[must_use]
    pub const fn none() -> Self {
        Self { observer: None }
    }

    /// Tells `other` as well, after the others.
    #[must_use]
    pub fn and(self, other: impl Into<SharedObserver>) -> Self {
        match (self.observer, other.into().observer) {
            (Some(first), Some(second)) => Self::new(Both(first, second)),
            (first, second) => Self {
                observer: first.or(second),
            },
        }
    }

    /// Whether nobody listens, so that an event need not even be made.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.observer.is_none()
    }

    /// Tells the observer. It never panics: an observer that does loses the event.
    pub fn emit(&self, event: Event) {
        if let Some(observer) = &self.observer {
            tell(|| observer.observe(event));
        }
    }

    /// Tells the observer in words how a request or an attempt ends, if there is more to say than
    /// numbers. An [`Event`] follows that counts it. It never panics.
    pub fn explain(&self, role: Role, result: &Result<ExportResponse, ExportError>) {
        let Some(observer) = &self.observer else {
            return;
        };
        match result {
            Ok(answer) if answer.rejected_items() > 0 => tell(|| observer.rejected(role, answer)),
            Ok(_) => {}
            Err(error) => tell(|| observer.failed(role, error)),
        }
    }
}

/// Events come from destructors, where a panic would end the process.
fn tell(what: impl FnOnce()) {
    // The panic hook has said what there is to say.
    let _ = catch_unwind(AssertUnwindSafe(what));
}

impl<O: Observer> From<O> for SharedObserver {
    fn from(observer: O) -> Self {
        Self::new(observer)
    }
}

impl fmt::Debug for SharedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedObserver")
            .field("listening", &self.observer.is_some())
            .finish_non_exhaustive()
    }
}

struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn observe(&self, event: Event) {
        tell(|| self.0.observe(event));
        tell(|| self.1.observe(event));
    }

    fn failed(&self, role: Role, error: &ExportError) {
        tell(|| self.0.failed(role, error));
        tell(|| self.1.failed(role, error));
    }

    fn rejected(&self, role: Role, answer: &ExportResponse) {
        tell(|| self.0.rejected(role, answer));
        tell(|| self.1.rejected(role, answer));
    }
}
