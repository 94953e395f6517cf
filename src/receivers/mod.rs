//! Receivers: where telemetry comes in.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "receiver-grpc")]
pub mod grpc;
#[cfg(feature = "receiver-http")]
mod http;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod status;
