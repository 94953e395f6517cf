//! Metrics for a Prometheus server to scrape.
//!
//! ```
//! use tower::ServiceExt as _;
//! use tower_otlp::{
//!     ExportRequest, Signal,
//!     exporters::prometheus::{EscapingScheme, Format, PrometheusExporter},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = PrometheusExporter::builder().namespace("shop").build()?;
//!
//! let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
//!     {"name":"queue.size","gauge":{"dataPoints":[{"asInt":"3"}]}}]}]}]}"#;
//! # #[cfg(feature = "json")] {
//! let request = ExportRequest::from_json(Signal::Metrics, json)?;
//! exporter.clone().oneshot(request).await?;
//!
//! let page = exporter.render(Format::Text, EscapingScheme::Underscores);
//! assert_eq!(
//!     String::from_utf8(page)?,
//!     "# TYPE shop_queue_size gauge\nshop_queue_size 3\n",
//! );
//! # }
//! # let _ = json;
//! # Ok(())
//! # }
//! ```
//!
//! # How the pages are served
//!
//! - [`http_service`](PrometheusExporter::http_service): a service of HTTP requests, for any
//!   server.
//! - `router` (with the Cargo feature `axum`): the same under `/metrics`.
//! - [`serve`](PrometheusBuilder::serve), or the URL `prometheus://0.0.0.0:9464/metrics`: a
//!   server of its own, which stops when the last clone of the exporter is gone.
//!
//! The server that scrapes chooses among the text format 0.0.4, OpenMetrics, and protobuf, and
//! how names beyond the classic characters are escaped. A scrape looks at the state as it is
//! after one request and before the next; while a page is written, exports go on.
//!
//! # What becomes of OTLP
//!
//! The rules are those of [Prometheus and OpenMetrics
//! compatibility](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/).
//!
//! | OTLP | Prometheus |
//! |---|---|
//! | gauge; sum that can go down | gauge |
//! | monotonic sum | counter; deltas are added up |
//! | histogram | histogram; deltas are added up |
//! | exponential histogram | native histogram in protobuf; in the text formats a histogram with a bucket for each bucket that holds something; deltas are added up |
//! | summary | summary |
//!
//! `service.namespace`, `service.name` and `service.instance.id` become `job` and `instance`: set
//! `honor_labels: true` in the scrape configuration, or the server renames them. The other
//! attributes of a resource are in `target_info`.
//!
//! # What is not shown
//!
//! Items that cannot be shown are counted as rejected, with a message that names the first:
//! sums of deltas that can go down (unless
//! [`delta_up_down_sums`](PrometheusBuilder::delta_up_down_sums)), sums and histograms without a
//! temporality, counters that are negative or not a number, histograms that do not add up,
//! exponential ones below scale -4 or without a sum, points that are older than what is shown,
//! deltas that overlap, names of which nothing is left, a metric whose name another metric of
//! another type has, and whatever is new beyond
//! [`max_series`](PrometheusBuilder::max_series). Points say nothing of minimum and maximum, and
//! exemplars are kept for counters and histograms only.
//!
//! # Memory
//!
//! About half a kilobyte for a series with a handful of labels, and 8 bytes for each bucket of a
//! histogram. [`max_series`](PrometheusBuilder::max_series) bounds it.

mod builder;
mod escape;
mod http;
mod negotiate;
mod options;
mod page;
mod server;
mod stats;
mod store;

use std::{
    fmt, future,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::time::Instant;
use tower_service::Service;

pub use self::{
    builder::PrometheusBuilder,
    escape::EscapingScheme,
    http::{PrometheusHttpService, ScrapeFuture},
    negotiate::Format,
    stats::PrometheusStats,
};
use self::{
    options::Options,
    page::{Look, Page},
    server::Server,
    stats::Counters,
    store::{Store, Tally},
};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

/// The name in errors.
const NAME: &str = "prometheus";

/// Keeps the current state of every series, for a Prometheus server to scrape; see the
/// [module](self).
///
/// Metrics only. Always ready, and done when `call` returns. Clones share the state.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for traces and logs. What it cannot show of a request
/// of metrics is rejected item by item, in the answer.
#[derive(Clone)]
pub struct PrometheusExporter {
    shared: Arc<Shared>,
    server: Option<Arc<Server>>,
}

/// What all clones, and the services of pages, have in common.
struct Shared {
    options: Options,
    store: Mutex<Store>,
    counters: Counters,
    /// The store's clock counts from here.
    epoch: Instant,
}

impl PrometheusExporter {
    /// Options, with their defaults.
    pub fn builder() -> PrometheusBuilder {
        PrometheusBuilder::new()
    }

    fn new(options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                store: Mutex::new(Store::new(&options)),
                options,
                counters: Counters::default(),
                epoch: Instant::now(),
            }),
            server: None,
        }
    }

    /// Answers HTTP requests with the page, whatever their path.
    ///
    /// ```
    /// use tower_otlp::exporters::prometheus::PrometheusExporter;
    ///
    /// let exporter = PrometheusExporter::builder().build()?;
    /// let service = exporter.http_service();
    /// # let _ = service;
    /// # Ok::<(), tower_otlp::ExportError>(())
    /// ```
    #[must_use]
    pub fn http_service(&self) -> PrometheusHttpService {
        PrometheusHttpService::new(Arc::clone(&self.shared))
    }

    /// A router with the route `/metrics`, to merge beside one's own.
    #[cfg(feature = "axum")]
    pub fn router(&self) -> axum::Router {
        axum::Router::new().route_service("/metrics", self.http_service())
    }

    /// The whole page, at once.
    ///
    /// On a runtime's thread [`http_service`](Self::http_service) is kinder to its neighbours: it
    /// writes in pieces.
    #[must_use]
    pub fn render(&self, format: Format, scheme: EscapingScheme) -> Vec<u8> {
        let mut page = self.shared.page(format, scheme);
        let mut out = Vec::new();
        page.write(&mut out, usize::MAX);
        self.shared.counters.clashed(page.clashes);
        out
    }

    /// How many series there are, and what happened so far.
    #[must_use]
    pub fn stats(&self) -> PrometheusStats {
        let now = self.shared.now();
        let (series, families) = {
            let mut store = self.shared.lock();
            store.sweep(now, &self.shared.options);
            (store.live(), store.families())
        };
        self.shared.counters.read(series as u64, families as u64)
    }

    /// The address that the exporter's own server listens on, if it has one.
    #[must_use]
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().map(|server| server.address())
    }

    /// What `call` does.
    pub(crate) fn export(&self, request: &ExportRequest) -> Result<ExportResponse, ExportError> {
        let Some(metrics) = request.metrics() else {
            let message = format!(
                "a Prometheus server takes metrics, not {}",
                request.signal()
            );
            let error = ExportError::new(ErrorKind::Unsupported, message);
            return Err(error.with_exporter(NAME, self.endpoint()));
        };
        let shared = &*self.shared;
        let mut tally = Tally::default();
        let now = shared.now();
        shared
            .lock()
            .ingest(metrics, now, &shared.options, &mut tally);
        shared.counters.count(&tally);
        for warning in &tally.warnings {
            tracing::warn!(target: "tower_otlp::prometheus", "{warning}");
        }
        let delivered = request.items().saturating_sub(tally.rejected);
        let response = ExportResponse::delivered(delivered).with_destination(self.endpoint());
        let Some(first) = tally.first else {
            return Ok(response);
        };
        let message = match tally.rejected {
            1 => format!("a point was rejected: {first}"),
            more => format!("{more} points were rejected; the first: {first}"),
        };
        Ok(response.with_rejected(tally.rejected, message))
    }

    fn endpoint(&self) -> Arc<str> {
        match &self.server {
            Some(server) => server.endpoint(),
            None => NAME.into(),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        // Nothing panics while it is held; if it did, the next request would set things right.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds on the store's clock.
    fn now(&self) -> u64 {
        let passed = self.epoch.elapsed().as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    fn page(&self, format: Format, scheme: EscapingScheme) -> Page {
        let now = self.now();
        let expiration = self.options.expiration.unwrap_or(u64::MAX);
        let look = Look {
            format,
            scheme,
            created_lines: self.options.created_lines,
            has_utf8: !self.options.strategy.escapes(),
            since: now.saturating_sub(expiration),
        };
        let snapshot = self.lock().snapshot();
        Page::new(snapshot, look)
    }
}

impl Service<ExportRequest> for PrometheusExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = future::Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        future::ready(self.export(&request))
    }
}

impl fmt::Debug for PrometheusExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusExporter")
            .field("options", &self.shared.options)
            .field("listens_on", &self.local_addr())
            .finish_non_exhaustive()
    }
}
