//! What the URLs of HTTP exporters share: `name+http:` and `name+https:`.

use super::{UrlError, parse::Target, value::duration};
use crate::exporters::http::HttpClientOptions;

/// The endpoint as an `http:` or `https:` URL, user and password included.
pub(super) fn endpoint(
    target: &Target,
    scheme: &str,
    default_port: u16,
) -> Result<String, UrlError> {
    let user_info = target.user_info();
    let authority = target.authority(default_port)?;
    let path = target.path();
    Ok(format!("{scheme}://{user_info}{authority}{path}"))
}

/// Takes the options of the client: `connect_timeout`, `proxy`.
pub(super) fn client(target: &mut Target) -> Result<HttpClientOptions, UrlError> {
    let mut client = HttpClientOptions::default();
    if let Some(value) = target.params.read("connect_timeout", duration)? {
        client = client.connect_timeout(value);
    }
    match target.params.take("proxy")?.as_deref() {
        Some("none") => Ok(client.no_proxy()),
        Some(url) => Ok(client.proxy(url)),
        None => Ok(client),
    }
}

/// The same, and those of TLS.
#[cfg(feature = "tls")]
pub(super) fn tls_client(target: &mut Target) -> Result<HttpClientOptions, UrlError> {
    Ok(client(target)?.tls(super::tls::options(&mut target.params)?))
}
