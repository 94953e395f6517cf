//! [`TlsOptions`] in tonic's terms.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::TlsOptions;

/// `handshake` bounds the TLS handshake; tonic's connect timeout ends with the TCP connection.
pub(super) fn client_config(options: &TlsOptions, handshake: Option<Duration>) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new();
    if let Some(pem) = &options.ca_pem {
        config = config.ca_certificate(Certificate::from_pem(pem));
    }
    if options.native_roots {
        config = config.with_native_roots();
    }
    if let Some((certificate, key)) = &options.identity_pem {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &options.server_name {
        config = config.domain_name(name);
    }
    if let Some(handshake) = handshake {
        config = config.timeout(handshake);
    }
    config
}
