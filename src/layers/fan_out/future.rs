use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::{FutureExt, future::CatchUnwind, stream::FuturesUnordered};
use pin_project_lite::pin_project;
use tower::util::Oneshot;

use super::{
    outcome::{Branch, conclude},
    service::Shared,
};
use crate::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse,
    request::{Resume, ResumeBranch},
};

/// Response future of [`FanOut`](super::FanOut).
///
/// Dropping it cancels what the branches have not finished.
pub struct ResponseFuture {
    shared: Arc<Shared>,
    request: ExportRequest,
    running: FuturesUnordered<Running>,
    done: Vec<Option<Branch>>,
}

impl ResponseFuture {
    pub(super) fn new(shared: &Arc<Shared>, request: ExportRequest) -> Self {
        let resume = request
            .resume()
            .filter(|resume| resume.owner == shared.owner)
            .filter(|resume| resume.branches.len() == shared.branches.len())
            .cloned();
        let fresh = request.with_resume(None);
        let running = FuturesUnordered::new();
        let mut done = Vec::with_capacity(shared.branches.len());
        for (number, exporter) in shared.branches.iter().enumerate() {
            let (sent, earlier) = match before(resume.as_deref(), number) {
                Some(ResumeBranch::Settled(result)) => {
                    done.push(Some(Branch::settled(result.clone())));
                    continue;
                }
                Some(ResumeBranch::Pending(remainder, progress)) => {
                    (remainder.clone(), progress.clone())
                }
                None => (fresh.clone(), ExportResponse::default()),
            };
            done.push(None);
            running.push(Running {
                number,
                call: AssertUnwindSafe(Oneshot::new(exporter.clone(), sent.clone())).catch_unwind(),
                sent,
                earlier,
            });
        }
        Self {
            shared: shared.clone(),
            request: fresh,
            running,
            done,
        }
    }
}

fn before(resume: Option<&Resume>, number: usize) -> Option<&ResumeBranch> {
    resume?.branches.get(number)
}

impl Future for ResponseFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some((number, branch)) = ready!(Pin::new(&mut this.running).poll_next(cx)) {
            if let Some(slot) = this.done.get_mut(number) {
                *slot = Some(branch);
            }
        }
        let branches = this.done.drain(..).flatten().collect();
        let Shared { owner, policy, .. } = *this.shared;
        Poll::Ready(conclude(owner, policy, &this.request, branches))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("request", &self.request)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// One branch at work. It catches a panic, which would take the other branches with it.
    struct Running {
        number: usize,
        #[pin]
        call: CatchUnwind<AssertUnwindSafe<Oneshot<BoxExporter, ExportRequest>>>,
        sent: ExportRequest,
        earlier: ExportResponse,
    }
}

impl Future for Running {
    type Output = (usize, Branch);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.call.poll(cx)).unwrap_or_else(|_panic| {
            Err(ExportError::new(ErrorKind::Internal, "the branch panicked"))
        });
        let branch = Branch::attempted(this.sent, this.earlier, result);
        Poll::Ready((*this.number, branch))
    }
}
