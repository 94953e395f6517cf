//! Sends each request, or each resource in it, to the exporter that it belongs to.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::layers::{retry::{RetryLayer, RetryPolicy}, route::Route};
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, InvalidConfig};
//!
//! fn pipeline(eu: impl Exporter, us: impl Exporter) -> Result<impl Exporter, InvalidConfig> {
//!     let route = Route::by_attribute("cloud.region")
//!         .to_any(["eu-west-1", "eu-central-1"], eu)
//!         .otherwise(us)
//!         .build()?;
//!     // Above the route: sends again what failed, and only that.
//!     Ok(ServiceBuilder::new()
//!         .layer(RetryLayer::new(RetryPolicy::new()))
//!         .service(route))
//! }
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let _ = pipeline(exporter, exporter)?;
//! # Ok::<(), InvalidConfig>(())
//! ```
//!
//! # By what
//!
//! | | value of |
//! |---|---|
//! | [`by_signal`](Route::by_signal), [`by_tenant`](Route::by_tenant), [`by_header`](Route::by_header), [`by_request`](Route::by_request) | the request |
//! | [`by_attribute`](Route::by_attribute), [`by_resource`](Route::by_resource) | each resource in it |
//!
//! A value that has no route goes to the default, as does a missing one. Without a default that
//! is an error of kind [`Rejected`](crate::ErrorKind::Rejected), which names the value, but never
//! that of a header or of `by_request`: those may be secrets.
//!
//! # Requests with several resources
//!
//! A request whose resources belong to the same exporter is handed on as it is. Otherwise it is
//! cut between its resources, on its bytes, and each exporter gets one request with what belongs
//! to it, in order, all at the same time. An exporter that is slow, or not even ready, keeps no
//! other waiting; the answer comes when all have answered.
//!
//! [`ExportResponse::branches`](crate::ExportResponse::branches) then holds the answer of each
//! exporter, by its number: routes in the order in which they were added, then the default.
//!
//! # When a part fails
//!
//! The error has the kind of a part that failed, and may be retried as long as one part may: after
//! the longest delay that a server of these named. What [remains](crate::ExportError::remainder)
//! is all that was not delivered, in one request; what was is counted in the
//! [progress](crate::ExportError::progress). A retry sends again each part that may be retried. A
//! part that failed for good stays in the remainder, for a fallback or a dead-letter exporter, and
//! is not sent again.
//!
//! That rests on a note in the remainder, which is lost if a layer between the retry and the route
//! replaces the telemetry. Everything that remains is sent then.
//!
//! # Order
//!
//! A retry *above* waits once for all parts; a retry in a route waits for that part alone. Put
//! timeouts, limits and circuit breakers into the routes.
//!
//! # Pitfalls
//!
//! It is always ready, so a slow exporter holds no request back: bound what is in flight by a
//! limit above, or by a queue in each route.
//!
//! # Panics
//!
//! If a request is cut, an exporter that panics has failed with
//! [`Internal`](crate::ErrorKind::Internal); the others go on.
//!
//! # Differences from tower's own
//!
//! `tower::steer` picks one service for a whole request, is ready only when all services are, and
//! a clone of it takes the readiness of the original for its own.

mod builder;
mod future;
mod layer;
mod outcome;
mod plan;
mod select;
mod service;

pub use self::{builder::RouteBuilder, future::ResponseFuture, layer::RouteLayer, service::Route};
