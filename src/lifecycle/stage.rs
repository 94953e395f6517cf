//! What a layer with a worker of its own needs of a lifecycle.

use std::{fmt, sync::Arc};

use tokio::{sync::watch, time::Instant};

use super::{
    DropReason, Lifecycle,
    shared::{Level, Shared},
};
use crate::{ExportError, ExportResponse};

/// A layer's part in a [`Lifecycle`]: it hears when to hurry, and says what it holds.
///
/// A layer that takes requests into a task of its own (a queue, a batch) makes one with
/// [`Lifecycle::stage`]. Its task holds every request through a [`Held`], so that a flush and a
/// shutdown wait for it, and looks at the [level](Self::is_rushed) before it waits for anything
/// that is not a backend: while the level is up timers are zero.
#[derive(Clone)]
pub struct Stage {
    shared: Arc<Shared>,
    level: watch::Receiver<Level>,
}

impl Stage {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let level = shared.level.subscribe();
        Self { shared, level }
    }

    /// Whether the pipeline is being flushed or shut down: nothing is to be held back now.
    #[must_use]
    pub fn is_rushed(&self) -> bool {
        self.level.borrow().is_rushed()
    }

    /// Ends when the pipeline is being flushed or shut down; at once if it is already.
    pub async fn rushed(&mut self) {
        // The sender lives in `shared`, so the wait has no other end than the level.
        let _ = self.level.wait_for(Level::is_rushed).await;
    }

    /// Whether the pipeline is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.level.borrow().draining
    }

    /// Ends when the pipeline begins to shut down; at once if it has begun.
    pub async fn draining(&mut self) {
        let _ = self.level.wait_for(|level| level.draining).await;
    }

    /// The level at the moment.
    pub(crate) fn level(&self) -> Level {
        *self.level.borrow()
    }

    /// Ends when the level changes, in either direction. Changes in quick succession are one.
    pub(crate) async fn changed(&mut self) {
        let _ = self.level.changed().await;
    }

    /// The deadline of the shutdown, once it has begun.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.level.borrow().deadline
    }

    /// When whoever tries again leaves the rest of a shutdown's time to those above, which may
    /// know another way.
    pub(crate) fn halftime(&self) -> Option<Instant> {
        self.level.borrow().halftime
    }

    /// Takes charge of a request of so many items, whose caller waits for the answer.
    pub fn hold(&self, items: u64) -> Held {
        self.held(items, false)
    }

    /// Takes charge of a request of so many items, whose caller is told now that they are safe:
    /// from here on this layer answers for them.
    pub fn retain(&self, items: u64) -> Held {
        self.held(items, true)
    }

    fn held(&self, items: u64, answered: bool) -> Held {
        Held {
            number: self.shared.hold(items, answered),
            shared: self.shared.clone(),
        }
    }
}

impl Default for Stage {
    /// The stage of a layer that nobody gave a lifecycle.
    fn default() -> Self {
        Lifecycle::new().stage()
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("rushed", &self.is_rushed())
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

/// A request in the charge of a layer. Say what became of it with one of its methods; dropped
/// without, a request that was answered for counts as [abandoned](DropReason::Abandoned).
#[must_use = "dropping it says that the request is lost"]
pub struct Held {
    shared: Arc<Shared>,
    number: u64,
}

impl Held {
    /// The caller got this answer, and counts it.
    pub fn answered(self) {
        self.shared.release(self.number, |_, _, _| {});
    }

    /// The request ended like this, and nobody was there to be told: its caller was answered
    /// before, or has gone away.
    pub fn ended(self, result: &Result<ExportResponse, ExportError>) {
        self.shared.release(self.number, |items, answered, counts| {
            counts.leave(items, answered);
            match result {
                Ok(response) => counts.delivered(items, response),
                Err(error) => {
                    let left = counts.progress(items, error.progress());
                    counts.drop(DropReason::Failed(error.kind()), left);
                }
            }
        });
    }

    /// The request was given up, and nobody was there to be told.
    pub fn dropped(self, reason: DropReason) {
        self.dropped_after(reason, &ExportResponse::default());
    }

    /// The request stays where a later process finds it, and is answered for: it counts as
    /// retained from now on, and no flush or shutdown waits for it.
    pub fn kept(self) {
        self.shared.release(self.number, |items, answered, counts| {
            counts.leave(items, answered);
            counts.keep(items);
        });
    }

    /// What was left of the request after this progress was given up, and nobody was there to be
    /// told.
    pub fn dropped_after(self, reason: DropReason, progress: &ExportResponse) {
        self.shared.release(self.number, |items, answered, counts| {
            counts.leave(items, answered);
            let left = counts.progress(items, Some(progress));
            counts.drop(reason, left);
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A caller who waits gets an error and counts it; only promises are broken here.
        self.shared.release(self.number, |items, answered, counts| {
            if answered {
                counts.leave(items, true);
                counts.drop(DropReason::Abandoned, items);
            }
        });
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
