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
//!    │ fan-out, route      │  if there are several exporters; the rest is then in each branch
//!    │ split               │  cuts what is too large; each piece is then retried by itself
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
//! | retry above a queue that answers on enqueue | the same: only the slower redelivery of the queue is at work |
//! | circuit breaker above retry | it counts requests and not attempts, and opens when the retries have given up |
//! | rate limit above retry | only the first attempt pays: a backend that fails gets more than the rate |
//! | concurrency above retry | a request in backoff holds its permit, and the others wait for it |
//! | attempt timeout above retry | it bounds all attempts together: that is `total_timeout` |
//! | a timeout above a queue or a batch | the caller is told of a failure while the worker still delivers: it sends again, and the backend has it twice |
//! | a timeout between retry and fan-out | the notes of which branches have delivered are lost: a retry goes to all of them |
//! | retry above a fan-out instead of in its branches | branches that fail are retried together, at the pace of the slowest |
//! | batch above queue | a batch in the queue is one request: fewer, larger, and retried as a whole |
//! | split above fan-out | what one branch refuses as too large goes to all of them again in pieces, and the outcome of each branch is lost in their sum |
//! | retry above a fan-out of best effort | the fan-out never fails, so nothing is retried |
//! | retry above retry | their attempts multiply |
//! | track below retry | it counts attempts and not requests |
//! | a timeout above a concurrency limit | the wait for a permit is charged: requests fail that never got to the backend |
//!
//! Each of these was found by running it: `cargo run --example compose` shows all of them beside the
//! right order, and `cargo run --example compose -- queue batch retry timeout` what an order of your
//! own does to every item while a backend fails, is slow, comes back, or does not.
//!
//! Queue, batch, retry and circuit breaker take part in a shutdown if they are given its
//! [`Lifecycle`](crate::Lifecycle), each with its method `lifecycle`: give it to all of them.
//!
//! [`ServiceBuilderExt`](crate::ServiceBuilderExt) has a method for each layer.
//!
//! # What tower already has
//!
//! | tower's | here |
//! |---|---|
//! | `retry::Retry` | is the service of [`retry`]; only the policy is ours |
//! | `limit::ConcurrencyLimit`, `map_request`, `option_layer`, `boxed_clone` and their like | as they are, between ours |
//! | `balance::p2c::Balance` | several endpoints of one backend, see below |
//! | `timeout::Timeout` | works between ours; [`timeout`] also counts the wait for readiness |
//! | `buffer::Buffer` | to share a service that is no `Clone`, below a retry; to hold data take [`queue`]: a buffer drops the request of a caller that goes away |
//! | `load_shed` | at the edge, above everything: it drops by design |
//! | `limit::RateLimit` | [`rate_limit`] is shared by clones and counts items or bytes |
//! | `steer`, `filter`, `hedge` | [`route`] and [`fan_out`]: a clone of `Steer` takes the readiness of the original for its own, and the others drop or double telemetry |
//!
//! A balancer over exporters has three pitfalls, for which the example `load_balance` has the
//! answers:
//!
//! - An endpoint that refuses connections fails fast, looks idle, and is sent everything. Put a
//!   [`circuit_breaker`] in its pending mode *below* the balancer, over each endpoint: what is not
//!   ready is not chosen.
//! - A balancer is not `Clone`. `Buffer` above it shares it, and a [`retry`] above that keeps the
//!   requests, which a [`queue`] holds on to: `queue · retry · buffer · balance · circuit breaker ·
//!   timeout · exporter`.
//! - An endpoint whose readiness fails is thrown out for good. Exporters and layers of this crate
//!   report failures in their answers, so that does not happen here before a shutdown.

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
