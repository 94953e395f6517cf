//! Sending a body and reading the answer: what HTTP exporters do once they have encoded.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::Full;
use tokio::time::Instant;
use tower::BoxError;

use super::{Endpoint, Reply, RequestBody, Secrets, Unread};
use crate::{
    Compression, ErrorKind, ExportError, ExportResponse,
    body::collect,
    classify::{Overrides, Verdict},
};

/// What a status that is no success means to a protocol, with the delay that its server named.
pub(crate) type StatusTable = fn(status: u16, server_delay: Option<Duration>) -> Verdict;

/// Everything about sending that does not depend on what is sent. Made by
/// [`HttpOptions::sender`](super::HttpOptions::sender).
pub(crate) struct HttpSender {
    /// The name of the exporter in errors.
    pub(super) exporter: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Option<Duration>,
    pub(super) max_request_bytes: usize,
    pub(super) max_response_bytes: usize,
    pub(super) statuses: StatusTable,
    pub(super) overrides: Overrides<u16>,
    pub(super) secrets: Secrets,
}

impl HttpSender {
    /// Refuses a body that is too large. The limit is on the uncompressed body, which is what
    /// servers limit.
    pub(crate) fn check_size(&self, size: usize) -> Result<(), ExportError> {
        if size <= self.max_request_bytes {
            return Ok(());
        }
        let limit = self.max_request_bytes;
        let message = format!("the request of {size} bytes is larger than the limit of {limit}");
        Err(ExportError::new(ErrorKind::TooLarge, message))
    }

    /// A POST of `body`, which already is in this compression, with all headers.
    pub(crate) fn post(
        &self,
        endpoint: &Endpoint,
        content_type: &'static str,
        compression: Compression,
        body: Bytes,
    ) -> Request<RequestBody> {
        let mut out = Request::new(Full::new(body));
        *out.method_mut() = Method::POST;
        *out.uri_mut() = endpoint.uri.clone();
        let headers = out.headers_mut();
        headers.clone_from(&self.headers);
        if let Some(authorization) = &endpoint.authorization {
            headers
                .entry(header::AUTHORIZATION)
                .or_insert_with(|| authorization.clone());
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if compression != Compression::None {
            let encoding = HeaderValue::from_static(compression.as_str());
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        out
    }

    /// When an attempt that begins now is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout
            .and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// Waits for the answer until the deadline, and reads it. A body that cannot be read is part
    /// of the answer: the status counts all the same.
    pub(crate) async fn exchange<F, B, E>(
        &self,
        answer: F,
        deadline: Option<Instant>,
    ) -> Result<Reply, ExportError>
    where
        F: Future<Output = Result<Response<B>, E>>,
        E: Into<BoxError>,
        B: Body<Error: Into<BoxError>>,
    {
        let response = match before(deadline, answer).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(ExportError::from(error.into())),
            None => return Err(self.late()),
        };
        let (parts, body) = response.into_parts();
        let body = pin!(body);
        let body = match before(deadline, collect(body, self.max_response_bytes)).await {
            Some(body) => body.map_err(Unread::from),
            None => Err(Unread::Late),
        };
        Ok(Reply::new(parts, body))
    }

    fn late(&self) -> ExportError {
        let limit = self.timeout.unwrap_or_default();
        ExportError::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
    }

    /// The error that an answer which is no success means.
    pub(crate) fn refusal(&self, reply: &Reply) -> ExportError {
        reply.to_error(self.statuses, &self.overrides, &self.secrets)
    }

    /// A server's text in one line, cut to a sensible length, without secrets.
    pub(crate) fn readable(&self, text: &str) -> String {
        self.secrets.hide(super::readable(text))
    }

    /// A server's text without secrets.
    pub(crate) fn hide(&self, text: String) -> String {
        self.secrets.hide(text)
    }

    /// Says whose error it is.
    pub(crate) fn name(&self, error: ExportError, endpoint: &Endpoint) -> ExportError {
        error.with_exporter(self.exporter, Arc::clone(&endpoint.shown))
    }

    /// All `items` were delivered to this endpoint.
    pub(crate) fn delivered(&self, items: u64, endpoint: &Endpoint) -> ExportResponse {
        let destination = format!("{} exporter ({})", self.exporter, endpoint.shown);
        ExportResponse::delivered(items).with_destination(destination)
    }

    /// Adds what may be shown to the `Debug` form of an exporter.
    pub(crate) fn debug(&self, out: &mut fmt::DebugStruct<'_, '_>) {
        let headers: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        out.field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("on_status", &self.overrides);
    }
}

/// What the future yields, unless the deadline passes first.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Response future of the HTTP exporters.
pub struct HttpExportFuture(
    // A leaf may box: one allocation beside those of the HTTP client.
    Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>,
);

impl HttpExportFuture {
    pub(crate) fn new(
        outcome: impl Future<Output = Result<ExportResponse, ExportError>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(outcome))
    }

    /// Known at once: nothing had to be sent.
    pub(crate) fn ready(outcome: Result<ExportResponse, ExportError>) -> Self {
        Self::new(std::future::ready(outcome))
    }
}

impl Future for HttpExportFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for HttpExportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExportFuture").finish_non_exhaustive()
    }
}
