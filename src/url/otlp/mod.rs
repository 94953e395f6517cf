//! `otlp+grpc:`, `otlp+http:` and their like.

#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(feature = "otlp-http")]
mod http;

#[cfg(feature = "otlp-grpc")]
pub(super) use self::grpc::grpc;
#[cfg(all(feature = "otlp-grpc", feature = "tls"))]
pub(super) use self::grpc::grpcs;
#[cfg(all(feature = "otlp-grpc", unix))]
pub(super) use self::grpc::unix;
#[cfg(feature = "otlp-http")]
pub(super) use self::http::http;
#[cfg(all(feature = "otlp-http", feature = "tls"))]
pub(super) use self::http::https;
#[cfg(feature = "tls")]
use super::tls;
use super::value::one_of;
use crate::Compression;

/// The port of a URL with TLS that names none.
#[cfg(feature = "tls")]
const HTTPS_PORT: u16 = 443;

fn compression(value: &str) -> Result<Compression, String> {
    let choices = [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("deflate", Compression::Deflate),
    ];
    one_of(value, &choices)
}

/// Hands what a URL says to a builder, method by method: the OTLP builders have the same names
/// for what both protocols have, and no trait in common.
macro_rules! common_options {
    ($params:expr, $builder:expr) => {{
        use crate::url::value::{duration_or_none, size};

        let mut builder = $builder.headers($params.headers());
        if let Some(value) = $params.read("compression", super::compression)? {
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
use common_options;
