//! What a handle waits with when a state that it shares with others keeps it waiting: a timer of
//! its own, and a place among those to wake when the state changes.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than any process runs, and far from where an `Instant` overflows.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// `from` plus any duration a user may configure.
pub(super) fn later(from: Instant, by: Duration) -> Instant {
    from + by.min(FAR)
}

/// A timer that is made when first needed and used again.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) const fn new() -> Self {
        Self { sleep: None }
    }

    /// Ready at `deadline`.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

/// Those to wake when a shared state changes.
///
/// Who waits parks first and looks at the state then; who changes the state wakes afterwards. So
/// no change is missed.
#[derive(Debug, Default)]
pub(super) struct Parking {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Parking {
    pub(super) fn park(self: &Arc<Self>, place: &mut Option<Place>, waker: &Waker) {
        let waker = waker.clone();
        let replaced = {
            let mut places = self.lock();
            let number = match place {
                Some(place) => place.number,
                None => {
                    let number = places.next;
                    places.next += 1;
                    *place = Some(Place {
                        parking: self.clone(),
                        number,
                    });
                    number
                }
            };
            places.wakers.insert(number, waker)
        };
        // Dropping a waker may drop a task and all it holds, which may want the lock.
        drop(replaced);
    }

    pub(super) fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those to wake. It is given up on drop.
#[derive(Debug)]
pub(super) struct Place {
    parking: Arc<Parking>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.parking.lock().wakers.remove(&self.number);
        // Not under the lock, as in `park`.
        drop(waker);
    }
}
