//! The options that the builders of all HTTP exporters have.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Endpoint, HttpClientOptions, HttpSender, ReqwestService, Secrets, StatusTable};
use crate::{ErrorKind, ExportError, classify::Overrides};

/// The part of a builder that all HTTP exporters share; [`http_options!`](super::http_options)
/// makes its methods.
#[derive(Clone)]
pub(crate) struct HttpOptions {
    /// The name of the exporter in errors.
    exporter: &'static str,
    /// `User-Agent`, unless the options say otherwise.
    agent: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) user_agent: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
    pub(crate) overrides: Overrides<u16>,
    pub(crate) client: HttpClientOptions,
}

impl HttpOptions {
    /// 10 s for each attempt, answers of up to 4 MiB.
    pub(crate) fn new(
        exporter: &'static str,
        agent: &'static str,
        max_request_bytes: usize,
    ) -> Self {
        Self {
            exporter,
            agent,
            headers: Vec::new(),
            user_agent: None,
            timeout: Some(Duration::from_secs(10)),
            max_request_bytes,
            max_response_bytes: 4 << 20,
            overrides: Overrides::default(),
            client: HttpClientOptions::default(),
        }
    }

    /// What sends to these endpoints, and reads statuses by this table.
    pub(crate) fn sender<'a>(
        &self,
        statuses: StatusTable,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Result<HttpSender, ExportError> {
        let headers = self.header_map()?;
        let mut secrets = Secrets::default();
        for value in headers.values().filter(|value| value.is_sensitive()) {
            secrets.add(value);
        }
        for value in endpoints
            .into_iter()
            .filter_map(|to| to.authorization.as_ref())
        {
            secrets.add(value);
        }
        Ok(HttpSender {
            exporter: self.exporter,
            headers,
            timeout: self.timeout,
            max_request_bytes: self.max_request_bytes,
            max_response_bytes: self.max_response_bytes,
            statuses,
            overrides: self.overrides.clone(),
            secrets,
        })
    }

    /// The default client. `https` says whether some endpoint needs TLS.
    pub(crate) fn build_client(&self, https: bool) -> Result<ReqwestService, ExportError> {
        self.client.clone().https(https).build()
    }

    /// An error of building this exporter.
    pub(crate) fn invalid(&self, message: impl fmt::Display) -> ExportError {
        ExportError::new(
            ErrorKind::Unsupported,
            format!("the {} exporter cannot be built: {message}", self.exporter),
        )
    }

    fn header_map(&self) -> Result<HeaderMap, ExportError> {
        let mut headers = HeaderMap::new();
        let agent = match &self.user_agent {
            Some(product) => format!("{product} {}", self.agent),
            None => self.agent.to_owned(),
        };
        let agent = HeaderValue::from_str(&agent)
            .map_err(|_| self.invalid("the user agent cannot stand in a header"))?;
        headers.insert(header::USER_AGENT, agent);
        let mut own_agent = true;
        for (name, value) in &self.headers {
            let name = self.header_name(name)?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| self.invalid(format!("the value of header {name} is invalid")))?;
            value.set_sensitive(true);
            if name == header::USER_AGENT && std::mem::take(&mut own_agent) {
                headers.remove(header::USER_AGENT);
            }
            headers.append(name, value);
        }
        Ok(headers)
    }

    fn header_name(&self, name: &str) -> Result<HeaderName, ExportError> {
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| self.invalid("a header's name is invalid"))?;
        if is_reserved(&parsed) {
            return Err(self.invalid(format!("header {parsed} is set by the exporter")));
        }
        Ok(parsed)
    }

    /// Adds what may be shown to the `Debug` form of a builder.
    pub(crate) fn debug(&self, out: &mut fmt::DebugStruct<'_, '_>) {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        out.field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("on_status", &self.overrides)
            .field("client", &self.client);
    }
}

/// Headers that describe the body or the connection, and belong to the protocol.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 8] = [
        header::TE,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::HOST,
    ];
    RESERVED.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The methods of a builder over its field `http: HttpOptions`. `$exporter` is the path of the
/// exporter below `tower_otlp::exporters`, for the example: `"otlp::OtlpHttpExporter"`.
macro_rules! http_options {
    ($builder:ident, $module:literal, $exporter:literal) => {
        impl $builder {
            /// Sends this header with every request. A name may be given twice.
            #[must_use]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.http.headers.push((name.into(), value.into()));
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
                self.http
                    .headers
                    .extend(headers.map(|(name, value)| (name.into(), value.into())));
                self
            }

            /// Puts this product, such as `my-app/1.2`, before the exporter's own in
            /// `User-Agent`.
            #[must_use]
            pub fn user_agent(mut self, product: impl Into<String>) -> Self {
                self.http.user_agent = Some(product.into());
                self
            }

            /// Limits each attempt, from the call to the end of the answer. Default: 10 s.
            #[must_use]
            pub const fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.http.timeout = Some(timeout);
                self
            }

            /// Sets no limit: for a timeout layer above the exporter.
            #[must_use]
            pub const fn no_timeout(mut self) -> Self {
                self.http.timeout = None;
                self
            }

            /// Sets the largest body sent, in bytes before compression. A larger one fails with
            /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and is not sent; a
            /// [`split`](crate::layers::split) layer above then halves the request. The default
            /// stands in the [table](Self), and so does what is done instead by an exporter that
            /// can send one request as several.
            #[must_use]
            pub const fn max_request_bytes(mut self, bytes: usize) -> Self {
                self.http.max_request_bytes = bytes;
                self
            }

            /// Sets how much of an answer is read, in bytes. Default: 4 MiB. The status of a
            /// larger answer counts, its body is ignored.
            #[must_use]
            pub const fn max_response_bytes(mut self, bytes: usize) -> Self {
                self.http.max_response_bytes = bytes;
                self
            }

            /// Sets what an HTTP status of this server means, in place of what the exporter's
            /// table says. A delay that the server names takes the place of
            /// [`RetryAdvice::Backoff`](crate::RetryAdvice::Backoff).
            ///
            /// Gateways in front of a backend answer 500, 408 or 530 though a retry would help:
            ///
            /// ```
            #[doc = concat!(
                "use tower_otlp::{ErrorKind, RetryAdvice, exporters::", $module, "::", $exporter, "};"
            )]
            ///
            #[doc = concat!("let builder = ", $exporter, "::builder()")]
            ///     .on_status(530, ErrorKind::Unavailable, RetryAdvice::Backoff);
            /// # let _ = builder;
            /// ```
            #[must_use]
            pub fn on_status(
                mut self,
                status: u16,
                kind: crate::ErrorKind,
                retry: crate::RetryAdvice,
            ) -> Self {
                self.http.overrides.set(status, kind, retry);
                self
            }

            /// Sets the options of the default client.
            #[must_use]
            pub fn client(mut self, options: crate::exporters::http::HttpClientOptions) -> Self {
                self.http.client = options;
                self
            }

            /// Sets how the server is checked, and how the exporter proves who it is.
            #[cfg(feature = "tls")]
            #[must_use]
            pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
                self.http.client = self.http.client.tls(tls);
                self
            }

            /// Sends everything through this proxy. See
            /// [`HttpClientOptions::proxy`](crate::exporters::http::HttpClientOptions::proxy).
            #[must_use]
            pub fn proxy(mut self, url: impl Into<String>) -> Self {
                self.http.client = self.http.client.proxy(url);
                self
            }

            /// Uses no proxy, whatever the environment says.
            #[must_use]
            pub fn no_proxy(mut self) -> Self {
                self.http.client = self.http.client.no_proxy();
                self
            }
        }
    };
}
pub(crate) use http_options;
