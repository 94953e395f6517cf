//! Receivers: where telemetry comes in.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "receiver-grpc")]
mod grpc;
#[cfg(feature = "receiver-http")]
mod http;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod status;

#[cfg(feature = "receiver-http")]
pub use http::{OtlpHttpReceiver, ResponseFuture as OtlpHttpResponseFuture};
