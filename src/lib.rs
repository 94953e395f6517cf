//! OpenTelemetry export as a Tower stack.
//!
//! Each exporter is a [`tower::Service`] of an [`ExportRequest`]; retry, timeout, fan-out and the
//! like are [`tower::Layer`]s; pipelines are built with [`tower::ServiceBuilder`], exactly as
//! people build HTTP middleware. Traces, metrics and logs come in as OTLP and go where the
//! exporters take them.
//!
//! ```text
//!   receivers                         layers                           exporters
//!   gRPC  ─┐                                                       ┌─ OTLP gRPC · OTLP HTTP
//!   HTTP  ─┤                                                       ├─ Jaeger · Zipkin
//!          ├─► ExportRequest ─► queue ─► batch ─► retry ─►  ... ───┼─ Prometheus: scraped, remote write
//!   files ─┤    (OTLP bytes)                                       ├─ Elasticsearch · OpenSearch · InfluxDB
//!   SDK   ─┘                 every one a tower::Layer;             ├─ TCP · syslog · file · console
//!                            any other fits in between             └─ yours
//! ```
//!
//! A pipeline that sends to a Collector and gives up no telemetry while the Collector is away for
//! less than five minutes:
//!
//! ```
//! # #[cfg(feature = "otlp-grpc")] fn build() -> Result<(), tower_otlp::ExportError> {
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_otlp::{
//!     Compression, ServiceBuilderExt, exporters::otlp::OtlpGrpcExporter,
//!     layers::retry::RetryPolicy,
//! };
//!
//! let exporter = OtlpGrpcExporter::builder()
//!     .endpoint("http://collector:4317")
//!     .compression(Compression::Gzip)
//!     .build()?;
//!
//! let pipeline = ServiceBuilder::new()
//!     .export_retry(RetryPolicy::new())         // ours: exponential, full jitter, 5 minutes
//!     .concurrency_limit(8)                     // tower's: free while a retry waits
//!     .attempt_timeout(Duration::from_secs(5))  // ours: each attempt
//!     .service(exporter);
//! # let _ = pipeline; Ok(()) }
//! # #[cfg(feature = "otlp-grpc")] {
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #     let _guard = runtime.enter();
//! #     build().unwrap();
//! # }
//! ```
//!
//! # Where to go from here
//!
//! | To | see |
//! |---|---|
//! | take OTLP in a tonic server or an axum app, beside its own routes | [`receivers`] |
//! | send it on | [`exporters`]; [`from_url`]; the standard variables with [`exporters::otlp::from_env`] |
//! | send an SDK's own telemetry through a pipeline | [`sdk`] |
//! | know what each layer does | [`layers`] |
//! | put layers in order | [the guide](guides::order_of_layers) |
//! | choose who keeps the data while a backend is away | [the guide](guides::acknowledgement_and_overflow) |
//! | end without losing what is held | [`Lifecycle`], [the guide](guides::shutdown) |
//! | know what goes on, and be told of trouble | [`layers::observe`], [the guide](guides::observing) |
//! | understand a message | [the guide](guides::troubleshooting) |
//! | come from `opentelemetry-otlp` | [the guide](guides::from_opentelemetry_otlp) |
//! | come from the OpenTelemetry Collector | [the guide](guides::from_a_collector_yaml) |
//! | write an exporter | [the guide](guides::writing_an_exporter), [`otlp`] |
//! | write a layer | [the guide](guides::writing_a_layer), [`testing`] |
//!
//! # Nothing is lost in silence
//!
//! Every item (a span, a data point, a log record) that goes into a pipeline comes out in an
//! [`ExportResponse`], as delivered, rejected by the backend or retained in a queue, or in an
//! [`ExportError`], which says what is still undelivered. An error that nobody recognises is
//! retried, not dropped.
//!
//! # Features
//!
//! None is on by default; `full` is all of them. Layers need no feature.
//!
//! | Feature | What it adds |
//! |---|---|
//! | `otlp-grpc`, `otlp-http` | OTLP exporters |
//! | `jaeger` | the Jaeger exporters: Thrift over HTTP and over UDP |
//! | `elasticsearch` | the exporter to Elasticsearch and OpenSearch |
//! | `prometheus-remote-write` | the Prometheus remote write exporter |
//! | `influxdb` | the InfluxDB exporter |
//! | `console` | the console exporter |
//! | `tcp` | the TCP exporter: OTLP as JSON lines or framed protobuf |
//! | `syslog` | the syslog exporter |
//! | `zipkin` | the Zipkin exporter |
//! | `file` | the file exporter, and the reader of what it wrote |
//! | `prometheus` | the Prometheus exporter: metrics to be scraped |
//! | `receiver-grpc`, `receiver-http` | OTLP receivers |
//! | `axum` | the HTTP receiver as an `axum::Router` |
//! | `server` | both receivers on ports of their own |
//! | `tls` | TLS and mutual TLS for the exporters that are enabled |
//! | `json` | reading OTLP/JSON (writing it needs no feature) |
//! | `prost` | decoded structs of `opentelemetry-proto`, and the layer that edits them |
//! | `metrics` | metrics of a pipeline over the OpenTelemetry metrics API |
//! | `sdk` | the span, log and metric exporters of the OpenTelemetry SDK over any pipeline |
//! | `status` | what the branches of a pipeline do, as a page and as metrics |
//! | `testing` | test support |
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
// Standard output belongs to the program: the console exporter alone writes to it.
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What several features share stays whole where only one of them is on.
#![cfg_attr(not(feature = "full"), allow(dead_code))]

#[cfg(any(feature = "_http_client", feature = "receiver-http"))]
mod body;
mod builder;
#[cfg(any(feature = "console", feature = "file", feature = "status"))]
mod calendar;
#[cfg(any(feature = "_grpc", feature = "_http"))]
mod classify;
#[cfg(feature = "_compression")]
mod compression;
mod error;
mod exporter;
pub mod exporters;
#[cfg(feature = "file")]
mod files;
#[cfg(feature = "_grpc")]
mod grpc;
pub mod guides;
#[cfg(feature = "prometheus")]
mod http_server;
pub mod layers;
mod lifecycle;
mod metadata;
pub mod otlp;
pub mod receivers;
mod request;
mod response;
#[cfg(feature = "sdk")]
pub mod sdk;
#[cfg(any(feature = "otlp-grpc", feature = "_http_client"))]
mod secrets;
#[cfg(feature = "status")]
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "_url")]
mod url;

pub use builder::ServiceBuilderExt;
#[cfg(feature = "_compression")]
pub use compression::Compression;
pub use error::{ErrorKind, ExportError, InvalidConfig, RetryAdvice};
pub use exporter::{BoxExporter, Exporter, ExporterExt, IntoExportError, IntoExportErrorFuture};
#[cfg(feature = "server")]
pub use lifecycle::Termination;
pub use lifecycle::{DrainReport, DropReason, Held, Lifecycle, Stage};
pub use metadata::Metadata;
pub use otlp::Signal;
pub use request::{Encoding, ExportRequest};
pub use response::{BranchOutcome, ExportResponse};
#[cfg(feature = "tls")]
pub use tls::TlsOptions;
#[cfg(feature = "_url")]
pub use url::{UrlError, from_url};

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
