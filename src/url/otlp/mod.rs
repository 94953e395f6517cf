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
