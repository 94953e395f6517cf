//! The parameters that most exporters over a network have.

use crate::Compression;

/// The port of a URL with TLS that names none.
#[cfg(feature = "tls")]
pub(super) const HTTPS_PORT: u16 = 443;

/// Every compression, by its name in a URL.
pub(super) const COMPRESSIONS: [(&str, Compression); 4] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("zstd", Compression::Zstd),
    ("deflate", Compression::Deflate),
];

/// Hands what a URL says to a builder, method by method: builders have the same names for what
/// their protocols have in common, and no trait. `$compressions` are those that the backend
/// reads, as in [`COMPRESSIONS`].
// Not every scheme has them.
#[cfg_attr(not(feature = "full"), allow(unused_macros))]
macro_rules! common_options {
    ($params:expr, $builder:expr, $compressions:expr) => {{
        use crate::url::value::{duration_or_none, one_of, size};

        let mut builder = $builder.headers($params.headers());
        let compressions = &$compressions[..];
        if let Some(value) = $params.read("compression", |value| one_of(value, compressions))? {
            builder = builder.compression(value);
        }
        builder = match $params.read("timeout", duration_or_none)? {
            Some(Some(value)) => builder.timeout(value),
            Some(None) => builder.no_timeout(),
            None => builder,
        };
        if let Some(value) = $params.take("user_agent")? {
            builder = builder.user_agent(value);
        }
        if let Some(value) = $params.read("max_request_bytes", size)? {
            builder = builder.max_request_bytes(value);
        }
        builder
    }};
}
#[cfg_attr(not(feature = "full"), allow(unused_imports))]
pub(super) use common_options;
