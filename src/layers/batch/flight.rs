use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::task::JoinHandle;
use tower::util::Oneshot;
use tracing::{Instrument, Span};

use super::{
    caller::{Cuts, Member},
    service::closed,
    share::share,
};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, IntoExportError};

/// A batch on its way.
///
/// It is a task of its own, so that batches are encoded and compressed side by side, and a panic
/// is the end of one of them only.
pub(super) struct Flight {
    task: JoinHandle<Result<ExportResponse, ExportError>>,
    batch: ExportRequest,
    members: Vec<Member>,
}

impl Flight {
    /// Sends with a clone of its own, which is asked for readiness only now: nobody holds a
    /// reservation without a batch to use it for.
    pub(super) fn start<S: Exporter>(
        inner: IntoExportError<S>,
        batch: ExportRequest,
        members: Vec<Member>,
    ) -> Self {
        let span = span(&batch, &members);
        let call = Oneshot::new(inner, batch.clone());
        Self {
            task: tokio::spawn(call.instrument(span)),
            batch,
            members,
        }
    }
}

/// A batch of one request is part of what its caller does; that of several follows from all.
fn span(batch: &ExportRequest, members: &[Member]) -> Span {
    if let [one] = members {
        return one.span.clone();
    }
    let span = tracing::debug_span!(
        parent: None,
        "export_batch",
        signal = %batch.signal(),
        items = batch.items(),
        requests = members.len(),
    );
    for member in members {
        span.follows_from(&member.span);
    }
    span
}

impl Future for Flight {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landed> {
        let result = match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(ExportError::new(
                ErrorKind::Internal,
                "the service below a batch panicked",
            )),
            // The runtime is shutting down.
            Err(_) => Err(closed()),
        };
        Poll::Ready(Landed {
            result,
            batch: self.batch.clone(),
            members: std::mem::take(&mut self.members),
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A batch that has its answer.
pub(super) struct Landed {
    result: Result<ExportResponse, ExportError>,
    batch: ExportRequest,
    members: Vec<Member>,
}

impl Landed {
    /// Answers its members.
    pub(super) fn settle(self, cuts: &mut Cuts) {
        let items: Vec<u64> = self.members.iter().map(|member| member.items).collect();
        let results = share(self.result, &self.batch, &items);
        for (member, result) in self.members.into_iter().zip(results) {
            member.settle(result, cuts);
        }
    }
}
