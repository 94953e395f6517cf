//! OTLP over gRPC: three tonic services over any [`Exporter`].
//!
//! They mount in a tonic server like any generated service, beside the services that are
//! already there; TLS, client certificates, keepalive and HTTP/2 windows are the server's.
//!
//! ```no_run
//! use tonic::transport::Server;
//! use tower_otlp::{Exporter, receivers::grpc::OtlpGrpcReceiver};
//!
//! async fn serve<E: Exporter>(pipeline: E) -> Result<(), tonic::transport::Error> {
//!     let otlp = OtlpGrpcReceiver::new(pipeline).tenant_header("x-scope-orgid");
//!     Server::builder()
//!         // With the default window of 64 KiB a sender of large batches waits for each
//!         // round trip.
//!         .initial_stream_window_size(1 << 20)
//!         .initial_connection_window_size(4 << 20)
//!         .add_service(otlp.trace_service())
//!         .add_service(otlp.metrics_service())
//!         .add_service(otlp.logs_service())
//!         // .add_service(your_own_service)
//!         .serve(([127, 0, 0, 1], 4317).into())
//!         .await
//! }
//! # let _ = serve::<tower_otlp::BoxExporter>;
//! ```
//!
//! TLS is tonic's, too: `Server::builder().tls_config(ServerTlsConfig::new().identity(..))?`,
//! and `.client_ca_root(..)` on it for mutual TLS.
//!
//! # What is taken
//!
//! One unary message, plain or compressed, checked as OTLP before the exporter sees it. The
//! compressed form is kept: an exporter with the same compression sends it on as it came.
//!
//! # What is answered
//!
//! The exporter's answer, with its partial success. Its errors become the status by which an
//! OTLP client does the right thing: retryable ones a retryable status, *throttled* and
//! *overloaded* `RESOURCE_EXHAUSTED` with a delay, bad data `INVALID_ARGUMENT`.
//!
//! | request | status |
//! |---|---|
//! | not OTLP, or a damaged message | `INVALID_ARGUMENT`, naming the field and the byte |
//! | beyond the admission budget | `RESOURCE_EXHAUSTED` with `RetryInfo` |
//! | larger than the limits | `RESOURCE_EXHAUSTED`, without a delay: do not send it again |
//! | an unknown compression | `UNIMPLEMENTED`, naming the known ones |
//! | flagged as compressed, without saying how | `INTERNAL` |
//! | an unknown path | `UNIMPLEMENTED` |
//! | another content type, or not a POST | HTTP 415, HTTP 405 |
//!
//! A bad request ends its own call only; the connection and the calls beside it live on.
//!
//! # Cancellation
//!
//! A client that goes away, or whose deadline passes, drops the call and with it the exporter's
//! future. Data that must survive its sender needs a queue in the pipeline.

mod call;
mod future;
mod service;

use std::{fmt, sync::Arc};

use tonic::service::{Routes, RoutesBuilder};

pub use future::ResponseFuture;
pub use service::{LogsServiceServer, MetricsServiceServer, TraceServiceServer};

use crate::{Compression, Exporter, Signal, layers::admission::AdmissionBudget, otlp::Limits};

/// Receives OTLP over gRPC and hands it to an exporter.
///
/// It makes the three services to mount. It is also a service itself, for all three paths, to
/// mount as the fallback of a router or to serve with hyper alone.
///
/// Each call clones the exporter and drives the clone's readiness, so that backpressure below
/// (a full queue) holds back the answer. Cloning a receiver copies nothing but the exporter.
///
/// ```
/// use tower_otlp::{Compression, Exporter, receivers::grpc::OtlpGrpcReceiver};
///
/// fn routes<E: Exporter>(pipeline: E) -> tonic::service::Routes {
///     OtlpGrpcReceiver::new(pipeline)
///         .max_message_bytes(16 << 20)
///         .accept([Compression::Gzip])
///         .keep_header("x-region")
///         .routes()
/// }
/// # let _ = routes::<tower_otlp::BoxExporter>;
/// ```
#[derive(Clone)]
pub struct OtlpGrpcReceiver<E> {
    exporter: E,
    options: Arc<Options>,
}

/// Shared by all clones and all calls.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) max_wire_bytes: usize,
    pub(super) limits: Limits,
    pub(super) accepted: Vec<Compression>,
    /// In lower case, as header maps hold them.
    pub(super) kept_headers: Vec<String>,
    pub(super) tenant_header: Option<String>,
    pub(super) admission: Option<AdmissionBudget>,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            max_wire_bytes: limits.max_bytes,
            limits,
            accepted: Compression::ALL.to_vec(),
            kept_headers: Vec::new(),
            tenant_header: None,
            admission: None,
        }
    }
}

impl<E> OtlpGrpcReceiver<E> {
    /// Receives for this exporter.
    #[must_use]
    pub fn new(exporter: E) -> Self {
        Self {
            exporter,
            options: Arc::default(),
        }
    }

    /// Accepts messages of at most this many bytes after decompression. Default: 64 MiB, the
    /// limit that OTLP recommends. The same as `max_bytes` of [`limits`](Self::limits).
    #[must_use]
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        self.edit(|options| options.limits.max_bytes = bytes)
    }

    /// Accepts messages of at most this many bytes as they travel, which is checked before
    /// anything is buffered. Default: 64 MiB.
    #[must_use]
    pub fn max_wire_bytes(self, bytes: usize) -> Self {
        self.edit(|options| options.max_wire_bytes = bytes)
    }

    /// Sets what the check of the telemetry accepts at most.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.edit(|options| options.limits = limits)
    }

    /// Accepts these compressions only, and uncompressed messages. Default: all of
    /// [`Compression::ALL`].
    #[must_use]
    pub fn accept(self, compressions: impl IntoIterator<Item = Compression>) -> Self {
        self.edit(|options| options.accepted = compressions.into_iter().collect())
    }

    /// Keeps this request header in the [`Metadata`](crate::Metadata). Default: none is kept,
    /// except the trace context, which has a place of its own.
    #[must_use]
    pub fn keep_header(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.edit(|options| options.kept_headers.push(name))
    }

    /// Reads the tenant from this request header. Default: no tenant.
    ///
    /// A request without it, or with an empty one, has no tenant. One that names several, or one
    /// in other than visible ASCII, is refused with `INVALID_ARGUMENT`.
    #[must_use]
    pub fn tenant_header(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.edit(|options| options.tenant_header = Some(name))
    }

    /// Takes messages only as far as this budget of bytes in flight goes, which it may share with
    /// other receivers and pipelines; what is beyond is answered `RESOURCE_EXHAUSTED` with
    /// `RetryInfo` at once. See [`layers::admission`](crate::layers::admission). Default: no
    /// budget.
    #[must_use]
    pub fn admission(self, budget: AdmissionBudget) -> Self {
        self.edit(|options| options.admission = Some(budget))
    }

    fn edit(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// The exporter.
    pub fn get_ref(&self) -> &E {
        &self.exporter
    }

    /// The exporter, mutably.
    pub fn get_mut(&mut self) -> &mut E {
        &mut self.exporter
    }

    /// Unwraps the exporter.
    pub fn into_inner(self) -> E {
        self.exporter
    }
}

impl<E: Clone> OtlpGrpcReceiver<E> {
    /// The service for traces.
    #[must_use]
    pub fn trace_service(&self) -> TraceServiceServer<E> {
        TraceServiceServer::from(self.clone())
    }

    /// The service for metrics.
    #[must_use]
    pub fn metrics_service(&self) -> MetricsServiceServer<E> {
        MetricsServiceServer::from(self.clone())
    }

    /// The service for logs.
    #[must_use]
    pub fn logs_service(&self) -> LogsServiceServer<E> {
        LogsServiceServer::from(self.clone())
    }
}

impl<E: Exporter> OtlpGrpcReceiver<E> {
    /// Adds the three services to routes that a tonic server serves beside other services.
    pub fn add_to<'a>(&self, routes: &'a mut RoutesBuilder) -> &'a mut RoutesBuilder {
        routes
            .add_service(self.trace_service())
            .add_service(self.metrics_service())
            .add_service(self.logs_service())
    }

    /// The three services as routes: for `Server::add_routes`, or as an axum router by
    /// [`Routes::into_axum_router`].
    #[must_use]
    pub fn routes(&self) -> Routes {
        let mut routes = Routes::builder();
        self.add_to(&mut routes);
        routes.routes().prepare()
    }
}

impl<E> fmt::Debug for OtlpGrpcReceiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpGrpcReceiver")
            .field("exporter", &std::any::type_name::<E>())
            .field("options", &self.options)
            .finish()
    }
}

/// The signal that is exported by a call of this path.
pub(super) fn signal_of(path: &str) -> Option<Signal> {
    Signal::ALL
        .into_iter()
        .find(|signal| crate::grpc::path(*signal) == path)
}
