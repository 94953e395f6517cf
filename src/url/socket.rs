//! What the exporters over bare sockets have in common.

use super::{
    UrlError,
    parse::Target,
    value::{duration, duration_or_none, flag, number, size},
};
use crate::exporters::socket::SocketOptions;

/// Host and port, and the options of the connections.
pub(super) fn endpoint(target: &mut Target) -> Result<(String, SocketOptions), UrlError> {
    if !target.user_info().is_empty() {
        let message = "this exporter takes none; over TLS it can show a certificate";
        return Err(UrlError::new("user information", message));
    }
    target.no_path()?;
    let endpoint = target.authority_as_given()?;
    let params = &mut target.params;
    let mut options = SocketOptions::default();
    if let Some(value) = params.read("connections", number)? {
        options = options.connections(value);
    }
    if let Some(value) = params.read("connect_timeout", duration)? {
        options = options.connect_timeout(value);
    }
    options = match params.read("write_timeout", duration_or_none)? {
        Some(Some(value)) => options.write_timeout(value),
        Some(None) => options.no_write_timeout(),
        None => options,
    };
    options = match params.read("keepalive", duration_or_none)? {
        Some(Some(value)) => options.keepalive(value),
        Some(None) => options.no_keepalive(),
        None => options,
    };
    options = match params.read("acknowledge_timeout", duration_or_none)? {
        Some(Some(value)) => options.acknowledge_timeout(value),
        Some(None) => options.no_acknowledge_timeout(),
        None => options,
    };
    if let Some(value) = params.read("nodelay", flag)? {
        options = options.nodelay(value);
    }
    if let Some(value) = params.read("send_buffer", size)? {
        options = options.send_buffer_bytes(value);
    }
    Ok((endpoint, options))
}

/// The same, over TLS.
#[cfg(feature = "tls")]
pub(super) fn tls_endpoint(target: &mut Target) -> Result<(String, SocketOptions), UrlError> {
    let (endpoint, options) = endpoint(target)?;
    let mut tls = super::tls::options(&mut target.params)?;
    if let Some(name) = target.params.take("server_name")? {
        tls = tls.server_name(name);
    }
    Ok((endpoint, options.tls(tls)))
}
