//! Options of the exporter.

use std::{fmt, time::Duration};

use http::{HeaderName, HeaderValue, header};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use super::{
    OtlpGrpcExporter,
    config::{Config, NAME, USER_AGENT, is_reserved},
    endpoint::{self, Target},
};
use crate::{
    Compression, ErrorKind, ExportError, RetryAdvice,
    exporters::otlp::forward::{ForwardOptions, forward_options},
};

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of an [`OtlpGrpcExporter`].
///
/// `Debug` shows the names of headers, never their values.
///
/// ```
/// use std::time::Duration;
/// use tower_otlp::{Compression, exporters::otlp::OtlpGrpcExporter};
///
/// let options = OtlpGrpcExporter::builder()
///     .endpoint("collector:4317")
///     .compression(Compression::Zstd)
///     .header("authorization", "Bearer s3cret")
///     .timeout(Duration::from_secs(3));
/// assert!(!format!("{options:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until they are built"]
pub struct OtlpGrpcBuilder {
    endpoint: String,
    headers: Vec<(String, String)>,
    product: Option<String>,
    forward: ForwardOptions,
    config: Config,
    connect_timeout: Option<Duration>,
    keepalive_interval: Option<Duration>,
    keepalive_timeout: Duration,
    keepalive_while_idle: bool,
    #[cfg(feature = "tls")]
    tls: Option<crate::TlsOptions>,
}

impl Default for OtlpGrpcBuilder {
    fn default() -> Self {
        Self {
            endpoint: endpoint::DEFAULT.to_owned(),
            headers: Vec::new(),
            product: None,
            forward: ForwardOptions::default(),
            config: Config::default(),
            connect_timeout: Some(DEFAULT_CONNECT_TIMEOUT),
            keepalive_interval: Some(DEFAULT_KEEPALIVE_INTERVAL),
            keepalive_timeout: DEFAULT_KEEPALIVE_TIMEOUT,
            keepalive_while_idle: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

forward_options!(OtlpGrpcBuilder, "OtlpGrpcExporter");

impl OtlpGrpcBuilder {
    /// Sets the server: `http://host:port`, `https://host:port`, `host:port` (which is
    /// `http://`), or `unix:/path`. Default: `http://localhost:4317`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Adds a header to each call. A value under a name that ends in `-bin` is base64.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds headers to each call.
    pub fn headers<N, V>(mut self, headers: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let headers = headers.into_iter();
        self.headers
            .extend(headers.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Puts a product in front of the user agent, as the OTLP specification suggests for
    /// distributions: `my-agent/1.0 OTel-OTLP-Exporter-Rust-tower/...`. A [`Channel`] adds its
    /// own name behind it.
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.product = Some(product.into());
        self
    }

    /// Compresses the messages. Default: [`Compression::None`].
    pub fn compression(mut self, compression: Compression) -> Self {
        self.config.set_compression(compression);
        self
    }

    /// Limits each attempt, from the call to the end of the answer. The server is told, too.
    /// Default: 10 s, that of OTLP.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.set_timeout(Some(timeout));
        self
    }

    /// Sets no limit: for a timeout layer above the exporter.
    pub fn no_timeout(mut self) -> Self {
        self.config.set_timeout(None);
        self
    }

    /// Limits the time to connect, and then the time of the TLS handshake. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sends an HTTP/2 ping when the server has been silent for `interval` during a call, and
    /// gives the connection up when no answer comes within `timeout`. Without it, a connection
    /// that broke in silence fails every call for a quarter of an hour. Default: 30 s and 10 s.
    ///
    /// Servers end connections that ping too often; the default stays clear of their limits.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keepalive_interval = Some(interval);
        self.keepalive_timeout = timeout;
        self
    }

    /// Sends no pings.
    pub fn no_keepalive(mut self) -> Self {
        self.keepalive_interval = None;
        self
    }

    /// Whether to ping between calls, too: for networks that forget idle connections. Many
    /// servers forbid it. Default: false.
    pub fn keepalive_while_idle(mut self, ping: bool) -> Self {
        self.keepalive_while_idle = ping;
        self
    }

    /// Refuses larger requests as [`ErrorKind::TooLarge`] without sending them. In bytes of
    /// protobuf, before compression, which is what servers limit. Default: 64 MiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.config.max_request_bytes = bytes;
        self
    }

    /// Limits the answer, in bytes. Default: 4 MiB.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.config.max_response_bytes = bytes;
        self
    }

    /// Says what a status of this server means, instead of what OTLP says: for a gateway that
    /// answers `INTERNAL` while its backend restarts, say.
    ///
    /// ```
    /// use tower_otlp::{ErrorKind, RetryAdvice, exporters::otlp::OtlpGrpcExporter};
    ///
    /// let options = OtlpGrpcExporter::builder().on_status(
    ///     tonic::Code::Internal,
    ///     ErrorKind::Unavailable,
    ///     RetryAdvice::Backoff,
    /// );
    /// # let _ = options;
    /// ```
    pub fn on_status(mut self, status: Code, kind: ErrorKind, retry: RetryAdvice) -> Self {
        self.config.overrides.set(status, kind, retry);
        self
    }

    /// Sets how to check the server, and how to prove who we are. Default for `https://`: the
    /// certificate authorities of the operating system.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Builds the exporter. It connects with its first request, and again whenever the
    /// connection was lost.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if an option is wrong, or if no tokio runtime is around, which
    /// the connection needs.
    pub fn build(self) -> Result<OtlpGrpcExporter, ExportError> {
        self.build_with(|channel| channel)
    }

    /// Builds the exporter over a connection with tower layers on it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```no_run
    /// use http::{HeaderValue, Request};
    /// use tower::ServiceBuilder;
    /// use tower_otlp::exporters::otlp::OtlpGrpcExporter;
    ///
    /// # fn token() -> HeaderValue { HeaderValue::from_static("Bearer ...") }
    /// let exporter = OtlpGrpcExporter::builder().build_with(|channel| {
    ///     ServiceBuilder::new()
    ///         .map_request(|mut request: Request<tonic::body::Body>| {
    ///             request.headers_mut().insert("authorization", token());
    ///             request
    ///         })
    ///         .service(channel)
    /// })?;
    /// # let _ = exporter;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    pub fn build_with<T>(
        self,
        wrap: impl FnOnce(Channel) -> T,
    ) -> Result<OtlpGrpcExporter<T>, ExportError> {
        let target = self.target()?;
        // Without a runtime tonic would panic.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(wrong("must be built inside a tokio runtime"));
        }
        let channel = self.channel(&target)?;
        self.on(&target, wrap(channel))
    }

    /// Builds the exporter on a gRPC service of another kind. The options of the connection
    /// (TLS, keepalive, connect timeout) have no meaning then.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if an option is wrong.
    pub fn build_on<T>(self, service: T) -> Result<OtlpGrpcExporter<T>, ExportError> {
        let target = self.target()?;
        self.on(&target, service)
    }

    fn target(&self) -> Result<Target, ExportError> {
        Target::parse(&self.endpoint).map_err(wrong)
    }

    fn on<T>(self, target: &Target, service: T) -> Result<OtlpGrpcExporter<T>, ExportError> {
        let mut config = self.config;
        match target {
            Target::Tcp(uri) => config.set_origin(uri),
            Target::Unix(path) => config.set_endpoint(format!("unix:{path}")),
        }
        config.forward = self.forward.check(is_reserved).map_err(|it| wrong(&it))?;
        if let Some(product) = &self.product {
            let both = HeaderValue::try_from(format!("{product} {USER_AGENT}"))
                .map_err(|_| wrong("the user agent is not valid"))?;
            config.headers.insert(header::USER_AGENT, both);
        }
        for (name, value) in &self.headers {
            let (name, value) = parse_header(name, value)?;
            config.secrets.add(&value);
            if name == header::USER_AGENT {
                config.headers.insert(name, value);
            } else {
                config.headers.append(name, value);
            }
        }
        Ok(OtlpGrpcExporter::with_config(service, config))
    }

    fn channel(&self, target: &Target) -> Result<Channel, ExportError> {
        let mut endpoint = match target {
            Target::Tcp(uri) => Endpoint::from(uri.clone()),
            Target::Unix(path) => Endpoint::from_shared(format!("unix:{path}"))
                .map_err(|error| wrong("the endpoint is not valid").with_source(error))?,
        };
        endpoint = self.tls_on(endpoint, target)?;
        if let Some(timeout) = self.connect_timeout {
            endpoint = endpoint.connect_timeout(timeout);
        }
        if let Some(interval) = self.keepalive_interval {
            endpoint = endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(self.keepalive_timeout)
                .keep_alive_while_idle(self.keepalive_while_idle);
        }
        Ok(endpoint.connect_lazy())
    }

    #[cfg(feature = "tls")]
    fn tls_on(&self, endpoint: Endpoint, target: &Target) -> Result<Endpoint, ExportError> {
        match &self.tls {
            Some(_) if !target.is_https() => Err(wrong(
                "TLS options need an endpoint that begins with https://",
            )),
            None if !target.is_https() => Ok(endpoint),
            options => {
                let options = options.clone().unwrap_or_default();
                let config = super::tls::client_config(&options, self.connect_timeout);
                endpoint
                    .tls_config(config)
                    .map_err(|error| wrong("the TLS options cannot be used").with_source(error))
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    fn tls_on(&self, endpoint: Endpoint, target: &Target) -> Result<Endpoint, ExportError> {
        if target.is_https() {
            return Err(wrong("https:// needs the crate feature `tls`"));
        }
        Ok(endpoint)
    }
}

/// The text of the error names the header and never its value.
fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ExportError> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| wrong(&format!("{name:?} is not the name of a header")))?;
    if is_reserved(&parsed) {
        return Err(wrong(&format!(
            "the header {name:?} belongs to the protocol"
        )));
    }
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| wrong(&format!("the value of the header {name:?} is not valid")))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn wrong(message: &str) -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        format!("the {NAME} exporter cannot be built: {message}"),
    )
}

impl fmt::Debug for OtlpGrpcBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        let mut out = f.debug_struct("OtlpGrpcBuilder");
        // An endpoint that is not valid may hold anything.
        match self.target() {
            Ok(target) => out.field("endpoint", &target),
            Err(_) => out.field("endpoint", &"(not valid)"),
        };
        out.field("headers", &names)
            .field("forward", &self.forward)
            .field("config", &self.config)
            .field("connect_timeout", &self.connect_timeout)
            .field("keepalive_interval", &self.keepalive_interval)
            .field("keepalive_timeout", &self.keepalive_timeout)
            .field("keepalive_while_idle", &self.keepalive_while_idle);
        #[cfg(feature = "tls")]
        out.field("tls", &self.tls);
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: OtlpGrpcBuilder) -> String {
        builder.build_on(()).expect_err("not valid").to_string()
    }

    #[test]
    fn wrong_options_are_named_without_secrets() {
        let builder = OtlpGrpcExporter::builder;
        for (options, says) in [
            (builder().endpoint("http://u:s3cret@h:1"), "credentials"),
            (builder().endpoint("ftp://s3cret:1"), "scheme"),
            (builder().header("x-key", "s3cret\n"), "\"x-key\""),
            (builder().header("te", "s3cret"), "protocol"),
            (builder().header("grpc-timeout", "s3cret"), "protocol"),
            (builder().header("not a name", "s3cret"), "not the name"),
        ] {
            assert!(!format!("{options:?}").contains("s3cret"));
            let message = message(options);
            assert!(message.contains(says), "{message}");
            assert!(!message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn outside_a_runtime_is_an_error() {
        let error = OtlpGrpcExporter::builder().build().expect_err("no runtime");
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }

    #[test]
    fn debug_hides_header_values() {
        let exporter = OtlpGrpcExporter::builder()
            .header("authorization", "Bearer s3cret")
            .build_on(())
            .expect("valid");
        let shown = format!("{exporter:?}");
        assert!(shown.contains("authorization"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn the_product_stands_before_the_user_agent() {
        let exporter = OtlpGrpcExporter::builder()
            .user_agent("first/1")
            .user_agent("agent/2")
            .build_on(())
            .expect("valid");
        let agent = &exporter.config.headers[header::USER_AGENT];
        let agent = agent.to_str().expect("text");
        assert!(
            agent.starts_with("agent/2 OTel-OTLP-Exporter-Rust"),
            "{agent}"
        );
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn tls_options_without_https_are_an_error() {
        let error = OtlpGrpcExporter::builder()
            .endpoint("http://localhost:1")
            .tls(crate::TlsOptions::default())
            .build()
            .expect_err("not https");
        assert!(error.to_string().contains("https://"), "{error}");
    }
}
