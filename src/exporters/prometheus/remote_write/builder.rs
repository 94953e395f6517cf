//! Options of the exporter.

use std::fmt;

use http::HeaderName;

use super::{
    Config, NAME, PrometheusRemoteWriteExporter, RemoteWriteVersion, VERSION_HEADER,
    answer::statuses,
    encode::{EncodeOptions, MessageLimits},
    version::Negotiation,
};
use crate::{
    ExportError,
    exporters::http::{Endpoint, HttpOptions, ReqwestService, http_options},
};

const USER_AGENT: &str = concat!("tower-otlp/", env!("CARGO_PKG_VERSION"));

/// Where Prometheus takes remote write.
const PATH: &str = "/api/v1/write";

/// Options of a [`PrometheusRemoteWriteExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:9090`, with the path `/api/v1/write` |
/// | version | [`Auto`](RemoteWriteVersion::Auto): 2.0, or 1.0 if the receiver does not know that |
/// | shards | 1: one message at a time |
/// | samples in a message | 2,000; what is more goes into another message |
/// | largest message | 3 MiB before compression; what is more goes into another message |
/// | timeout | 10 s for each attempt, all its messages together |
/// | largest answer | 4 MiB |
/// | metrics | [`EncodeOptions::default`] |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows the names of headers, never their values, and the URL without user and password.
#[derive(Clone)]
pub struct PrometheusRemoteWriteBuilder {
    endpoint: String,
    version: RemoteWriteVersion,
    shards: usize,
    max_samples: usize,
    encode: EncodeOptions,
    http: HttpOptions,
}

http_options!(
    PrometheusRemoteWriteBuilder,
    "prometheus::remote_write",
    "PrometheusRemoteWriteExporter"
);

impl Default for PrometheusRemoteWriteBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:9090".to_owned(),
            version: RemoteWriteVersion::Auto,
            shards: 1,
            max_samples: 2_000,
            encode: EncodeOptions::default(),
            http: HttpOptions::new(NAME, USER_AGENT, 3 << 20),
        }
    }
}

impl PrometheusRemoteWriteBuilder {
    /// Sets the URL of the receiver. Without a path, `/api/v1/write` is used. A user and password
    /// in it become Basic authentication.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets the version of the protocol. Default: [`Auto`](RemoteWriteVersion::Auto).
    #[must_use]
    pub const fn version(mut self, version: RemoteWriteVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets how many messages are under way at once: the series of a request are handed out to
    /// this many shards by their labels, and each shard sends one message after the other. Default:
    /// 1; zero counts as 1, and 1,024 is the most.
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Sets the most samples in a message. Default: 2,000, as in Prometheus. A receiver refuses a
    /// message as a whole, so smaller ones lose less to a bad sample; zero counts as 1.
    #[must_use]
    pub const fn max_samples(mut self, samples: usize) -> Self {
        self.max_samples = samples;
        self
    }

    /// Sets how metrics become series.
    #[must_use]
    pub fn encode(mut self, options: EncodeOptions) -> Self {
        self.encode = options;
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL, a header or an external
    /// label is invalid, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<PrometheusRemoteWriteExporter, ExportError> {
        self.build_with(|client| client)
    }

    /// Builds the exporter over the default client with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(
        self,
        wrap: impl FnOnce(ReqwestService) -> S,
    ) -> Result<PrometheusRemoteWriteExporter<S>, ExportError> {
        let config = self.config()?;
        let client = self
            .http
            .build_client(config.endpoint.is_https())
            .map_err(|error| config.name(error))?;
        Ok(PrometheusRemoteWriteExporter::with_config(
            wrap(client),
            config,
        ))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL, a header or an external
    /// label is invalid.
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_otlp::exporters::{
    ///     http::RequestBody, prometheus::remote_write::PrometheusRemoteWriteExporter,
    /// };
    ///
    /// let receiver = service_fn(|_: http::Request<RequestBody>| async {
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(RequestBody::default()))
    /// });
    /// let exporter = PrometheusRemoteWriteExporter::builder().build_on(receiver)?;
    /// # let _ = exporter;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    pub fn build_on<S>(self, service: S) -> Result<PrometheusRemoteWriteExporter<S>, ExportError> {
        let config = self.config()?;
        Ok(PrometheusRemoteWriteExporter::with_config(service, config))
    }

    fn config(&self) -> Result<Config, ExportError> {
        let endpoint = self.endpoint_with_path()?;
        for (name, _) in &self.http.headers {
            let name: Option<HeaderName> = name.parse().ok();
            if let Some(name) = name
                && [VERSION_HEADER, http::header::USER_AGENT].contains(&name)
            {
                let message = format!("header {name} is set by the exporter");
                return Err(self.http.invalid(message));
            }
        }
        self.encode
            .check()
            .map_err(|problem| self.http.invalid(problem))?;
        Ok(Config {
            sender: self.http.sender(statuses, [&endpoint])?,
            endpoint,
            negotiation: Negotiation::new(self.version),
            shards: self.shards.clamp(1, 1024),
            limits: MessageLimits {
                samples: self.max_samples.max(1),
                bytes: self.http.max_request_bytes,
            },
            encode: self.encode.clone(),
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

impl fmt::Debug for PrometheusRemoteWriteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = match self.endpoint_with_path() {
            Ok(endpoint) => endpoint.shown.to_string(),
            Err(_) => "(invalid)".to_owned(),
        };
        let mut out = f.debug_struct("PrometheusRemoteWriteBuilder");
        out.field("endpoint", &endpoint)
            .field("version", &self.version)
            .field("shards", &self.shards)
            .field("max_samples", &self.max_samples)
            .field("encode", &self.encode);
        self.http.debug(&mut out);
        out.finish_non_exhaustive()
    }
}
