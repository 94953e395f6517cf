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
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower::BoxError;
use tower_service::Service;

pub use self::builder::OtlpHttpBuilder;
use crate::{
    Compression, Encoding, ExportError, ExportRequest, ExportResponse, Signal,
    exporters::{
        http::{Endpoint, HttpExportFuture, HttpSender, Reply, RequestBody, ReqwestService},
        otlp::forward::Forward,
    },
    otlp::response::Answer,
};

/// Response future of [`OtlpHttpExporter`].
pub type OtlpHttpFuture = HttpExportFuture;

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
    forward: Forward,
    sender: HttpSender,
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
        let mut out = f.debug_struct("OtlpHttpExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoints", &endpoints)
            .field("encoding", &config.encoding)
            .field("compression", &config.compression)
            .field("forward", &config.forward);
        config.sender.debug(&mut out);
        out.finish()
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
            Err(error) => HttpExportFuture::ready(Err(config.name(error, request.signal()))),
            Ok(sent) => {
                let deadline = config.sender.deadline();
                let answer = self.inner.call(sent);
                let (signal, items) = (request.signal(), request.items());
                HttpExportFuture::new(async move {
                    let reply = config.sender.exchange(answer, deadline).await;
                    reply
                        .and_then(|reply| config.read(&reply, signal, items))
                        .map_err(|error| config.name(error, signal))
                })
            }
        }
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
        self.sender.name(error, self.endpoint(signal))
    }

    fn encode(&self, request: &ExportRequest) -> Result<Request<RequestBody>, ExportError> {
        self.sender.check_size(request.byte_size())?;
        if self.encoding != Encoding::Protobuf {
            let size = request.encoded(self.encoding).len();
            self.sender.check_size(size)?;
        }
        let body = request.body(self.encoding, self.compression)?;
        let endpoint = self.endpoint(request.signal());
        let content_type = self.encoding.content_type();
        let mut out = self
            .sender
            .post(endpoint, content_type, self.compression, body);
        self.forward.apply(request.metadata(), out.headers_mut())?;
        Ok(out)
    }

    fn read(
        &self,
        reply: &Reply,
        signal: Signal,
        items: u64,
    ) -> Result<ExportResponse, ExportError> {
        if !reply.status.is_success() {
            return Err(self.sender.refusal(reply));
        }
        let answer = match &reply.body {
            Ok(body) if reply.is_json() => Answer::from_json(signal, body),
            Ok(body) if reply.is_protobuf() => Answer::from_protobuf(body),
            Ok(_) => Answer::default(),
            Err(unread) => Answer {
                rejected: 0,
                message: unread.as_str().to_owned(),
            },
        };
        let message = self.sender.readable(&answer.message);
        let rejected = answer.rejected.min(items);
        let endpoint = self.endpoint(signal);
        let response = self.sender.delivered(items - rejected, endpoint);
        Ok(if rejected > 0 {
            response.with_rejected(rejected, message)
        } else {
            response.with_message(message)
        })
    }
}
