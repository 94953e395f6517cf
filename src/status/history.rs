//! How fast a branch was, kept by who reads.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::layers::observe::Amount;

/// How long a sample is the newest one. A little less than the second between the ticks of a
/// server, none of which is to be missed because it comes early.
const PERIOD: Duration = Duration::from_millis(900);

/// How many samples there are.
const LENGTH: usize = 61;

/// What the rate of now is the mean of. Less and it flickers with each batch.
const WINDOW: Duration = Duration::from_secs(5);

/// Counts at some moments of the last minute.
#[derive(Debug)]
pub(super) struct History {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    delivered: Amount,
}

/// What is delivered in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) items: f64,
    pub(super) requests: f64,
}

impl History {
    /// Nothing was delivered until now.
    pub(super) fn new(now: Instant) -> Self {
        let delivered = Amount::default();
        Self {
            samples: [Sample { at: now, delivered }].into(),
        }
    }

    /// Remembers a count, unless the last one is too new for that.
    pub(super) fn sample(&mut self, now: Instant, delivered: Amount) {
        let newest = self.samples.back();
        if newest.is_some_and(|newest| now.duration_since(newest.at) < PERIOD) {
            return;
        }
        if self.samples.len() == LENGTH {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, delivered });
    }

    /// The mean of the last seconds.
    pub(super) fn rate(&self, now: Instant, delivered: Amount) -> Rate {
        let age = |sample: &Sample| now.duration_since(sample.at);
        let before = self.samples.iter().rev().find(|old| age(old) >= WINDOW);
        let Some(before) = before.or(self.samples.front()) else {
            return Rate::default();
        };
        // Right after the start a mean would say little.
        let seconds = age(before).max(Duration::from_secs(1)).as_secs_f64();
        let passed = delivered.minus(before.delivered);
        Rate {
            items: passed.items as f64 / seconds,
            requests: passed.requests as f64 / seconds,
        }
    }

    /// Items a second between each two samples, the newest last.
    pub(super) fn items_per_second(&self) -> Vec<f64> {
        let next = self.samples.iter().skip(1);
        let pairs = self.samples.iter().zip(next);
        pairs
            .map(|(old, new)| {
                let seconds = new.at.duration_since(old.at).as_secs_f64();
                new.delivered.minus(old.delivered).items as f64 / seconds
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(items: u64) -> Amount {
        Amount {
            requests: items / 10,
            items,
            bytes: 0,
        }
    }

    #[test]
    fn a_steady_stream_has_its_rate() {
        let start = Instant::now();
        let mut history = History::new(start);
        for second in 1..=100 {
            let now = start + Duration::from_secs(second);
            history.sample(now, amount(second * 50));
            // Others look in between.
            history.sample(now + Duration::from_millis(300), amount(second * 50 + 15));
            let rate = history.rate(now, amount(second * 50));
            assert_eq!((rate.items, rate.requests), (50.0, 5.0), "{second}");
        }
        assert_eq!(history.items_per_second(), [50.0; 60]);
    }

    #[test]
    fn what_ends_is_forgotten_after_the_window() {
        let start = Instant::now();
        let mut history = History::new(start);
        let rate = history.rate(start, amount(40));
        assert_eq!(rate.items, 40.0, "within the first second");
        for second in 1..=6 {
            history.sample(start + Duration::from_secs(second), amount(40));
        }
        let later = history.rate(start + Duration::from_secs(7), amount(40));
        assert_eq!(later, Rate::default());
        assert_eq!(history.items_per_second(), [40.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
