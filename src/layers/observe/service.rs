use std::task::{Context, Poll};

use tower_service::Service;

use super::{ResponseFuture, Role, SharedObserver, flight::Flight};
use crate::{ExportError, ExportRequest, ExportResponse};

/// Reports what becomes of each request. See the [module](super).
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    role: Role,
    observer: SharedObserver,
}

impl<S> Observe<S> {
    /// Reports to `observer` what becomes of the requests for `inner`.
    pub const fn new(inner: S, role: Role, observer: SharedObserver) -> Self {
        Self {
            inner,
            role,
            observer,
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

impl<S> Service<ExportRequest> for Observe<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let mut flight = Flight::start(self.observer.clone(), self.role, &request);
        // A panic may come from here already.
        let inner = flight.watch(|| self.inner.call(request));
        ResponseFuture::new(inner, flight)
    }
}
