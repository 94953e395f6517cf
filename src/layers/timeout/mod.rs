//! Gives up on a request after a while, the wait for readiness included.
//!
//! ```
//! use std::time::Duration;
//! use tower::{Service, ServiceExt, layer::Layer};
//! use tower_otlp::layers::timeout::TimeoutLayer;
//! use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse, Signal};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let never = tower::service_fn(|_: ExportRequest| {
//!     std::future::pending::<Result<ExportResponse, ExportError>>()
//! });
//! let mut service = TimeoutLayer::attempt(Duration::from_millis(1)).layer(never);
//!
//! let request = ExportRequest::from_protobuf(Signal::Logs, "").unwrap();
//! let error = service.ready().await?.call(request).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Timeout);
//! # Ok::<_, ExportError>(()) }).unwrap();
//! ```
//!
//! # Attempt or total
//!
//! [`TimeoutLayer::attempt`] belongs below a retry and bounds one attempt;
//! [`TimeoutLayer::total`] belongs above it and bounds all attempts with the waits between them.
//! They work alike and differ in the words of their error. Prefer
//! [`RetryPolicy::max_elapsed`](crate::layers::retry::RetryPolicy::max_elapsed) as the first
//! bound on all attempts: it ends between two attempts and keeps the last error with what remains
//! undelivered, where a total timeout cuts through an attempt and knows nothing of it.
//!
//! # Differences from tower's own
//!
//! `tower::timeout::Timeout` yields a boxed error and starts its clock in `call`. This one yields
//! [`ExportError`](crate::ExportError) and starts its clock when the inner service first says
//! that it is not ready. If the wait for readiness uses up the time, the service reports that it
//! is ready and the next `call` fails at once, without touching the inner service: an error from
//! `poll_ready` would mean that the service is dead for good. The time between readiness and
//! `call` is not charged.
//!
//! # Pitfalls
//!
//! The wait for readiness belongs to a handle, not to a request. A handle whose `poll_ready` was
//! left pending and taken up again later has waited all the while. Clones start anew.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::TimeoutLayer, service::Timeout};
