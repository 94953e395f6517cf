//! Bounds the requests in flight by a limit that it finds by itself.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, InvalidConfig};
//! use tower_otlp::layers::{
//!     adaptive_concurrency::AdaptiveConcurrencyLayer,
//!     retry::{RetryLayer, RetryPolicy},
//!     timeout::TimeoutLayer,
//! };
//!
//! fn pipeline(exporter: impl Exporter) -> Result<impl Exporter, InvalidConfig> {
//!     let concurrency = AdaptiveConcurrencyLayer::builder().max_limit(100).build()?;
//!     let observed = concurrency.handle();
//!     println!("{} of {} in flight", observed.in_flight(), observed.limit());
//!     Ok(ServiceBuilder::new()
//!         .layer(RetryLayer::new(RetryPolicy::new()))
//!         // Inside the retry: it sees, and measures, each attempt.
//!         .layer(concurrency)
//!         .layer(TimeoutLayer::attempt(Duration::from_secs(10)))
//!         .service(exporter))
//! }
//! # let _ = pipeline(tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # }))?;
//! # Ok::<_, InvalidConfig>(())
//! ```
//!
//! # How the limit is found
//!
//! A fixed limit is either too low, and wastes the backend, or too high, and drowns it. This one
//! moves with what the backend shows. It decides once a *window*: about as many answers as
//! requests were in flight, counting only attempts that began after the decision before, so that
//! each decision sees what the last one did.
//!
//! - **Start**: the limit doubles each window in which it was reached, until there is a first sign
//!   of too much.
//! - **Pushback**: the backend says that it is too much: *throttled*, *overloaded*, *timeout*, or
//!   *unavailable* with a delay that the server named. That ends the window at once, and the limit
//!   goes to nine tenths of what was in use; to three quarters and then to a half if window after
//!   window ends so.
//! - **Latency**: the mean of a window is held against a *baseline*, the latency without a queue.
//!   By Little's law, `load * (1 - baseline / latency)` requests then wait in a queue at the
//!   backend. If that is more than a fifth of the limit, and more than the noise of the
//!   measurement, the limit goes to `load * baseline / latency` and a tenth.
//! - **Growth**: without either sign, a limit that was reached grows by one a window. Well above
//!   the last limit that was too much it doubles again: the backend has grown.
//! - **Baseline**: falls with what is measured. Now and then one window runs at half the limit and
//!   sets it anew. If a smaller limit did not shorten the latency, the backend has become slower
//!   by itself, and what it shows is the new baseline.
//!
//! A limit that was not reached does not grow: nothing is known about more.
//!
//! # What is measured
//!
//! The time from `call` to the answer of one attempt; waits for readiness and the backoff of a
//! retry above do not count. Successes count, and slow failures: a failure that took longer than
//! the baseline shows a queue, while one that came fast shows nothing about the speed of the
//! backend. An attempt that is cancelled gives its permit back and counts for nothing.
//!
//! # Order
//!
//! Below a retry, or a request in backoff holds its permit and its waits are taken for slowness of
//! the backend. Above the timeout of an attempt, or timeouts, which are pushback, are not seen.
//! Below a rate limit.
//!
//! All services that one layer makes, and their clones, share one limit: make a layer for each
//! backend.
//!
//! # Differences from tower's own
//!
//! `tower::limit::ConcurrencyLimit` has a fixed limit, and works in the same place. It holds its
//! permit until the future is dropped; here a permit is free when the answer is there.
//!
//! # Pitfalls
//!
//! A ready handle holds a permit until it is called or dropped. Ready a handle only to call it.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled, when a request has to wait.

mod builder;
mod controller;
mod future;
mod layer;
mod seats;
mod service;

pub use self::{
    builder::AdaptiveConcurrencyBuilder,
    future::ResponseFuture,
    layer::{AdaptiveConcurrencyHandle, AdaptiveConcurrencyLayer},
    service::AdaptiveConcurrency,
};
