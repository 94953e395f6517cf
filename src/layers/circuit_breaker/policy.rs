use std::{fmt, sync::Arc, time::Duration};

use crate::{
    ErrorKind, ExportError, InvalidConfig, Lifecycle, Stage, layers::observe::SharedObserver,
};

/// The longest delay named by a server that keeps a circuit open.
pub(super) const LONGEST_NAMED: Duration = Duration::from_secs(60 * 60);

type Classify = Arc<dyn Fn(&ExportError) -> Verdict + Send + Sync>;

/// What an error says about the service below a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It works: the error is about the request. Like a success.
    Works,
    /// It fails: counts for the consecutive failures and for the rate, and fails a probe.
    Fails,
    /// It is under strain: counts for the rate only, and fails a probe.
    Strained,
    /// Nothing: the service was not asked, for one. Counts for nothing.
    Unknown,
}

impl Verdict {
    /// The verdict on an error of this kind, unless
    /// [`classify`](CircuitBreakerPolicy::classify) says otherwise.
    #[must_use]
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Internal => Verdict::Fails,
            ErrorKind::Throttled | ErrorKind::Overloaded => Verdict::Strained,
            ErrorKind::Rejected
            | ErrorKind::TooLarge
            | ErrorKind::Unauthenticated
            | ErrorKind::Unsupported => Verdict::Works,
            ErrorKind::CircuitOpen | ErrorKind::Closed => Verdict::Unknown,
        }
    }
}

/// When a circuit opens, for how long, and what it takes to close it.
///
/// | Setting | Default |
/// |---|---|
/// | [`consecutive_failures`](Self::consecutive_failures) | 5 |
/// | [`failure_rate`](Self::failure_rate) | half of at least 20 requests within 30 s |
/// | [`open_for`](Self::open_for) | 5 s, doubled from time to time up to 60 s |
/// | [`probes`](Self::probes) | 1 |
/// | [`probe_timeout`](Self::probe_timeout) | 30 s |
/// | [`classify`](Self::classify) | [`Verdict::of`] the kind |
/// | [`lifecycle`](Self::lifecycle) | none |
/// | [`observer`](Self::observer) | none |
///
/// ```
/// use std::time::Duration;
/// use tower_otlp::layers::circuit_breaker::CircuitBreakerPolicy;
///
/// let policy = CircuitBreakerPolicy::new()
///     .consecutive_failures(3)
///     .failure_rate(0.25, Duration::from_secs(60), 40)
///     .open_for(Duration::from_secs(1), Duration::from_secs(30));
/// # let _ = policy;
/// ```
#[derive(Clone)]
pub struct CircuitBreakerPolicy {
    consecutive: Option<u32>,
    pub(super) rate: Option<Rate>,
    open_for: Duration,
    max_open_for: Duration,
    pub(super) probes: u32,
    pub(super) probe_timeout: Duration,
    classify: Option<Classify>,
    pub(super) stage: Option<Stage>,
    pub(super) observer: SharedObserver,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) fraction: f64,
    pub(super) window: Duration,
    pub(super) minimum: u32,
}

impl CircuitBreakerPolicy {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            consecutive: Some(5),
            rate: Some(Rate {
                fraction: 0.5,
                window: Duration::from_secs(30),
                minimum: 20,
            }),
            open_for: Duration::from_secs(5),
            max_open_for: Duration::from_secs(60),
            probes: 1,
            probe_timeout: Duration::from_secs(30),
            classify: None,
            stage: None,
            observer: SharedObserver::none(),
        }
    }

    /// Opens after so many failures in a row: 1 or more.
    #[must_use]
    pub const fn consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive = Some(failures);
        self
    }

    /// Failures in a row do not open the circuit.
    #[must_use]
    pub const fn no_consecutive_failures(mut self) -> Self {
        self.consecutive = None;
        self
    }

    /// Opens when this fraction of the requests answered within the window failed, from above 0
    /// to 1, and there were at least `minimum` of them, 1 or more.
    ///
    /// The window moves in steps of a tenth of its length.
    #[must_use]
    pub const fn failure_rate(mut self, fraction: f64, window: Duration, minimum: u32) -> Self {
        self.rate = Some(Rate {
            fraction,
            window,
            minimum,
        });
        self
    }

    /// No rate of failures opens the circuit.
    #[must_use]
    pub const fn no_failure_rate(mut self) -> Self {
        self.rate = None;
        self
    }

    /// How long the circuit is open: `first`, and twice as long each time a probe fails, up to
    /// `max`.
    ///
    /// A longer delay that the server named is kept, up to an hour.
    #[must_use]
    pub const fn open_for(mut self, first: Duration, max: Duration) -> Self {
        self.open_for = first;
        self.max_open_for = max;
        self
    }

    /// How many requests are let through to try whether the service works again: 1 or more. All
    /// must succeed to close the circuit, and one that fails opens it again.
    #[must_use]
    pub const fn probes(mut self, requests: u32) -> Self {
        self.probes = requests;
        self
    }

    /// When a probe that has no answer counts as failed: more than zero.
    ///
    /// The request itself is left alone. To give it up is for a
    /// [timeout](crate::layers::timeout) below.
    #[must_use]
    pub const fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = timeout;
        self
    }

    /// Sets what each error says about the service.
    #[must_use]
    pub fn classify(
        mut self,
        classify: impl Fn(&ExportError) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }

    /// Takes part in the flushes and the shutdown of this lifecycle: see the
    /// [module](super#shutdown).
    ///
    /// Without it an open circuit keeps requests past the deadline of a shutdown that a moment's
    /// attempt would deliver, and in `pending` mode their callers wait on.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.stage = Some(lifecycle.stage());
        self
    }

    /// Tells this observer the state, now and when it changes: see
    /// [`layers::observe`](crate::layers::observe).
    #[must_use]
    pub fn observer(mut self, observer: impl Into<SharedObserver>) -> Self {
        self.observer = observer.into();
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let wrong = |message| Err(InvalidConfig::new(format!("circuit breaker: {message}")));
        if self.consecutive.is_none() && self.rate.is_none() {
            return wrong("it would never open: set consecutive_failures or failure_rate");
        }
        if self.consecutive == Some(0) {
            return wrong("consecutive_failures is 0: set it to 1 or more");
        }
        if let Some(rate) = &self.rate {
            // No number is in no range.
            if !(rate.fraction > 0.0 && rate.fraction <= 1.0) {
                return wrong("the failure_rate must be above 0 and at most 1");
            }
            if rate.window.is_zero() {
                return wrong("the window of the failure_rate is zero: set it to a second or more");
            }
            if rate.minimum == 0 {
                return wrong("the minimum of the failure_rate is 0: set it to 1 or more");
            }
        }
        if self.open_for.is_zero() {
            return wrong("open_for is zero: set it to the pause that the backend needs");
        }
        if self.max_open_for < self.open_for {
            return wrong("the maximum of open_for is below its start: raise it");
        }
        if self.probes == 0 {
            return wrong("without probes it would never close: set probes to 1 or more");
        }
        if self.probe_timeout.is_zero() {
            return wrong("probe_timeout is zero: set it to what one attempt may take");
        }
        Ok(())
    }

    pub(super) fn verdict(&self, error: &ExportError) -> Verdict {
        match &self.classify {
            Some(classify) => classify(error),
            None => Verdict::of(error.kind()),
        }
    }

    pub(super) fn streak_opens(&self, streak: u32) -> bool {
        self.consecutive.is_some_and(|failures| streak >= failures)
    }

    /// How long the circuit is open the n-th time in a row, from 1, if the server names no delay.
    pub(super) fn pause(&self, openings: u32) -> Duration {
        let doublings = openings.saturating_sub(1).min(31);
        self.open_for
            .saturating_mul(1 << doublings)
            .min(self.max_open_for)
    }
}

impl Default for CircuitBreakerPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CircuitBreakerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerPolicy")
            .field("consecutive_failures", &self.consecutive)
            .field("failure_rate", &self.rate)
            .field("open_for", &(self.open_for, self.max_open_for))
            .field("probes", &self.probes)
            .field("probe_timeout", &self.probe_timeout)
            .field("classify", &self.classify.as_ref().map(|_| ".."))
            .field("lifecycle", &self.stage.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_cannot_work_is_refused_and_says_what_to_change() {
        let new = CircuitBreakerPolicy::new;
        for (policy, names) in [
            (
                new().no_consecutive_failures().no_failure_rate(),
                "set consecutive_failures or failure_rate",
            ),
            (new().consecutive_failures(0), "consecutive_failures"),
            (new().failure_rate(0.0, SECOND, 1), "failure_rate"),
            (new().failure_rate(1.1, SECOND, 1), "failure_rate"),
            (new().failure_rate(f64::NAN, SECOND, 1), "failure_rate"),
            (new().failure_rate(0.5, Duration::ZERO, 1), "window"),
            (new().failure_rate(0.5, SECOND, 0), "minimum"),
            (new().open_for(Duration::ZERO, SECOND), "open_for"),
            (new().open_for(2 * SECOND, SECOND), "maximum of open_for"),
            (new().probes(0), "probes"),
            (new().probe_timeout(Duration::ZERO), "probe_timeout"),
        ] {
            let message = policy.check().unwrap_err().to_string();
            assert!(message.contains(names), "{message}");
        }
        assert_eq!(new().check(), Ok(()));
    }

    #[test]
    fn pauses_double_up_to_their_maximum() {
        let policy = CircuitBreakerPolicy::new();
        let pauses = [1, 2, 3, 4, 5, 99].map(|n| policy.pause(n).as_secs());
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        let longest = policy.open_for(Duration::MAX, Duration::MAX);
        assert_eq!(longest.pause(u32::MAX), Duration::MAX);
    }
}
