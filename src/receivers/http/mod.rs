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
//! let receiver = OtlpHttpReceiver::new(exporter).keep_header("x-region");
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
//! | the exporter asks to slow down, or the admission budget is used up | 429 with `Retry-After` |
//! | the exporter failed, a retry may help | 503, or 504 after a timeout |
//! | the exporter failed for good | 400, 413, 500 or 501 |
//! | the body did not arrive in time | 503 |
//!
//! Every answer but 200 has a `google.rpc.Status` as its body, in the encoding of the request;
//! JSON if that is not known.
//!
//! A body that is refused before it was read is read all the same, up to 256 MiB, and thrown
//! away: over HTTP/1 a client that is still sending would else see a reset connection in place of
//! the answer.
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
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version, header, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tower::{BoxError, ServiceExt};
use tower_service::Service;

use self::{answer::Refused, read::Head};
use super::status;
use crate::{
    Compression, Encoding, Exporter,
    body::discard,
    layers::admission::AdmissionBudget,
    otlp::{Limits, response::Answer},
};

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
    max_wire_bytes: usize,
    limits: Limits,
    accepted: Vec<Compression>,
    read_timeout: Duration,
    /// In lower case, as header maps hold them.
    kept_headers: Vec<String>,
    tenant_header: Option<String>,
    admission: Option<AdmissionBudget>,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            prefix: String::new(),
            max_wire_bytes: limits.max_bytes,
            limits,
            accepted: Compression::ALL.to_vec(),
            read_timeout: Duration::from_secs(60),
            kept_headers: Vec::new(),
            tenant_header: None,
            admission: None,
        }
    }
}

impl<E> OtlpHttpReceiver<E> {
    /// A receiver for `/v1/traces`, `/v1/metrics` and `/v1/logs`.
    #[must_use]
    pub fn new(exporter: E) -> Self {
        Self {
            exporter,
            options: Arc::default(),
        }
    }

    /// Sets what stands before `/v1/...` in the path, for instance `/otlp`. Default: nothing.
    #[must_use]
    pub fn path_prefix(self, prefix: impl AsRef<str>) -> Self {
        let prefix = prefix.as_ref().trim_matches('/');
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        };
        self.edit(|options| options.prefix = prefix)
    }

    /// Accepts bodies of at most this many bytes after decompression. Default: 64 MiB, the limit
    /// that OTLP recommends. The same as `max_bytes` of [`limits`](Self::limits).
    #[must_use]
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        self.edit(|options| options.limits.max_bytes = bytes)
    }

    /// Accepts bodies of at most this many bytes as they travel. What is larger is never held in
    /// memory. Default: 64 MiB.
    #[must_use]
    pub fn max_wire_bytes(self, bytes: usize) -> Self {
        self.edit(|options| options.max_wire_bytes = bytes)
    }

    /// Sets what the check of the telemetry accepts at most.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.edit(|options| options.limits = limits)
    }

    /// Accepts these compressions only, and uncompressed bodies. Default: all of
    /// [`Compression::ALL`].
    #[must_use]
    pub fn accept(self, compressions: impl IntoIterator<Item = Compression>) -> Self {
        self.edit(|options| options.accepted = compressions.into_iter().collect())
    }

    /// Sets how long a body may take to arrive. Default: 60 s.
    #[must_use]
    pub fn read_timeout(self, timeout: Duration) -> Self {
        self.edit(|options| options.read_timeout = timeout)
    }

    /// Keeps this request header in the [`Metadata`](crate::Metadata). Default: none is kept,
    /// except the trace context, which has a place of its own.
    #[must_use]
    pub fn keep_header(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.edit(|options| options.kept_headers.push(name))
    }

    /// Reads the tenant from this request header. Default: no tenant.
    ///
    /// A request without it, or with an empty one, has no tenant. One that names several, or one
    /// in other than visible ASCII, is refused with 400.
    #[must_use]
    pub fn tenant_header(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.edit(|options| options.tenant_header = Some(name))
    }

    /// Takes bodies only as far as this budget of bytes in flight goes, which it may share with
    /// other receivers and pipelines; what is beyond is answered 429 with `Retry-After` at once.
    /// See [`layers::admission`](crate::layers::admission). Default: no budget.
    #[must_use]
    pub fn admission(self, budget: AdmissionBudget) -> Self {
        self.edit(|options| options.admission = Some(budget))
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
    let mut body = pin!(body);
    let (refused, encoding) = match Head::read(&options, &parts) {
        Ok(head) => match receive(exporter, &options, &head, body.as_mut()).await {
            Ok(answer) => return answer::success(head.signal, head.encoding, &answer),
            Err(refused) => (refused, head.encoding),
        },
        Err(refused) => {
            let encoding = read::encoding(&parts.headers).unwrap_or(Encoding::Json);
            (refused.unread(), encoding)
        }
    };
    tracing::debug!(
        path = parts.uri.path(),
        status = refused.status(),
        reason = refused.message(),
        "refused telemetry"
    );
    if refused.is_unread() && is_being_sent(&parts) {
        // Too late is as good as too long.
        let _ = tokio::time::timeout(options.read_timeout, discard(body, MAX_DISCARDED)).await;
    }
    refused.into_response(encoding)
}

/// How much of a refused body is read all the same. A connection that is closed while the peer
/// still writes is reset, and the answer with it: the client takes that for a broken network and
/// sends the same body again, for ever.
const MAX_DISCARDED: u64 = 256 << 20;

/// Whether the peer sends its body whatever the answer is. HTTP/2 can stop it, and a peer that
/// expects `100 Continue` waits.
fn is_being_sent(parts: &Parts) -> bool {
    parts.version < Version::HTTP_2 && !parts.headers.contains_key(header::EXPECT)
}

async fn receive<E, B>(
    exporter: E,
    options: &Options,
    head: &Head,
    body: Pin<&mut B>,
) -> Result<Answer, Refused>
where
    E: Exporter,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    // What was paid for the body is held until the answer is there.
    let (request, paid) = head.read_body(options, body).await?;
    if request.is_empty() {
        return Ok(Answer::default());
    }
    let outcome = exporter.oneshot(request).await.map_err(Into::into);
    drop(paid);
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
