//! What a shutdown means to a handle that waits for tokens.

use std::{sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use crate::{
    ErrorKind, ExportError, Lifecycle, RetryAdvice,
    lifecycle::{Parked, Shared},
};

/// Hears of the shutdown for one handle.
pub(super) struct Drain {
    shared: Arc<Shared>,
    /// Where it waits to be told.
    parked: Option<Parked>,
}

impl Drain {
    pub(super) fn new(lifecycle: &Lifecycle) -> Self {
        Self {
            shared: lifecycle.shared(),
            parked: None,
        }
    }

    /// Whether a wait of so long ends too late. If there is no shutdown yet, the waker is woken
    /// when it begins.
    pub(super) fn is_too_late(&mut self, wait: Duration, waker: &Waker) -> bool {
        self.parked = self.shared.park(self.parked.take(), waker);
        if self.parked.is_some() {
            return false;
        }
        let level = *self.shared.level.borrow();
        if !level.draining {
            // It begins this very moment, and will have a deadline in the next.
            waker.wake_by_ref();
            return false;
        }
        let end = Instant::now().checked_add(wait);
        level
            .deadline
            .is_some_and(|deadline| end.is_none_or(|end| end > deadline))
    }

    /// There is nothing to wait for any more.
    pub(super) fn rest(&mut self) {
        self.parked = None;
    }
}

impl Clone for Drain {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            parked: None,
        }
    }
}

/// The error of a request that could not be sent before the deadline of a shutdown.
pub(super) fn too_late(wait: Duration) -> ExportError {
    ExportError::new(
        ErrorKind::Closed,
        format!(
            "not sent: the rate limit lets nothing pass for another {wait:?}, beyond the deadline \
             of the shutdown; give the shutdown more time, or raise the rate or its burst"
        ),
    )
    // A queue that survives the process keeps the request; nothing else tries again.
    .with_retry(RetryAdvice::After(wait))
}
