//! Reports what becomes of each request: how much, how it ended, and how long it took.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter};
//! use tower_otlp::layers::observe::{ObserveLayer, Recorder, SharedObserver, TracingObserver};
//! use tower_otlp::layers::retry::{RetryLayer, RetryPolicy};
//!
//! fn pipeline(recorder: &Recorder, exporter: impl Exporter) -> impl Exporter {
//!     let observer =
//!         SharedObserver::new(recorder.clone()).and(TracingObserver::new("otlp-to-eu"));
//!     ServiceBuilder::new()
//!         .layer(ObserveLayer::request(observer.clone()))
//!         .layer(RetryLayer::new(RetryPolicy::new()))
//!         .layer(ObserveLayer::attempt(observer))
//!         .service(exporter)
//! }
//! # let recorder = Recorder::new();
//! # let _ = pipeline(&recorder, tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # }));
//! ```
//!
//! # Request and attempt
//!
//! [`ObserveLayer::request`] belongs outermost: it sees each logical request once and its final
//! outcome. [`ObserveLayer::attempt`] belongs below a retry: it sees every attempt, also those
//! that a retry made good. They differ in nothing but the [`Role`] in their events. Without a
//! retry one of them is enough.
//!
//! # What is reported
//!
//! Every request that is called is counted once when it starts and once when it ends, whatever
//! happens: an answer, a partial success, an error, a panic of the service below, or a response
//! future that is dropped. In requests, items and bytes,
//! `started = delivered + rejected + failed + cancelled + in flight`; a [`Snapshot`] adds up at
//! any moment. The time runs from `call`; the wait for readiness before it belongs to no request.
//!
//! Other layers report to the same [`Observer`], through a [`SharedObserver`]: queues (how full
//! they are, since when, how long a request waited), what was dropped and why, the state of a
//! circuit breaker, a concurrency limit. [`Event`] lists it all. An observer belongs to one
//! exporter, whose name it knows; give each branch of a fan-out its own.
//!
//! # Sinks
//!
//! | sink | for |
//! |---|---|
//! | [`Recorder`] | counts in memory: status pages, tests |
//! | [`TracingObserver`] | events for `tracing` |
//! | `MetricsObserver` (feature `metrics`) | the OpenTelemetry metrics API |
//! | `status::Branch` (feature `status`) | a status page and Prometheus |
//! | any [`Observer`] | anything else |
//!
//! # Metrics
//!
//! Names, units and attributes follow the semantic conventions for [OpenTelemetry SDK metrics]
//! as far as those go (status: development). They count an export operation once, however often
//! it was tried; so these come from the request role. What they lack has names that begin with
//! `tower_otlp`.
//!
//! | metric | kind, unit | attributes besides `otel.component.name` |
//! |---|---|---|
//! | `otel.sdk.exporter.span.inflight` | up-down, `{span}` | type |
//! | `otel.sdk.exporter.metric_data_point.inflight` | up-down, `{data_point}` | type |
//! | `otel.sdk.exporter.log.inflight` | up-down, `{log_record}` | type |
//! | `otel.sdk.exporter.span.exported` | counter, `{span}` | type, error |
//! | `otel.sdk.exporter.metric_data_point.exported` | counter, `{data_point}` | type, error |
//! | `otel.sdk.exporter.log.exported` | counter, `{log_record}` | type, error |
//! | `otel.sdk.exporter.operation.duration` | histogram, `s` | type, error |
//! | `tower_otlp.exporter.request.size` | histogram, `By` | type, signal, outcome |
//! | `tower_otlp.exporter.attempt.inflight` | up-down, `{attempt}` | type, signal |
//! | `tower_otlp.exporter.attempt.duration` | histogram, `s` | type, signal, error |
//! | `tower_otlp.exporter.attempt.size` | histogram, `By` | type, signal, outcome |
//! | `tower_otlp.exporter.dropped` | counter, `{item}` | type, signal, reason |
//! | `tower_otlp.queue.request.count` | up-down, `{request}` | queue |
//! | `tower_otlp.queue.request.capacity` | up-down, `{request}` | queue |
//! | `tower_otlp.queue.size` | up-down, `By` | queue |
//! | `tower_otlp.queue.capacity` | up-down, `By` | queue |
//! | `tower_otlp.queue.oldest.age` | gauge, `s` | queue |
//! | `tower_otlp.queue.wait.duration` | histogram, `s` | queue, signal |
//! | `tower_otlp.circuit_breaker.status` | up-down, `{circuit_breaker}` | state |
//! | `tower_otlp.concurrency.limit` | up-down, `{request}` | |
//!
//! | attribute | values |
//! |---|---|
//! | `otel.component.name` | the name given to the observer |
//! | type: `otel.component.type` | one a signal, given to the observer |
//! | error: `error.type` | absent for success, else see [`Outcome::error_type`] |
//! | signal: `tower_otlp.signal` | `traces`, `metrics`, `logs` |
//! | outcome: `tower_otlp.outcome` | see [`Outcome::as_str`] |
//! | reason: `tower_otlp.drop.reason` | see [`DropReason::as_str`](crate::DropReason::as_str) |
//! | queue: `tower_otlp.queue.name` | a constant of the layer that holds the queue |
//! | state: `tower_otlp.circuit_breaker.state` | see [`BreakerState::as_str`] |
//!
//! The number of requests or attempts is the count of the duration. The histograms of bytes, and
//! `queue.size`, measure OTLP protobuf before compression. Items that a backend rejected in a
//! partial success count as exported with the error `rejected`, as the conventions ask. The age
//! of the oldest request is worked out when it is collected, so it grows also while a queue
//! stands still.
//!
//! [OpenTelemetry SDK metrics]: https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
//!
//! # Pitfalls
//!
//! - Telemetry about the export of telemetry must not go in a circle: see [`TracingObserver`].
//! - Above a queue that answers when it has taken a request, the request role sees that answer
//!   and not the delivery: put it below, or go by the attempts and the drops.
//! - Two queues that report under one name to one observer overwrite each other.

mod event;
mod flight;
mod future;
mod gauges;
pub(crate) mod histogram;
mod last_error;
mod layer;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod names;
mod observer;
mod recorder;
mod service;
mod snapshot;
mod trace;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
#[cfg(feature = "status")]
pub(crate) use self::snapshot::Ended;
pub use self::{
    event::{Amount, BreakerState, Event, Finished, Outcome, Role},
    future::ResponseFuture,
    gauges::QueueState,
    last_error::LastError,
    layer::ObserveLayer,
    observer::{Observer, SharedObserver},
    recorder::Recorder,
    service::Observe,
    snapshot::{Failure, Snapshot, Tally},
    trace::TracingObserver,
};
