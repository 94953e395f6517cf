//! The future of one export.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::BoxError;

use super::{answer, config::Config};
use crate::{
    ErrorKind, ExportError, ExportResponse,
    grpc::{ReadError, UnaryReader},
};

pin_project! {
    /// Response future of [`OtlpGrpcExporter`](super::OtlpGrpcExporter).
    pub struct OtlpGrpcFuture<F, B> {
        #[pin]
        state: State<F, B>,
        #[pin]
        deadline: Option<Sleep>,
        config: Arc<Config>,
        items: u64,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Failed {
            error: Option<ExportError>,
        },
        Calling {
            #[pin]
            call: F,
        },
        Reading {
            #[pin]
            body: B,
            reader: UnaryReader,
            head: response::Parts,
        },
        Done,
    }
}

impl<F, B> OtlpGrpcFuture<F, B> {
    pub(super) fn calling(call: F, config: Arc<Config>, items: u64) -> Self {
        Self {
            state: State::Calling { call },
            deadline: config.timeout.map(tokio::time::sleep),
            config,
            items,
        }
    }

    pub(super) fn failed(error: ExportError, config: &Arc<Config>) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
            deadline: None,
            config: Arc::clone(config),
            items: 0,
        }
    }
}

impl<F, B, E> Future for OtlpGrpcFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().poll(cx, this.config, *this.items) {
            Poll::Ready(outcome) => outcome,
            // An answer that is there counts, even at the deadline.
            Poll::Pending => {
                let (Some(deadline), Some(timeout)) =
                    (this.deadline.as_pin_mut(), this.config.timeout)
                else {
                    return Poll::Pending;
                };
                ready!(deadline.poll(cx));
                Err(no_answer(timeout))
            }
        };
        // The call is over: its stream must not stay open as long as this future is kept.
        this.state.set(State::Done);
        Poll::Ready(outcome.map_err(|error| this.config.named(error)))
    }
}

impl<F, B, E> State<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        config: &Config,
        items: u64,
    ) -> Poll<Result<ExportResponse, ExportError>> {
        loop {
            match self.as_mut().project() {
                // Failed => Done
                StateProj::Failed { error } => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error)),
                        None => Poll::Pending,
                    };
                }
                // Calling => Reading | Done
                StateProj::Calling { call } => {
                    let response = match ready!(call.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => return Poll::Ready(Err(ExportError::from(error.into()))),
                    };
                    let (head, body) = response.into_parts();
                    if let Some(status) = answer::status(config, &head.headers) {
                        return Poll::Ready(
                            status.map(|()| answer::delivered(config, items, &head.headers, None)),
                        );
                    }
                    if head.status != http::StatusCode::OK {
                        let error = answer::no_status(config, head.status, &head.headers);
                        return Poll::Ready(Err(error));
                    }
                    self.set(State::Reading {
                        body,
                        reader: UnaryReader::new(config.max_response_bytes),
                        head,
                    });
                }
                // Reading => Done
                StateProj::Reading { body, reader, head } => {
                    let trailers = match ready!(reader.poll(body, cx)) {
                        Ok(trailers) => trailers.unwrap_or_default(),
                        Err(error) => return Poll::Ready(Err(unreadable(error))),
                    };
                    return Poll::Ready(match answer::status(config, &trailers) {
                        Some(Ok(())) => {
                            // What cannot be read counts as absent.
                            let message = reader.finish().ok().flatten();
                            Ok(answer::delivered(config, items, &head.headers, message))
                        }
                        Some(Err(error)) => Err(error),
                        None => Err(answer::no_status(config, head.status, &head.headers)),
                    });
                }
                StateProj::Done => return Poll::Pending,
            }
        }
    }
}

fn no_answer(timeout: Duration) -> ExportError {
    ExportError::new(ErrorKind::Timeout, format!("no answer within {timeout:?}"))
}

fn unreadable(error: ReadError) -> ExportError {
    match error {
        ReadError::Body(error) => ExportError::from(error),
        // Nobody knows whether the data was taken. Sending it twice is better than not at all.
        other => {
            ExportError::new(ErrorKind::Internal, "the answer cannot be read").with_source(other)
        }
    }
}

impl<F, B> fmt::Debug for OtlpGrpcFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Failed { .. } => "failed",
            State::Calling { .. } => "calling",
            State::Reading { .. } => "reading",
            State::Done => "done",
        };
        f.debug_struct("OtlpGrpcFuture")
            .field("state", &state)
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}
