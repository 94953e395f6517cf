//! Layers: what happens between a receiver and an exporter.
//!
//! Every layer takes any service with an error that converts into
//! [`ExportError`](crate::ExportError) and makes one that yields it, so tower's own layers, whose
//! errors are boxed, may stand between ours. The first layer of a `ServiceBuilder` is the
//! outermost. The order that suits most pipelines, from outside in:
//!
//! ```text
//! track              each request counted once; new ones turned away while shutting down
//! total timeout      a hard end for all attempts
//! retry              what is below sees each attempt
//! fan-out            if there are several exporters; the rest is then in each branch
//! concurrency limit  tower's; its permits are free while a retry waits
//! attempt timeout    bounds each attempt
//! exporter
//! ```
//!
//! What other orders do is shown, by running them, in `examples/compose.rs`.
//!
//! [`ServiceBuilderExt`](crate::ServiceBuilderExt) has a method for each layer.

#[cfg(feature = "prost")]
pub mod decoded;
pub mod fan_out;
pub mod queue;
pub mod retry;
pub mod timeout;
pub mod track;
