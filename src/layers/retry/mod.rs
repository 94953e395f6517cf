//! Sends a request again until it is delivered or there is no point in trying.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter};
//! use tower_otlp::layers::{retry::{RetryLayer, RetryPolicy}, timeout::TimeoutLayer};
//!
//! fn pipeline(exporter: impl Exporter) -> impl Exporter {
//!     ServiceBuilder::new()
//!         .layer(RetryLayer::new(
//!             RetryPolicy::new().max_elapsed(Duration::from_secs(60)),
//!         ))
//!         // Below the retry: each attempt has its own ten seconds.
//!         .layer(TimeoutLayer::attempt(Duration::from_secs(10)))
//!         .service(exporter)
//! }
//! # let _ = pipeline(tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # }));
//! ```
//!
//! # What it does
//!
//! The service is tower's own [`Retry`](tower::retry::Retry); this module adds the
//! [`RetryPolicy`]:
//!
//! - It goes by the [advice](crate::RetryAdvice) of the error, and by nothing else unless
//!   [`also_retry`](RetryPolicy::also_retry) makes an exception. Exporters give it according to the [OTLP specification](https://opentelemetry.io/docs/specs/otlp/)
//!   ("Failures" and "Throttling", for gRPC and for HTTP).
//! - It waits a random time between zero and a bound that grows from failure to failure, so that
//!   clients which failed together do not come back together. The specification asks for this
//!   ("exponential backoff with jitter").
//! - A delay that the server named is a lower bound of the wait.
//! - After a partial failure it sends only [what remains](crate::ExportError::remainder), and the
//!   final answer counts what earlier attempts had delivered.
//! - It gives up when time or attempts are used up. It then hands the last error on, with the
//!   server's delay and the remainder still in it: a queue above may keep the data for later.
//!
//! # Order
//!
//! What stands *below* sees every attempt: a timeout per attempt, a rate limit, a concurrency
//! limit (whose permit is free again during the wait), a circuit breaker. What stands *above*
//! sees one request: a total timeout, a queue, a fallback.
//!
//! # Readiness
//!
//! An error from the readiness of the inner service ends the request at once, without asking the
//! policy: such a service is dead for good. Progress of earlier attempts is not in that error.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled, when a request is to be sent again.
//!
//! # Differences from tower's own backoff
//!
//! `tower::retry::backoff` adds jitter to a growing delay; here the whole delay is random. Tower
//! has no bound on the time spent and no lower bound set by a server.

mod layer;
mod policy;
mod wait;

pub use self::{
    layer::{Retry, RetryLayer},
    policy::RetryPolicy,
    wait::Wait,
};
