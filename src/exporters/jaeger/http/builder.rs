//! Options of the exporter to a collector.

use std::fmt;

use super::{Config, JaegerHttpExporter, NAME};
use crate::{
    Compression, ExportError, classify,
    exporters::{
        http::{Endpoint, HttpOptions, ReqwestService, http_options},
        jaeger::{encode::EncodeOptions, encode_options},
    },
};

const USER_AGENT: &str = concat!("tower-otlp/", env!("CARGO_PKG_VERSION"));

/// Where a collector takes batches.
const PATH: &str = "/api/traces";

/// Options of a [`JaegerHttpExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:14268`, with the path `/api/traces` |
/// | compression | none |
/// | timeout | 10 s for each attempt, all its batches together |
/// | largest request | 16 MiB before compression; what is more goes into another request |
/// | largest answer | 4 MiB |
/// | spans | [`EncodeOptions::default`] |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows the names of headers, never their values, and the URL without user and password.
#[derive(Clone)]
pub struct JaegerHttpBuilder {
    endpoint: String,
    compression: Compression,
    encode: EncodeOptions,
    http: HttpOptions,
}

http_options!(JaegerHttpBuilder, "jaeger", "JaegerHttpExporter");
encode_options!(JaegerHttpBuilder);

impl Default for JaegerHttpBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:14268".to_owned(),
            compression: Compression::None,
            encode: EncodeOptions::default(),
            // Collectors that are built on the OpenTelemetry Collector take 20 MiB.
            http: HttpOptions::new(NAME, USER_AGENT, 16 << 20),
        }
    }
}

impl JaegerHttpBuilder {
    /// Sets the URL of the collector. Without a path, `/api/traces` is used. A user and password
    /// in it become Basic authentication.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets the compression. Default: none, for collectors of Jaeger 1 read the body as it is.
    /// Those that are built on the OpenTelemetry Collector, Jaeger 2 among them, decompress.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL or a header is
    /// invalid, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<JaegerHttpExporter, ExportError> {
        self.build_with(|client| client)
    }

    /// Builds the exporter over the default client with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(
        self,
        wrap: impl FnOnce(ReqwestService) -> S,
    ) -> Result<JaegerHttpExporter<S>, ExportError> {
        let config = self.config()?;
        let client = self
            .http
            .build_client(config.endpoint.is_https())
            .map_err(|error| config.name(error))?;
        Ok(JaegerHttpExporter::with_config(wrap(client), config))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL or a header is
    /// invalid.
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_otlp::exporters::{http::RequestBody, jaeger::JaegerHttpExporter};
    ///
    /// let collector = service_fn(|_: http::Request<RequestBody>| async {
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(RequestBody::default()))
    /// });
    /// let exporter = JaegerHttpExporter::builder().build_on(collector)?;
    /// # let _ = exporter;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    pub fn build_on<S>(self, service: S) -> Result<JaegerHttpExporter<S>, ExportError> {
        let config = self.config()?;
        Ok(JaegerHttpExporter::with_config(service, config))
    }

    fn config(&self) -> Result<Config, ExportError> {
        let endpoint = self.endpoint_with_path()?;
        let sender = self.http.sender(classify::http_backend, [&endpoint])?;
        Ok(Config {
            endpoint,
            compression: self.compression,
            encode: self.encode.clone(),
            max_request_bytes: self.http.max_request_bytes,
            sender,
        })
    }

    fn endpoint_with_path(&self) -> Result<Endpoint, ExportError> {
        Endpoint::parse(&self.endpoint)
            .and_then(|endpoint| match endpoint.uri.path() {
                "" | "/" => Endpoint::under(&self.endpoint, PATH),
                _ => Ok(endpoint),
            })
            .map_err(|problem| self.http.invalid(format!("the endpoint: {problem}")))
    }
}

impl fmt::Debug for JaegerHttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = match self.endpoint_with_path() {
            Ok(endpoint) => endpoint.shown.to_string(),
            Err(_) => "(invalid)".to_owned(),
        };
        let mut out = f.debug_struct("JaegerHttpBuilder");
        out.field("endpoint", &endpoint)
            .field("compression", &self.compression)
            .field("encode", &self.encode);
        self.http.debug(&mut out);
        out.finish_non_exhaustive()
    }
}
