//! OTLP over gRPC and over HTTP.

mod env;
#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(feature = "otlp-http")]
mod http;

#[cfg(feature = "otlp-grpc")]
pub use grpc::{OtlpGrpcBuilder, OtlpGrpcExporter, OtlpGrpcFuture};
