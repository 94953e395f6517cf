use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::PollSemaphore;
use tracing::Span;

use super::{
    Acknowledge, EntryId,
    service::Door,
    shared::{Shared, closed},
    ticket::Answer,
};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

/// Response future of [`Queue`](super::Queue).
///
/// Dropping it takes nothing out of the queue. Only a request that still waits for room goes with
/// it.
pub struct ResponseFuture {
    state: State,
}

enum State {
    /// Waits for a place.
    Entering(Box<Entering>),
    /// Is in the queue.
    Entered {
        answer: oneshot::Receiver<Answer>,
        /// Where to ask whether it may be answered early.
        early: Option<(Arc<Shared>, EntryId)>,
    },
    Failed(ExportError),
}

struct Entering {
    door: Arc<Door>,
    request: ExportRequest,
    charge: u32,
    slots: PollSemaphore,
    slot: Option<OwnedSemaphorePermit>,
    room: PollSemaphore,
    span: Span,
}

impl ResponseFuture {
    /// A request that takes its place now or waits for it.
    pub(super) fn entering(
        door: &Arc<Door>,
        request: ExportRequest,
        charge: u32,
        slot: Option<OwnedSemaphorePermit>,
        span: Span,
    ) -> Self {
        let shared = &door.shared;
        let Some(slot) = slot else {
            return Self::waiting(door, request, charge, None, span);
        };
        // Nothing is free while others wait: this does not overtake them.
        match shared.room.clone().try_acquire_many_owned(charge) {
            Ok(room) => match shared.push(request, slot, room, span) {
                Ok((id, answer)) => Self::entered(shared, id, answer),
                Err(error) => Self::failed(error),
            },
            Err(_) => Self::waiting(door, request, charge, Some(slot), span),
        }
    }

    fn waiting(
        door: &Arc<Door>,
        request: ExportRequest,
        charge: u32,
        slot: Option<OwnedSemaphorePermit>,
        span: Span,
    ) -> Self {
        Self {
            state: State::Entering(Box::new(Entering {
                slots: PollSemaphore::new(door.shared.slots.clone()),
                room: PollSemaphore::new(door.shared.room.clone()),
                door: door.clone(),
                request,
                charge,
                slot,
                span,
            })),
        }
    }

    pub(super) fn entered(
        shared: &Arc<Shared>,
        id: EntryId,
        answer: oneshot::Receiver<Answer>,
    ) -> Self {
        let early = shared.config.acknowledge == Acknowledge::OnEnqueue;
        Self {
            state: State::Entered {
                answer,
                early: early.then(|| (shared.clone(), id)),
            },
        }
    }

    pub(super) const fn failed(error: ExportError) -> Self {
        Self {
            state: State::Failed(error),
        }
    }
}

impl Entering {
    /// First a slot, then the bytes: always in this order, so that no two requests wait for each
    /// other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseFuture, ExportError>> {
        if self.slot.is_none() {
            self.slot = ready!(self.slots.poll_acquire(cx));
        }
        let room = match &self.slot {
            Some(_) => ready!(self.room.poll_acquire_many(cx, self.charge)),
            None => None,
        };
        let (Some(slot), Some(room)) = (self.slot.take(), room) else {
            return Poll::Ready(Err(closed()));
        };
        let shared = &self.door.shared;
        let (request, span) = (self.request.clone(), self.span.clone());
        let (id, answer) = shared.push(request, slot, room, span)?;
        Poll::Ready(Ok(ResponseFuture::entered(shared, id, answer)))
    }
}

impl Future for ResponseFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                // Entering => Entered | Failed.
                State::Entering(entering) => {
                    let next = ready!(entering.poll(cx));
                    *self = next.unwrap_or_else(ResponseFuture::failed);
                }
                State::Entered { answer, early } => {
                    // The final answer says more than the early one.
                    if let Poll::Ready(result) = Pin::new(&mut *answer).poll(cx) {
                        return Poll::Ready(result.unwrap_or_else(|_| Err(abandoned())));
                    }
                    let Some((shared, id)) = early else {
                        return Poll::Pending;
                    };
                    match ready!(shared.poll_retained(*id, cx)) {
                        Some(items) => return Poll::Ready(Ok(ExportResponse::retained(items))),
                        // It ends this very moment, or there is no promise to be made.
                        None => *early = None,
                    }
                }
                State::Failed(error) => return Poll::Ready(Err(error.clone())),
            }
        }
    }
}

fn abandoned() -> ExportError {
    ExportError::new(
        ErrorKind::Closed,
        "the worker of the queue ended before its time",
    )
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Entering(_) => "entering",
            State::Entered { .. } => "entered",
            State::Failed(_) => "failed",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
