//! Zipkin, over HTTP: v2 JSON or protobuf.
//!
//! ```
//! use tower_otlp::{Compression, exporters::zipkin::ZipkinExporter};
//!
//! let exporter = ZipkinExporter::builder()
//!     .endpoint("http://zipkin:9411")
//!     .compression(Compression::Gzip)
//!     .build()?;
//! # let _ = exporter;
//! # Ok::<(), tower_otlp::ExportError>(())
//! ```
//!
//! Takes traces. Metrics and logs have no Zipkin form and fail at once with
//! [`ErrorKind::Unsupported`].
//!
//! Spans are written straight from the request's bytes, by [`encode`](encode::encode), anew for
//! each attempt. Source of the rules:
//! [OpenTelemetry specification, "Zipkin"](https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/),
//! and where that is silent the OpenTelemetry Collector.
//!
//! # What becomes of a span
//!
//! | OTLP | Zipkin |
//! |---|---|
//! | trace, span and parent id | the same, in lower-case hex; a trace id always has 32 digits |
//! | name | in lower case, as Zipkin keeps it |
//! | kind | the same; internal spans have none |
//! | start, duration | microseconds, rounded half up; a duration is at least 1 |
//! | `service.name` | `localEndpoint`, with the local address of the span |
//! | attributes that say who was called | also `remoteEndpoint`, see below |
//! | attributes of resource, scope, span | tags; the later replaces the earlier |
//! | scope | tags `otel.scope.name`, `otel.scope.version` |
//! | status | tag `otel.status_code`: `OK`, `ERROR`; tag `error` with the message |
//! | `tracestate` | tag `w3c.tracestate` |
//! | events | annotations |
//! | links | tags `otlp.link.0` and so on |
//! | dropped attributes, events, links | tags `otel.dropped_attributes_count` and so on |
//!
//! Tags are text: arrays and maps become JSON, bytes base64. A span has no tag `error` unless it
//! failed, even if an attribute has that name: Zipkin shows a span with one as failed.
//!
//! The other end of a call is, for clients and producers, the first of `service.peer.name`,
//! `peer.service`, `server.address`, `net.peer.name`, `server.socket.domain`,
//! `net.sock.peer.name`, `peer.hostname`, `peer.address`, `db.name` that is no IP address; its
//! address is the first IP address among `server.address`, `net.peer.name`,
//! `network.peer.address`, `server.socket.address`, `net.sock.peer.addr`, `peer.address`. For
//! other kinds `service.peer.name`, `peer.service` and `network.peer.address` count.
//!
//! Zipkin has no place for trace flags, schema URLs, unknown enumeration values, and what
//! resources, scopes and (unless [`AnnotationFormat::Collector`](encode::AnnotationFormat) is
//! chosen) events dropped.
//!
//! # What is never lost in silence
//!
//! A span whose ids are missing, zero or of the wrong length is left out, counted as rejected, and
//! named in the answer's message: a server would refuse all others with it. A span that ends
//! before it starts is sent without a duration, and the message says so.
//!
//! # What an answer means
//!
//! | answer | outcome |
//! |---|---|
//! | 2xx | delivered: the server has decoded the spans. It may still fail to store them |
//! | 408, 429, 500, 502, 503, 504 | an error with a retry, after `Retry-After` if there is one |
//! | 413 | [`ErrorKind::TooLarge`]: a [`split`](crate::layers::split) layer above halves the request |
//! | 3xx | an error: redirects are not followed |
//! | anything else | an error without a retry; 400 means that the server took none of the spans |
//!
//! [`on_status`](ZipkinBuilder::on_status) replaces a row.
//!
//! The exporter works over any `Service<http::Request<RequestBody>>`; see
//! [`build_on`](ZipkinBuilder::build_on).

mod builder;
pub mod encode;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::BoxError;
use tower_service::Service;

use self::encode::{Encoded, encode};
pub use self::{
    builder::ZipkinBuilder,
    encode::{AnnotationFormat, ZipkinEncoding, ZipkinOptions},
};
use crate::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{Endpoint, HttpExportFuture, HttpSender, Reply, RequestBody, ReqwestService},
};

/// The name under which this exporter appears in errors.
const NAME: &str = "zipkin";

/// Response future of [`ZipkinExporter`].
pub type ZipkinFuture = HttpExportFuture;

/// Sends traces to Zipkin; see the [module](self). Made by a [builder](Self::builder). A clone
/// shares everything.
///
/// It is ready when its transport is: the default one always is, and opens as many connections
/// as are needed. Limit it with a layer.
#[derive(Clone)]
pub struct ZipkinExporter<S = ReqwestService> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    endpoint: Endpoint,
    compression: Compression,
    options: ZipkinOptions,
    sender: HttpSender,
}

impl ZipkinExporter {
    /// Options; by default JSON to `http://localhost:9411/api/v2/spans`.
    #[must_use]
    pub fn builder() -> ZipkinBuilder {
        ZipkinBuilder::default()
    }
}

impl<S> ZipkinExporter<S> {
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

impl<S> fmt::Debug for ZipkinExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &*self.config;
        let mut out = f.debug_struct("ZipkinExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoint", &config.endpoint.shown)
            .field("compression", &config.compression)
            .field("options", &config.options);
        config.sender.debug(&mut out);
        out.finish()
    }
}

impl<S, B> Service<ExportRequest> for ZipkinExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ZipkinFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.config.name(ExportError::from(error.into())))
    }

    fn call(&mut self, request: ExportRequest) -> ZipkinFuture {
        let config = Arc::clone(&self.config);
        let (encoded, body) = match config.encode(&request) {
            Ok(encoded) => encoded,
            Err(error) => return HttpExportFuture::ready(Err(config.name(error))),
        };
        if encoded.spans() == 0 {
            return HttpExportFuture::ready(Ok(config.response(&encoded)));
        }
        let content_type = config.options.content_type();
        let endpoint = &config.endpoint;
        let sent = config
            .sender
            .post(endpoint, content_type, config.compression, body);
        let deadline = config.sender.deadline();
        let answer = self.inner.call(sent);
        HttpExportFuture::new(async move {
            let reply = config.sender.exchange(answer, deadline).await;
            reply
                .and_then(|reply| config.read(&reply, &encoded))
                .map_err(|error| config.name(error))
        })
    }
}

impl Config {
    fn name(&self, error: ExportError) -> ExportError {
        self.sender.name(error, &self.endpoint)
    }

    /// The body, compressed, and what it holds.
    fn encode(&self, request: &ExportRequest) -> Result<(Encoded, Bytes), ExportError> {
        let Some(traces) = request.traces() else {
            let signal = request.signal();
            let message = format!("Zipkin takes traces only, not {signal}; route them elsewhere");
            return Err(ExportError::new(ErrorKind::Unsupported, message));
        };
        // A span's tags mostly take more room in Zipkin's form, for they have those of its
        // resource among them.
        let likely = request.byte_size().saturating_mul(3);
        let mut body = Vec::with_capacity(likely.min(self.options.most_bytes()));
        let encoded = encode(traces, &self.options, &mut body)?;
        if self.compression == Compression::None || body.is_empty() {
            return Ok((encoded, body.into()));
        }
        match self.compression.compress(&body) {
            Ok(compressed) => Ok((encoded, compressed.into())),
            Err(error) => {
                Err(ExportError::new(ErrorKind::Internal, "compression failed").with_source(error))
            }
        }
    }

    fn read(&self, reply: &Reply, encoded: &Encoded) -> Result<ExportResponse, ExportError> {
        if reply.status.is_success() {
            Ok(self.response(encoded))
        } else {
            Err(self.sender.refusal(reply))
        }
    }

    /// Every span of the body was delivered; what was left out, or changed, is told.
    fn response(&self, encoded: &Encoded) -> ExportResponse {
        let response = self.sender.delivered(encoded.spans(), &self.endpoint);
        let mut message = String::new();
        if let Some(reason) = encoded.reason() {
            let count = encoded.rejected();
            message = format!("Zipkin cannot carry {count} of the spans; the first is {reason}");
        }
        let backwards = encoded.without_duration();
        if backwards > 0 {
            if !message.is_empty() {
                message.push_str("; ");
            }
            message.push_str(&format!(
                "{backwards} of the spans end before they start, and were sent without a duration"
            ));
        }
        match encoded.rejected() {
            0 => response.with_message(message),
            rejected => response.with_rejected(rejected, message),
        }
    }
}
