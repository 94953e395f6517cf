use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::Event;

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
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, event: Event) {
        (**self).observe(event);
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
            tell(observer, event);
        }
    }
}

/// Events come from destructors, where a panic would end the process.
fn tell(observer: &Arc<dyn Observer>, event: Event) {
    // The panic hook has said what there is to say.
    let _ = catch_unwind(AssertUnwindSafe(|| observer.observe(event)));
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
        tell(&self.0, event);
        tell(&self.1, event);
    }
}
