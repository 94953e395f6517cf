use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use super::{
    super::line::Place,
    AdaptiveConcurrencyHandle, ResponseFuture,
    seats::{Permit, Seats},
};
use crate::{ExportError, ExportRequest, ExportResponse};

/// Bounds the requests in flight by what the backend can take. See the [module](super).
pub struct AdaptiveConcurrency<S> {
    inner: S,
    handle: AdaptiveConcurrencyHandle,
    /// Where this handle stands in line, if it waits.
    place: Option<Place<Seats>>,
    permit: Option<Permit>,
}

impl<S> AdaptiveConcurrency<S> {
    pub(super) const fn new(inner: S, handle: AdaptiveConcurrencyHandle) -> Self {
        Self {
            inner,
            handle,
            place: None,
            permit: None,
        }
    }

    /// Shows the limit.
    #[must_use]
    pub fn handle(&self) -> AdaptiveConcurrencyHandle {
        self.handle.clone()
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for AdaptiveConcurrency<S> {
    /// The clone has no permit.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.handle.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for AdaptiveConcurrency<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveConcurrency")
            .field("inner", &self.inner)
            .field("handle", &self.handle)
            .field("has_permit", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> Service<ExportRequest> for AdaptiveConcurrency<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        let line = &self.handle.line;
        if self.permit.is_none() {
            ready!(line.poll_take(&mut self.place, cx));
            self.permit = Some(Permit::taken(Arc::clone(line)));
        }
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        // Called without asking for readiness: counted all the same.
        let permit = self.permit.take();
        let mut permit = permit.unwrap_or_else(|| Permit::beyond(&self.handle.line));
        permit.start();
        ResponseFuture::new(self.inner.call(request), permit)
    }
}
