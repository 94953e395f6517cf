//! OTLP over gRPC and over HTTP.

mod env;
#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(feature = "otlp-http")]
mod http;

#[cfg(feature = "otlp-http")]
pub use http::{OtlpHttpExporter, OtlpHttpExporterBuilder, ResponseFuture as OtlpHttpFuture};
