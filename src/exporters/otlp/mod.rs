//! OTLP over gRPC and over HTTP.
//!
//! ```
//! # #[cfg(feature = "otlp-http")] {
//! use std::time::Duration;
//! use tower_otlp::{Compression, exporters::otlp::OtlpHttpExporter};
//!
//! let exporter = OtlpHttpExporter::builder()
//!     .endpoint("http://collector:4318")
//!     .header("x-api-key", "secret")
//!     .compression(Compression::Zstd)
//!     .timeout(Duration::from_secs(5))
//!     .build()?;
//! # let _ = exporter; }
//! # Ok::<(), tower_otlp::ExportError>(())
//! ```
//!
//! Both send the bytes of a request as they are: nothing is decoded, and a body is compressed at
//! most once, however often it is sent. A body that a receiver took in the same compression goes
//! out as it came in.
//!
//! Both can be built from code, from a [URL](crate::from_url), or from the standard
//! [environment variables](from_env), and both are generic over the service below them, so that
//! tower layers fit there too: a token that has to be refreshed, a signature, a load balancer.
//!
//! What a receiver kept of its clients' headers goes out with the telemetry where that is asked
//! for: `tenant_header` sends the tenant on, `forward_header` one header, `forward_headers` all
//! that were kept and the trace context.

pub mod env;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
mod forward;
#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(feature = "otlp-http")]
pub mod http;

#[cfg(feature = "otlp-http")]
pub use self::http::{OtlpHttpBuilder, OtlpHttpExporter, OtlpHttpFuture};
pub use env::{EnvError, from_env, from_lookup};
#[cfg(feature = "otlp-grpc")]
pub use grpc::{OtlpGrpcBuilder, OtlpGrpcExporter, OtlpGrpcFuture};
