//! Layers: what happens between a receiver and an exporter.
//!
//! Every layer takes any service with an error that converts into
//! [`ExportError`](crate::ExportError) and makes one that yields it, so tower's own layers, whose
//! errors are boxed, may stand between ours. The first layer of a `ServiceBuilder` is the
//! outermost. The order that suits most pipelines, from outside in:
//!
//! ```text
//! admission          bytes in flight bounded; the rest refused at once
//! observe (request)  the outcome of each request
//! track              each request counted once; new ones turned away while shutting down
//! total timeout      a hard end for all attempts
//! split              cuts what is too large; each piece is then retried by itself
//! retry              what is below sees each attempt
//! fan-out            if there are several exporters; the rest is then in each branch
//! rate limit         each attempt pays
//! concurrency limit  adaptive, or tower's; its permits are free while a retry waits
//! observe (attempt)  what each attempt came to
//! attempt timeout    bounds each attempt
//! exporter
//! ```
//!
//! What other orders do is shown, by running them, in `examples/compose.rs`.
//!
//! [`ServiceBuilderExt`](crate::ServiceBuilderExt) has a method for each layer.

pub mod adaptive_concurrency;
pub mod admission;
pub mod batch;
pub mod circuit_breaker;
#[cfg(feature = "prost")]
pub mod decoded;
pub mod fallback;
pub mod fan_out;
mod line;
pub mod observe;
pub mod queue;
pub mod rate_limit;
pub mod retry;
pub mod route;
pub mod split;
pub mod timeout;
pub mod track;
mod waiting;
