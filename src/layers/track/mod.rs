//! Counts the requests of a pipeline, and turns new ones away while it shuts down.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, Lifecycle};
//!
//! fn pipeline(lifecycle: &Lifecycle, exporter: impl Exporter) -> impl Exporter {
//!     ServiceBuilder::new().layer(lifecycle.layer()).service(exporter)
//! }
//! # let _ = pipeline(&Lifecycle::new(), tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # }));
//! ```
//!
//! The layer comes from a [`Lifecycle`](crate::Lifecycle), which says what is counted. Put it
//! outermost: below a retry it would count attempts, and its refusal, which may be retried,
//! would be.
//!
//! While the pipeline drains the service is always ready and every call is answered with
//! [`ErrorKind::Closed`](crate::ErrorKind::Closed), without touching the inner service. Those who
//! wait for readiness when draining begins are woken to get that answer.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::TrackLayer, service::Track};
