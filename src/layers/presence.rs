//! Whether anybody may call a worker at the moment.
//!
//! A worker that holds requests back for company (a batch) should let go of them once nobody is
//! left who could send more. That all handles are gone says so; but a worker above it, a queue
//! that waits for the answers to its last requests, keeps its handle, for it may have to send some
//! again. Such a handle is a *spare*: made by cloning within [`spare`], whatever services lie
//! between. It keeps the worker alive, and counts as present from the moment it is used.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

thread_local! {
    static SPARE: Cell<bool> = const { Cell::new(false) };
}

/// A clone that does not count as present before it is used.
///
/// Services in between need not know: what they clone on the way is a spare as well.
pub(super) fn spare<S: Clone>(service: &S) -> S {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            SPARE.set(self.0);
        }
    }
    let _reset = Reset(SPARE.replace(true));
    service.clone()
}

/// The worker's view: how many handles there are that are no spares.
#[derive(Debug, Default)]
pub(super) struct Presence {
    count: AtomicUsize,
    left: Notify,
}

impl Presence {
    /// Whether all handles that are left are spares.
    ///
    /// What the others have sent before they went is there by then.
    pub(super) fn is_over(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Ends when the last handle that was present has gone; perhaps without that.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }
}

/// A handle's part.
#[derive(Debug)]
pub(super) struct Present {
    presence: Arc<Presence>,
    counts: bool,
}

impl Present {
    /// A handle that is present.
    pub(super) fn new(presence: Arc<Presence>) -> Self {
        Self::of(presence, true)
    }

    fn of(presence: Arc<Presence>, counts: bool) -> Self {
        if counts {
            presence.count.fetch_add(1, Ordering::AcqRel);
        }
        Self { presence, counts }
    }

    /// The handle is used: it is no spare any more.
    pub(super) fn show(&mut self) {
        if !self.counts {
            *self = Self::of(self.presence.clone(), true);
        }
    }
}

impl Clone for Present {
    /// A handle that is present as well, unless it is a [`spare`].
    fn clone(&self) -> Self {
        Self::of(self.presence.clone(), !SPARE.get())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if self.counts && self.presence.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.presence.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_spare_counts_when_it_is_used() {
        let presence = Arc::new(Presence::default());
        let present = Present::new(presence.clone());
        let mut spare = spare(&present);
        let clone = spare.clone();
        drop((present, clone));
        assert!(presence.is_over());
        assert!(presence.left().now_or_never().is_some());
        spare.show();
        spare.show();
        assert!(!presence.is_over());
        drop(spare);
        assert!(presence.is_over());
    }

    #[test]
    fn a_clone_that_panics_leaves_no_spares_behind() {
        #[derive(Debug)]
        struct Bomb;
        impl Clone for Bomb {
            #[allow(clippy::panic, reason = "that is the point")]
            fn clone(&self) -> Self {
                panic!("no clone")
            }
        }
        assert!(std::panic::catch_unwind(|| spare(&Bomb)).is_err());
        let presence = Arc::new(Presence::default());
        let present = Present::new(presence.clone());
        let clone = present.clone();
        drop(present);
        assert!(!presence.is_over());
        drop(clone);
    }
}
