use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use super::service::closed;
use crate::{ExportError, ExportResponse};

/// Response future of [`Batch`](super::Batch).
///
/// Dropped, it gives up the answer and nothing else: the request is delivered all the same.
#[derive(Debug)]
pub struct ResponseFuture {
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(oneshot::Receiver<Result<ExportResponse, ExportError>>),
    Answered(Result<ExportResponse, ExportError>),
}

impl ResponseFuture {
    pub(super) const fn waiting(
        answer: oneshot::Receiver<Result<ExportResponse, ExportError>>,
    ) -> Self {
        Self {
            state: State::Waiting(answer),
        }
    }

    pub(super) const fn answered(result: Result<ExportResponse, ExportError>) -> Self {
        Self {
            state: State::Answered(result),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Waiting(answer) => {
                let answer = ready!(Pin::new(answer).poll(cx));
                Poll::Ready(answer.unwrap_or_else(|_| Err(closed())))
            }
            State::Answered(result) => Poll::Ready(result.clone()),
        }
    }
}
