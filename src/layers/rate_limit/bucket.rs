//! The token bucket, and what a ready handle has paid.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::super::line::{Line, Resource};

/// How much the newest cost counts in the mean.
const NEWEST: f64 = 0.2;

/// Longer than anyone should wait without looking again, and short enough to be added to a time.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Tokens that are filled up with time and may be owed.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens a second.
    rate: f64,
    burst: f64,
    balance: f64,
    /// When the balance was true. `None` before it is first asked for.
    at: Option<Instant>,
    /// The mean cost of a request so far.
    mean_cost: f64,
}

impl Bucket {
    /// A full bucket.
    pub(super) const fn new(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            balance: burst,
            at: None,
            mean_cost: 1.0,
        }
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) const fn burst(&self) -> f64 {
        self.burst
    }

    /// The balance now.
    pub(super) fn balance(&mut self, now: Instant) -> f64 {
        if let Some(at) = self.at {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            self.balance = (self.balance + passed * self.rate).min(self.burst);
        }
        self.at = Some(now);
        self.balance
    }

    /// How long until the balance is above zero.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let seconds = (-self.balance(now) / self.rate).max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Charges a request that provisionally paid this.
    fn charge(&mut self, cost: f64, paid: f64, now: Instant) {
        self.mean_cost += NEWEST * (cost - self.mean_cost);
        self.add(paid - cost, now);
    }

    fn add(&mut self, tokens: f64, now: Instant) {
        self.balance = (self.balance(now) + tokens).min(self.burst);
    }
}

impl Resource for Bucket {
    /// The provisional price.
    type Grant = f64;

    fn take(&mut self, now: Instant) -> Result<f64, Option<Duration>> {
        let balance = self.balance(now);
        if balance > 0.0 {
            self.balance -= self.mean_cost;
            return Ok(self.mean_cost);
        }
        Err(Some(self.wait(now).min(LONGEST_WAIT)))
    }

    fn is_available(&mut self, now: Instant) -> bool {
        self.balance(now) > 0.0
    }
}

/// The provisional price that a ready handle paid. It is given back on drop.
#[derive(Debug)]
pub(super) struct Paid {
    line: Arc<Line<Bucket>>,
    tokens: f64,
}

impl Paid {
    pub(super) const fn new(line: Arc<Line<Bucket>>, tokens: f64) -> Self {
        Self { line, tokens }
    }

    /// Charges the cost of the request instead.
    pub(super) fn settle(mut self, cost: f64) {
        let paid = mem::take(&mut self.tokens);
        self.line
            .with(|bucket| bucket.charge(cost, paid, Instant::now()));
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        if self.tokens > 0.0 {
            self.line
                .with(|bucket| bucket.add(self.tokens, Instant::now()));
        }
    }
}
