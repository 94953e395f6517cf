//! Refuses what is beyond a budget of bytes in flight, at once, before it costs memory.
//!
//! One budget is shared by all that take telemetry in: receivers take from it before they read a
//! body, this layer does so for pipelines that are fed in another way.
//!
//! ```
//! use tower::{Service, ServiceExt, layer::Layer};
//! use tower_otlp::layers::admission::{AdmissionBudget, AdmissionLayer};
//! use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse, Signal};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let budget = AdmissionBudget::new(10)?;
//! let never = tower::service_fn(|_: ExportRequest| {
//!     std::future::pending::<Result<ExportResponse, ExportError>>()
//! });
//! let mut service = AdmissionLayer::new(budget.clone()).layer(never);
//!
//! // ResourceLogs { scope_logs { log_records { } } }
//! let request = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0])?;
//! let first = service.ready().await?.call(request.clone());
//! assert_eq!(budget.in_use(), 6);
//!
//! let error = service.ready().await?.call(request).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Overloaded);
//! assert!(error.is_retryable());
//!
//! drop(first);
//! assert_eq!(budget.in_use(), 0);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # In a receiver
//!
//! `OtlpGrpcReceiver::admission` and `OtlpHttpReceiver::admission` take a budget. A receiver
//! reserves what `Content-Length` announces, or what arrives as it arrives; then what
//! decompression makes of it, step by step, so that a small body that swells is stopped; and keeps
//! it until the request is answered or its connection is gone. The sender of what is beyond the
//! budget is told so at once, and when to come back: HTTP 429 with `Retry-After`, gRPC
//! `RESOURCE_EXHAUSTED` with `RetryInfo`. A body that could not fit an empty budget is refused for
//! good, as too large.
//!
//! What is counted is the content of bodies, as it arrived and as it was unpacked. Buffers of
//! connections come on top: bound them by the windows of HTTP/2 and by the number of connections.
//!
//! # Order
//!
//! Outermost, or in the receiver: what is refused was never accepted, and nothing has counted it.
//! A pipeline behind a receiver with a budget needs no layer with the same budget; it would count
//! twice. A queue that answers before it delivers bounds its bytes by itself: they are no longer
//! in flight here.
//!
//! # Differences from tower's own
//!
//! `tower::load_shed` refuses when what is below is not ready, which depends on who else waits, and
//! counts requests; `tower::limit` makes requests wait in memory. This layer refuses by bytes.

mod budget;
mod future;
mod layer;
mod service;

pub use self::{
    budget::{AdmissionBudget, Reservation},
    future::ResponseFuture,
    layer::AdmissionLayer,
    service::Admission,
};
