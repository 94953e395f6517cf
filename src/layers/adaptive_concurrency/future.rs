use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{controller::Sample, seats::Permit};
use crate::{ErrorKind, ExportError, ExportResponse, RetryAdvice};

pin_project! {
    /// Response future of [`AdaptiveConcurrency`](super::AdaptiveConcurrency).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        permit: Option<Permit>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, permit: Permit) -> Self {
        Self {
            inner,
            permit: Some(permit),
        }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ExportResponse, E>>,
    E: Into<ExportError>,
{
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        // The permit is free now, not when this future is dropped.
        if let Some(permit) = this.permit.take() {
            permit.settle(|seconds| sample(&result, seconds));
        }
        Poll::Ready(result)
    }
}

/// What an answer after so many seconds shows.
fn sample(result: &Result<ExportResponse, ExportError>, seconds: f64) -> Sample {
    let error = match result {
        Ok(_) => return Sample::Served(seconds),
        Err(error) => error,
    };
    match (error.kind(), error.retry()) {
        (ErrorKind::Throttled | ErrorKind::Overloaded | ErrorKind::Timeout, _)
        | (ErrorKind::Unavailable, RetryAdvice::After(_)) => Sample::Pushback,
        _ => Sample::Failed(seconds),
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_kind() {
        use ErrorKind as K;
        for (kind, expected) in [
            (K::Rejected, Sample::Failed(2.0)),
            (K::TooLarge, Sample::Failed(2.0)),
            (K::Unauthenticated, Sample::Failed(2.0)),
            (K::Unsupported, Sample::Failed(2.0)),
            (K::Throttled, Sample::Pushback),
            (K::Unavailable, Sample::Failed(2.0)),
            (K::Timeout, Sample::Pushback),
            (K::Overloaded, Sample::Pushback),
            (K::CircuitOpen, Sample::Failed(2.0)),
            (K::Closed, Sample::Failed(2.0)),
            (K::Internal, Sample::Failed(2.0)),
        ] {
            assert_eq!(sample(&Err(ExportError::new(kind, "")), 2.0), expected);
        }
        let deferred = ExportError::new(K::Unavailable, "come back later")
            .with_retry(RetryAdvice::After(Duration::from_secs(1)));
        assert_eq!(sample(&Err(deferred), 2.0), Sample::Pushback);
        let served = ExportResponse::delivered(1);
        assert_eq!(sample(&Ok(served), 2.0), Sample::Served(2.0));
    }
}
