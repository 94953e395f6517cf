//! OTLP over HTTP, sent: protobuf or JSON.
//!
//! ```no_run
//! use std::time::Duration;
//! use tower::ServiceExt;
//! use tower_otlp::{Compression, ExportRequest, Signal, exporters::otlp::OtlpHttpExporter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = OtlpHttpExporter::builder()
//!     .endpoint("https://collector.example:4318")
//!     .header("x-api-key", "secret")
//!     .compression(Compression::Zstd)
//!     .timeout(Duration::from_secs(5))
//!     .build()?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! Source of the rules: [OTLP specification](https://opentelemetry.io/docs/specs/otlp/#otlphttp),
//! "OTLP/HTTP".
//!
//! # What an answer means
//!
//! | answer | outcome |
//! |---|---|
//! | 2xx | delivered; a partial success counts its rejected items |
//! | 2xx of which the body cannot be read | delivered: sending it again would double it |
//! | 429, 502, 503, 504 | an error with a retry, after `Retry-After` if there is one |
//! | 3xx | an error: redirects are not followed |
//! | anything else | an error without a retry |
//!
//! [`on_status`](OtlpHttpBuilder::on_status) replaces a row.
//!
//! # The transport
//!
//! The exporter works over any `Service<http::Request<RequestBody>>`, so that layers fit below
//! it too, and a test needs no socket:
//!
//! ```
//! use http_body_util::Full;
//! use tower::ServiceExt;
//! use tower_otlp::{
//!     ExportError, ExportRequest, ExportResponse, Signal,
//!     exporters::otlp::OtlpHttpExporter,
//!     receivers::OtlpHttpReceiver,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = tower::service_fn(|request: ExportRequest| async move {
//!     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! });
//! let exporter = OtlpHttpExporter::builder().build_on(OtlpHttpReceiver::new(backend))?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
//! assert_eq!(exporter.oneshot(request).await?.delivered_items(), 1);
//! # Ok(())
//! # }
//! ```

mod builder;

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::Full;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

pub use self::builder::OtlpHttpBuilder;
use crate::{
    Compression, Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse, Metadata, Signal,
    body::collect,
    classify::Overrides,
    exporters::http::{Endpoint, Reply, RequestBody, ReqwestService, Secrets, Unread, readable},
    otlp::response::Answer,
};

/// The name under which this exporter appears in errors.
const NAME: &str = "otlp-http";

/// Sends OTLP over HTTP. Made by a [builder](Self::builder). A clone shares everything.
///
/// It is ready when its transport is: the default one always is, and opens as many connections
/// as are needed. Limit it with a layer.
#[derive(Clone)]
pub struct OtlpHttpExporter<S = ReqwestService> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    /// In the order of `Signal::ALL`.
    endpoints: [Endpoint; 3],
    encoding: Encoding,
    compression: Compression,
    headers: HeaderMap,
    forward: bool,
    timeout: Option<Duration>,
    max_request_bytes: usize,
    max_response_bytes: usize,
    overrides: Overrides<u16>,
    secrets: Secrets,
}

impl OtlpHttpExporter {
    /// A builder with the defaults of the OTLP specification.
    #[must_use]
    pub fn builder() -> OtlpHttpBuilder {
        OtlpHttpBuilder::default()
    }
}

impl<S> OtlpHttpExporter<S> {
    fn with_config(inner: S, config: Config) -> Self {
        Self {
            inner,
            config: Arc::new(config),
        }
    }

    /// The transport.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The transport, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the transport.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> fmt::Debug for OtlpHttpExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &*self.config;
        let endpoints: Vec<&str> = config.endpoints.iter().map(|to| &*to.shown).collect();
        let headers: Vec<&str> = config.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("OtlpHttpExporter")
            .field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoints", &endpoints)
            .field("encoding", &config.encoding)
            .field("compression", &config.compression)
            .field("headers", &headers)
            .field("forward_headers", &config.forward)
            .field("timeout", &config.timeout)
            .field("max_request_bytes", &config.max_request_bytes)
            .field("max_response_bytes", &config.max_response_bytes)
            .field("on_status", &config.overrides)
            .finish()
    }
}

impl<S, B> Service<ExportRequest> for OtlpHttpExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = OtlpHttpFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        // No endpoint to name: which signal comes is not known yet.
        self.inner
            .poll_ready(cx)
            .map_err(|error| ExportError::from(error.into()))
    }

    fn call(&mut self, request: ExportRequest) -> OtlpHttpFuture {
        let config = Arc::clone(&self.config);
        match config.encode(&request) {
            Err(error) => {
                let error = config.name(error, request.signal());
                OtlpHttpFuture(Box::pin(std::future::ready(Err(error))))
            }
            Ok(sent) => {
                let deadline = config
                    .timeout
                    .and_then(|timeout| Instant::now().checked_add(timeout));
                let answer = self.inner.call(sent);
                let (signal, items) = (request.signal(), request.items());
                OtlpHttpFuture(Box::pin(async move {
                    exchange(answer, deadline, &config, signal, items)
                        .await
                        .map_err(|error| config.name(error, signal))
                }))
            }
        }
    }
}

/// Waits for the answer and reads it.
async fn exchange<F, B, E>(
    answer: F,
    deadline: Option<Instant>,
    config: &Config,
    signal: Signal,
    items: u64,
) -> Result<ExportResponse, ExportError>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let response = match before(deadline, answer).await {
        Some(Ok(response)) => response,
        Some(Err(error)) => return Err(ExportError::from(error.into())),
        None => return Err(config.late()),
    };
    let (parts, body) = response.into_parts();
    let body = pin!(body);
    let body = match before(deadline, collect(body, config.max_response_bytes)).await {
        Some(body) => body.map_err(Unread::from),
        None => Err(Unread::Late),
    };
    config.read(&Reply::new(parts, body), signal, items)
}

/// What the future yields, unless the deadline passes first.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

impl Config {
    fn endpoint(&self, signal: Signal) -> &Endpoint {
        let [traces, metrics, logs] = &self.endpoints;
        match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        }
    }

    fn name(&self, error: ExportError, signal: Signal) -> ExportError {
        error.with_exporter(NAME, Arc::clone(&self.endpoint(signal).shown))
    }

    fn encode(&self, request: &ExportRequest) -> Result<Request<RequestBody>, ExportError> {
        self.check_size(request.byte_size())?;
        if self.encoding != Encoding::Protobuf {
            self.check_size(request.encoded(self.encoding).len())?;
        }
        let body = request.body(self.encoding, self.compression)?;
        let endpoint = self.endpoint(request.signal());
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
        if self.forward {
            self.forward(request.metadata(), headers);
        }
        let content_type = HeaderValue::from_static(self.encoding.content_type());
        headers.insert(header::CONTENT_TYPE, content_type);
        if self.compression != Compression::None {
            let encoding = HeaderValue::from_static(self.compression.as_str());
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        Ok(out)
    }

    /// The limit is on the uncompressed body, which is what servers limit.
    fn check_size(&self, size: usize) -> Result<(), ExportError> {
        if size <= self.max_request_bytes {
            return Ok(());
        }
        let limit = self.max_request_bytes;
        let message = format!("the request of {size} bytes is larger than the limit of {limit}");
        Err(ExportError::new(ErrorKind::TooLarge, message))
    }

    /// Puts the headers and the trace context of a request into a call, except those that the
    /// options set.
    fn forward(&self, metadata: &Metadata, headers: &mut HeaderMap) {
        let trace = [
            ("traceparent", metadata.traceparent()),
            ("tracestate", metadata.tracestate()),
        ];
        let trace = trace
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let set = headers.clone();
        for (name, value) in metadata.headers().chain(trace) {
            let Ok(name) = HeaderName::try_from(name) else {
                continue;
            };
            if is_reserved(&name) || set.contains_key(&name) {
                continue;
            }
            if let Ok(mut value) = HeaderValue::try_from(value) {
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
    }

    fn late(&self) -> ExportError {
        let limit = self.timeout.unwrap_or_default();
        ExportError::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
    }

    fn read(
        &self,
        reply: &Reply,
        signal: Signal,
        items: u64,
    ) -> Result<ExportResponse, ExportError> {
        if !reply.status.is_success() {
            return Err(reply.to_error(&self.overrides, &self.secrets));
        }
        let destination = format!("{NAME} exporter ({})", self.endpoint(signal).shown);
        let answer = match &reply.body {
            Ok(body) if reply.is_json() => Answer::from_json(signal, body),
            Ok(body) if reply.is_protobuf() => Answer::from_protobuf(body),
            Ok(_) => Answer::default(),
            Err(unread) => Answer {
                rejected: 0,
                message: unread.as_str().to_owned(),
            },
        };
        let message = self.secrets.hide(readable(&answer.message));
        let rejected = answer.rejected.min(items);
        let response = ExportResponse::delivered(items - rejected).with_destination(destination);
        Ok(if rejected > 0 {
            response.with_rejected(rejected, message)
        } else {
            response.with_message(message)
        })
    }
}

/// Headers that describe the body or the connection, and belong to the protocol.
fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 8] = [
        header::TE,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::HOST,
    ];
    RESERVED.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Response future of [`OtlpHttpExporter`].
pub struct OtlpHttpFuture(
    // A leaf may box: one allocation beside those of the HTTP client.
    Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>,
);

impl Future for OtlpHttpFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for OtlpHttpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpHttpFuture").finish_non_exhaustive()
    }
}
