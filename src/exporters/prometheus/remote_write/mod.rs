//! Remote write: metrics pushed to Prometheus, and to all that take what it sends.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{
//!     ExportRequest, Signal, exporters::prometheus::remote_write::PrometheusRemoteWriteExporter,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = PrometheusRemoteWriteExporter::builder()
//!     .endpoint("http://prometheus.example:9090/api/v1/write")
//!     .build()?;
//! # let bytes = Vec::<u8>::new();
//! let request = ExportRequest::from_protobuf(Signal::Metrics, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! Prometheus takes it when started with `--web.enable-remote-write-receiver`; Mimir, Thanos,
//! VictoriaMetrics and many hosted services take it as they are. Where a receiver takes OTLP too,
//! the [OTLP exporters](crate::exporters::otlp) carry more.
//!
//! Remote write carries metrics only. Traces and logs are
//! [`Unsupported`](crate::ErrorKind::Unsupported) at once. What becomes of each metric, and what
//! cannot be carried, stands in [`encode`]. Delta temporality cannot: have the sender report
//! cumulative values.
//!
//! # The order that receivers demand
//!
//! A receiver wants the samples of a series in the order of time, and refuses a whole message as
//! "out of order" for one that is late. So the exporter
//!
//! - sorts the samples of each series of a request;
//! - sends one request at a time, with all its clones together: it is ready when its turn comes,
//!   and turns come in the order in which they were asked for;
//! - sends the messages of a request one after the other. [Shards](
//!   PrometheusRemoteWriteBuilder::shards) go side by side, for they share no series.
//!
//! What it cannot do is to keep a later request from overtaking one that waits for a retry. Where
//! several requests are on their way at once, put tower's `ConcurrencyLimit` of 1 above the retry:
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::{
//!     ServiceBuilderExt, exporters::prometheus::remote_write::PrometheusRemoteWriteExporter,
//!     layers::retry::RetryPolicy,
//! };
//!
//! let exporter = PrometheusRemoteWriteExporter::builder().build()?;
//! let pipeline = ServiceBuilder::new()
//!     .concurrency_limit(1) // above the retry: the next one waits until this one is settled
//!     .export_retry(RetryPolicy::new())
//!     .service(exporter);
//! # let _ = pipeline;
//! # Ok::<(), tower_otlp::ExportError>(())
//! ```
//!
//! A batch layer above all of that makes up for the missing concurrency. Several processes that send
//! the same series are never in order: give each a `service.instance.id`.
//!
//! An exporter that is ready holds its turn until it is called or dropped, as with
//! `ConcurrencyLimit`.
//!
//! # When a part fails
//!
//! A request of many samples is several messages.
//!
//! | a message | then |
//! |---|---|
//! | is refused as [`Rejected`](crate::ErrorKind::Rejected) or [`TooLarge`](crate::ErrorKind::TooLarge) | the others are still sent |
//! | fails otherwise | no more are sent |
//!
//! The error then has the data points of which a part was not delivered as its
//! [remainder](crate::ExportError::remainder), and the others as its
//! [progress](crate::ExportError::progress). A histogram whose series stand in two messages is sent
//! again as a whole: receivers must accept a sample that they have already.
//!
//! # Dependencies
//!
//! `snap` compresses: Snappy's block format in plain Rust, by the author of the best-known
//! implementation. `hashbrown` finds strings and label sets by their content in tables that own no
//! keys, which the standard library cannot.

mod answer;
mod builder;
pub mod encode;
mod send;
mod version;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    task::{Context, Poll, ready},
};

use http::{HeaderName, Request, Response};
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;
use tower::BoxError;
use tower_service::Service;

pub use self::{builder::PrometheusRemoteWriteBuilder, version::RemoteWriteVersion};
use self::{
    encode::{EncodeOptions, Encoder, MessageLimits},
    send::Work,
    version::Negotiation,
};
use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Signal,
    exporters::http::{Endpoint, HttpExportFuture, HttpSender, RequestBody, ReqwestService},
};

/// The name under which this exporter appears in errors.
const NAME: &str = "prometheus-remote-write";

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// The most memory kept from one request to the next, in bytes.
const MOST_KEPT: usize = 32 << 20;

/// Response future of [`PrometheusRemoteWriteExporter`].
pub type PrometheusRemoteWriteFuture = HttpExportFuture;

/// Sends metrics by Prometheus remote write, 1.0 and 2.0. Made by a [builder](Self::builder). A
/// clone shares everything but its turn.
///
/// It is ready when its transport is, and when no other request is on its way; see the
/// [module](self) for the order that receivers demand.
///
/// # What an answer means
///
/// | answer | outcome |
/// |---|---|
/// | 2xx | delivered; what a receiver of 2.0 says it did not write is rejected and counted |
/// | 2xx that says nothing of what was written, or 415, to 2.0 | sent again as 1.0, or [`Unsupported`](ErrorKind::Unsupported) if the [version](RemoteWriteVersion) is fixed |
/// | 429, 5xx | an error with a retry, after `Retry-After` if there is one |
/// | 400, 413 | an error without a retry; the other messages of the request are still sent |
/// | anything else, redirects too | an error without a retry |
///
/// [`on_status`](PrometheusRemoteWriteBuilder::on_status) replaces a row. The first KiB of what a
/// receiver says to a message that it refuses is logged with `tracing`, as a warning. A receiver
/// that wrote less than it was sent tells numbers of samples; at most as many data points are
/// counted as rejected.
pub struct PrometheusRemoteWriteExporter<S = ReqwestService> {
    inner: S,
    shared: Arc<Shared>,
    turns: PollSemaphore,
    /// The turn that was reserved.
    turn: Option<OwnedSemaphorePermit>,
}

struct Shared {
    config: Config,
    work: Mutex<Option<Work>>,
    has_warned: AtomicBool,
}

struct Config {
    endpoint: Endpoint,
    negotiation: Negotiation,
    shards: usize,
    limits: MessageLimits,
    encode: EncodeOptions,
    sender: HttpSender,
}

impl Config {
    fn name(&self, error: ExportError) -> ExportError {
        self.sender.name(error, &self.endpoint)
    }
}

impl Shared {
    /// The buffers of the last request. Requests go one at a time, so there is one set of them.
    fn take_work(&self) -> Work {
        let mut kept = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take()
            .unwrap_or_else(|| Work::new(Encoder::new(self.config.encode.clone())))
    }

    fn give_back(&self, work: Work) {
        if work.capacity() <= MOST_KEPT {
            let mut kept = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(work);
        }
    }
}

impl PrometheusRemoteWriteExporter {
    /// A builder; by default for a Prometheus on this host.
    #[must_use]
    pub fn builder() -> PrometheusRemoteWriteBuilder {
        PrometheusRemoteWriteBuilder::default()
    }
}

impl<S> PrometheusRemoteWriteExporter<S> {
    fn with_config(inner: S, config: Config) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared {
                config,
                work: Mutex::new(None),
                has_warned: AtomicBool::new(false),
            }),
            turns: PollSemaphore::new(Arc::new(Semaphore::new(1))),
            turn: None,
        }
    }

    /// The transport.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The transport, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the transport.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// A clone has to wait for a turn of its own.
impl<S: Clone> Clone for PrometheusRemoteWriteExporter<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            turns: self.turns.clone(),
            turn: None,
        }
    }
}

impl<S> fmt::Debug for PrometheusRemoteWriteExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.shared.config;
        let mut out = f.debug_struct("PrometheusRemoteWriteExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoint", &config.endpoint.shown)
            .field("version", &config.negotiation.version())
            .field("shards", &config.shards)
            .field("max_samples", &config.limits.samples)
            .field("encode", &config.encode);
        config.sender.debug(&mut out);
        out.finish()
    }
}

impl<S, B> Service<ExportRequest> for PrometheusRemoteWriteExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = PrometheusRemoteWriteFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if self.turn.is_none() {
            self.turn = ready!(self.turns.poll_acquire(cx));
        }
        self.inner.poll_ready(cx).map_err(|error| {
            let error = ExportError::from(error.into());
            self.shared.config.name(error)
        })
    }

    fn call(&mut self, request: ExportRequest) -> PrometheusRemoteWriteFuture {
        let shared = Arc::clone(&self.shared);
        let turn = self.turn.take();
        if request.metrics().is_none() {
            let error = unsupported(request.signal());
            return HttpExportFuture::ready(Err(shared.config.name(error)));
        }
        // The one that is ready goes along; its clone has to get ready first.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        HttpExportFuture::new(async move {
            let outcome = send::export(ready, &shared, &request)
                .await
                .map_err(|error| shared.config.name(error));
            drop(turn);
            outcome
        })
    }
}

fn unsupported(signal: Signal) -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        format!("Prometheus keeps metrics only, not {signal}; route {signal} to another exporter"),
    )
}
