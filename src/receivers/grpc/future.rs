//! The future of one call.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::{BoxError, util::Oneshot};
use tower_service::Service;

use super::{Options, call::Call};
use crate::{
    ExportError, ExportRequest, ExportResponse,
    grpc::UnaryReader,
    layers::admission::Reservation,
    receivers::{metered::Metered, status::Refusal},
};

pin_project! {
    /// Response future of [`OtlpGrpcReceiver`](super::OtlpGrpcReceiver) and of its services.
    pub struct ResponseFuture<E, B>
    where
        E: Service<ExportRequest>,
    {
        #[pin]
        state: State<E, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<E, B>
    where
        E: Service<ExportRequest>,
    {
        Refused {
            response: Option<Response<Body>>,
        },
        Reading {
            #[pin]
            body: Metered<B>,
            reader: UnaryReader,
            call: Option<Call>,
            exporter: Option<E>,
        },
        Exporting {
            #[pin]
            export: Oneshot<E, ExportRequest>,
            call: Call,
            paid: Option<Reservation>,
        },
    }
}

impl<E, B> ResponseFuture<E, B>
where
    E: Service<ExportRequest> + Clone,
    B: HttpBody,
{
    pub(super) fn new(request: Request<B>, exporter: &E, options: &Arc<Options>) -> Self {
        let (head, body) = request.into_parts();
        let state = match Call::new(&head, options) {
            Ok(call) => match Metered::new(body, options.admission.as_ref()) {
                Ok(body) => State::Reading {
                    body,
                    reader: UnaryReader::new(options.max_wire_bytes),
                    call: Some(call),
                    exporter: Some(exporter.clone()),
                },
                Err(error) => State::Refused {
                    response: Some(call.refuse(&Refusal::from(&error))),
                },
            },
            Err(unfit) => State::Refused {
                response: Some(unfit.respond(options)),
            },
        };
        Self { state }
    }
}

impl<E, B> Future for ResponseFuture<E, B>
where
    E: Service<ExportRequest, Response = ExportResponse>,
    E::Error: Into<ExportError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                // Refused => done
                StateProj::Refused { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response)),
                        None => Poll::Pending,
                    };
                }
                // Reading => Exporting | Refused
                StateProj::Reading {
                    mut body,
                    reader,
                    call,
                    exporter,
                } => {
                    let read = ready!(reader.poll(body.as_mut(), cx));
                    let read = read.and_then(|_| reader.finish());
                    let mut paid = body.take_reservation();
                    let (Some(call), Some(exporter)) = (call.take(), exporter.take()) else {
                        return Poll::Pending;
                    };
                    let request = read
                        .map_err(Refusal::from)
                        .and_then(|message| call.request(message, paid.as_mut()));
                    // Dropping the body here resets the stream of a client that still sends.
                    state.set(match request {
                        Ok(request) => State::Exporting {
                            export: Oneshot::new(exporter, request),
                            call,
                            paid,
                        },
                        Err(refusal) => State::Refused {
                            response: Some(call.refuse(&refusal)),
                        },
                    });
                }
                // Exporting => done
                StateProj::Exporting { export, call, paid } => {
                    let outcome = ready!(export.poll(cx)).map_err(Into::into);
                    // Free with the answer, not when the server drops this future.
                    drop(paid.take());
                    return Poll::Ready(Ok(call.respond(outcome)));
                }
            }
        }
    }
}

impl<E, B> fmt::Debug for ResponseFuture<E, B>
where
    E: Service<ExportRequest>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Refused { .. } => "refused",
            State::Reading { .. } => "reading",
            State::Exporting { .. } => "exporting",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
