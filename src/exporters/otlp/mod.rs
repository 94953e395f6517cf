//! OTLP over gRPC and over HTTP.

pub mod env;
#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(feature = "otlp-http")]
pub mod http;

#[cfg(feature = "otlp-http")]
pub use self::http::{OtlpHttpBuilder, OtlpHttpExporter, OtlpHttpFuture};
pub use env::{EnvError, from_env, from_lookup};
#[cfg(feature = "otlp-grpc")]
pub use grpc::{OtlpGrpcBuilder, OtlpGrpcExporter, OtlpGrpcFuture};
