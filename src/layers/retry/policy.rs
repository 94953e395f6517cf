use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;
use tower::retry::{Policy, budget::Budget};

use super::Wait;
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse, Lifecycle, RetryAdvice, Stage};

/// An error that nobody recognised may well be a bug: so many attempts may end in one.
const INTERNAL_ATTEMPTS: u32 = 5;

/// The shortest wait that a deadline of a shutdown forces.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// When to send a request again, and how long to wait before.
///
/// Use it with [`RetryLayer`](super::RetryLayer), or with tower's own `RetryLayer` over a service
/// whose error is [`ExportError`].
///
/// | Setting | Default |
/// |---|---|
/// | [`initial_backoff`](Self::initial_backoff) | 1 s |
/// | [`multiplier`](Self::multiplier) | 2 |
/// | [`max_backoff`](Self::max_backoff) | 30 s |
/// | [`max_elapsed`](Self::max_elapsed) | 5 min |
/// | [`max_attempts`](Self::max_attempts) | no bound |
/// | [`also_retry`](Self::also_retry) | none |
/// | [`budget`](Self::budget) | none |
///
/// Errors of kind [`Internal`](ErrorKind::Internal) end a request at the fifth attempt that fails
/// with one, whatever the bounds say.
///
/// ```
/// use std::time::Duration;
/// use tower_otlp::layers::retry::RetryPolicy;
///
/// let policy = RetryPolicy::new()
///     .initial_backoff(Duration::from_millis(200))
///     .max_backoff(Duration::from_secs(5))
///     .max_elapsed(Duration::from_secs(30));
/// # let _ = policy;
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    initial_backoff: Duration,
    max_backoff: Duration,
    multiplier: f64,
    max_elapsed: Option<Duration>,
    max_attempts: Option<u32>,
    also: [u32; ErrorKind::COUNT],
    budget: Option<Arc<dyn Budget + Send + Sync>>,
    seed: Option<Arc<AtomicU64>>,
    stage: Option<Stage>,
    session: Session,
}

/// What one request has been through. Tower clones the policy for each request, after it asked
/// for the clone of the request and before the first answer.
#[derive(Clone)]
struct Session {
    started: Option<Instant>,
    attempts: u32,
    internal: u32,
    bound: Option<Duration>,
    rng: Option<Rng>,
    progress: Option<ExportResponse>,
}

impl Session {
    const fn new() -> Self {
        Self {
            started: None,
            attempts: 0,
            internal: 0,
            bound: None,
            rng: None,
            progress: None,
        }
    }
}

impl RetryPolicy {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            multiplier: 2.0,
            max_elapsed: Some(Duration::from_secs(5 * 60)),
            max_attempts: None,
            also: [0; ErrorKind::COUNT],
            budget: None,
            seed: None,
            stage: None,
            session: Session::new(),
        }
    }

    /// The longest wait after the first failure. The wait itself is random, from zero to this.
    #[must_use]
    pub const fn initial_backoff(mut self, bound: Duration) -> Self {
        self.initial_backoff = bound;
        self
    }

    /// How fast that bound grows from failure to failure. What is below 1, or no number, counts
    /// as 1.
    #[must_use]
    pub const fn multiplier(mut self, factor: f64) -> Self {
        self.multiplier = factor;
        self
    }

    /// The longest wait after any failure. A delay that the server named may be longer.
    #[must_use]
    pub const fn max_backoff(mut self, bound: Duration) -> Self {
        self.max_backoff = bound;
        self
    }

    /// How long after the first call a new attempt may still start.
    ///
    /// If the next wait would end later, it is cut short and one last attempt is made at the end
    /// of this time. Only a server's delay is never cut short: if it does not fit, the request
    /// ends at once with that error, and the delay stays in its [advice](ExportError::retry).
    #[must_use]
    pub const fn max_elapsed(mut self, bound: Duration) -> Self {
        self.max_elapsed = Some(bound);
        self
    }

    /// Retries for as long as the caller waits.
    #[must_use]
    pub const fn no_max_elapsed(mut self) -> Self {
        self.max_elapsed = None;
        self
    }

    /// How many times a request is sent at most, the first time included. Zero counts as 1.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sends a request again after a final error of this kind, so many times at most, with the
    /// usual backoff. All other bounds count as well.
    ///
    /// For errors that something below the exporter repairs. A layer there that throws away a
    /// token which was refused needs one more attempt to fetch and try a new one:
    ///
    /// ```
    /// use tower_otlp::{ErrorKind, layers::retry::RetryPolicy};
    ///
    /// let policy = RetryPolicy::new().also_retry(ErrorKind::Unauthenticated, 1);
    /// # let _ = policy;
    /// ```
    ///
    /// For a status that a server uses for something else, `on_status` of the exporter is the
    /// better place.
    #[must_use]
    pub const fn also_retry(mut self, kind: ErrorKind, times: u32) -> Self {
        self.also[kind as usize] = times;
        self
    }

    /// Allows retries only while this budget, shared by all requests, has something left.
    ///
    /// There is none by default: a request that finds the budget empty is given up, and
    /// telemetry is then lost unless something above keeps it. A bounded queue protects the
    /// backend as well and loses less.
    #[must_use]
    pub fn budget(mut self, budget: Arc<dyn Budget + Send + Sync>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Takes part in a shutdown: when it begins, requests that back off are sent again at once,
    /// and no attempt begins after half of its time. The other half is for what stands above and
    /// knows another way: a fallback, a queue's dead letter exporter, or a caller that has to be
    /// told. A delay that a server named is waited for all the same, if it ends by then.
    ///
    /// Without it a shutdown may find requests asleep that a moment's attempt would deliver, or
    /// tried again at its end that another exporter would have taken.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.stage = Some(lifecycle.stage());
        self
    }

    /// Makes the waits repeatable, for tests: the same for the n-th request of the policy and its
    /// clones. Without a seed they come from the random state of the thread.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(Arc::new(AtomicU64::new(seed)));
        self
    }

    /// The kinds that are sent again although they are final, and how often.
    fn also_retried(&self) -> Vec<(ErrorKind, u32)> {
        let kinds = ErrorKind::ALL.into_iter().zip(self.also);
        kinds.filter(|(_, times)| *times > 0).collect()
    }

    /// The wait before the next attempt, or `None` if there is to be none.
    fn next_wait(&mut self, error: &ExportError) -> Option<Duration> {
        if !error.is_retryable() && !self.may_retry_all_the_same(error.kind()) {
            return None;
        }
        if error.kind() == ErrorKind::Internal {
            self.session.internal += 1;
            if self.session.internal >= INTERNAL_ATTEMPTS {
                return None;
            }
        }
        if self
            .max_attempts
            .is_some_and(|max| self.session.attempts >= max)
        {
            return None;
        }
        let started = *self.session.started.get_or_insert_with(Instant::now);
        let left = match self.max_elapsed {
            Some(max) => max.saturating_sub(started.elapsed()),
            None => Duration::MAX,
        };
        let halftime = self.stage.as_ref().and_then(Stage::halftime);
        let drain = halftime.map(|halftime| halftime.saturating_duration_since(Instant::now()));
        let left = left.min(drain.unwrap_or(Duration::MAX));
        let at_least = match error.retry() {
            RetryAdvice::After(delay) => delay,
            _ => Duration::ZERO,
        };
        if left.is_zero() || at_least > left {
            return None;
        }
        if self
            .budget
            .as_ref()
            .is_some_and(|budget| !budget.withdraw())
        {
            return None;
        }
        // An attempt at the very end of the time would come too late.
        let longest = drain.map_or(Duration::MAX, |left| (left / 2).max(SHORTEST_WAIT));
        Some(self.backoff().min(longest).max(at_least).min(left))
    }

    /// Takes one of the times that [`also_retry`](Self::also_retry) allows: this is the request's
    /// own copy of the policy.
    const fn may_retry_all_the_same(&mut self, kind: ErrorKind) -> bool {
        let left = &mut self.also[kind as usize];
        let allowed = *left > 0;
        *left = left.saturating_sub(1);
        allowed
    }

    fn wait(&self, error: &ExportError, duration: Duration) -> Wait {
        // The pause of a circuit breaker ends when a shutdown begins; a server's delay does not.
        let may_hurry = !matches!(error.retry(), RetryAdvice::After(_))
            || error.kind() == ErrorKind::CircuitOpen;
        Wait::new(duration, self.stage.as_ref().filter(|_| may_hurry))
    }

    /// Full jitter: anything from zero to the bound, which then grows.
    fn backoff(&mut self) -> Duration {
        let bound = match self.session.bound {
            None => self.initial_backoff,
            Some(last) => {
                // `f64::max` answers the other operand for NaN.
                let grown = last.as_secs_f64() * self.multiplier.max(1.0);
                Duration::try_from_secs_f64(grown).unwrap_or(self.max_backoff)
            }
        }
        .min(self.max_backoff);
        self.session.bound = Some(bound);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let seed = &self.seed;
        let rng = self.session.rng.get_or_insert_with(|| match seed {
            Some(next) => Rng::with_seed(next.fetch_add(1, Ordering::Relaxed)),
            None => Rng::new(),
        });
        Duration::from_nanos(rng.u64(0..=nanos))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("initial_backoff", &self.initial_backoff)
            .field("multiplier", &self.multiplier)
            .field("max_backoff", &self.max_backoff)
            .field("max_elapsed", &self.max_elapsed)
            .field("max_attempts", &self.max_attempts)
            .field("also_retry", &self.also_retried())
            .field("budget", &self.budget.is_some())
            .finish_non_exhaustive()
    }
}

impl Policy<ExportRequest, ExportResponse, ExportError> for RetryPolicy {
    type Future = Wait;

    fn retry(
        &mut self,
        request: &mut ExportRequest,
        result: &mut Result<ExportResponse, ExportError>,
    ) -> Option<Wait> {
        self.session.attempts = self.session.attempts.saturating_add(1);
        match result {
            Ok(response) => {
                if let Some(budget) = &self.budget {
                    budget.deposit();
                }
                if let Some(earlier) = self.session.progress.take() {
                    *response = std::mem::take(response).merge(&earlier);
                }
                None
            }
            Err(error) => {
                if let (Some(progress), Some(remainder)) = (error.progress(), error.remainder()) {
                    let earlier = self.session.progress.take().unwrap_or_default();
                    self.session.progress = Some(progress.clone().merge(&earlier));
                    *request = remainder.clone();
                }
                if let Some(wait) = self.next_wait(error) {
                    tracing::debug!(
                        attempt = self.session.attempts,
                        kind = error.kind().as_str(),
                        ?wait,
                        "export failed, to be sent again"
                    );
                    return Some(self.wait(error, wait));
                }
                // From the first partial failure on, `request` is what remains.
                if let Some(progress) = self.session.progress.take() {
                    *error = error.clone().with_remainder(progress, request.clone());
                }
                None
            }
        }
    }

    fn clone_request(&mut self, request: &ExportRequest) -> Option<ExportRequest> {
        // Tower calls this on the policy of the service, which never counts an attempt, before it
        // clones that policy for the request: the clock starts here.
        if self.session.attempts == 0 {
            self.session.started = Some(Instant::now());
        }
        Some(request.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> ExportError {
        ExportError::new(ErrorKind::Unavailable, "down")
    }

    #[test]
    fn the_bound_grows_to_its_maximum_and_waits_fill_it() {
        let mut longest = [Duration::ZERO; 8];
        for seed in 0..200 {
            let mut policy = RetryPolicy::new().seed(seed);
            for longest in &mut longest {
                *longest = policy.backoff().max(*longest);
            }
        }
        for (failure, longest) in longest.into_iter().enumerate() {
            let bound = Duration::from_secs(1 << failure).min(Duration::from_secs(30));
            assert!(longest <= bound, "{failure}: {longest:?}");
            assert!(longest > bound * 9 / 10, "{failure}: {longest:?}");
        }
    }

    #[test]
    fn a_seed_repeats_and_two_requests_differ() {
        let waits = |policy: &RetryPolicy| {
            let mut policy = policy.clone();
            [(); 4].map(|()| policy.backoff())
        };
        let (one, same) = (RetryPolicy::new().seed(7), RetryPolicy::new().seed(7));
        let (first, second) = (waits(&one), waits(&one));
        assert_eq!(first, waits(&same));
        assert_ne!(first, second);
    }

    #[test]
    fn odd_multipliers_do_not_panic() {
        for factor in [f64::NAN, f64::INFINITY, -3.0, 0.0, f64::MAX] {
            let mut policy = RetryPolicy::new().multiplier(factor);
            for _ in 0..5 {
                assert!(policy.backoff() <= Duration::from_secs(30), "{factor}");
            }
        }
        let mut endless = RetryPolicy::new()
            .initial_backoff(Duration::MAX)
            .max_backoff(Duration::MAX);
        assert!(endless.backoff() <= Duration::MAX);
        assert!(endless.backoff() <= Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_delay_is_a_lower_bound_and_is_never_cut_short() {
        let mut policy = RetryPolicy::new().max_elapsed(Duration::from_secs(60));
        let after = |secs| unavailable().with_retry(RetryAdvice::After(Duration::from_secs(secs)));
        assert_eq!(
            policy.next_wait(&after(20)),
            Some(Duration::from_secs(20)),
            "the backoff is at most a second here"
        );
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(policy.next_wait(&after(11)), None);
        assert_eq!(policy.next_wait(&after(10)), Some(Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_wait_is_cut_to_what_is_left() {
        let mut policy = RetryPolicy::new()
            .seed(1)
            .initial_backoff(Duration::from_secs(30))
            .max_elapsed(Duration::from_millis(1));
        assert_eq!(
            policy.next_wait(&unavailable()),
            Some(Duration::from_millis(1))
        );
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(policy.next_wait(&unavailable()), None);
    }

    #[tokio::test]
    async fn internal_errors_and_attempts_are_capped() {
        let mut policy = RetryPolicy::new();
        let internal = ExportError::new(ErrorKind::Internal, "what is this");
        for _ in 1..INTERNAL_ATTEMPTS {
            assert!(policy.next_wait(&internal).is_some());
        }
        assert!(policy.next_wait(&internal).is_none());
        assert!(policy.next_wait(&unavailable()).is_some());
    }
}
