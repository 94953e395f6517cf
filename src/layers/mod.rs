//! Layers: what happens between a receiver and an exporter.
//!
//! Every layer takes any service with an error that converts into
//! [`ExportError`](crate::ExportError) and makes one that yields it, so tower's own layers, whose
//! errors are boxed, may stand between ours. The first layer of a `ServiceBuilder` is the
//! outermost. The order that suits most pipelines, from outside in:
//!
//! ```text
//! track          each request counted once, new ones turned away while shutting down
//! total timeout  a hard end for all attempts
//! fan out        or below the retry: see its module
//! retry          what is below sees each attempt
//! ...            tower's ConcurrencyLimit: its permits are free while a retry waits
//! timeout        bounds each attempt
//! exporter
//! ```
//!
//! `ServiceBuilderExt` has a method for each layer.

#[cfg(feature = "prost")]
pub mod decoded;
pub mod fan_out;
pub mod retry;
pub mod timeout;
pub mod track;
