//! The pages over HTTP.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use tower_service::Service;

use super::{Status, json, metrics, page};
use crate::{
    ExportError,
    exporters::prometheus::{PrometheusExporter, ScrapeFuture},
};

/// All paths that have an answer.
pub(super) const PATHS: [&str; 8] = [
    "/",
    "/status.json",
    "/metrics",
    "/livez",
    "/readyz",
    "/status.css",
    "/status.js",
    "/status.svg",
];

/// What goes with each answer: nothing comes from elsewhere, nothing is kept, and nobody frames
/// it.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers `GET` and `HEAD` for the [pages](super#pages); made by
/// [`http_service`](super::Status::http_service).
///
/// Always ready; clones are cheap. Other paths are answered with 404, other methods with 405.
#[derive(Clone)]
pub struct StatusHttpService {
    status: Status,
}

impl StatusHttpService {
    pub(super) const fn new(status: Status) -> Self {
        Self { status }
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let status = &self.status;
        let (content_type, body): (_, Bytes) = match path {
            "/" => (
                "text/html; charset=utf-8",
                page::render(&status.report()).into(),
            ),
            "/status.json" => ("application/json", json::render(&status.report()).into()),
            "/status.css" => (
                "text/css; charset=utf-8",
                Bytes::from_static(page::STYLE.as_bytes()),
            ),
            "/status.js" => (
                "text/javascript; charset=utf-8",
                Bytes::from_static(page::SCRIPT.as_bytes()),
            ),
            "/status.svg" => ("image/svg+xml", Bytes::from_static(page::ICON.as_bytes())),
            "/livez" => (TEXT, Bytes::from_static(b"live\n")),
            "/readyz" if status.is_draining() => {
                return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n".into());
            }
            "/readyz" => (TEXT, Bytes::from_static(b"ready\n")),
            _ => return text(StatusCode::NOT_FOUND, "there is nothing here\n".into()),
        };
        with_type(Response::new(Full::new(body)), content_type)
    }
}

/// The metrics of now, in an exporter of their own: nothing is left of an earlier scrape.
fn scrape<B>(status: &Status, request: Request<B>) -> Result<ScrapeFuture, ExportError> {
    let metrics = metrics::request(&status.report())?;
    let exporter = PrometheusExporter::builder().scope_info(false).build()?;
    exporter.export(&metrics)?;
    Ok(exporter.http_service().call(request))
}

fn failed(error: &ExportError) -> Response<Full<Bytes>> {
    let message = format!("the metrics cannot be written: {error}\n");
    text(StatusCode::INTERNAL_SERVER_ERROR, message)
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = with_type(Response::new(Full::from(text)), TEXT);
    *response.status_mut() = status;
    response
}

fn with_type(mut response: Response<Full<Bytes>>, value: &'static str) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
    response
}

fn refused() -> Response<Full<Bytes>> {
    let message = "only GET and HEAD are served here\n";
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, message.into());
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

impl<B> Service<Request<B>> for StatusHttpService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = StatusFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> StatusFuture {
        let path = request.uri().path();
        let is_head = request.method() == Method::HEAD;
        let state = if !PATHS.contains(&path) {
            State::Done(Some(self.answer(path)))
        } else if !is_head && request.method() != Method::GET {
            State::Done(Some(refused()))
        } else if path == "/metrics" {
            match scrape(&self.status, request) {
                Ok(scrape) => State::Scrape(scrape),
                Err(error) => State::Done(Some(failed(&error))),
            }
        } else {
            State::Done(Some(self.answer(path)))
        };
        StatusFuture { state, is_head }
    }
}

impl fmt::Debug for StatusHttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusHttpService")
            .field("status", &self.status)
            .finish()
    }
}

/// Response future of [`StatusHttpService`].
pub struct StatusFuture {
    state: State,
    is_head: bool,
}

enum State {
    /// `None` once it is given.
    Done(Option<Response<Full<Bytes>>>),
    Scrape(ScrapeFuture),
}

impl Future for StatusFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_head = self.is_head;
        let mut response = match &mut self.state {
            State::Done(response) => match response.take() {
                Some(response) => response,
                None => return Poll::Pending,
            },
            State::Scrape(scrape) => match ready!(Pin::new(scrape).poll(cx)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        if let State::Done(_) = self.state {
            let length = http_body::Body::size_hint(response.body()).lower();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            if is_head {
                *response.body_mut() = Full::default();
            }
        }
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for StatusFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusFuture").finish_non_exhaustive()
    }
}
