//! The exporters of the OpenTelemetry SDK over any pipeline.
//!
//! ```
//! use std::time::Duration;
//!
//! use opentelemetry::trace::{Span, Tracer, TracerProvider};
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tower::{BoxError, ServiceBuilder};
//! use tower_otlp::{
//!     ExportError, ExportRequest, ExportResponse, ServiceBuilderExt,
//!     layers::{
//!         queue::{Acknowledge, QueueConfig, QueueLayer},
//!         retry::RetryPolicy,
//!     },
//!     sdk::Bridge,
//! };
//!
//! # fn main() -> Result<(), BoxError> {
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! let bridge = Bridge::start(|lifecycle| {
//!     let queue = QueueConfig::new()
//!         .acknowledge(Acknowledge::OnEnqueue)
//!         .lifecycle(lifecycle);
//!     Ok::<_, BoxError>(
//!         ServiceBuilder::new()
//!             .tracked(lifecycle)
//!             .queue(QueueLayer::new(queue)?)
//!             .export_retry(RetryPolicy::new())
//!             .attempt_timeout(Duration::from_secs(10))
//!             .service(exporter), // such as exporters::otlp::from_env()?
//!     )
//! })?;
//!
//! let tracer_provider = SdkTracerProvider::builder()
//!     .with_batch_exporter(bridge.span_exporter())
//!     .build();
//! tracer_provider.tracer("checkout").start("GET /cart").end();
//!
//! tracer_provider.shutdown()?;
//! let report = bridge.shutdown(Duration::from_secs(5));
//! assert_eq!(report.to_string(), "delivered=1 retained=0 dropped=0");
//! # Ok(())
//! # }
//! ```
//!
//! An app that is set up by the standard `OTEL_*` variables needs one line: [`init_from_env`].
//! One with a pipeline of its own and the SDK's usual providers has [`Telemetry::start`].
//!
//! # Threads and runtimes
//!
//! The processors of the SDK call an exporter from all kinds of threads: by default from threads
//! of their own that know no tokio, the simple ones from the thread that ends a span, those with
//! an async runtime from its tasks. So a [`Bridge`] has the pipeline at work in a runtime and only
//! hands requests over: by default on a runtime of its own with one thread
//! ([`Bridge::start`]), or on one of yours ([`Bridge::on`]). Nothing about the thread that calls
//! matters then: it may know no tokio, be the only thread of a current-thread runtime, or be a
//! worker.
//!
//! What blocks (a flush, a shutdown) does so for as long as it is told at most. On a worker of a
//! multi-threaded runtime the other tasks of that worker move on to another thread meanwhile;
//! inside a [`LocalSet`](tokio::task::LocalSet) of such a runtime they cannot: use the asynchronous
//! forms there (with `panic = "abort"` you must: tokio panics, and that is caught).
//!
//! # Which flush reaches how far
//!
//! The batch processors of the SDK hand over what they have when a *provider* is flushed, and
//! wait for the answer. A queue that answers early has it then, and the backend may not:
//! [`Bridge::force_flush`] waits for the backend. So flush the providers first and then the
//! bridge; `shutdown` of a provider does both.
//!
//! # The export's own telemetry
//!
//! An exporter that logs, and HTTP clients do at level trace, would export its own logs, and in
//! doing so log more. Whatever happens on the threads of the bridge's own runtime, in tasks that
//! clients spawn too, therefore counts as
//! [suppressed](opentelemetry::Context::enter_telemetry_suppressed_scope): the SDK drops spans and
//! log records from there.
//!
//! One thing gets around that: `tracing-opentelemetry` starts a span that names its parent, or
//! that it has none, outside of what is suppressed, and `h2` has such spans at level debug. If you
//! record these levels and export over gRPC, give that layer a filter:
//!
//! ```
//! use tracing_subscriber::{Layer, Registry, filter::dynamic_filter_fn, layer::SubscriberExt};
//!
//! # use opentelemetry::trace::TracerProvider;
//! # let tracer = opentelemetry_sdk::trace::SdkTracerProvider::default().tracer("app");
//! let app_only = dynamic_filter_fn(|_, _| !tower_otlp::sdk::is_export_thread());
//! let spans = tracing_opentelemetry::layer().with_tracer(tracer).with_filter(app_only);
//! let subscriber = Registry::default().with(spans);
//! # let _ = subscriber;
//! ```
//!
//! On a runtime of yours the pipeline itself is covered, and the tasks that it spawns, such as the
//! connections of an HTTP client, are not. If you record these levels there, keep the targets out,
//! of the layer for spans and of that for logs:
//!
//! ```text
//! trace,tower_otlp=off,tower::buffer=off,tonic=off,reqwest=off,hyper=off,h2=off,rustls=off
//! ```

mod bridge;
pub mod encode;
mod exporters;
mod gangway;
mod hand_over;
mod init;
mod outcome;
mod shared;
mod threads;

pub use self::{
    bridge::Bridge,
    exporters::{LogExporter, MetricExporter, SpanExporter},
    init::{InitError, Telemetry, init_from_env},
    threads::is_export_thread,
};
