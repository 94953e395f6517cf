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
    outcome::{Part, conclude},
    plan::{Plan, Target, plan},
    service::Table,
};
use crate::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, request::ResumeBranch,
};

pin_project! {
    /// Response future of [`Route`](super::Route).
    ///
    /// Dropping it cancels what the exporters have not finished.
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        // One exporter has it all.
        Whole {
            #[pin]
            call: Oneshot<BoxExporter, ExportRequest>,
        },
        // Several have a part each.
        Parts {
            table: Arc<Table>,
            request: ExportRequest,
            running: FuturesUnordered<Running>,
            done: Vec<Option<Part>>,
        },
        Answered {
            result: Option<Result<ExportResponse, ExportError>>,
        },
    }
}

impl ResponseFuture {
    pub(super) fn new(table: &Arc<Table>, request: ExportRequest) -> Self {
        let state = match resumed(table, &request) {
            Some(parts) => State::parts(table, request, parts),
            None => match plan(table, &request) {
                Ok(Plan::Whole(target)) => State::whole(table, request, target),
                Ok(Plan::Parts(parts)) => {
                    let parts = parts.into_iter().map(Start::from).collect();
                    State::parts(table, request, parts)
                }
                Ok(Plan::Nothing) => State::answered(Ok(ExportResponse::default())),
                Err(error) => State::answered(Err(error)),
            },
        };
        Self { state }
    }
}

/// A part before it is sent.
struct Start {
    /// Its exporter, or why it has none.
    target: Target,
    /// The error of an earlier attempt, if that was the last.
    settled: Option<ExportError>,
    part: ExportRequest,
}

impl From<(Target, ExportRequest)> for Start {
    fn from((target, part): (Target, ExportRequest)) -> Self {
        Self {
            target,
            settled: None,
            part,
        }
    }
}

/// The parts that an earlier attempt has left, if it was ours.
fn resumed(table: &Table, request: &ExportRequest) -> Option<Vec<Start>> {
    let resume = request.resume()?;
    if resume.owner != table.owner {
        return None;
    }
    let parts = resume.branches.iter().enumerate();
    let parts = parts.filter_map(|(number, branch)| match branch {
        ResumeBranch::Pending(part, _) => Some(Start::from((Ok(number), part.clone()))),
        ResumeBranch::Settled(Err(error)) => Some(Start {
            target: if number < table.exporters.len() {
                Ok(number)
            } else {
                Err(error.clone())
            },
            settled: Some(error.clone()),
            part: error.remainder()?.clone(),
        }),
        ResumeBranch::Settled(Ok(_)) => None,
    });
    Some(parts.collect())
}

impl State {
    const fn answered(result: Result<ExportResponse, ExportError>) -> Self {
        State::Answered {
            result: Some(result),
        }
    }

    fn whole(table: &Table, request: ExportRequest, target: Target) -> Self {
        let exporter = target.and_then(|number| exporter(table, number));
        match exporter {
            Ok(exporter) => State::Whole {
                call: Oneshot::new(exporter, request),
            },
            Err(error) => State::answered(Err(error)),
        }
    }

    fn parts(table: &Arc<Table>, request: ExportRequest, parts: Vec<Start>) -> Self {
        let running = FuturesUnordered::new();
        let mut done = Vec::with_capacity(parts.len());
        for start in parts {
            let Start {
                target,
                settled,
                part,
            } = start;
            let found = match settled {
                Some(error) => Err(error),
                None => target
                    .clone()
                    .and_then(|number| Ok((number, exporter(table, number)?))),
            };
            match found {
                Ok((target, exporter)) => {
                    let call = Oneshot::new(exporter, part.clone());
                    running.push(Running {
                        place: done.len(),
                        target,
                        call: AssertUnwindSafe(call).catch_unwind(),
                        sent: Some(part),
                    });
                    done.push(None);
                }
                Err(error) => done.push(Some(Part {
                    target: target.ok(),
                    sent: part,
                    result: Err(error),
                })),
            }
        }
        State::Parts {
            table: table.clone(),
            request,
            running,
            done,
        }
    }
}

fn exporter(table: &Table, number: usize) -> Result<BoxExporter, ExportError> {
    // A table only has numbers of exporters that are there.
    let exporter = table.exporters.get(number).cloned();
    exporter.ok_or_else(|| ExportError::new(ErrorKind::Internal, "no exporter for the route"))
}

impl Future for ResponseFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Whole { call } => call.poll(cx),
            StateProj::Parts {
                table,
                request,
                running,
                done,
            } => {
                while let Some((place, part)) = ready!(Pin::new(&mut *running).poll_next(cx)) {
                    if let Some(slot) = done.get_mut(place) {
                        *slot = part;
                    }
                }
                let parts = done.drain(..).flatten().collect();
                Poll::Ready(conclude(table, request, parts))
            }
            // A future is not polled after its answer; one that is stays pending.
            StateProj::Answered { result } => match result.take() {
                Some(result) => Poll::Ready(result),
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// One part at work. It catches a panic, which would take the other parts with it.
    struct Running {
        place: usize,
        target: usize,
        #[pin]
        call: CatchUnwind<AssertUnwindSafe<Oneshot<BoxExporter, ExportRequest>>>,
        sent: Option<ExportRequest>,
    }
}

impl Future for Running {
    type Output = (usize, Option<Part>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.call.poll(cx)).unwrap_or_else(|_panic| {
            Err(ExportError::new(
                ErrorKind::Internal,
                "the exporter panicked",
            ))
        });
        let target = Some(*this.target);
        let part = this.sent.take().map(|sent| Part {
            target,
            sent,
            result,
        });
        Poll::Ready((*this.place, part))
    }
}
