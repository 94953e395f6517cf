use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::pass::Pass;
use crate::{ExportError, ExportResponse};

pin_project! {
    /// Response future of [`CircuitBreaker`](super::CircuitBreaker).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Sent {
            #[pin]
            inner: F,
            pass: Option<Pass>,
        },
        Refused {
            error: ExportError,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn sent(inner: F, pass: Option<Pass>) -> Self {
        Self {
            state: State::Sent { inner, pass },
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
            StateProj::Sent { inner, pass } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                if let Some(mut pass) = pass.take() {
                    pass.report(result.as_ref().err());
                }
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
