//! Options of the Elasticsearch exporter.

use std::{fmt, sync::atomic::AtomicUsize};

use http::{HeaderValue, header};
use url::Url;

use super::{
    BulkAction, BulkFormat, Config, DocumentIds, ElasticsearchExporter, Mapping, NAME, Product,
};
use crate::{
    Compression, ExportError, classify,
    exporters::http::{Endpoint, HttpOptions, ReqwestService, http_options},
    otlp::json::base64,
};

const USER_AGENT: &str = concat!("tower-otlp/", env!("CARGO_PKG_VERSION"));

/// What is wanted of an answer: it is as short as it can be.
const FILTER_PATH: &str =
    "errors,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason";

/// Options of an [`ElasticsearchExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:9200` |
/// | other nodes | none |
/// | documents | [`BulkFormat::default`]: the layout `otel`, in data streams |
/// | authentication | user and password of the URL |
/// | compression | none |
/// | ingest pipeline | that of the index |
/// | require data stream | false |
/// | timeout | 10 s for each attempt |
/// | largest body | 5 MB before compression, and 5,000 documents; a larger request is sent as several, and a document that is larger alone is rejected |
/// | largest answer | 4 MiB |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows neither the API key nor the values of headers, and URLs without user and
/// password.
#[derive(Clone)]
pub struct ElasticsearchBuilder {
    endpoint: String,
    others: Vec<String>,
    format: BulkFormat,
    api_key: Option<String>,
    compression: Compression,
    pipeline: Option<String>,
    require_data_stream: bool,
    http: HttpOptions,
}

http_options!(
    ElasticsearchBuilder,
    "elasticsearch",
    "ElasticsearchExporter"
);

impl Default for ElasticsearchBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:9200".to_owned(),
            others: Vec::new(),
            format: BulkFormat::default(),
            api_key: None,
            compression: Compression::None,
            pipeline: None,
            require_data_stream: false,
            http: HttpOptions::new(NAME, USER_AGENT, 5_000_000),
        }
    }
}

impl ElasticsearchBuilder {
    /// Sets the URL of the server; `/_bulk` is appended to its path. A user and password in it
    /// become Basic authentication.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Adds another node of the same cluster. They take turns, request by request; one that cannot
    /// be reached is skipped. A node without a user of its own has that of the endpoint.
    #[must_use]
    pub fn node(mut self, url: impl Into<String>) -> Self {
        self.others.push(url.into());
        self
    }

    /// Sets how telemetry becomes documents, and where they go.
    #[must_use]
    pub fn format(mut self, format: BulkFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the layout of documents. Default: [`Mapping::Otel`].
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> Self {
        self.format = self.format.mapping(mapping);
        self
    }

    /// Sets which server it is. Default: [`Product::Elasticsearch`].
    #[must_use]
    pub fn product(mut self, product: Product) -> Self {
        self.format = self.format.product(product);
        self
    }

    /// Sets what is done with a document whose id is there already. Default:
    /// [`BulkAction::Create`].
    #[must_use]
    pub fn action(mut self, action: BulkAction) -> Self {
        self.format = self.format.action(action);
        self
    }

    /// Sets where the ids of documents come from. Default: [`DocumentIds::Server`].
    #[must_use]
    pub fn document_ids(mut self, ids: DocumentIds) -> Self {
        self.format = self.format.document_ids(ids);
        self
    }

    /// Sends all documents to the indices `{prefix}-traces`, `{prefix}-metrics` and
    /// `{prefix}-logs`, in place of data streams.
    #[must_use]
    pub fn index_prefix(mut self, prefix: &str) -> Self {
        self.format = self.format.index_prefix(prefix);
        self
    }

    /// Sends this key with every request, as `Authorization: ApiKey`: in base64, as the server
    /// hands it out, or as `id:key`.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the compression: none (the default) or gzip.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sends all documents through this ingest pipeline; one that a record names in the attribute
    /// `elasticsearch.ingest_pipeline` wins.
    #[must_use]
    pub fn pipeline(mut self, pipeline: impl Into<String>) -> Self {
        self.pipeline = Some(pipeline.into());
        self
    }

    /// Whether the server is to reject a document whose data stream has no template, in place of
    /// making an index for it. Needs Elasticsearch 8.13 or later; not sent to OpenSearch. Default:
    /// false.
    #[must_use]
    pub const fn require_data_stream(mut self, require: bool) -> Self {
        self.require_data_stream = require;
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if a URL, the API key or a header
    /// is invalid, if the compression is one that the server does not read, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<ElasticsearchExporter, ExportError> {
        self.build_with(|client| client)
    }

    /// Builds the exporter over the default client with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(
        self,
        wrap: impl FnOnce(ReqwestService) -> S,
    ) -> Result<ElasticsearchExporter<S>, ExportError> {
        let config = self.config()?;
        let https = config.nodes.iter().any(Endpoint::is_https);
        let client = self
            .http
            .build_client(https)
            .map_err(|error| config.name(error, 0))?;
        Ok(ElasticsearchExporter::with_config(wrap(client), config))
    }

    /// Builds the exporter on another HTTP service. The options of the client (TLS, proxy) have
    /// no meaning then.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), except those of the client.
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_otlp::exporters::{elasticsearch::ElasticsearchExporter, http::RequestBody};
    ///
    /// let server = service_fn(|_: http::Request<RequestBody>| async {
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(RequestBody::default()))
    /// });
    /// let exporter = ElasticsearchExporter::builder().build_on(server)?;
    /// # let _ = exporter;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    pub fn build_on<S>(self, service: S) -> Result<ElasticsearchExporter<S>, ExportError> {
        Ok(ElasticsearchExporter::with_config(service, self.config()?))
    }

    fn config(&self) -> Result<Config, ExportError> {
        if !matches!(self.compression, Compression::None | Compression::Gzip) {
            return Err(self.http.invalid(format!(
                "the server does not read {}; it reads gzip",
                self.compression.as_str()
            )));
        }
        let nodes = self.nodes()?;
        Ok(Config {
            sender: self.http.sender(classify::http_backend, &nodes)?,
            nodes,
            turn: AtomicUsize::new(0),
            format: self.format.clone(),
            compression: self.compression,
            max_body_bytes: self.http.max_request_bytes,
        })
    }

    fn nodes(&self) -> Result<Vec<Endpoint>, ExportError> {
        let key = self
            .api_key
            .as_deref()
            .map(|key| self.key(key))
            .transpose()?;
        let mut nodes: Vec<Endpoint> = Vec::with_capacity(self.others.len() + 1);
        for url in std::iter::once(&self.endpoint).chain(&self.others) {
            let mut node = self
                .bulk_url(url)
                .and_then(|url| Endpoint::under(&url, "/_bulk"))
                .map_err(|problem| self.http.invalid(format!("the endpoint: {problem}")))?;
            if node.authorization.is_none() {
                let first = nodes.first().and_then(|first| first.authorization.clone());
                node.authorization = first.or_else(|| key.clone());
            } else if key.is_some() {
                return Err(self
                    .http
                    .invalid("there is an API key and a user in the URL"));
            }
            nodes.push(node);
        }
        let is_authorization = |(name, _): &&(String, String)| {
            name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str())
        };
        let has_header = self.http.headers.iter().find(is_authorization).is_some();
        if has_header && nodes.iter().any(|node| node.authorization.is_some()) {
            return Err(self
                .http
                .invalid("there is a header authorization, and an API key or a user"));
        }
        Ok(nodes)
    }

    /// The URL with what is asked of every request.
    fn bulk_url(&self, url: &str) -> Result<String, &'static str> {
        // The message must not quote the URL: it may have a password.
        let mut url = Url::parse(url.trim()).map_err(|_| "it is not a valid URL")?;
        let mut query = url.query_pairs_mut();
        query.append_pair("filter_path", FILTER_PATH);
        if let Some(pipeline) = &self.pipeline {
            query.append_pair("pipeline", pipeline);
        }
        if self.require_data_stream && self.format.is_elasticsearch() {
            query.append_pair("require_data_stream", "true");
        }
        drop(query);
        Ok(url.into())
    }

    fn key(&self, key: &str) -> Result<HeaderValue, ExportError> {
        let mut value = b"ApiKey ".to_vec();
        // Base64 has no colon.
        if key.contains(':') {
            base64::encode(&mut value, key.as_bytes());
        } else {
            value.extend_from_slice(key.as_bytes());
        }
        let mut value = HeaderValue::from_bytes(&value)
            .map_err(|_| self.http.invalid("the API key cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ElasticsearchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = std::iter::once(&self.endpoint)
            .chain(&self.others)
            .map(|url| match Endpoint::parse(url) {
                Ok(node) => node.shown.to_string(),
                Err(_) => "(invalid)".to_owned(),
            })
            .collect();
        let mut out = f.debug_struct("ElasticsearchBuilder");
        out.field("nodes", &nodes)
            .field("format", &self.format)
            .field("api_key", &self.api_key.as_ref().map(|_| "***"))
            .field("compression", &self.compression)
            .field("pipeline", &self.pipeline)
            .field("require_data_stream", &self.require_data_stream);
        self.http.debug(&mut out);
        out.finish_non_exhaustive()
    }
}
