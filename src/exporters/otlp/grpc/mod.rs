//! OTLP over gRPC.

mod answer;
mod builder;
mod config;
mod endpoint;
mod future;
#[cfg(feature = "tls")]
mod tls;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body::Body as HttpBody;
use tonic::{body::Body, client::GrpcService, transport::Channel};
use tower::BoxError;
use tower_service::Service;

pub use builder::OtlpGrpcBuilder;
pub use future::OtlpGrpcFuture;

use crate::{Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse, grpc::UnaryBody};
use config::Config;

/// Sends telemetry to an OTLP server over gRPC.
///
/// It carries all three signals. It is generic over the gRPC service below it: tonic's
/// [`Channel`] by default, a channel under tower layers
/// ([`build_with`](OtlpGrpcBuilder::build_with)), or any other service of that shape
/// ([`new`](Self::new)). Clones share the connection.
///
/// ```no_run
/// use std::time::Duration;
/// use tower::ServiceExt;
/// use tower_otlp::{Compression, ExportError, ExportRequest, exporters::otlp::OtlpGrpcExporter};
///
/// # async fn example(request: ExportRequest) -> Result<(), ExportError> {
/// let exporter = OtlpGrpcExporter::builder()
///     .endpoint("http://collector:4317")
///     .compression(Compression::Gzip)
///     .header("x-api-key", "secret")
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// let response = exporter.oneshot(request).await?;
/// println!("{} delivered", response.delivered_items());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A status is classified by the table of the OTLP specification, "Failures" and "OTLP/gRPC
/// Throttling"; [`on_status`](OtlpGrpcBuilder::on_status) replaces a row. A server that cannot
/// be reached is [`ErrorKind::Unavailable`] in the response future: the exporter lives on, and
/// connects again with the next request. Each error names the endpoint.
///
/// # Partial success
///
/// Items that the server rejected are counted in the response with its message. They must not
/// be sent again.
#[derive(Clone)]
pub struct OtlpGrpcExporter<T = Channel> {
    inner: T,
    config: Arc<Config>,
}

impl OtlpGrpcExporter {
    /// Options, then a connection.
    pub fn builder() -> OtlpGrpcBuilder {
        OtlpGrpcBuilder::default()
    }
}

impl<T> OtlpGrpcExporter<T> {
    /// An exporter over this gRPC service, with default options. For others, see
    /// [`build_on`](OtlpGrpcBuilder::build_on).
    #[must_use]
    pub fn new(service: T) -> Self {
        Self::with_config(service, Config::default())
    }

    fn with_config(inner: T, config: Config) -> Self {
        Self {
            inner,
            config: Arc::new(config),
        }
    }

    /// Sets scheme, authority and path prefix of the calls. A [`Channel`] replaces scheme and
    /// authority by its own; other services may need them. Default: `http://localhost:4317`.
    ///
    /// Credentials in the URI are dropped.
    #[must_use]
    pub fn with_origin(mut self, origin: Uri) -> Self {
        Arc::make_mut(&mut self.config).set_origin(&origin);
        self
    }

    /// The gRPC service.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The gRPC service, mutably.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Unwraps the gRPC service.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// The HTTP request of a call.
    fn http_request(&self, request: &ExportRequest) -> Result<Request<Body>, ExportError> {
        let config = &*self.config;
        if request.byte_size() > config.max_request_bytes {
            return Err(ExportError::new(
                ErrorKind::TooLarge,
                format!(
                    "the request has {} bytes, more than the limit of {}",
                    request.byte_size(),
                    config.max_request_bytes
                ),
            ));
        }
        let payload = request.body(Encoding::Protobuf, config.compression)?;
        let compressed = config.compression != crate::Compression::None;
        let Some(body) = UnaryBody::new(payload, compressed) else {
            return Err(ExportError::new(
                ErrorKind::TooLarge,
                "the request is larger than a gRPC message can be",
            ));
        };
        let mut http = Request::new(Body::new(body));
        *http.method_mut() = http::Method::POST;
        *http.version_mut() = http::Version::HTTP_2;
        *http.uri_mut() = config.uri(request.signal()).clone();
        *http.headers_mut() = config.headers.clone();
        config
            .forward
            .apply(request.metadata(), http.headers_mut())?;
        Ok(http)
    }
}

impl<T> Service<ExportRequest> for OtlpGrpcExporter<T>
where
    T: GrpcService<Body>,
    T::ResponseBody: HttpBody<Data = Bytes>,
    <T::ResponseBody as HttpBody>::Error: Into<BoxError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = OtlpGrpcFuture<T::Future, T::ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.config.named(ExportError::from(error.into())))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        match self.http_request(&request) {
            Ok(http) => {
                let call = self.inner.call(http);
                OtlpGrpcFuture::calling(call, Arc::clone(&self.config), request.items())
            }
            Err(error) => OtlpGrpcFuture::failed(self.config.named(error), &self.config),
        }
    }
}

impl<T> fmt::Debug for OtlpGrpcExporter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpGrpcExporter")
            .field("service", &std::any::type_name::<T>())
            .field("config", &self.config)
            .finish()
    }
}
