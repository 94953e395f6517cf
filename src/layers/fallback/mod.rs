//! Sends to a second exporter while the first one fails, and goes back when it works again.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_otlp::layers::{fallback::{FallbackLayer, FallbackPolicy}, retry::{RetryLayer, RetryPolicy}};
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, InvalidConfig};
//!
//! fn pipeline(primary: impl Exporter, archive: impl Exporter) -> Result<impl Exporter, InvalidConfig> {
//!     let policy = FallbackPolicy::new().probe_interval(Duration::from_secs(60));
//!     Ok(ServiceBuilder::new()
//!         .layer(FallbackLayer::with_policy(archive, policy)?)
//!         // Below the fallback: the secondary takes over when the retry gives up.
//!         .layer(RetryLayer::new(
//!             RetryPolicy::new().max_elapsed(Duration::from_secs(10)),
//!         ))
//!         .service(primary))
//! }
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let _ = pipeline(exporter, exporter)?;
//! # Ok::<(), InvalidConfig>(())
//! ```
//!
//! # What it does
//!
//! - A request goes to the primary, the service below. If that fails with an error that the
//!   [`FallbackPolicy`] accepts, the same request goes to the secondary. After a partial failure
//!   only [what remains](crate::ExportError::remainder) does, and the answer counts both.
//! - From then on requests go straight to the secondary. So they do when the primary keeps a
//!   handle waiting for readiness for too long, or its readiness fails.
//! - After a while one request, the probe, tries the primary again. If it fails there, or takes
//!   too long, it goes to the secondary like the others. If it succeeds, the traffic returns.
//!
//! Clones share the state. [`ExportResponse::taken_over`](crate::ExportResponse::taken_over) says
//! that the secondary took a request,
//! [`destination`](crate::ExportResponse::destination) where it came to rest, if the exporter
//! names it. Both changes of direction are `tracing` events.
//!
//! A probe that is dropped before its answer says nothing about the primary: the next request
//! tries instead.
//!
//! # When both fail
//!
//! The error names both, and holds what neither delivered. It may be retried if one of the two
//! may: after the shorter delay if both named one. While requests go straight to the secondary, a
//! final error of it that is not about the request becomes one to retry when the primary is next
//! tried. A retry or a queue above then loses nothing.
//!
//! # Several secondaries
//!
//! A fallback is an exporter: it may be the secondary, or the primary, of another one.
//!
//! # Order
//!
//! Outside the retry of the primary, or the secondary takes over at the first error. The retry
//! should give up within the time that one is willing to wait for the secondary: the default of
//! five minutes is long. Give the retry the [`Lifecycle`](crate::Lifecycle): then a shutdown finds the
//! secondary still in time. Below any queue that answers before delivery, or there are no errors to
//! see. Put a [circuit breaker](crate::layers::circuit_breaker) below in its `error` mode: in its
//! `pending` mode only the wait for readiness makes the secondary take over.
//!
//! # Pitfalls
//!
//! A timeout, that of a probe included, may cut off an answer to something delivered: the
//! secondary then has it as well.
//!
//! The wait for readiness belongs to a handle, not to a request. A handle whose `poll_ready` was
//! left pending and taken up again later has waited all the while.
//!
//! While the traffic is with the secondary, its readiness is that of the fallback; the readiness
//! of a secondary that helps out in one request is awaited in that request.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled.

mod future;
mod layer;
mod outcome;
mod policy;
mod service;
mod switch;

pub use self::{
    future::ResponseFuture, layer::FallbackLayer, policy::FallbackPolicy, service::Fallback,
};
