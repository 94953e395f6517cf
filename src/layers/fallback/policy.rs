use std::{fmt, sync::Arc, time::Duration};

use crate::{ErrorKind, ExportError, InvalidConfig};

type Predicate = Arc<dyn Fn(&ExportError) -> bool + Send + Sync>;

/// When a secondary takes over, and when the primary is tried again.
///
/// | Setting | Default |
/// |---|---|
/// | [`fail_over_on`](Self::fail_over_on) | every error but one about the request itself |
/// | [`after_unready`](Self::after_unready) | 30 s |
/// | [`probe_interval`](Self::probe_interval) | 30 s |
/// | [`probe_timeout`](Self::probe_timeout) | 10 s |
///
/// ```
/// use std::time::Duration;
/// use tower_otlp::{ErrorKind, layers::fallback::FallbackPolicy};
///
/// let policy = FallbackPolicy::new()
///     .fail_over_on(|error| error.kind() == ErrorKind::Unavailable)
///     .after_unready(Duration::from_secs(5))
///     .probe_interval(Duration::from_secs(60));
/// # let _ = policy;
/// ```
#[derive(Clone)]
pub struct FallbackPolicy {
    predicate: Option<Predicate>,
    after_unready: Option<Duration>,
    probe_interval: Duration,
    probe_timeout: Duration,
}

impl FallbackPolicy {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            predicate: None,
            after_unready: Some(Duration::from_secs(30)),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(10),
        }
    }

    /// Sets which errors of the primary make the secondary take over. All others are handed to
    /// the caller, and say that the primary works.
    ///
    /// By default the secondary takes over on every error that may be retried, and on those that
    /// are final and lie with the primary: it does not accept our credentials, or has shut down.
    /// The kinds [`Rejected`](ErrorKind::Rejected), [`TooLarge`](ErrorKind::TooLarge) and
    /// [`Unsupported`](ErrorKind::Unsupported) are about the request, unless they come with the
    /// advice to retry: to move all traffic because of one request would be wrong.
    #[must_use]
    pub fn fail_over_on(
        mut self,
        predicate: impl Fn(&ExportError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// How long the primary may keep a handle waiting for readiness before the secondary takes
    /// over. More than zero: few services are ready at the first question.
    #[must_use]
    pub const fn after_unready(mut self, wait: Duration) -> Self {
        self.after_unready = Some(wait);
        self
    }

    /// Waits for the readiness of the primary as long as it takes, unless an error makes the
    /// secondary take over meanwhile.
    #[must_use]
    pub const fn no_after_unready(mut self) -> Self {
        self.after_unready = None;
        self
    }

    /// How long requests go straight to the secondary before one tries the primary again. A
    /// longer delay that the primary's server named is kept.
    #[must_use]
    pub const fn probe_interval(mut self, interval: Duration) -> Self {
        self.probe_interval = interval;
        self
    }

    /// How long that one request may take at the primary, the wait for readiness included,
    /// before it goes to the secondary. More than zero.
    #[must_use]
    pub const fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = timeout;
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        if self.probe_timeout.is_zero() {
            return Err(InvalidConfig::new(
                "a fallback with a probe_timeout of zero never returns to its primary: set it to \
                 what one attempt may take",
            ));
        }
        if self.after_unready.is_some_and(|wait| wait.is_zero()) {
            return Err(InvalidConfig::new(
                "a fallback with an after_unready of zero leaves every primary that is not ready \
                 at the first question: set it to a second or more, or use no_after_unready",
            ));
        }
        Ok(())
    }

    pub(super) fn takes_over(&self, error: &ExportError) -> bool {
        match &self.predicate {
            Some(predicate) => predicate(error),
            None => {
                error.is_retryable()
                    || !matches!(
                        error.kind(),
                        ErrorKind::Rejected | ErrorKind::TooLarge | ErrorKind::Unsupported
                    )
            }
        }
    }

    pub(super) const fn unready_limit(&self) -> Option<Duration> {
        self.after_unready
    }

    pub(super) const fn interval(&self) -> Duration {
        self.probe_interval
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.probe_timeout
    }
}

impl Default for FallbackPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FallbackPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackPolicy")
            .field("fail_over_on", &self.predicate.as_ref().map(|_| ".."))
            .field("after_unready", &self.after_unready)
            .field("probe_interval", &self.probe_interval)
            .field("probe_timeout", &self.probe_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryAdvice;

    #[test]
    fn every_kind_has_its_default() {
        let policy = FallbackPolicy::new();
        for (kind, expected) in [
            (ErrorKind::Rejected, false),
            (ErrorKind::TooLarge, false),
            (ErrorKind::Unauthenticated, true),
            (ErrorKind::Unsupported, false),
            (ErrorKind::Throttled, true),
            (ErrorKind::Unavailable, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::Overloaded, true),
            (ErrorKind::CircuitOpen, true),
            (ErrorKind::Closed, true),
            (ErrorKind::Internal, true),
        ] {
            let error = ExportError::new(kind, "no");
            assert_eq!(policy.takes_over(&error), expected, "{kind}");
            let retryable = error.with_retry(RetryAdvice::Backoff);
            assert!(policy.takes_over(&retryable), "{kind}, retryable");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for policy in [
            FallbackPolicy::new().probe_timeout(Duration::ZERO),
            FallbackPolicy::new().after_unready(Duration::ZERO),
        ] {
            let message = policy.check().unwrap_err().to_string();
            assert!(message.contains("set it to"), "{message}");
        }
        assert_eq!(FallbackPolicy::new().check(), Ok(()));
    }
}
