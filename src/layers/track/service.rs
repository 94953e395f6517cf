use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::ResponseFuture;
use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice,
    lifecycle::{Parked, Shared},
};

/// Counts requests for a [`Lifecycle`](crate::Lifecycle). See the [module](super).
pub struct Track<S> {
    inner: S,
    shared: Arc<Shared>,
    parked: Option<Parked>,
}

impl<S> Track<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self {
            inner,
            shared,
            parked: None,
        }
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

impl<S: Clone> Clone for Track<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Track<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S> Service<ExportRequest> for Track<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if self.shared.is_draining() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(result) = self.inner.poll_ready(cx) {
            self.parked = None;
            return Poll::Ready(result.map_err(Into::into));
        }
        self.parked = self.shared.park(self.parked.take(), cx.waker());
        match self.parked {
            Some(_) => Poll::Pending,
            // Draining has begun meanwhile.
            None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        // Ready because of draining means draining for good: the inner service, which may not be
        // ready, is then not called.
        match self.shared.admit(request.items()) {
            Some(admission) => ResponseFuture::admitted(self.inner.call(request), admission),
            None => ResponseFuture::turned_away(
                ExportError::new(ErrorKind::Closed, "the pipeline is shutting down")
                    .with_retry(RetryAdvice::Backoff),
            ),
        }
    }
}
