use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::{
    super::line::Place,
    RateLimiter, ResponseFuture,
    bucket::{Bucket, Paid},
    drain::{Drain, too_late},
};
use crate::{ExportError, ExportRequest, ExportResponse, IntoExportError};

/// Holds requests back to keep a rate. See the [module](super).
pub struct RateLimit<S> {
    inner: IntoExportError<S>,
    limiter: RateLimiter,
    /// Where this handle stands in line, if it waits.
    place: Option<Place<Bucket>>,
    /// What it paid, if it may pass.
    paid: Option<Paid>,
    drain: Option<Drain>,
    /// There are no tokens before the deadline of a shutdown, but only after so long.
    refused: Option<Duration>,
}

impl<S> RateLimit<S> {
    /// Limits `inner` by this limiter.
    pub const fn new(inner: S, limiter: RateLimiter) -> Self {
        Self::of(inner, limiter, None)
    }

    pub(super) const fn of(inner: S, limiter: RateLimiter, drain: Option<Drain>) -> Self {
        Self {
            inner: IntoExportError::new(inner),
            limiter,
            place: None,
            paid: None,
            drain,
            refused: None,
        }
    }

    /// Whether the tokens come too late for a shutdown; if so the next call is told.
    fn is_refused(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(drain) = &mut self.drain else {
            return false;
        };
        // Those ahead in line may make it longer, never shorter.
        let wait = self.limiter.wait();
        let is_too_late = drain.is_too_late(wait, cx.waker());
        self.refused = is_too_late.then_some(wait);
        is_too_late
    }

    /// The limiter.
    pub const fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref()
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut()
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }
}

impl<S: Clone> Clone for RateLimit<S> {
    /// The clone has no place in line and has paid nothing.
    fn clone(&self) -> Self {
        let inner = self.get_ref().clone();
        Self::of(inner, self.limiter.clone(), self.drain.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for RateLimit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", self.get_ref())
            .field("limiter", &self.limiter)
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> Service<ExportRequest> for RateLimit<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        // The limiter first: a wait for tokens should hold nothing that is below.
        if self.paid.is_none() {
            match self.limiter.poll_take(&mut self.place, cx) {
                Poll::Ready(paid) => self.paid = Some(paid),
                Poll::Pending if self.is_refused(cx) => {
                    // The next in line hears it too.
                    self.place = None;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
            self.refused = None;
            if let Some(drain) = &mut self.drain {
                drain.rest();
            }
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        if let Some(wait) = self.refused.take() {
            return ResponseFuture::refused(too_late(wait));
        }
        self.limiter.charge(&request, self.paid.take());
        ResponseFuture::sent(self.inner.call(request))
    }
}
