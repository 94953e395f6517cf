//! The parameters that say how TLS is done.

use super::{UrlError, params::Params, value::flag};
use crate::TlsOptions;

pub(super) fn options(params: &mut Params) -> Result<TlsOptions, UrlError> {
    let mut tls = TlsOptions::default();
    if let Some(pem) = file(params, "ca")? {
        tls = tls.ca_pem(pem);
    }
    // After the authorities of one's own: those turn the others off unless told otherwise.
    if let Some(trust) = params.read("native_roots", flag)? {
        tls = tls.native_roots(trust);
    }
    match (file(params, "cert")?, file(params, "key")?) {
        (Some(certificate), Some(key)) => Ok(tls.identity_pem(certificate, key)),
        (None, None) => Ok(tls),
        (Some(_), None) => Err(UrlError::parameter("cert", "`key` is needed with it")),
        (None, Some(_)) => Err(UrlError::parameter("key", "`cert` is needed with it")),
    }
}

fn file(params: &mut Params, name: &'static str) -> Result<Option<Vec<u8>>, UrlError> {
    params.read(name, |path| {
        std::fs::read(path).map_err(|error| format!("`{path}` cannot be read: {error}"))
    })
}
