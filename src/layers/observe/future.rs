use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::flight::Flight;
use crate::{ExportError, ExportResponse};

pin_project! {
    /// Response future of [`Observe`](super::Observe).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Dropped after the inner future: a cancelled request is reported when it has let go.
        flight: Flight,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, flight: Flight) -> Self {
        Self { inner, flight }
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
        let result = ready!(
            this.flight
                .watch(|| this.inner.poll(cx).map_err(Into::into))
        );
        this.flight.settle(&result);
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
