//! Changes telemetry as structs: one decode and one encode for a whole chain of closures.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_otlp::{
//!     ExportError, ExportRequest, ExportResponse,
//!     layers::decoded::DecodedLayer,
//!     otlp::opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ExportError> {
//! let pipeline = ServiceBuilder::new()
//!     .layer(
//!         DecodedLayer::new()
//!             .logs(|logs: &mut ExportLogsServiceRequest| {
//!                 for scope in logs.resource_logs.iter_mut().flat_map(|group| &mut group.scope_logs) {
//!                     scope.log_records.retain(|record| record.severity_number >= 9);
//!                 }
//!             })
//!             .logs(|logs: &mut ExportLogsServiceRequest| {
//!                 logs.resource_logs.retain(|group| group.resource.is_some());
//!             }),
//!     )
//!     .service(service_fn(|request: ExportRequest| async move {
//!         Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//!     }));
//!
//! let response = pipeline.oneshot(ExportLogsServiceRequest::default().into()).await?;
//! assert_eq!(response.delivered_items(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! Decoding and encoding, which together cost many times a walk through the
//! [views](crate::otlp::views). Put all closures into one layer. A signal for which there is no
//! closure passes as the bytes it is. Fields that this version does not know are dropped from
//! what is decoded.
//!
//! # Where it stands
//!
//! Outside retry, or every attempt pays again, and the remainder of a request that was
//! delivered in part goes through the closures a second time. (A remainder of a fan-out is
//! recognised, and passes.)
//!
//! # What the answer counts
//!
//! What is left after the closures. A request of which nothing is left is not sent: the answer
//! is a success with no item delivered and a message that says how many were filtered.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::DecodedLayer;
pub use service::DecodedService;
