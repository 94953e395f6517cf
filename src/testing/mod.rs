//! Test support for layers and exporters: a scripted exporter, a probe for the readiness rules,
//! and the contract that every layer keeps.
//!
//! ```
//! use std::time::Duration;
//! use tower::{Service, ServiceExt, layer::Layer};
//! use tower_otlp::testing::{self, ScriptedExporter, Step};
//! use tower_otlp::layers::retry::{RetryLayer, RetryPolicy};
//! use tower_otlp::{ErrorKind, ExportError};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true)
//! #     .build().unwrap().block_on(async {
//! let exporter = ScriptedExporter::new([
//!     Step::Fail(ExportError::new(ErrorKind::Unavailable, "restarting")),
//!     Step::Deliver,
//! ]);
//! let mut service = RetryLayer::new(RetryPolicy::new()).layer(exporter.clone());
//!
//! let response = service.ready().await?.call(testing::logs(3)).await?;
//! assert_eq!(response.delivered_items(), 3);
//! assert_eq!(exporter.calls(), 2);
//! # Ok::<_, ExportError>(()) }).unwrap();
//! ```
//!
//! A layer of your own is put to the test with [`contract::check`].
//!
//! # Panics
//!
//! What is in here panics when a rule is broken: it belongs into tests.

#[allow(clippy::panic, reason = "a check that fails panics")]
pub mod contract;
mod probe;
#[allow(clippy::panic, reason = "a test that asks for too much fails")]
mod requests;
mod scripted;

pub use self::{
    probe::ReadinessProbe,
    requests::{logs, metrics, request, traces},
    scripted::{ScriptedExporter, Step},
};
