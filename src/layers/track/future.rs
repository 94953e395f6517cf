use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{ExportError, ExportResponse, lifecycle::Admission};

pin_project! {
    /// Response future of [`Track`](super::Track).
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
            admission: Admission,
        },
        TurnedAway {
            error: ExportError,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn admitted(inner: F, admission: Admission) -> Self {
        Self {
            state: State::Admitted { inner, admission },
        }
    }

    pub(super) const fn turned_away(error: ExportError) -> Self {
        Self {
            state: State::TurnedAway { error },
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
            StateProj::Admitted { inner, admission } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                admission.settle(&result);
                Poll::Ready(result)
            }
            StateProj::TurnedAway { error } => Poll::Ready(Err(error.clone())),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
