use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::Reservation;
use crate::{ExportError, ExportResponse};

pin_project! {
    /// Response future of [`Admission`](super::Admission).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Admitted {
            #[pin]
            inner: F,
            reservation: Option<Reservation>,
        },
        Refused {
            error: ExportError,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn admitted(inner: F, reservation: Reservation) -> Self {
        Self {
            state: State::Admitted {
                inner,
                reservation: Some(reservation),
            },
        }
    }

    pub(super) const fn refused(error: ExportError) -> Self {
        Self {
            state: State::Refused { error },
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
        match self.project().state.project() {
            StateProj::Admitted { inner, reservation } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                // Free now, not when this future is dropped.
                drop(reservation.take());
                Poll::Ready(result)
            }
            StateProj::Refused { error } => Poll::Ready(Err(error.clone())),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
