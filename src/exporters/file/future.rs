use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use super::{closed, worker::Answer};

/// Response future of [`FileExporter`](super::FileExporter).
///
/// Dropped, it gives up the answer and nothing else: the request is written all the same.
#[derive(Debug)]
pub struct ResponseFuture(State);

#[derive(Debug)]
enum State {
    Waiting(oneshot::Receiver<Answer>),
    /// `None` once it was given.
    Answered(Option<Answer>),
}

impl ResponseFuture {
    pub(super) const fn waiting(answer: oneshot::Receiver<Answer>) -> Self {
        Self(State::Waiting(answer))
    }

    pub(super) const fn answered(answer: Answer) -> Self {
        Self(State::Answered(Some(answer)))
    }
}

impl Future for ResponseFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match &mut self.0 {
            State::Waiting(answer) => {
                let answer = ready!(Pin::new(answer).poll(cx));
                Poll::Ready(answer.unwrap_or_else(|_| Err(closed())))
            }
            State::Answered(answer) => Poll::Ready(answer.take().unwrap_or_else(|| Err(closed()))),
        }
    }
}
