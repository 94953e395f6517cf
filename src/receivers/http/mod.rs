//! OTLP over HTTP, received: a service that any HTTP server can mount.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower::ServiceExt;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, receivers::OtlpHttpReceiver};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any exporter or pipeline.
//! let exporter = tower::service_fn(|request: ExportRequest| async move {
//!     println!("{} {}", request.items(), request.signal().item_name());
//!     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! });
//! let receiver = OtlpHttpReceiver::new(exporter).keep_headers(["x-region"]);
//!
//! let request = http::Request::post("/v1/logs")
//!     .header("content-type", "application/x-protobuf")
//!     .body(Full::new(Bytes::from_static(b"\x0a\x04\x12\x02\x12\x00")))?;
//! let response = receiver.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Source of the rules: [OTLP specification](https://opentelemetry.io/docs/specs/otlp/#otlphttp),
//! "OTLP/HTTP".
//!
//! # What is answered
//!
//! | case | status |
//! |---|---|
//! | taken, also in part, also without any item | 200 with `Export*ServiceResponse` |
//! | the body is not what its headers say, or not OTLP | 400 |
//! | no such path | 404 |
//! | not `POST` | 405 with `Allow` |
//! | the body is larger than allowed, before or after decompression | 413 |
//! | neither protobuf nor JSON | 415 with `Accept-Post` |
//! | unknown `Content-Encoding` | 415 with `Accept-Encoding` |
//! | the exporter asks to slow down | 429 with `Retry-After` |
//! | the exporter failed, a retry may help | 503, or 504 after a timeout |
//! | the exporter failed for good | 400, 413, 500 or 501 |
//! | the body did not arrive in time | 503 |
//!
//! Every answer but 200 has a `google.rpc.Status` as its body, in the encoding of the request;
//! JSON if that is not known.
//!
//! # Backpressure
//!
//! The receiver is always ready: HTTP servers route before they ask. The exporter's readiness is
//! awaited for each request, after its body was read.

mod answer;
mod read;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{BoxError, ServiceExt};
use tower_service::Service;

use self::{answer::Refused, read::Head};
use super::status;
use crate::{Exporter, otlp::Limits, otlp::response::Answer};

/// Receives OTLP over HTTP and hands it to an exporter. See the [module](self) for what it
/// answers.
///
/// A clone shares the options and clones the exporter.
#[derive(Clone)]
pub struct OtlpHttpReceiver<E> {
    exporter: E,
    options: Arc<Options>,
}

#[derive(Clone, Debug)]
struct Options {
    prefix: String,
    max_body_bytes: usize,
    limits: Limits,
    read_timeout: Duration,
    keep_headers: Vec<String>,
    tenant_header: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            max_body_bytes: 64 << 20,
            limits: Limits::default(),
            read_timeout: Duration::from_secs(60),
            keep_headers: Vec::new(),
            tenant_header: None,
        }
    }
}

impl<E> OtlpHttpReceiver<E> {
    /// A receiver for `/v1/traces`, `/v1/metrics` and `/v1/logs`.
    pub fn new(exporter: E) -> Self {
        Self {
            exporter,
            options: Arc::default(),
        }
    }

    /// Sets what stands before `/v1/...` in the path, for instance `/otlp`. Default: nothing.
    #[must_use]
    pub fn path_prefix(self, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        };
        self.edit(|options| options.prefix = prefix)
    }

    /// Sets the largest body accepted as it comes over the wire, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn max_body_bytes(self, bytes: usize) -> Self {
        self.edit(|options| options.max_body_bytes = bytes)
    }

    /// Sets what is accepted after decompression; [`Limits::max_bytes`] holds for the
    /// decompressed body. Default: 64 MiB, any number of items.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.edit(|options| options.limits = limits)
    }

    /// Sets how long a body may take to arrive. Default: 60 s.
    #[must_use]
    pub fn read_timeout(self, timeout: Duration) -> Self {
        self.edit(|options| options.read_timeout = timeout)
    }

    /// Keeps these request headers in the [`Metadata`](crate::Metadata) of what is received.
    /// Default: none. `traceparent` and `tracestate` are always kept, as trace context.
    #[must_use]
    pub fn keep_headers<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let names = names
            .into_iter()
            .map(|name| name.as_ref().to_ascii_lowercase());
        self.edit(|options| options.keep_headers.extend(names))
    }

    /// Takes the tenant from this request header. Default: there is no tenant.
    #[must_use]
    pub fn tenant_header(self, name: &str) -> Self {
        self.edit(|options| options.tenant_header = Some(name.to_ascii_lowercase()))
    }

    fn edit(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    #[cfg(feature = "axum")]
    pub(super) fn prefix(&self) -> &str {
        &self.options.prefix
    }

    /// The exporter.
    pub fn get_ref(&self) -> &E {
        &self.exporter
    }

    /// The exporter, mutably.
    pub fn get_mut(&mut self) -> &mut E {
        &mut self.exporter
    }

    /// Unwraps the exporter.
    pub fn into_inner(self) -> E {
        self.exporter
    }
}

impl<E> fmt::Debug for OtlpHttpReceiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpHttpReceiver")
            .field("exporter", &format_args!("{}", std::any::type_name::<E>()))
            .field("options", &self.options)
            .finish()
    }
}

impl<E, B> Service<Request<B>> for OtlpHttpReceiver<E>
where
    E: Exporter,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let exporter = self.exporter.clone();
        let options = Arc::clone(&self.options);
        ResponseFuture(Box::pin(respond(exporter, options, request)))
    }
}

async fn respond<E, B>(
    exporter: E,
    options: Arc<Options>,
    request: Request<B>,
) -> Response<Full<Bytes>>
where
    E: Exporter,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let (parts, body) = request.into_parts();
    let encoding = read::encoding(&parts.headers);
    let head = match Head::read(&options, &parts) {
        Ok(head) => head,
        Err(refused) => return refused.into_response(encoding.unwrap_or(crate::Encoding::Json)),
    };
    match receive(exporter, &options, &head, body).await {
        Ok(answer) => answer::success(head.signal, head.encoding, &answer),
        Err(refused) => {
            tracing::debug!(
                signal = head.signal.as_str(),
                status = refused.status(),
                reason = refused.message(),
                "refused telemetry"
            );
            refused.into_response(head.encoding)
        }
    }
}

async fn receive<E, B>(
    exporter: E,
    options: &Options,
    head: &Head,
    body: B,
) -> Result<Answer, Refused>
where
    E: Exporter,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let request = head.read_body(options, body).await?;
    if request.is_empty() {
        return Ok(Answer::default());
    }
    let outcome = exporter.oneshot(request).await.map_err(Into::into);
    Ok(status::answer(outcome)?)
}

/// Response future of [`OtlpHttpReceiver`].
pub struct ResponseFuture(
    // Reading a body and readying a clone need names that only async blocks have; one box a
    // request is little beside its body.
    Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>,
);

impl Future for ResponseFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
