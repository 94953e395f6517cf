//! Options of the OTLP/HTTP exporter.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Config, NAME, OtlpHttpExporter, is_reserved};
use crate::{
    Compression, Encoding, ErrorKind, ExportError, RetryAdvice, Signal,
    classify::Overrides,
    exporters::http::{Endpoint, HttpClientOptions, ReqwestService, Secrets},
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
/// | client | [`HttpClientOptions::default`] |
///
/// `Debug` shows the names of headers, never their values, and URLs without user and password.
#[derive(Clone)]
pub struct OtlpHttpBuilder {
    endpoint: String,
    /// In the order of `Signal::ALL`.
    signal_endpoints: [Option<String>; 3],
    encoding: Encoding,
    compression: Compression,
    headers: Vec<(String, String)>,
    forward: bool,
    user_agent: Option<String>,
    timeout: Option<Duration>,
    max_request_bytes: usize,
    max_response_bytes: usize,
    overrides: Overrides<u16>,
    client: HttpClientOptions,
}

impl Default for OtlpHttpBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4318".to_owned(),
            signal_endpoints: [None, None, None],
            encoding: Encoding::Protobuf,
            compression: Compression::None,
            headers: Vec::new(),
            forward: false,
            user_agent: None,
            timeout: Some(Duration::from_secs(10)),
            max_request_bytes: 64 << 20,
            max_response_bytes: 4 << 20,
            overrides: Overrides::default(),
            client: HttpClientOptions::default(),
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

    /// Sends this header with every request. A name may be given twice.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends these headers with every request.
    #[must_use]
    pub fn headers<I, K, V>(mut self, headers: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<String>,
        V: Into<String>,
    {
        let headers = headers.into_iter();
        self.headers
            .extend(headers.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Whether to send the headers and the trace context of each request's
    /// [`Metadata`](crate::Metadata) on. Headers set by [`header`](Self::header) win. Default:
    /// false.
    #[must_use]
    pub const fn forward_headers(mut self, forward: bool) -> Self {
        self.forward = forward;
        self
    }

    /// Puts this product, such as `my-app/1.2`, before the exporter's own in `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// Limits each attempt, from the call to the end of the answer. Default: 10 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets no limit: for a timeout layer above the exporter.
    #[must_use]
    pub const fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sets the largest body sent, in bytes before compression. A larger one fails with
    /// [`ErrorKind::TooLarge`] and is not sent. Default: 64 MiB.
    #[must_use]
    pub const fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Sets how much of an answer is read, in bytes. Default: 4 MiB. The status of a larger
    /// answer counts, its body is ignored.
    #[must_use]
    pub const fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Sets what an HTTP status of this server means, in place of what the specification says.
    /// A delay that the server names takes the place of [`RetryAdvice::Backoff`].
    ///
    /// Gateways in front of a backend answer 500, 408 or 530 though a retry would help:
    ///
    /// ```
    /// use tower_otlp::{ErrorKind, RetryAdvice, exporters::otlp::OtlpHttpExporter};
    ///
    /// let builder = OtlpHttpExporter::builder()
    ///     .on_status(500, ErrorKind::Unavailable, RetryAdvice::Backoff);
    /// # let _ = builder;
    /// ```
    #[must_use]
    pub fn on_status(mut self, status: u16, kind: ErrorKind, retry: RetryAdvice) -> Self {
        self.overrides.set(status, kind, retry);
        self
    }

    /// Sets the options of the default client.
    #[must_use]
    pub fn client(mut self, options: HttpClientOptions) -> Self {
        self.client = options;
        self
    }

    /// Sets how the server is checked, and how the exporter proves who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.client = self.client.tls(tls);
        self
    }

    /// Sends everything through this proxy. See [`HttpClientOptions::proxy`].
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.client = self.client.proxy(url);
        self
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.client = self.client.no_proxy();
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if a URL or a header is invalid, or if the client
    /// [cannot be built](HttpClientOptions::build).
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
            .client
            .https(https)
            .build()
            .map_err(|error| config.name(error, Signal::Traces))?;
        Ok(OtlpHttpExporter::with_config(wrap(client), config))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if a URL or a header is invalid.
    pub fn build_on<S>(self, service: S) -> Result<OtlpHttpExporter<S>, ExportError> {
        Ok(OtlpHttpExporter::with_config(service, self.config()?))
    }

    fn config(&self) -> Result<Config, ExportError> {
        let endpoints = [
            self.endpoint_of(Signal::Traces)?,
            self.endpoint_of(Signal::Metrics)?,
            self.endpoint_of(Signal::Logs)?,
        ];
        let headers = self.header_map()?;
        let mut secrets = Secrets::default();
        for value in headers.values().filter(|value| value.is_sensitive()) {
            secrets.add(value);
        }
        for value in endpoints.iter().filter_map(|to| to.authorization.as_ref()) {
            secrets.add(value);
        }
        Ok(Config {
            endpoints,
            encoding: self.encoding,
            compression: self.compression,
            headers,
            forward: self.forward,
            timeout: self.timeout,
            max_request_bytes: self.max_request_bytes,
            max_response_bytes: self.max_response_bytes,
            overrides: self.overrides.clone(),
            secrets,
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
            Some(url) => Endpoint::parse(url)
                .map_err(|problem| invalid(format!("the endpoint for {signal}: {problem}"))),
            None => Endpoint::under(&self.endpoint, &format!("/v1/{signal}"))
                .map_err(|problem| invalid(format!("the endpoint: {problem}"))),
        }
    }

    fn header_map(&self) -> Result<HeaderMap, ExportError> {
        let mut headers = HeaderMap::new();
        let agent = match &self.user_agent {
            Some(product) => format!("{product} {USER_AGENT}"),
            None => USER_AGENT.to_owned(),
        };
        let agent = HeaderValue::from_str(&agent)
            .map_err(|_| invalid("the user agent cannot stand in a header".to_owned()))?;
        headers.insert(header::USER_AGENT, agent);
        let mut own_agent = true;
        for (name, value) in &self.headers {
            let name = header_name(name)?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| invalid(format!("the value of header {name} is invalid")))?;
            value.set_sensitive(true);
            if name == header::USER_AGENT && std::mem::take(&mut own_agent) {
                headers.remove(header::USER_AGENT);
            }
            headers.append(name, value);
        }
        Ok(headers)
    }
}

fn header_name(name: &str) -> Result<HeaderName, ExportError> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| invalid("a header's name is invalid".to_owned()))?;
    if is_reserved(&parsed) {
        return Err(invalid(format!("header {parsed} is set by the exporter")));
    }
    Ok(parsed)
}

fn invalid(message: String) -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        format!("the {NAME} exporter cannot be built: {message}"),
    )
}

impl fmt::Debug for OtlpHttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |signal| match self.endpoint_of(signal) {
            Ok(endpoint) => endpoint.shown.to_string(),
            Err(_) => "(invalid)".to_owned(),
        };
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("OtlpHttpBuilder")
            .field("endpoints", &Signal::ALL.map(shown))
            .field("encoding", &self.encoding)
            .field("compression", &self.compression)
            .field("headers", &headers)
            .field("forward_headers", &self.forward)
            .field("timeout", &self.timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("on_status", &self.overrides)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
