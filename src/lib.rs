//! Telemetry export as a Tower stack.
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "otlp-http", feature = "receiver-http"))]
mod body;
mod builder;
#[cfg(any(feature = "_grpc", feature = "_http"))]
mod classify;
#[cfg(feature = "_compression")]
mod compression;
mod error;
mod exporter;
pub mod exporters;
#[cfg(feature = "_grpc")]
mod grpc;
pub mod layers;
mod lifecycle;
mod metadata;
pub mod otlp;
pub mod receivers;
mod request;
mod response;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "_url")]
mod url;

pub use builder::*;
#[cfg(feature = "_compression")]
pub use compression::Compression;
pub use error::{ErrorKind, ExportError, InvalidConfig, RetryAdvice};
pub use exporter::{BoxExporter, Exporter, ExporterExt, IntoExportError, IntoExportErrorFuture};
pub use lifecycle::*;
pub use metadata::Metadata;
pub use otlp::Signal;
pub use request::{Encoding, ExportRequest};
pub use response::{BranchOutcome, ExportResponse};
#[cfg(feature = "tls")]
pub use tls::TlsOptions;
#[cfg(feature = "_url")]
pub use url::*;
