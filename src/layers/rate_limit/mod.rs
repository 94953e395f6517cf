//! Holds requests back so that no more than so many items, bytes or requests a second pass.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, InvalidConfig};
//! use tower_otlp::layers::rate_limit::{RateLimitLayer, RateLimiter};
//!
//! fn pipelines(
//!     traces: impl Exporter,
//!     logs: impl Exporter,
//! ) -> Result<(impl Exporter, impl Exporter), InvalidConfig> {
//!     // One account at the backend, so one limit for both.
//!     let limiter = RateLimiter::bytes_per_second(5e6)?.with_burst(20e6)?;
//!     let layer = RateLimitLayer::new(limiter);
//!     Ok((
//!         ServiceBuilder::new().layer(layer.clone()).service(traces),
//!         ServiceBuilder::new().layer(layer).service(logs),
//!     ))
//! }
//! # let sink = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let _ = pipelines(sink.clone(), sink)?;
//! # Ok::<_, InvalidConfig>(())
//! ```
//!
//! # What it does
//!
//! A bucket holds tokens, one for each item, byte or request. It is filled at the rate, up to the
//! burst, and is full at the start. A request may pass while the balance is above zero, and pays
//! its whole cost, which is known only when it is there: the balance may go below zero, and the
//! next request waits until that debt is paid off. So a request larger than the burst passes too,
//! and over time the rate holds. What passes at once is the burst and about one request more.
//!
//! It delays and never drops; only a [shutdown](#shutdown) may cut a wait short. A wait without end is for a timeout above to bound.
//!
//! Handles that wait are served first come, first served, whatever pipeline they belong to; only
//! the first of them has a timer that matters, so a thousand waiting requests do not wake together.
//!
//! # Readiness
//!
//! A handle that is ready has paid a provisional price, the mean cost of a request so far, so that
//! handles which become ready together do not all pass on one token. `call` settles the
//! difference; a handle that is dropped gets it back. A handle that is ready and idle holds
//! nothing: what it paid is filled up again at the rate.
//!
//! Bytes are those of the protobuf form, before compression.
//!
//! # Shutdown
//!
//! The limit holds to the end, for it protects the backend. With a
//! [lifecycle](RateLimitLayer::lifecycle), a request whose tokens would come after the deadline of
//! the shutdown is not kept waiting for them: it fails at once with
//! [`Closed`](crate::ErrorKind::Closed), and the advice to send it again after that wait. A retry
//! of the same lifecycle then gives up; a queue above keeps the request if it survives the process, sends it to its dead
//! letter exporter, or counts it as dropped.
//!
//! # Order
//!
//! Below a retry, so that each attempt pays: a backend counts attempts. Above a timeout, if the
//! wait for tokens should not count as slowness of the backend; below it, if it should be bounded.
//! Above a concurrency limit: a request that waits for tokens then holds no permit.
//!
//! # Differences from tower's own
//!
//! `tower::limit::RateLimit` is not `Clone` and counts requests in fixed windows, at whose edges
//! two bursts meet. This one is shared by clones and pipelines, counts what backends count, and
//! has no windows.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled, when a request has to wait.

mod bucket;
mod drain;
mod future;
mod layer;
mod limiter;
mod service;

pub use self::{
    future::ResponseFuture, layer::RateLimitLayer, limiter::RateLimiter, service::RateLimit,
};
