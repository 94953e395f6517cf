use std::{
    fmt,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use super::{
    super::line::Place,
    RateLimiter, ResponseFuture,
    bucket::{Bucket, Paid},
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
}

impl<S> RateLimit<S> {
    /// Limits `inner` by this limiter.
    pub const fn new(inner: S, limiter: RateLimiter) -> Self {
        Self {
            inner: IntoExportError::new(inner),
            limiter,
            place: None,
            paid: None,
        }
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
        Self::new(self.get_ref().clone(), self.limiter.clone())
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
            self.paid = Some(ready!(self.limiter.poll_take(&mut self.place, cx)));
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        self.limiter.charge(&request, self.paid.take());
        self.inner.call(request)
    }
}
