//! How many requests failed lately: ten buckets, each a tenth of the window.

use tokio::time::Instant;

use super::policy::Rate;

const BUCKETS: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Window {
    since: Option<Instant>,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// How many tenths of a window had passed when it was begun.
    tick: u64,
    requests: u32,
    failures: u32,
}

impl Window {
    /// Counts an answer.
    pub(super) fn record(&mut self, rate: &Rate, now: Instant, failed: bool) {
        let tick = self.tick(rate, now);
        let Some(bucket) = self.buckets.get_mut((tick % BUCKETS as u64) as usize) else {
            return;
        };
        if bucket.tick != tick {
            *bucket = Bucket {
                tick,
                ..Bucket::default()
            };
        }
        bucket.requests = bucket.requests.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(failed.into());
    }

    /// Whether the rate is reached.
    pub(super) fn opens(&mut self, rate: &Rate, now: Instant) -> bool {
        let tick = self.tick(rate, now);
        let (mut requests, mut failures) = (0_u64, 0_u64);
        for bucket in &self.buckets {
            if bucket.tick + BUCKETS as u64 > tick {
                requests += u64::from(bucket.requests);
                failures += u64::from(bucket.failures);
            }
        }
        requests >= u64::from(rate.minimum) && failures as f64 >= rate.fraction * requests as f64
    }

    fn tick(&mut self, rate: &Rate, now: Instant) -> u64 {
        let since = *self.since.get_or_insert(now);
        let tenth = (rate.window.as_nanos() / BUCKETS as u128).max(1);
        let passed = now.saturating_duration_since(since).as_nanos();
        u64::try_from(passed / tenth).unwrap_or(u64::MAX - BUCKETS as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate {
        fraction: 0.5,
        window: Duration::from_secs(10),
        minimum: 4,
    };

    #[test]
    fn the_rate_counts_only_what_is_within_the_window() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut window = Window::default();
        for second in 0..3 {
            window.record(&RATE, at(second), true);
            assert!(!window.opens(&RATE, at(second)), "too few requests");
        }
        window.record(&RATE, at(3), false);
        assert!(window.opens(&RATE, at(3)), "3 of 4");
        assert!(window.opens(&RATE, at(9)), "still 3 of 4");
        window.record(&RATE, at(10), false);
        assert!(window.opens(&RATE, at(10)), "2 of 4");
        window.record(&RATE, at(11), false);
        assert!(!window.opens(&RATE, at(11)), "1 of 4");
        window.record(&RATE, at(500), true);
        assert!(!window.opens(&RATE, at(500)), "all others are long gone");
    }

    #[test]
    fn the_shortest_and_the_longest_window_count() {
        let start = Instant::now();
        for nanos in [1, u64::MAX] {
            let rate = Rate {
                window: Duration::from_nanos(nanos),
                ..RATE
            };
            let mut window = Window::default();
            for _ in 0..4 {
                window.record(&rate, start, true);
            }
            assert!(window.opens(&rate, start));
            let later = start + Duration::from_secs(1_000_000_000);
            assert_eq!(window.opens(&rate, later), nanos == u64::MAX);
        }
    }
}
