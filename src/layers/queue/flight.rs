use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::CatchUnwind};
use pin_project_lite::pin_project;
use tracing::Span;

use super::{Entry, ticket::Answer};
use crate::{ErrorKind, ExportError, ExportResponse};

pin_project! {
    /// A request on its way, in the span of its caller. It catches a panic, which would take the
    /// other requests with it.
    pub(super) struct Flight<F> {
        #[pin]
        call: CatchUnwind<AssertUnwindSafe<F>>,
        entry: Option<Entry>,
        cause: Option<ExportError>,
        span: Span,
    }
}

/// A flight that is over.
pub(super) struct Landed {
    pub(super) entry: Entry,
    /// The error that sent it to the dead letter exporter.
    pub(super) cause: Option<ExportError>,
    pub(super) result: Answer,
}

impl<F: Future> Flight<F> {
    pub(super) fn new(call: F, entry: Entry, cause: Option<ExportError>, span: Span) -> Self {
        Self {
            call: AssertUnwindSafe(call).catch_unwind(),
            entry: Some(entry),
            cause,
            span,
        }
    }

    /// Takes the request out of a flight that is about to be cancelled.
    pub(super) fn cancel(self: Pin<&mut Self>) -> Option<Entry> {
        self.project().entry.take()
    }
}

impl<F, E> Future for Flight<F>
where
    F: Future<Output = Result<ExportResponse, E>>,
    E: Into<ExportError>,
{
    /// `None` if it was cancelled.
    type Output = Option<Landed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _in = this.span.enter();
        let result = match ready!(this.call.poll(cx)) {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(panicked()),
        };
        let cause = this.cause.take();
        Poll::Ready(this.entry.take().map(|entry| Landed {
            entry,
            cause,
            result,
        }))
    }
}

pub(super) fn panicked() -> ExportError {
    ExportError::new(ErrorKind::Internal, "the service below the queue panicked")
}
