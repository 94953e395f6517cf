//! TLS for the default HTTP client.

use rustls::ClientConfig;

use super::options::invalid;
use crate::{ExportError, TlsOptions};

/// `https`: some endpoint needs TLS, so somebody must be trusted. `proxy`: perhaps a proxy does.
pub(super) fn client_config(
    options: &TlsOptions,
    https: bool,
    proxy: bool,
) -> Result<ClientConfig, ExportError> {
    if options.server_name.is_some() {
        return Err(invalid(
            "an HTTP exporter cannot expect another server name than the endpoint's host",
        ));
    }
    let mut config = crate::tls::client::client_config(options, https, proxy)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
