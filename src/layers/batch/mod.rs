//! Sends several requests as one.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_otlp::layers::batch::{BatchConfig, BatchLayer};
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, ServiceBuilderExt, Signal};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let config = BatchConfig::new()
//!     .max_items(2)
//!     .timeout(Duration::from_secs(1))
//!     .key_header("x-region");
//! let pipeline = ServiceBuilder::new()
//!     .batch(BatchLayer::new(config)?)
//!     .service(tower::service_fn(|batch: ExportRequest| async move {
//!         assert_eq!(batch.items(), 2);
//!         Ok::<_, ExportError>(ExportResponse::delivered(batch.items()))
//!     }));
//!
//! // ResourceLogs { scope_logs { log_records { } } }
//! let request = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0])?;
//! let (one, other) = tokio::join!(
//!     pipeline.clone().oneshot(request.clone()),
//!     pipeline.clone().oneshot(request),
//! );
//! // Each caller has its own answer.
//! assert_eq!(one?.delivered_items(), 1);
//! assert_eq!(other?.delivered_items(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What it does
//!
//! Requests of the same *key* are merged, on their bytes: nothing is decoded. The key is the
//! signal, the [tenant](crate::Metadata::tenant) and the values of the headers that
//! [`key_header`](BatchConfig::key_header) names. A batch is sent
//!
//! - when it is full, by [items](BatchConfig::max_items) or by [bytes](BatchConfig::max_bytes), or
//!   when the next request does not fit into it;
//! - when its [timer](BatchConfig::timeout) has run out, which starts with its first request;
//! - when a [key too many](BatchConfig::max_keys) needs room, and it is the oldest;
//! - at once while the [lifecycle](BatchConfig::lifecycle) is flushed or shut down, and when the
//!   last handle of the layer is gone, or is only kept by a queue or batch above whose own handles
//!   are gone: such a worker may have to send again what fails, but nothing new can come.
//!
//! A request that is larger than a batch is cut into pieces (see [`OtlpBytes::split`](
//! crate::otlp::OtlpBytes::split)); the last piece may share its batch with others, and the
//! caller gets one answer. A request without items is answered at once and not sent, with success,
//! as the [OTLP specification](https://opentelemetry.io/docs/specs/otlp/) wants it of a server
//! ("Full Success").
//!
//! [Several batches](BatchConfig::max_in_flight) are in flight at a time, each in a task of its
//! own. While all places are taken, batches that are due go on growing until one of them is full.
//! Then no more requests are taken: callers wait for readiness. Of what waits for a place, the
//! oldest goes first, whatever its key.
//!
//! # What it answers
//!
//! | The batch | Each member is told |
//! |---|---|
//! | is delivered | that all of its items are |
//! | is delivered, with items rejected | a share of the count, and the message |
//! | fails | the same error; all of its request remains |
//! | fails, and what remains is the end of the batch | success in front of it; the error behind |
//!
//! OTLP tells how many items were rejected, and not which ones. The count is therefore shared out
//! in proportion to the items of the members, rounded so that the shares add up to it, and the
//! message says that it is about a batch. The same goes for items that a queue below retained, and
//! for the branches of a fan-out below.
//!
//! An error that tells of a [remainder](crate::ExportError::remainder) is exact for a batch of one
//! request, and for one of which the remainder is the end, as a [split](crate::layers::split)
//! below leaves it. Of any other remainder nobody can say whose it is: all members then keep all
//! they have, and **what was delivered of it is delivered twice** if they are sent again. A retry
//! *below* this layer sends the remainder itself, and avoids that.
//!
//! A request that was cut has failed if one of its pieces has. The remainder then is exactly the
//! pieces that failed, and an error that may be retried speaks for those that may not.
//!
//! # Metadata
//!
//! A batch of one request is that request, unchanged. A batch of several keeps the tenant and the
//! key headers, and of the rest only what all members have in common: the same trace context, the
//! same values of a header. Its `tracing` span, `export_batch`, follows from those of its members.
//!
//! # Callers that go away
//!
//! A caller that drops its response future loses the answer and never the telemetry: the request
//! is in the charge of the worker, and what becomes of it is counted by the lifecycle.
//!
//! # Order
//!
//! ```text
//! queue · batch · retry · concurrency limit · attempt timeout · exporter
//! ```
//!
//! - *Above a retry*, the batch is sent again as one, remainders and all. *Below a retry* every
//!   member is sent again by itself; this works, with more duplicates after partial failures.
//! - *Below a concurrency limit*, or a queue that waits for the answer of each request, a batch
//!   never has more members than that limit: the callers that would fill it are not let in.
//! - *Below a timeout*, the time in which a batch is filled counts. A timeout that strikes gives up
//!   the answer only; a retry above it then sends again what is still on its way.
//! - *Below a fan-out*, in each branch, every branch has batches of its own. *Above* it, put a
//!   retry between the two: a request that a fan-out wants resumed is never merged and goes alone,
//!   and a batch of several that fails in one branch is sent again to all of them.
//! - *Above a split*, so that batches are cut as the backend wants it.
//!
//! # Readiness
//!
//! A handle is ready when it has one of the 64 places on the way to the worker; a handle that is
//! ready and not called keeps its place from others. The service below is asked for readiness
//! when a batch is about to be sent, by a clone that is made for this batch: without a batch
//! nothing is reserved. An error from its readiness fails that batch; the next one asks a new
//! clone. The error of a handle's own readiness, [`Closed`](crate::ErrorKind::Closed), means that
//! the worker is gone.
//!
//! # Memory
//!
//! Besides batches in flight and the requests on their way, there is at most one batch a key: up
//! to `max_keys` times `max_bytes` if all keys are busy while the backend is down. A merged batch
//! is a copy of its members, which are freed when it is sent.
//!
//! # Panics
//!
//! A panic below fails the batch with [`Internal`](crate::ErrorKind::Internal), to be retried; the
//! worker goes on.
//!
//! The worker is spawned when a handle is first asked whether it is ready. Outside a tokio runtime
//! requests are answered with an error. Those who spawn tasks themselves use [`BatchLayer::pair`].

mod caller;
mod config;
mod flight;
mod future;
mod key;
mod layer;
mod open;
mod service;
mod share;
mod worker;

pub use self::{
    config::BatchConfig, future::ResponseFuture, layer::BatchLayer, service::Batch, worker::Worker,
};
