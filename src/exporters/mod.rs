//! Exporters: one folder per backend.

#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "otlp-http")]
pub mod http;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
pub mod otlp;
