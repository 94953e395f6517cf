//! Options of the default HTTP client.

use std::{fmt, time::Duration};

use super::ReqwestService;
use crate::{ErrorKind, ExportError};

/// Options of the HTTP client that HTTP exporters use by default.
///
/// Redirects are never followed: telemetry goes where it was told to go, and nowhere else.
///
/// | option | default |
/// |---|---|
/// | connect timeout | 10 s |
/// | proxy | `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, also in lower case |
/// | TLS | the certificate authorities of the operating system |
#[derive(Clone)]
pub struct HttpClientOptions {
    connect_timeout: Option<Duration>,
    proxy: Proxy,
    #[cfg(feature = "tls")]
    tls: crate::TlsOptions,
    https: bool,
}

#[derive(Clone)]
enum Proxy {
    System,
    None,
    Url(String),
}

impl Default for HttpClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Some(Duration::from_secs(10)),
            proxy: Proxy::System,
            #[cfg(feature = "tls")]
            tls: crate::TlsOptions::default(),
            https: false,
        }
    }
}

impl HttpClientOptions {
    /// Sets how long connecting may take, TLS included. Default: 10 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sends everything through this proxy, `http://` or `https://`, with or without a user and
    /// a password. The environment is then not asked, not even for `NO_PROXY`.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Proxy::Url(url.into());
        self
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Proxy::None;
        self
    }

    /// Sets how servers are checked, and how this client proves who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// Says that there is an `https://` endpoint: that nobody can be trusted is then an error
    /// of [`build`](Self::build), not of each request. Without this, and without a proxy, the
    /// certificate authorities of the operating system are not read.
    #[must_use]
    pub const fn https(mut self, https: bool) -> Self {
        self.https = https;
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the proxy's URL is invalid, a certificate or a key cannot be read, there is no
    /// certificate authority to trust, or the Cargo feature `tls` is needed and not enabled.
    pub fn build(&self) -> Result<ReqwestService, ExportError> {
        // User-Agent is the exporter's to set, on each request, whatever the transport.
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false);
        let builder = match self.connect_timeout {
            Some(timeout) => builder.connect_timeout(timeout),
            None => builder,
        };
        let builder = match &self.proxy {
            Proxy::System => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::Url(url) => builder.proxy(proxy(url)?),
        };
        let client = self
            .secure(builder)?
            .build()
            .map_err(|error| invalid("the HTTP client cannot be built").with_source(error))?;
        Ok(ReqwestService::new(client))
    }

    #[cfg(feature = "tls")]
    fn secure(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, ExportError> {
        let config = super::tls::client_config(&self.tls, self.https, self.may_use_tls())?;
        Ok(builder.tls_backend_preconfigured(config))
    }

    #[cfg(not(feature = "tls"))]
    fn secure(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, ExportError> {
        if self.https || matches!(&self.proxy, Proxy::Url(url) if url.starts_with("https:")) {
            return Err(needs_tls());
        }
        Ok(builder)
    }

    /// Whether a proxy may be reached over TLS though no endpoint is.
    #[cfg(feature = "tls")]
    fn may_use_tls(&self) -> bool {
        let https = |url: &str| url.starts_with("https:");
        match &self.proxy {
            Proxy::None => false,
            Proxy::Url(url) => https(url),
            Proxy::System => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
                .into_iter()
                .any(|name| std::env::var(name).is_ok_and(|url| https(&url))),
        }
    }
}

#[cfg(not(feature = "tls"))]
fn needs_tls() -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        "https needs the Cargo feature `tls` of tower-otlp",
    )
}

/// Reads a proxy's URL. Errors do not quote it: it may hold a password.
fn proxy(url: &str) -> Result<reqwest::Proxy, ExportError> {
    let has_scheme = url.starts_with("http://") || url.starts_with("https://");
    if !has_scheme {
        return Err(invalid(
            "the proxy's URL must begin with http:// or https://",
        ));
    }
    reqwest::Proxy::all(url).map_err(|_| invalid("the proxy's URL is invalid"))
}

pub(super) fn invalid(message: &str) -> ExportError {
    ExportError::new(ErrorKind::Unsupported, message)
}

impl fmt::Debug for HttpClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("HttpClientOptions");
        out.field("connect_timeout", &self.connect_timeout);
        let proxy = match &self.proxy {
            Proxy::System => "system".to_owned(),
            Proxy::None => "none".to_owned(),
            Proxy::Url(url) => super::endpoint::without_credentials(url),
        };
        out.field("proxy", &proxy);
        #[cfg(feature = "tls")]
        out.field("tls", &self.tls);
        out.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_password_is_never_shown() {
        let good = HttpClientOptions::default().proxy("http://user:s3cret@proxy:3128");
        assert!(!format!("{good:?}").contains("s3cret"));
        assert!(format!("{good:?}").contains("proxy:3128"));
        assert!(good.build().is_ok());
        for bad in [
            "user:s3cret@proxy:3128",
            "http://user:s3cret@:x",
            "socks5://u:s3cret@h",
        ] {
            let options = HttpClientOptions::default().proxy(bad);
            let error = options.build().expect_err(bad);
            assert!(
                !format!("{error} {error:?}").contains("s3cret"),
                "{error:?}"
            );
            assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
        }
    }
}
