//! Permits: so many as the controller allows.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    super::line::{Line, Resource},
    controller::{Controller, Sample},
};
use crate::layers::observe::{Event, SharedObserver};

/// The permits of one limit.
#[derive(Debug)]
pub(super) struct Seats {
    pub(super) controller: Controller,
    /// Permits that someone has. More than the limit, for a while, after it was lowered.
    in_use: usize,
    /// Permits of requests that were sent.
    pub(super) in_flight: usize,
    observer: SharedObserver,
}

impl Seats {
    pub(super) const fn new(controller: Controller, observer: SharedObserver) -> Self {
        Self {
            controller,
            in_use: 0,
            in_flight: 0,
            observer,
        }
    }
}

impl Resource for Seats {
    type Grant = ();

    fn take(&mut self, now: Instant) -> Result<(), Option<Duration>> {
        if !self.is_available(now) {
            return Err(None);
        }
        self.in_use += 1;
        Ok(())
    }

    fn is_available(&mut self, _: Instant) -> bool {
        self.in_use < self.controller.limit()
    }
}

/// A permit. It is given back on drop.
#[derive(Debug)]
pub(super) struct Permit {
    line: Arc<Line<Seats>>,
    /// When, and in which window, the attempt began.
    attempt: Option<(Instant, u64)>,
}

impl Permit {
    /// The permit that was taken from this line.
    pub(super) const fn taken(line: Arc<Line<Seats>>) -> Self {
        Self {
            line,
            attempt: None,
        }
    }

    /// A permit beyond the limit, for one who did not ask.
    pub(super) fn beyond(line: &Arc<Line<Seats>>) -> Self {
        line.with(|seats| seats.in_use += 1);
        Self::taken(Arc::clone(line))
    }

    /// The attempt begins.
    pub(super) fn start(&mut self) {
        let epoch = self.line.with(|seats| {
            seats.in_flight += 1;
            seats.controller.start(seats.in_use, seats.in_flight)
        });
        self.attempt = Some((Instant::now(), epoch));
    }

    /// The attempt ended with an answer.
    pub(super) fn settle(self, sample: impl FnOnce(f64) -> Sample) {
        if let Some((started, epoch)) = self.attempt {
            let sample = sample(started.elapsed().as_secs_f64());
            let changed = self.line.with(|seats| {
                let before = seats.controller.limit();
                seats.controller.sample(epoch, sample);
                let limit = seats.controller.limit();
                (limit != before).then(|| (seats.observer.clone(), limit))
            });
            if let Some((observer, limit)) = changed {
                observer.emit(Event::concurrency_limit(limit as u64));
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.line.with(|seats| {
            seats.in_use -= 1;
            if self.attempt.is_some() {
                seats.in_flight -= 1;
            }
        });
    }
}
