//! A line of handles that wait for readiness: first come, first served.
//!
//! Only the first in line is woken when there is something to take, and it wakes the next when
//! it goes: many waiting handles cost no more than one. A handle that stopped asking, while its
//! owner keeps it, would hold up all that stand behind it; those look after a while and pass it.
//! It takes its old place again when it asks again.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// How long the first in line may leave something lying before it is passed.
const PATIENCE: Duration = Duration::from_millis(100);

/// Longest sleep: a later look costs little, and an instant too far ahead cannot be expressed.
const LONGEST: Duration = Duration::from_secs(600);

/// What one stands in line for.
pub(super) trait Resource {
    /// What one gets.
    type Grant;

    /// Takes it, or says how long it takes until there is something, if that is known.
    fn take(&mut self, now: Instant) -> Result<Self::Grant, Option<Duration>>;

    /// Whether there is something to take.
    fn is_available(&mut self, now: Instant) -> bool;
}

/// A resource and those who wait for it.
#[derive(Debug)]
pub(super) struct Line<R> {
    /// Held for a few instructions at a time, never over an await.
    state: Mutex<State<R>>,
}

#[derive(Debug)]
struct State<R> {
    resource: R,
    /// The number of the next place. Lower numbers stand further ahead.
    next: u64,
    waiting: BTreeMap<u64, Waker>,
    /// Since when something lies there that the first in line does not take.
    left_lying: Option<Instant>,
}

impl<R: Resource> State<R> {
    fn first(&self) -> Option<(u64, &Waker)> {
        let (number, waker) = self.waiting.first_key_value()?;
        Some((*number, waker))
    }

    /// Whether nobody stands before this place; `None` is one that is not in line.
    fn is_first(&self, number: Option<u64>) -> bool {
        match (self.first(), number) {
            (None, _) => true,
            (Some((first, _)), Some(number)) => number <= first,
            (Some(_), None) => false,
        }
    }

    /// Removes the first in line if it has left something lying for too long.
    fn pass_first(&mut self, now: Instant) -> Option<Waker> {
        if !self.resource.is_available(now) {
            self.left_lying = None;
            return None;
        }
        let since = *self.left_lying.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        self.left_lying = None;
        self.waiting.pop_first().map(|(_, waker)| waker)
    }
}

impl<R: Resource> Line<R> {
    pub(super) const fn new(resource: R) -> Self {
        Self {
            state: Mutex::new(State {
                resource,
                next: 0,
                waiting: BTreeMap::new(),
                left_lying: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Reads the resource, or changes it, and wakes the first in line if there is something to
    /// take afterwards.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut R) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state.resource);
        let wake = if state.waiting.is_empty() || !state.resource.is_available(Instant::now()) {
            None
        } else {
            state.first().map(|(_, waker)| waker.clone())
        };
        drop(state);
        if let Some(waker) = wake {
            waker.wake();
        }
        result
    }

    /// Takes from the resource, in turn.
    pub(super) fn poll_take(
        self: &Arc<Self>,
        place: &mut Option<Place<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<R::Grant> {
        loop {
            let now = Instant::now();
            let number = place.as_ref().map(|place| place.number);
            let mut state = self.lock();
            let mut passed = None;
            if !state.is_first(number) {
                passed = state.pass_first(now);
            }
            let mut hint = None;
            if state.is_first(number) {
                state.left_lying = None;
                match state.resource.take(now) {
                    Ok(grant) => {
                        drop(state);
                        // Leaves the line, if it stood in it, and wakes the next.
                        *place = None;
                        drop(passed);
                        return Poll::Ready(grant);
                    }
                    Err(known) => hint = known,
                }
            }
            let number = number.unwrap_or_else(|| {
                state.next += 1;
                state.next
            });
            // The new first in line was not woken yet if another was passed just now.
            let wake = match (&passed, state.first()) {
                (Some(_), Some((first, waker))) if first < number => Some(waker.clone()),
                _ => None,
            };
            let ahead = state
                .first()
                .map_or(0, |(first, _)| number.saturating_sub(first));
            let replaced = state.waiting.insert(number, cx.waker().clone());
            drop(state);
            // Dropping a waker may drop a task and all it holds, which may want the lock.
            drop((replaced, passed));
            if let Some(waker) = wake {
                waker.wake();
            }
            let place = place.get_or_insert_with(|| Place {
                line: Arc::clone(self),
                number,
                sleep: None,
            });
            let pause = match (ahead, hint) {
                // The first in line is woken when there is something.
                (0, None) => return Poll::Pending,
                (0, Some(wait)) => wait.max(Duration::from_millis(1)),
                // Those further back look less often.
                (ahead, _) => PATIENCE * u32::try_from(ahead).unwrap_or(u32::MAX).min(1000),
            };
            if place.poll_sleep(now + pause.min(LONGEST), cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// A place in line. It is given up on drop.
pub(super) struct Place<R: Resource> {
    line: Arc<Line<R>>,
    number: u64,
    /// Made when it is first needed, and used again.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<R: Resource> Place<R> {
    fn poll_sleep(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(until);
                sleep
            }
            None => self.sleep.insert(Box::pin(sleep_until(until))),
        };
        sleep.as_mut().poll(cx)
    }
}

impl<R: Resource> Drop for Place<R> {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        let was_first = state.is_first(Some(self.number));
        let own = state.waiting.remove(&self.number);
        let next = if was_first {
            state.left_lying = None;
            state.first().map(|(_, waker)| waker.clone())
        } else {
            None
        };
        drop(state);
        // Not under the lock, as above.
        drop(own);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    /// A pile of things.
    struct Pile(u32);

    impl Resource for Pile {
        type Grant = ();

        fn take(&mut self, _: Instant) -> Result<(), Option<Duration>> {
            self.0 = self.0.checked_sub(1).ok_or(None)?;
            Ok(())
        }

        fn is_available(&mut self, _: Instant) -> bool {
            self.0 > 0
        }
    }

    /// One who asks, as a task that notices being woken.
    struct Asker {
        task: task::Spawn<()>,
        line: Arc<Line<Pile>>,
        place: Option<Place<Pile>>,
    }

    impl Asker {
        fn new(line: &Arc<Line<Pile>>) -> Self {
            Self {
                task: task::spawn(()),
                line: Arc::clone(line),
                place: None,
            }
        }

        fn ask(&mut self) -> Poll<()> {
            let (line, place) = (&self.line, &mut self.place);
            self.task.enter(|cx, _| line.poll_take(place, cx))
        }

        fn is_woken(&self) -> bool {
            self.task.is_woken()
        }
    }

    fn askers<const N: usize>(pile: u32) -> (Arc<Line<Pile>>, [Asker; N]) {
        let line = Arc::new(Line::new(Pile(pile)));
        let askers = std::array::from_fn(|_| Asker::new(&line));
        (line, askers)
    }

    #[tokio::test(start_paused = true)]
    async fn in_turn_and_one_at_a_time() {
        let (line, [mut a, mut b, mut c]) = askers(0);
        assert_pending!(a.ask());
        assert_pending!(b.ask());
        assert_pending!(c.ask());
        assert_eq!(line.waiting(), 3);
        line.with(|pile| pile.0 = 1);
        assert!(a.is_woken() && !b.is_woken() && !c.is_woken());
        assert_pending!(b.ask());
        assert_ready!(a.ask());
        assert!(b.is_woken() && !c.is_woken());
        assert_pending!(b.ask());
        line.with(|pile| pile.0 = 1);
        assert_ready!(b.ask());
        drop(c);
        assert_eq!(line.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_leaves_wakes_the_next() {
        let (line, [mut a, mut b]) = askers(0);
        assert_pending!(a.ask());
        assert_pending!(b.ask());
        line.with(|pile| pile.0 = 1);
        drop(a);
        assert!(b.is_woken());
        assert_ready!(b.ask());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_stopped_asking_is_passed_and_keeps_its_place() {
        let (line, [mut a, mut b, mut c]) = askers(0);
        assert_pending!(a.ask());
        assert_pending!(b.ask());
        assert_pending!(c.ask());
        line.with(|pile| pile.0 = 1);
        let start = Instant::now();
        // `a` never asks again. `b` does, when its clock wakes it.
        while b.ask().is_pending() {
            assert!(start.elapsed() < Duration::from_secs(1));
            tokio::time::sleep(PATIENCE).await;
        }
        assert_pending!(a.ask());
        line.with(|pile| pile.0 = 1);
        assert!(a.is_woken());
        assert_pending!(c.ask());
        assert_ready!(a.ask());
        assert!(c.is_woken());
        line.with(|pile| pile.0 = 1);
        assert_ready!(c.ask());
    }

    #[tokio::test(start_paused = true)]
    async fn two_who_stopped_asking_are_passed_by_the_clock_alone() {
        let (line, [mut a, mut b, mut c]) = askers(0);
        assert_pending!(a.ask());
        assert_pending!(b.ask());
        assert_pending!(c.ask());
        line.with(|pile| pile.0 = 1);
        let asking = std::future::poll_fn(|cx| c.line.poll_take(&mut c.place, cx));
        let passed = tokio::time::timeout(Duration::from_secs(2), asking).await;
        assert!(passed.is_ok());
    }
}
