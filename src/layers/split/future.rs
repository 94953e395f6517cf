use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::work::Work;
use crate::{ExportError, ExportRequest, ExportResponse};

pin_project! {
    /// Response future of [`Split`](super::Split).
    ///
    /// Dropping it cancels the pieces that are under way and sends no more.
    pub struct ResponseFuture<S>
    where
        S: Service<ExportRequest>,
    {
        // None once nothing more is sent.
        service: Option<S>,
        // Whether `service` said that it is ready and was not called since.
        ready: bool,
        // One piece at a time needs no allocation.
        #[pin]
        one: Option<Running<S::Future>>,
        // The others, if several may be under way.
        more: Option<FuturesUnordered<Running<S::Future>>>,
        work: Work,
    }
}

pin_project! {
    /// One piece under way.
    struct Running<F> {
        #[pin]
        inner: F,
        piece: ExportRequest,
    }
}

impl<F, E> Future for Running<F>
where
    F: Future<Output = Result<ExportResponse, E>>,
    E: Into<ExportError>,
{
    type Output = (ExportRequest, Result<ExportResponse, ExportError>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        Poll::Ready((this.piece.clone(), result))
    }
}

impl<S: Service<ExportRequest>> ResponseFuture<S> {
    /// Sends the first piece to a service that is ready.
    pub(super) fn new(mut service: S, first: ExportRequest, work: Work) -> Self {
        let one = Running {
            inner: service.call(first.clone()),
            piece: first,
        };
        Self {
            service: Some(service),
            ready: false,
            one: Some(one),
            more: None,
            work,
        }
    }
}

impl<S> Future for ResponseFuture<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            // Under way => answered. What is done is dropped at once: it may hold a permit that
            // the next piece waits for.
            if let Some(running) = this.one.as_mut().as_pin_mut()
                && let Poll::Ready((piece, result)) = running.poll(cx)
            {
                this.one.set(None);
                this.work.settle(piece, result);
            }
            if let Some(more) = this.more.as_mut() {
                while let Poll::Ready(Some((piece, result))) = Pin::new(&mut *more).poll_next(cx) {
                    this.work.settle(piece, result);
                }
            }
            let in_flight =
                usize::from(this.one.is_some()) + this.more.as_ref().map_or(0, |more| more.len());

            // It may stand in line for a permit, or have one, that a piece under way waits for.
            if this.work.has_stopped() {
                *this.service = None;
            }

            // Waiting => under way, when there is room and the service is ready. It is not asked
            // unless there is something to send: a reservation would keep others waiting.
            if let Some(service) = this.service.as_mut()
                && this.work.has_next()
                && in_flight < this.work.max_in_flight()
            {
                if !*this.ready {
                    match ready!(service.poll_ready(cx)) {
                        Ok(()) => *this.ready = true,
                        Err(error) => {
                            this.work.stop(error.into());
                            continue;
                        }
                    }
                }
                if let Some(piece) = this.work.next() {
                    *this.ready = false;
                    let running = Running {
                        inner: service.call(piece.clone()),
                        piece,
                    };
                    if this.one.is_none() {
                        this.one.set(Some(running));
                    } else {
                        this.more.get_or_insert_default().push(running);
                    }
                }
                continue;
            }
            if in_flight == 0 {
                return Poll::Ready(this.work.conclude());
            }
            return Poll::Pending;
        }
    }
}

impl<S: Service<ExportRequest>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}
