//! The response future.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{ExportError, ExportResponse};

pin_project! {
    /// Response future of [`DecodedService`](super::DecodedService).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        // The request went on.
        Inner { #[pin] future: F },
        // The request ended here. Empty once the answer was taken.
        Done { answer: Option<Result<ExportResponse, ExportError>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn inner(future: F) -> Self {
        Self {
            state: State::Inner { future },
        }
    }

    pub(super) const fn done(answer: Result<ExportResponse, ExportError>) -> Self {
        Self {
            state: State::Done {
                answer: Some(answer),
            },
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
            StateProj::Inner { future } => Poll::Ready(ready!(future.poll(cx)).map_err(Into::into)),
            // A future that is polled after its end has no answer left; it stays pending, as
            // the contract of futures allows.
            StateProj::Done { answer } => answer.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}
