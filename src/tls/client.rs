//! [`TlsOptions`] in rustls' terms, for the exporters that open their connections themselves:
//! rustls with the process-wide provider if one is installed, and with AWS-LC, given explicitly,
//! if none is.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::TlsOptions;
use crate::{ErrorKind, ExportError};

/// The configuration of a client, without ALPN.
///
/// `needed`: TLS will be spoken, so somebody must be trusted. `possible`: perhaps it will, so the
/// authorities of the operating system are worth reading.
pub(crate) fn client_config(
    options: &TlsOptions,
    needed: bool,
    possible: bool,
) -> Result<ClientConfig, ExportError> {
    let roots = roots(options, needed, possible)?;
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots);
    match &options.identity_pem {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "the client certificate")?;
            // The parser's own errors quote the text, which is a secret here.
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| invalid("the client key is not a private key in PEM form"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                invalid("the client certificate and its key cannot be used").with_source(error)
            })
        }
    }
}

fn invalid(message: &str) -> ExportError {
    ExportError::new(ErrorKind::Unsupported, message)
}

fn roots(options: &TlsOptions, needed: bool, possible: bool) -> Result<RootCertStore, ExportError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = &options.ca_pem {
        for certificate in certificates(pem, "the certificate authority")? {
            roots.add(certificate).map_err(|error| {
                invalid("the certificate authority cannot be used").with_source(error)
            })?;
        }
    }
    if options.native_roots && (needed || possible) {
        let found = rustls_native_certs::load_native_certs();
        // Systems carry odd old certificates; one that cannot be read need not stop the rest.
        roots.add_parsable_certificates(found.certs);
    }
    if needed && roots.is_empty() {
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
