//! Receivers: where telemetry comes in.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "console"))] {
//! use axum::{Router, routing::get};
//! use tower_otlp::{
//!     exporters::console::{ConsoleExporter, Verbosity},
//!     receivers::OtlpHttpReceiver,
//! };
//!
//! let pipeline = ConsoleExporter::new(Verbosity::Basic);
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "the app's own route" }))
//!     .merge(OtlpHttpReceiver::new(pipeline).into_axum_router());
//! # let _ = app; }
//! ```
//!
//! A receiver checks what it is sent, hands it to a pipeline, and answers what the pipeline
//! answered: a client is told OK when its telemetry is where the pipeline says it is safe.
//! Neither opens a port: they are services for a server that you run. For a process that does
//! nothing else, `OtlpServer` runs both. What was written to files is read by `file::FileReader`.
//!
//! Which outcome becomes which status, over gRPC and over HTTP:
//!
//! | The pipeline's error | gRPC | HTTP |
//! |---|---|---|
//! | throttled, overloaded | `RESOURCE_EXHAUSTED` with `RetryInfo` | 429 with `Retry-After` |
//! | timeout | `DEADLINE_EXCEEDED` | 504 |
//! | any other that may be retried | `UNAVAILABLE` | 503 |
//! | unauthenticated at the backend, closed | `UNAVAILABLE` | 503 |
//! | rejected | `INVALID_ARGUMENT` | 400 |
//! | too large | `RESOURCE_EXHAUSTED` | 413 |
//! | unsupported | `UNIMPLEMENTED` | 501 |
//! | anything else | `INTERNAL` | 500 |

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "receiver-grpc")]
pub mod grpc;
#[cfg(feature = "receiver-http")]
pub mod http;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod metadata;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod metered;
#[cfg(feature = "server")]
mod server;
#[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
mod status;

#[cfg(feature = "file")]
pub use self::file::FileReader;
#[cfg(feature = "receiver-grpc")]
pub use self::grpc::OtlpGrpcReceiver;
#[cfg(feature = "receiver-http")]
pub use self::http::OtlpHttpReceiver;
#[cfg(feature = "server")]
pub use self::server::OtlpServer;
