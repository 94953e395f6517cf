//! reqwest as a transport.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use reqwest::{Body, Client};
use tower_service::Service;

use super::RequestBody;
use crate::{ErrorKind, ExportError};

/// The default transport of HTTP exporters: a connection pool, HTTP/1.1 and HTTP/2, TLS,
/// proxies.
///
/// Made by [`HttpClientOptions`](super::HttpClientOptions), or from a [`reqwest::Client`] of
/// one's own. Clones share the pool.
#[derive(Clone)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Uses this client. Its redirects should be off: telemetry is else sent where nobody meant
    /// it to go.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    #[must_use]
    pub const fn get_ref(&self) -> &Client {
        &self.client
    }

    /// Unwraps the client.
    #[must_use]
    pub fn into_inner(self) -> Client {
        self.client
    }
}

/// The client may hold credentials of a proxy, so nothing of it is shown.
impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}

impl Service<Request<RequestBody>> for ReqwestService {
    type Response = Response<Body>;
    type Error = ExportError;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.client.poll_ready(cx).map_err(read_error)
    }

    fn call(&mut self, request: Request<RequestBody>) -> ReqwestFuture {
        // As bytes, not as a stream: reqwest can then repeat a request that a server refused to
        // look at while it closed the connection.
        let request = request.map(|body| Body::from(body.into_inner().unwrap_or_default()));
        ReqwestFuture {
            state: match reqwest::Request::try_from(request) {
                Ok(request) => State::Sent {
                    pending: self.client.call(request),
                },
                Err(error) => State::Unsendable {
                    error: Some(read_error(error)),
                },
            },
        }
    }
}

pin_project! {
    /// Response future of [`ReqwestService`].
    pub struct ReqwestFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Sent { #[pin] pending: <Client as Service<reqwest::Request>>::Future },
        Unsendable { error: Option<ExportError> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<Body>, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            // Sent -> done
            StateProj::Sent { pending } => Poll::Ready(match ready!(pending.poll(cx)) {
                Ok(response) => Ok(response.into()),
                Err(error) => Err(read_error(error)),
            }),
            // Unsendable -> done; polled after that, it stays pending.
            StateProj::Unsendable { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}

fn read_error(error: reqwest::Error) -> ExportError {
    // A URL may hold credentials; the exporter names its endpoint without them.
    let error = error.without_url();
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "no HTTP answer in time")
    } else if error.is_connect() {
        (ErrorKind::Unavailable, "cannot connect")
    } else if error.is_builder() {
        (ErrorKind::Rejected, "the HTTP request cannot be built")
    } else if is_unreadable(&error) {
        (
            ErrorKind::Unavailable,
            "what answers does not speak HTTP/1.1; is this the gRPC port, often 4317 for 4318?",
        )
    } else {
        (ErrorKind::Unavailable, "the HTTP request failed")
    };
    ExportError::new(kind, message).with_source(error)
}

/// Whether an answer came that is none of HTTP/1.1, such as the frames of HTTP/2.
fn is_unreadable(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        // A server of HTTP/2 speaks first: hyper has no name for an answer before its request.
        let is_early = |http: &hyper::Error| http.to_string().contains("unexpected message");
        let http = error.downcast_ref::<hyper::Error>();
        if http.is_some_and(|http| http.is_parse() || is_early(http)) {
            return true;
        }
        source = error.source();
    }
    false
}
