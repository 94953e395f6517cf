//! Keeps requests from a service that fails, until it works again.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::layers::circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy, CircuitState};
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, InvalidConfig};
//! use tower_otlp::{ServiceBuilderExt, layers::retry::RetryPolicy};
//!
//! fn pipeline(primary: impl Exporter, archive: impl Exporter) -> Result<impl Exporter, InvalidConfig> {
//!     let policy = CircuitBreakerPolicy::new().consecutive_failures(3);
//!     let (breaker, circuit) = CircuitBreakerLayer::error(policy)?.shared();
//!     // For a health check, say.
//!     assert_eq!(circuit.state(), CircuitState::Closed);
//!     Ok(ServiceBuilder::new()
//!         .fallback(archive)
//!         .export_retry(RetryPolicy::new())
//!         .layer(breaker)
//!         .service(primary))
//! }
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let _ = pipeline(exporter, exporter)?;
//! # Ok::<(), InvalidConfig>(())
//! ```
//!
//! # What it does
//!
//! - *Closed*: requests pass. The circuit opens after failures in a row, or when too many of the
//!   requests answered lately failed. The [`Verdict`] on an error says whether it counts.
//! - *Open*: no request passes. After a while, doubled each time that a probe fails, the circuit
//!   is half open. A longer delay that the server named counts, also if the answer to an earlier
//!   request names it when the circuit is open already.
//! - *Half open*: a few requests pass, the probes. When all have succeeded the circuit closes;
//!   one that fails, or is late, opens it again.
//!
//! Clones share the circuit. A [`CircuitHandle`] tells its state; it comes from
//! [`CircuitBreakerLayer::shared`] or [`CircuitBreaker::handle`]. Opening and closing are
//! `tracing` events.
//!
//! # Pending or error
//!
//! | | [`pending`](CircuitBreakerLayer::pending) | [`error`](CircuitBreakerLayer::error) |
//! |---|---|---|
//! | open | not ready | ready, and a call fails with [`CircuitOpen`](crate::ErrorKind::CircuitOpen) at once |
//! | half open | ready for as many as there are probes | the same, and others fail |
//! | stands below | a queue, which keeps the data | a fallback, or a retry |
//!
//! The error is retryable after what is left of the open time. Those who wait for readiness are
//! woken when the circuit opens, and hold nothing of the service below while it is open.
//!
//! # Probes
//!
//! A probe that is dropped before its answer, by its caller or in a panic, says nothing: its place
//! is free for the next request. So is that of a handle which got ready and was not called in the
//! time of a probe. A service that is not ready in that time has failed the probe.
//!
//! A probe that is late is not cancelled, only counted: a [timeout](crate::layers::timeout) below
//! the breaker cancels it.
//!
//! # Shutdown
//!
//! With a [`lifecycle`](CircuitBreakerPolicy::lifecycle) a circuit that is open when a shutdown
//! begins is half open at once, and those who wait are woken: one request finds out whether the
//! backend is back. From there on a pause, and the time of a probe, take half of what is left
//! until the deadline at most, so that another probe follows: whenever the backend comes back,
//! half of the time that is left then is for what waits.
//!
//! A delay that the server named is kept. If it ends after the deadline no probe will be made any
//! more: those who wait are told at once, with [`CircuitOpen`](crate::ErrorKind::CircuitOpen) and
//! that delay, in time for a fallback or the dead letters of a queue. Only the probe at the
//! beginning of the shutdown is made all the same, for the alternative is to lose what waits.
//!
//! At the deadline, if the circuit is not closed, those who wait get
//! [`Closed`](crate::ErrorKind::Closed) and so does who comes later; the
//! [`DrainReport`](crate::DrainReport) has counted their items by then. A flush opens the circuit
//! half at once too, unless the server named a delay, and changes nothing else.
//!
//! # Order
//!
//! Below the retry, so that each attempt counts, and above the attempt timeout: above the breaker
//! it would drop the request, and the breaker would never hear of it. In `error` mode a retry
//! above waits for the circuit, and gives up at once if it has less time than that.
//!
//! # Pitfalls
//!
//! In `pending` mode a caller without a timeout waits for as long as the service fails, and with
//! a [`lifecycle`](CircuitBreakerPolicy::lifecycle) until the deadline of a shutdown at most.
//! Readiness is a promise there: a request whose handle was ready when the circuit opened is
//! still sent.
//!
//! # Panics
//!
//! Outside a tokio runtime with its timer enabled.
//!
//! # Differences from tower's own
//!
//! Tower has none. Its `load_shed` refuses when the service is not ready, not when it fails.

mod alarm;
mod circuit;
mod event;
mod future;
mod layer;
mod pass;
mod policy;
mod service;
mod window;

pub use self::{
    circuit::{CircuitHandle, CircuitState},
    future::ResponseFuture,
    layer::CircuitBreakerLayer,
    policy::{CircuitBreakerPolicy, Verdict},
    service::CircuitBreaker,
};
