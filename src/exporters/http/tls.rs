//! TLS for the default HTTP client: rustls with the process-wide provider if one is installed, and
//! with AWS-LC, given explicitly, if none is.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::options::invalid;
use crate::{ErrorKind, ExportError, TlsOptions};

/// `https`: some endpoint needs TLS, so somebody must be trusted. `proxy`: perhaps a proxy does.
pub(super) fn client_config(
    options: &TlsOptions,
    https: bool,
    proxy: bool,
) -> Result<ClientConfig, ExportError> {
    if options.server_name.is_some() {
        return Err(ExportError::new(
            ErrorKind::Unsupported,
            "an HTTP exporter cannot expect another server name than the endpoint's host",
        ));
    }
    let roots = roots(options, https, proxy)?;
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots);
    let mut config = match &options.identity_pem {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "the client certificate")?;
            // The parser's own errors quote the text, which is a secret here.
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| invalid("the client key is not a private key in PEM form"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                invalid("the client certificate and its key cannot be used").with_source(error)
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(options: &TlsOptions, https: bool, proxy: bool) -> Result<RootCertStore, ExportError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = &options.ca_pem {
        for certificate in certificates(pem, "the certificate authority")? {
            roots.add(certificate).map_err(|error| {
                invalid("the certificate authority cannot be used").with_source(error)
            })?;
        }
    }
    if options.native_roots && (https || proxy) {
        let found = rustls_native_certs::load_native_certs();
        // Systems carry odd old certificates; one that cannot be read need not stop the rest.
        roots.add_parsable_certificates(found.certs);
    }
    if https && roots.is_empty() {
        return Err(invalid(
            "no certificate authority to trust: none was given, and none was found on this system",
        ));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ExportError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| invalid(&format!("{what} is not in PEM form")))?;
    if found.is_empty() {
        return Err(invalid(&format!("{what} holds no certificate in PEM form")));
    }
    Ok(found)
}
