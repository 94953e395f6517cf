//! Options for TLS connections of exporters.

pub(crate) mod client;

use std::fmt;

/// How an exporter checks its server, and how it proves who it is (mutual TLS).
///
/// By default the certificate authorities of the operating system are trusted. Giving one's own
/// with [`ca_pem`](Self::ca_pem) replaces them, unless [`native_roots`](Self::native_roots) is
/// set again after it.
///
/// `Debug` never shows the private key.
///
/// ```
/// use tower_otlp::TlsOptions;
///
/// let tls = TlsOptions::default()
///     .ca_pem("-----BEGIN CERTIFICATE-----\n...")
///     .identity_pem("-----BEGIN CERTIFICATE-----\n...", "-----BEGIN PRIVATE KEY-----\n...");
/// assert!(!format!("{tls:?}").contains("PRIVATE"));
/// ```
#[derive(Clone)]
pub struct TlsOptions {
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) native_roots: bool,
    pub(crate) server_name: Option<String>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ca_pem: None,
            identity_pem: None,
            native_roots: true,
            server_name: None,
        }
    }
}

impl TlsOptions {
    /// Trusts the certificate authorities in this PEM text, and no others.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self.native_roots = false;
        self
    }

    /// Presents this certificate chain with this private key, both PEM: mutual TLS.
    #[must_use]
    pub fn identity_pem(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity_pem = Some((certificate.into(), key.into()));
        self
    }

    /// Whether to trust the certificate authorities of the operating system.
    #[must_use]
    pub const fn native_roots(mut self, trust: bool) -> Self {
        self.native_roots = trust;
        self
    }

    /// Expects this name in the server's certificate instead of the endpoint's host. The gRPC,
    /// TCP and syslog exporters can do that; HTTP exporters refuse to be built with it.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("own_ca", &self.ca_pem.is_some())
            .field("native_roots", &self.native_roots)
            .field("identity", &self.identity_pem.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}
