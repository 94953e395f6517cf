//! Options of the InfluxDB exporter.

use std::fmt;

use http::{Request, Response, header};
use tower_service::Service;

use super::{Config, InfluxDbExporter, LineProtocol, MetricsSchema, NAME, Precision, WriteApi};
use crate::{
    Compression, ExportError, classify,
    exporters::http::{Endpoint, HttpOptions, RequestBody, http_options},
};

const USER_AGENT: &str = concat!("tower-otlp/", env!("CARGO_PKG_VERSION"));

/// Options of an [`InfluxDbExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `http://localhost:8086` |
/// | database, bucket | none: it must be said |
/// | compression | none |
/// | line protocol | [`LineProtocol::default`], without unsigned integers for InfluxDB 1 |
/// | timeout | 10 s for each attempt |
/// | largest body | 10 MB before compression, and 10,000 lines; a larger request is sent as several |
/// | largest answer | 4 MiB |
/// | client | [`HttpClientOptions::default`](crate::exporters::http::HttpClientOptions) |
///
/// `Debug` shows neither the token nor the values of headers, and URLs without user and password.
#[derive(Clone)]
pub struct InfluxDbBuilder {
    endpoint: String,
    api: Option<WriteApi>,
    token: Option<String>,
    protocol: LineProtocol,
    compression: Compression,
    http: HttpOptions,
}

http_options!(InfluxDbBuilder, "influxdb", "InfluxDbExporter");

impl Default for InfluxDbBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:8086".to_owned(),
            api: None,
            token: None,
            protocol: LineProtocol::default(),
            compression: Compression::None,
            http: HttpOptions::new(NAME, USER_AGENT, 10_000_000),
        }
    }
}

impl InfluxDbBuilder {
    /// Sets the URL of the server; the path of the write API is appended to its path. A user and
    /// password in it become Basic authentication, which is what InfluxDB 1 has.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets which API to write to.
    #[must_use]
    pub fn api(mut self, api: WriteApi) -> Self {
        self.api = Some(api);
        self
    }

    /// Writes to this database of InfluxDB 1, by its default retention policy.
    #[must_use]
    pub fn database(self, database: impl Into<String>) -> Self {
        self.api(WriteApi::V1 {
            database: database.into(),
            retention_policy: None,
        })
    }

    /// Writes to this bucket of an organisation in InfluxDB 2.
    #[must_use]
    pub fn bucket(self, org: impl Into<String>, bucket: impl Into<String>) -> Self {
        self.api(WriteApi::V2 {
            org: org.into(),
            bucket: bucket.into(),
        })
    }

    /// Writes to this database of InfluxDB 3.
    #[must_use]
    pub fn database_v3(self, database: impl Into<String>) -> Self {
        self.api(WriteApi::V3 {
            database: database.into(),
        })
    }

    /// Sends this token with every request: `Authorization: Token`, or `Bearer` for InfluxDB 3.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets how telemetry becomes lines. For InfluxDB 1 integers are signed, whatever is said here;
    /// the size of a body is that of [`max_request_bytes`](Self::max_request_bytes).
    #[must_use]
    pub fn line_protocol(mut self, protocol: LineProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets how metrics become points. Default: [`MetricsSchema::TelegrafPrometheusV1`].
    #[must_use]
    pub fn metrics_schema(mut self, schema: MetricsSchema) -> Self {
        self.protocol = self.protocol.metrics_schema(schema);
        self
    }

    /// Sets the unit of the time of a point. Default: nanoseconds.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.protocol = self.protocol.precision(precision);
        self
    }

    /// Sets the compression: none (the default) or gzip.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Builds the exporter with the default client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if no database is named, if the
    /// URL, the token or a header is invalid, if the compression is one that InfluxDB does not
    /// read, or if the client
    /// [cannot be built](crate::exporters::http::HttpClientOptions::build).
    pub fn build(self) -> Result<InfluxDbExporter, ExportError> {
        let config = self.config()?;
        let client = self.http.build_client(config.endpoint.is_https())?;
        Ok(InfluxDbExporter::with_config(client, config))
    }

    /// Builds the exporter over any HTTP service. Its own options, and those of
    /// [`client`](Self::client), are not used.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), except those of the client.
    pub fn build_on<S, B>(self, service: S) -> Result<InfluxDbExporter<S>, ExportError>
    where
        S: Service<Request<RequestBody>, Response = Response<B>>,
    {
        Ok(InfluxDbExporter::with_config(service, self.config()?))
    }

    fn config(&self) -> Result<Config, ExportError> {
        let Some(api) = &self.api else {
            return Err(self
                .http
                .invalid("it is not said which database or bucket to write to"));
        };
        if let Some(part) = api.missing() {
            return Err(self
                .http
                .invalid(format!("the name of the {part} is empty")));
        }
        if !matches!(self.compression, Compression::None | Compression::Gzip) {
            return Err(self.http.invalid(format!(
                "InfluxDB does not read {}; it reads gzip",
                self.compression.as_str()
            )));
        }
        let http = &self.http;
        let mut endpoint = api
            .url(&self.endpoint, self.protocol.unit())
            .and_then(|url| Endpoint::parse(&url))
            .map_err(|why| self.http.invalid(format!("the endpoint: {why}")))?;
        if let Some(token) = &self.token {
            if endpoint.authorization.is_some() {
                return Err(self.http.invalid("there is a token and a user in the URL"));
            }
            let value = api
                .authorization(token)
                .ok_or_else(|| self.http.invalid("the token cannot stand in a header"))?;
            endpoint.authorization = Some(value);
        }
        if let Some((name, _)) = http
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str()))
            && endpoint.authorization.is_some()
        {
            return Err(self
                .http
                .invalid(format!("there is a header {name} and a token or user")));
        }
        let mut protocol = self.protocol.clone().max_bytes(http.max_request_bytes);
        if !api.knows_unsigned() {
            protocol = protocol.unsigned_integers(false);
        }
        Ok(Config {
            sender: http.sender(classify::http_backend, [&endpoint])?,
            endpoint,
            api: api.clone(),
            protocol,
            compression: self.compression,
        })
    }
}

impl fmt::Debug for InfluxDbBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint::parse(&self.endpoint);
        let shown = match &endpoint {
            Ok(endpoint) => &*endpoint.shown,
            Err(_) => "(invalid)",
        };
        let mut out = f.debug_struct("InfluxDbBuilder");
        out.field("endpoint", &shown)
            .field("api", &self.api)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("protocol", &self.protocol)
            .field("compression", &self.compression);
        self.http.debug(&mut out);
        out.finish()
    }
}
