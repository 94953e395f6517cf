//! Options of the OTLP/HTTP exporter.

use std::fmt;

use super::{Config, NAME, OtlpHttpExporter};
use crate::{
    Compression, Encoding, ExportError, Signal, classify,
    exporters::{
        http::{Endpoint, HttpOptions, ReqwestService, http_options, is_reserved},
        otlp::forward::{ForwardOptions, forward_options},
    },
};

/// The form that the specification asks for: "OpenTelemetry Protocol Exporter", "User Agent".
const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Rust-tower/", env!("CARGO_PKG_VERSION"));

/// Options of an [`OtlpHttpExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:4318` |
/// | encoding | protobuf |
/// | compression | none |
/// | timeout | 10 s for each attempt |
/// | largest request | 64 MiB before compression |
/// | largest answer | 4 MiB |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows the names of headers, never their values, and URLs without user and password.
#[derive(Clone)]
pub struct OtlpHttpBuilder {
    endpoint: String,
    /// In the order of `Signal::ALL`.
    signal_endpoints: [Option<String>; 3],
    encoding: Encoding,
    compression: Compression,
    forward: ForwardOptions,
    http: HttpOptions,
}

http_options!(OtlpHttpBuilder, "otlp", "OtlpHttpExporter");
forward_options!(OtlpHttpBuilder, "OtlpHttpExporter");

impl Default for OtlpHttpBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4318".to_owned(),
            signal_endpoints: [None, None, None],
            encoding: Encoding::Protobuf,
            compression: Compression::None,
            forward: ForwardOptions::default(),
            http: HttpOptions::new(NAME, USER_AGENT, 64 << 20),
        }
    }
}

impl OtlpHttpBuilder {
    /// Sets the base URL; `/v1/traces`, `/v1/metrics` or `/v1/logs` is appended to its path. A
    /// user and password in it become Basic authentication.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets the URL for traces, used as it is.
    #[must_use]
    pub fn traces_endpoint(self, url: impl Into<String>) -> Self {
        self.signal_endpoint(Signal::Traces, url)
    }

    /// Sets the URL for metrics, used as it is.
    #[must_use]
    pub fn metrics_endpoint(self, url: impl Into<String>) -> Self {
        self.signal_endpoint(Signal::Metrics, url)
    }

    /// Sets the URL for logs, used as it is.
    #[must_use]
    pub fn logs_endpoint(self, url: impl Into<String>) -> Self {
        self.signal_endpoint(Signal::Logs, url)
    }

    /// Sets the URL for this signal, used as it is.
    #[must_use]
    pub fn signal_endpoint(mut self, signal: Signal, url: impl Into<String>) -> Self {
        let [traces, metrics, logs] = &mut self.signal_endpoints;
        let slot = match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        };
        *slot = Some(url.into());
        self
    }

    /// Sets the encoding. Default: protobuf.
    #[must_use]
    pub const fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets the compression. Default: none.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if a URL or a header is invalid, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<OtlpHttpExporter, ExportError> {
        self.build_with(|client| client)
    }

    /// Builds the exporter over the default client with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use http::{HeaderValue, Request};
    /// use tower::ServiceBuilder;
    /// use tower_otlp::exporters::{http::RequestBody, otlp::OtlpHttpExporter};
    ///
    /// # fn token() -> HeaderValue { HeaderValue::from_static("Bearer ...") }
    /// let exporter = OtlpHttpExporter::builder().build_with(|client| {
    ///     ServiceBuilder::new()
    ///         .map_request(|mut request: Request<RequestBody>| {
    ///             request.headers_mut().insert("authorization", token());
    ///             request
    ///         })
    ///         .service(client)
    /// })?;
    /// # let _ = exporter;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    pub fn build_with<S>(
        self,
        wrap: impl FnOnce(ReqwestService) -> S,
    ) -> Result<OtlpHttpExporter<S>, ExportError> {
        let config = self.config()?;
        let https = config.endpoints.iter().any(Endpoint::is_https);
        let client = self
            .http
            .build_client(https)
            .map_err(|error| config.name(error, Signal::Traces))?;
        Ok(OtlpHttpExporter::with_config(wrap(client), config))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if a URL or a header is invalid.
    pub fn build_on<S>(self, service: S) -> Result<OtlpHttpExporter<S>, ExportError> {
        Ok(OtlpHttpExporter::with_config(service, self.config()?))
    }

    fn config(&self) -> Result<Config, ExportError> {
        let endpoints = [
            self.endpoint_of(Signal::Traces)?,
            self.endpoint_of(Signal::Metrics)?,
            self.endpoint_of(Signal::Logs)?,
        ];
        Ok(Config {
            sender: self.http.sender(classify::http, &endpoints)?,
            endpoints,
            encoding: self.encoding,
            compression: self.compression,
            forward: (self.forward.check(is_reserved))
                .map_err(|problem| self.http.invalid(problem))?,
        })
    }

    fn endpoint_of(&self, signal: Signal) -> Result<Endpoint, ExportError> {
        let [traces, metrics, logs] = &self.signal_endpoints;
        let own = match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        };
        match own {
            Some(url) => Endpoint::parse(url).map_err(|problem| {
                self.http
                    .invalid(format!("the endpoint for {signal}: {problem}"))
            }),
            None => Endpoint::under(&self.endpoint, &format!("/v1/{signal}"))
                .map_err(|problem| self.http.invalid(format!("the endpoint: {problem}"))),
        }
    }
}

impl fmt::Debug for OtlpHttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |signal| match self.endpoint_of(signal) {
            Ok(endpoint) => endpoint.shown.to_string(),
            Err(_) => "(invalid)".to_owned(),
        };
        let mut out = f.debug_struct("OtlpHttpBuilder");
        out.field("endpoints", &Signal::ALL.map(shown))
            .field("encoding", &self.encoding)
            .field("compression", &self.compression)
            .field("forward", &self.forward);
        self.http.debug(&mut out);
        out.finish_non_exhaustive()
    }
}
