//! Exporters: where telemetry goes. One module per backend.
//!
//! ```
//! use tower_otlp::exporters::console::{ConsoleExporter, Verbosity};
//!
//! let exporter = ConsoleExporter::new(Verbosity::Normal);
//! # let _ = exporter;
//! ```
//!
//! Each is a [`Service`](tower::Service) of an [`ExportRequest`](crate::ExportRequest) that can be
//! used alone. It sends a request once; whatever makes it reliable is a
//! [layer](crate::layers) around it.
//!
//! | Exporter | Signals | URL |
//! |---|---|---|
//! | `otlp::OtlpGrpcExporter` | all | `otlp+grpc://`, `otlp+grpcs://`, `otlp+unix:` |
//! | `otlp::OtlpHttpExporter` | all | `otlp+http://`, `otlp+https://` |
//! | `console::ConsoleExporter` | all | `console:` |
//! | `file::FileExporter` | all | `file://` |

#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "otlp-http")]
pub mod http;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
pub mod otlp;
