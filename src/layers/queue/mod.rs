//! Holds requests, and delivers them from a task of its own.
//!
//! ```
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_otlp::layers::queue::{Acknowledge, Overflow, QueueConfig, QueueLayer};
//! use tower_otlp::layers::retry::RetryPolicy;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Lifecycle};
//! use tower_otlp::{ServiceBuilderExt, Signal};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let archive = exporter;
//! let lifecycle = Lifecycle::new();
//! let queue = QueueLayer::new(
//!     QueueConfig::new()
//!         .max_bytes(256 << 20)
//!         .overflow(Overflow::DropOldest)
//!         .acknowledge(Acknowledge::OnEnqueue)
//!         .dead_letter(archive)
//!         .lifecycle(&lifecycle),
//! )?;
//! let gauges = queue.handle();
//! let mut pipeline = ServiceBuilder::new()
//!     .tracked(&lifecycle)
//!     .queue(queue)
//!     .export_retry(RetryPolicy::new())
//!     .attempt_timeout(Duration::from_secs(10))
//!     .service(exporter);
//!
//! // ResourceLogs { scope_logs { log_records { } } }
//! let request = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0])?;
//! pipeline.ready().await?.call(request).await?;
//!
//! let report = lifecycle.shutdown(Duration::from_secs(5)).await;
//! assert_eq!(report.delivered, 1);
//! assert_eq!(gauges.stats().requests, 0);
//! # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(()) }).unwrap();
//! ```
//!
//! # What it does
//!
//! A [`Queue`] stores requests; its [`Worker`] hands them to the inner service, the oldest first,
//! several at a time. A request that was stored is delivered whether its caller still waits or
//! not. [`Acknowledge`] says when the caller is answered, [`Overflow`] what happens when
//! the queue is full. Full means either bound: requests, or bytes. What is in flight or waits for
//! a retry counts against both.
//!
//! # What fails
//!
//! | The inner service fails with | What the queue does |
//! |---|---|
//! | advice to retry with backoff | parks the request for a random time with a growing bound |
//! | a delay that the server named | parks it for so long, however long that is |
//! | advice never to retry | gives it up |
//! | an error nobody recognised, for the fifth time | gives it up |
//!
//! A parked request is in the queue and not in flight: others pass it. After a partial failure
//! only [what remains](crate::ExportError::remainder) is stored and sent again; the final answer
//! counts it all. What an attempt has made of the body, JSON or a compressed form, stays with the
//! request while there is room for it, so that the next attempt need not make it again. There is no bound on attempts or age unless
//! [`max_redeliveries`](QueueConfig::max_redeliveries) or [`max_age`](QueueConfig::max_age) sets
//! one: a backend that is down for hours costs nothing but room.
//!
//! What is given up goes to the [dead letter](QueueConfig::dead_letter) exporter. What that takes
//! counts as delivered, with a [destination](crate::ExportResponse::destination) and a
//! [message](crate::ExportResponse::message) that say so, and is told apart in
//! [`QueueStats::dead_lettered`]. Without one, or if it fails too, the caller gets the error. If
//! no caller is there any more, the items are lost: they are counted by reason, in the stats and
//! in the [`DrainReport`](crate::DrainReport), and logged as an error, never in silence.
//!
//! What [`Overflow::DropOldest`] takes out of a full queue goes to the dead letter exporter as
//! well, in one attempt. The newer request has its place at once, so what is on its way holds
//! memory on top of the bounds: an eighth of [`max_bytes`](QueueConfig::max_bytes) at most. What is
//! beyond that, because the dead letter exporter is slow, and what it does not take is dropped as
//! [`Overflow`](crate::DropReason::Overflow).
//!
//! # Shutdown
//!
//! With a [`lifecycle`](QueueConfig::lifecycle), a flush sends what backs off at once; only a
//! delay that a server named is kept. In a shutdown that goes for everything, until the deadline:
//!
//! - What a server wants later than that is given up at once, for waiting cannot help it.
//! - With a dead letter exporter the last quarter of the time, five seconds at most, is kept for
//!   it: what is left goes there, what is still in flight included. A delivery that was about to
//!   succeed is then doubled rather than lost.
//! - At the deadline the rest is dropped as [`Shutdown`](crate::DropReason::Shutdown), callers
//!   get [`Closed`](crate::ErrorKind::Closed), and the queue takes nothing more. Deliveries that
//!   are in flight are left alone.
//!
//! With a [`Storage`] that survives the process nothing is dropped: shortly before the deadline
//! what is left counts as retained, and stays for the next process.
//!
//! Without a lifecycle: when all handles are dropped, the worker delivers what is there, retries
//! included, and ends. A batch below does not wait for its timer then.
//!
//! # The worker
//!
//! It is spawned when the layer is applied within a tokio runtime, and by the first request
//! otherwise; [`QueueLayer::pair`] leaves spawning to you. Each request is delivered in the
//! `tracing` span of its caller. The worker readies the inner service only when there is
//! something to send, so an idle queue holds no permit of a limit that it shares. An error of
//! readiness, after which an instance is dead for good, counts as a failed attempt of one
//! request; a fresh clone takes over. A panic is a failed attempt too.
//!
//! # Order
//!
//! Above retry, circuit breaker, limits and timeouts: they see each delivery. The retry below
//! handles what takes seconds; the queue what takes longer. Each branch of a fan-out may have a
//! queue of its own. Above a batch that waits for its members, set
//! [`concurrency`](QueueConfig::concurrency) to the number of requests that make a batch at
//! least: a batch never sees more than are in flight. A queue that answers early hides failures
//! from whatever is above it: put a fallback below.
//!
//! # Pitfalls
//!
//! With [`Overflow::Block`] a handle that said it is ready holds a place for one request, as with
//! tower's concurrency limit. Room for the bytes is waited for in the response future, in order of
//! arrival: a large request is not overtaken by small ones, and a future that nobody polls keeps
//! those behind it waiting.
//!
//! # Other storages
//!
//! [`Storage`] is the extension point: [`Memory`] is the one of this module.
//!
//! # Differences from tower's own
//!
//! `tower::buffer::Buffer` counts requests and not bytes, cancels a request when its caller goes
//! away, has one request in flight for as long as the inner service takes to be ready again, never
//! sends again, and is dead for good after one error of readiness.

mod charge;
mod closing;
mod config;
mod evicted;
mod flight;
mod future;
mod layer;
mod memory;
mod service;
mod shared;
mod stats;
mod storage;
mod ticket;
mod worker;

pub use self::{
    config::{Acknowledge, Overflow, QueueConfig},
    future::ResponseFuture,
    layer::QueueLayer,
    memory::Memory,
    service::Queue,
    stats::{QueueHandle, QueueStats},
    storage::{Entry, EntryId, Storage, Unreadable},
    worker::Worker,
};
