//! Receivers: where telemetry comes in.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "receiver-grpc")]
pub mod grpc;
#[cfg(feature = "receiver-http")]
pub mod http;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod metered;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod status;

#[cfg(feature = "receiver-grpc")]
pub use self::grpc::OtlpGrpcReceiver;
#[cfg(feature = "receiver-http")]
pub use self::http::OtlpHttpReceiver;
