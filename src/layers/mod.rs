//! Layers: what happens between a receiver and an exporter.
//!
//! Every layer takes any service with an error that converts into
//! [`ExportError`](crate::ExportError) and makes one that yields it, so tower's own layers, whose
//! errors are boxed, may stand between ours. The first layer of a `ServiceBuilder` is the
//! outermost. The order that suits most pipelines; leave out what you do not need:
//!
//! ```text
//!            receiver
//!               │
//!    ┌──────────▼──────────┐
//!    │ admission           │  bytes in flight bounded; beyond that refused at once
//!    │ track               │  each request counted once; new ones turned away while shutting down
//!    │ observe (request)   │  the outcome of each request
//!    │ queue               │  holds requests; answers on enqueue or on delivery
//!    │ batch               │  sends several requests as one
//!    │ split               │  cuts what is too large; each piece is then retried by itself
//!    │ fan-out, route      │  if there are several exporters; the rest is then in each branch
//!    │ fallback            │  a second exporter while the first fails
//!    │ total timeout       │  a hard end for all attempts
//!    │ retry               │  what is below sees each attempt
//!    │ circuit breaker     │  attempts kept from a backend that fails
//!    │ rate limit          │  each attempt pays
//!    │ concurrency         │  adaptive, or tower's; permits are free while a retry waits
//!    │ observe (attempt)   │  what each attempt came to
//!    │ attempt timeout     │  bounds each attempt
//!    └──────────┬──────────┘
//!               ▼
//!            exporter
//! ```
//!
//! What other orders do:
//!
//! | Order | What it does |
//! |---|---|
//! | fallback above a queue that answers on enqueue | it never sees a failure: the queue has answered |
//! | retry above a queue that answers on enqueue | the same |
//! | circuit breaker, rate limit or concurrency above retry | counts requests and not attempts; a request in backoff holds its permit |
//! | attempt timeout above retry | bounds all attempts together: that is `total_timeout` |
//! | a timeout above a queue or a batch | the caller is told of a failure while the worker still delivers: it sends again, and the backend has it twice |
//! | a timeout between retry and fan-out | the notes of which branches have delivered are lost: a retry goes to all of them |
//! | retry above a fan-out instead of in its branches | branches that fail are retried together, at the pace of the slowest |
//! | batch above queue | a batch in the queue is one request: fewer, larger, and retried as a whole |
//! | split above fan-out | the outcome of each branch is lost in the sum over the pieces |
//!
//! `examples/compose.rs` shows several of them by running them.
//!
//! [`ServiceBuilderExt`](crate::ServiceBuilderExt) has a method for each layer.

pub mod adaptive_concurrency;
pub mod admission;
pub mod batch;
pub mod circuit_breaker;
#[cfg(feature = "prost")]
pub mod decoded;
pub mod fallback;
pub mod fan_out;
mod line;
pub mod observe;
mod presence;
pub mod queue;
pub mod rate_limit;
pub mod retry;
pub mod route;
pub mod split;
pub mod timeout;
pub mod track;
mod waiting;
