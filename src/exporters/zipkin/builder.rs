//! Options of the Zipkin exporter.

use std::fmt;

use super::{
    Config, NAME, ZipkinExporter,
    encode::{AnnotationFormat, ZipkinEncoding, ZipkinOptions},
};
use crate::{
    Compression, ExportError, classify,
    exporters::http::{Endpoint, HttpOptions, ReqwestService, http_options},
};

const USER_AGENT: &str = concat!("tower-otlp-zipkin/", env!("CARGO_PKG_VERSION"));

/// Where a server takes spans.
const PATH: &str = "/api/v2/spans";

/// Options of a [`ZipkinExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:9411/api/v2/spans` |
/// | encoding | JSON |
/// | compression | none |
/// | default service name | `unknown_service` |
/// | annotations | [`AnnotationFormat::Specification`] |
/// | links as tags | yes |
/// | `otel.library.*` beside `otel.scope.*` | no |
/// | `span.kind` for internal spans | no |
/// | timeout | 10 s for each attempt |
/// | largest request | 10 MiB before compression, the default limit of the HTTP library of Zipkin's server |
/// | largest answer | 4 MiB |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows the names of headers, never their values, and the URL without user, password
/// and query.
#[derive(Clone)]
pub struct ZipkinBuilder {
    endpoint: String,
    compression: Compression,
    options: ZipkinOptions,
    http: HttpOptions,
}

http_options!(ZipkinBuilder, "zipkin", "ZipkinExporter");

impl Default for ZipkinBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:9411".to_owned(),
            compression: Compression::None,
            options: ZipkinOptions::default(),
            http: HttpOptions::new(NAME, USER_AGENT, 10 << 20),
        }
    }
}

impl ZipkinBuilder {
    /// Sets the URL. Without a path it gets `/api/v2/spans`, else it is used as it is. A user
    /// and password in it become Basic authentication.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets the compression: none or gzip, which is all that servers read. Default: none.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets the encoding. Default: JSON.
    #[must_use]
    pub fn encoding(mut self, encoding: ZipkinEncoding) -> Self {
        self.options = self.options.encoding(encoding);
        self
    }

    /// Sets the name of services whose resource has no `service.name`. See
    /// [`ZipkinOptions::default_service_name`].
    #[must_use]
    pub fn default_service_name(mut self, name: impl Into<String>) -> Self {
        self.options = self.options.default_service_name(name);
        self
    }

    /// Sets how events with attributes are written. See [`ZipkinOptions::annotations`].
    #[must_use]
    pub fn annotations(mut self, format: AnnotationFormat) -> Self {
        self.options = self.options.annotations(format);
        self
    }

    /// Whether links become tags. See [`ZipkinOptions::link_tags`].
    #[must_use]
    pub fn link_tags(mut self, write: bool) -> Self {
        self.options = self.options.link_tags(write);
        self
    }

    /// Whether the scope is also written under its old keys. See
    /// [`ZipkinOptions::library_tags`].
    #[must_use]
    pub fn library_tags(mut self, write: bool) -> Self {
        self.options = self.options.library_tags(write);
        self
    }

    /// Whether internal spans say so in a tag. See [`ZipkinOptions::internal_kind_tag`].
    #[must_use]
    pub fn internal_kind_tag(mut self, write: bool) -> Self {
        self.options = self.options.internal_kind_tag(write);
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL or a header is
    /// invalid, if the compression is one that Zipkin does not read, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<ZipkinExporter, ExportError> {
        self.build_with(|client| client)
    }

    /// Builds the exporter over the default client with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(
        self,
        wrap: impl FnOnce(ReqwestService) -> S,
    ) -> Result<ZipkinExporter<S>, ExportError> {
        let config = self.config()?;
        let client = self
            .http
            .build_client(config.endpoint.is_https())
            .map_err(|error| config.name(error))?;
        Ok(ZipkinExporter::with_config(wrap(client), config))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the URL or a header is
    /// invalid, or if the compression is one that Zipkin does not read.
    pub fn build_on<S>(self, service: S) -> Result<ZipkinExporter<S>, ExportError> {
        Ok(ZipkinExporter::with_config(service, self.config()?))
    }

    fn config(&self) -> Result<Config, ExportError> {
        if !matches!(self.compression, Compression::None | Compression::Gzip) {
            let name = self.compression.as_str();
            let message = format!("Zipkin reads gzip or no compression, not {name}");
            return Err(self.http.invalid(message));
        }
        let endpoint = self
            .parse_endpoint()
            .map_err(|problem| self.http.invalid(format!("the endpoint: {problem}")))?;
        Ok(Config {
            sender: self.http.sender(classify::http_backend, [&endpoint])?,
            endpoint,
            compression: self.compression,
            options: self.options.clone().max_bytes(self.http.max_request_bytes),
        })
    }

    fn parse_endpoint(&self) -> Result<Endpoint, &'static str> {
        let endpoint = Endpoint::parse(&self.endpoint)?;
        if endpoint.uri.path() == "/" {
            return Endpoint::under(&self.endpoint, PATH);
        }
        Ok(endpoint)
    }
}

impl fmt::Debug for ZipkinBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = match self.parse_endpoint() {
            Ok(endpoint) => endpoint.shown.to_string(),
            Err(_) => "(invalid)".to_owned(),
        };
        let mut out = f.debug_struct("ZipkinBuilder");
        out.field("endpoint", &endpoint)
            .field("compression", &self.compression)
            .field("options", &self.options);
        self.http.debug(&mut out);
        out.finish_non_exhaustive()
    }
}
