use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    outcome,
    switch::{Attempt, Shared},
};
use crate::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, layers::waiting::later,
};

type SecondaryFuture = <BoxExporter as Service<ExportRequest>>::Future;

pin_project! {
    /// Response future of [`Fallback`](super::Fallback).
    pub struct ResponseFuture<S, F> {
        shared: Arc<Shared>,
        // What is undelivered, as far as we know.
        request: ExportRequest,
        // The error of the primary, once the secondary has the request.
        failure: Option<ExportError>,
        #[pin]
        stage: Stage<S, F>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, F> {
        // Asks a fresh primary for readiness, within the time of a probe.
        Asking {
            service: S,
            #[pin]
            sleep: Sleep,
            attempt: Option<Attempt>,
        },
        // The primary has the request; what was not ready before is bound to the time of a probe.
        Primary {
            #[pin]
            call: F,
            #[pin]
            sleep: Option<Sleep>,
            attempt: Option<Attempt>,
        },
        // The secondary, which was ready, has the request.
        Secondary {
            call: SecondaryFuture,
        },
        // A fresh secondary is asked for readiness, then has the request.
        AskingSecondary {
            #[pin]
            call: Oneshot<BoxExporter, ExportRequest>,
        },
    }
}

impl<S, F> ResponseFuture<S, F> {
    const fn new(shared: Arc<Shared>, request: ExportRequest, stage: Stage<S, F>) -> Self {
        Self {
            shared,
            request,
            failure: None,
            stage,
        }
    }

    pub(super) const fn primary(
        shared: Arc<Shared>,
        request: ExportRequest,
        call: F,
        attempt: Attempt,
    ) -> Self {
        let stage = Stage::Primary {
            call,
            sleep: None,
            attempt: Some(attempt),
        };
        Self::new(shared, request, stage)
    }

    pub(super) fn trial(
        shared: Arc<Shared>,
        request: ExportRequest,
        service: S,
        attempt: Attempt,
    ) -> Self {
        let deadline = later(tokio::time::Instant::now(), shared.policy.timeout());
        let stage = Stage::Asking {
            service,
            sleep: sleep_until(deadline),
            attempt: Some(attempt),
        };
        Self::new(shared, request, stage)
    }

    pub(super) const fn secondary(
        shared: Arc<Shared>,
        request: ExportRequest,
        call: SecondaryFuture,
    ) -> Self {
        Self::new(shared, request, Stage::Secondary { call })
    }

    pub(super) fn ask_secondary(shared: Arc<Shared>, request: ExportRequest) -> Self {
        let call = Oneshot::new(shared.secondary.clone(), request.clone());
        Self::new(shared, request, Stage::AskingSecondary { call })
    }
}

impl<S, F> Future for ResponseFuture<S, F>
where
    S: Service<ExportRequest, Response = ExportResponse, Future = F>,
    S::Error: Into<ExportError>,
    F: Future<Output = Result<ExportResponse, S::Error>>,
{
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let late = |shared: &Shared| {
            ExportError::new(
                ErrorKind::Timeout,
                format!("no answer within {:?} (probe)", shared.policy.timeout()),
            )
        };
        loop {
            let (result, attempt) = match this.stage.as_mut().project() {
                // Asking => (Primary | AskingSecondary).
                StageProj::Asking {
                    service,
                    sleep,
                    attempt,
                } => match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        let next = Stage::Primary {
                            call: service.call(this.request.clone()),
                            sleep: Some(sleep_until(sleep.deadline())),
                            attempt: attempt.take(),
                        };
                        this.stage.set(next);
                        continue;
                    }
                    Poll::Ready(Err(error)) => (Err(error.into()), attempt),
                    Poll::Pending => {
                        ready!(sleep.poll(cx));
                        (Err(late(this.shared)), attempt)
                    }
                },
                // Primary => (answered | AskingSecondary).
                StageProj::Primary {
                    call,
                    sleep,
                    attempt,
                } => match (call.poll(cx), sleep.as_pin_mut()) {
                    (Poll::Ready(result), _) => (result.map_err(Into::into), attempt),
                    (Poll::Pending, Some(sleep)) => {
                        ready!(sleep.poll(cx));
                        (Err(late(this.shared)), attempt)
                    }
                    (Poll::Pending, None) => return Poll::Pending,
                },
                // Secondary => answered.
                StageProj::Secondary { call } => {
                    let result = ready!(call.as_mut().poll(cx));
                    return Poll::Ready(outcome::conclude(this.shared, this.request, None, result));
                }
                // AskingSecondary => answered.
                StageProj::AskingSecondary { call } => {
                    let result = ready!(call.poll(cx));
                    let failure = this.failure.take();
                    return Poll::Ready(outcome::conclude(
                        this.shared,
                        this.request,
                        failure,
                        result,
                    ));
                }
            };
            let error = match result {
                Err(error) if this.shared.policy.takes_over(&error) => error,
                // Any other answer says that the primary works.
                answer => {
                    if let Some(mut attempt) = attempt.take() {
                        attempt.succeeded();
                    }
                    return Poll::Ready(answer);
                }
            };
            if let Some(mut attempt) = attempt.take() {
                attempt.failed(this.shared, &error);
            }
            if let Some(remainder) = error.remainder() {
                *this.request = remainder.clone();
            }
            *this.failure = Some(error);
            let call = Oneshot::new(this.shared.secondary.clone(), this.request.clone());
            this.stage.set(Stage::AskingSecondary { call });
        }
    }
}

impl<S, F> fmt::Debug for ResponseFuture<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
