use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::service::Limit;
use crate::{ExportError, ExportResponse};

pin_project! {
    /// Response future of [`Timeout`](super::Timeout).
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
        Running {
            #[pin]
            inner: F,
            #[pin]
            sleep: Sleep,
            limit: Limit,
        },
        Failed {
            error: ExportError,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn running(inner: F, left: Duration, limit: Limit) -> Self {
        let sleep = sleep(left);
        Self {
            state: State::Running {
                inner,
                sleep,
                limit,
            },
        }
    }

    pub(super) const fn failed(error: ExportError) -> Self {
        Self {
            state: State::Failed { error },
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
            StateProj::Running {
                inner,
                sleep,
                limit,
            } => {
                // The answer first: one that is there at the last moment counts.
                if let Poll::Ready(result) = inner.poll(cx) {
                    return Poll::Ready(result.map_err(Into::into));
                }
                ready!(sleep.poll(cx));
                Poll::Ready(Err(limit.exceeded()))
            }
            StateProj::Failed { error } => Poll::Ready(Err(error.clone())),
        }
    }
}
