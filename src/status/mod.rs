//! What the branches of a pipeline do: a page for people, JSON for programs, metrics for
//! Prometheus.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_otlp::{
//!     ExportError, Exporter, ExporterExt as _, Lifecycle, ServiceBuilderExt as _,
//!     layers::{fan_out::FanOut, retry::RetryPolicy},
//!     status::{Branch, Status},
//! };
//!
//! fn branch(branch: &Branch, exporter: impl Exporter) -> impl Exporter {
//!     ServiceBuilder::new()
//!         .observed(branch)           // each request, and its end
//!         .export_retry(RetryPolicy::new())
//!         .observed_attempts(branch)  // each attempt
//!         .service(exporter)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower::BoxError> {
//! # let (eu, us) = (tower_otlp::testing::ScriptedExporter::new([]), tower_otlp::testing::ScriptedExporter::new([]));
//! let lifecycle = Lifecycle::new();
//! let status = Status::new("gateway", &lifecycle);
//! let pipeline = ServiceBuilder::new().tracked(&lifecycle).service(FanOut::new([
//!     branch(&status.branch("otlp+grpc://eu:4317"), eu).boxed_exporter(),
//!     branch(&status.branch("otlp+grpc://us:4317"), us).boxed_exporter(),
//! ]));
//!
//! let server = status.serve("127.0.0.1:0".parse()?)?;
//! println!("http://{}/", server.address());
//! # let _ = pipeline;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Branch`] is an [`Observer`](crate::layers::observe::Observer): give it to everything of
//! its branch that takes one, such as
//! [`QueueConfig::observer`](crate::layers::queue::QueueConfig::observer),
//! [`CircuitBreakerPolicy::observer`](crate::layers::circuit_breaker::CircuitBreakerPolicy::observer)
//! and [`AdaptiveConcurrencyBuilder::observer`](crate::layers::adaptive_concurrency::AdaptiveConcurrencyBuilder::observer).
//! What is not told is not shown. Where a queue answers before the delivery, the observer of
//! requests belongs below it.
//!
//! # Pages
//!
//! | path | |
//! |---|---|
//! | `/` | for people: keeps itself up to date, and says so when nobody answers any more; without scripts it shows the values of its load |
//! | `/status.json` | the same as JSON |
//! | `/metrics` | the same for Prometheus, in the formats of [`PrometheusExporter`](crate::exporters::prometheus::PrometheusExporter) |
//! | `/livez` | 200 |
//! | `/readyz` | 200, or 503 while the pipeline drains |
//!
//! They are served by [`serve`](Status::serve), by [`http_service`](Status::http_service) in any
//! server, or by `router` (feature `axum`). Whoever can connect can read them: they hold names,
//! counts and error texts, never a credential. Each is made from the counters at the moment of
//! the request.
//!
//! # JSON
//!
//! Counts are since the start, in items (spans, data points, log records) unless another unit is
//! named. Fields may be added.
//!
//! | field | |
//! |---|---|
//! | `name`, `version` | given to [`Status::new`], and the version of this library or [of the application](Status::version) |
//! | `state` | `serving`, `draining` |
//! | `time`, `uptime_seconds` | seconds since 1970, and since the start |
//! | `items` | what became of what was accepted: `accepted` = `delivered` + `rejected` + `refused` + `cancelled` + `retained` + `dropped` + `in_flight`, as in [`DrainReport`](crate::DrainReport), and `drops` by reason |
//! | `branches` | in the order in which they were made |
//!
//! | field of a branch | |
//! |---|---|
//! | `name`, `role` | `role` is `destination`, `fallback` or `dead_letter` |
//! | `state` | `idle`, `delivering`, `failing` (the last attempt failed), `breaker_open`, `breaker_half_open` |
//! | `rate` | `items_per_second`, `requests_per_second`: what was delivered in the last 5 s |
//! | `history` | items a second, one number about a second, the newest last, a minute at most |
//! | `signals` | by `traces`, `metrics`, `logs`: `delivered`, `rejected`, `failed`, `cancelled`, `dropped`, `in_flight` |
//! | `requests`, `attempts` | `started`, `delivered`, `rejected`, `failed`, `cancelled`, `in_flight`, in requests and attempts |
//! | `retries` | attempts less requests; null unless both are observed |
//! | `errors` | `type` (see [`Outcome::error_type`](crate::layers::observe::Outcome::error_type)), `attempts`, `requests`, `items` |
//! | `drops` | items by reason (see [`DropReason::as_str`](crate::DropReason::as_str)) |
//! | `queues` | `name`, `requests`, `items`, `bytes`, `max_requests`, `max_bytes`, `oldest_age_seconds` |
//! | `breaker` | `closed`, `half_open`, `open`; null without one |
//! | `concurrency_limit` | requests in flight at most; null without one that changes |
//! | `last_error` | `time`, `age_seconds`, `role` (`request` or `attempt`), `type`, `message`; null without one |
//! | `others` | the fallback and the dead letter exporter of this branch, with the same fields |
//!
//! Items are counted where requests are observed, or where attempts are if requests are not.
//!
//! # Metrics
//!
//! Those of the [table](crate::layers::observe#metrics) of the observe layer, with these:
//!
//! | metric | kind, unit | attributes |
//! |---|---|---|
//! | `tower_otlp.pipeline.accepted` | up-down, `{item}` | |
//! | `tower_otlp.pipeline.item.count` | up-down, `{item}` | `tower_otlp.item.state`: the fields of `items`; their sum is what was accepted |
//! | `tower_otlp.pipeline.draining` | gauge | 1 while the pipeline drains |
//! | `process.uptime` | gauge, `s` | |
//!
//! The resource has `service.name` and `service.version`: `target_info` for Prometheus.
//! [`Status::metrics`] gives them as a request, for any other exporter.
//!
//! # Cost
//!
//! A branch costs a request what a [`Recorder`](crate::layers::observe::Recorder) costs, twice
//! if attempts are observed, too. Whatever else there is to do is done when somebody looks; only
//! a [server](Status::serve) takes a sample of each branch every second.

mod branch;
mod history;
mod json;
mod metrics;
mod page;
mod redact;
mod report;
mod server;
mod service;

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio::time::Instant;

use self::report::Report;
pub use self::{
    branch::{Branch, BranchRole},
    server::StatusServer,
    service::{StatusFuture, StatusHttpService},
};
use crate::{ExportError, ExportRequest, Lifecycle};

/// The names of all branches: each is given once.
type Names = Arc<Mutex<HashSet<Arc<str>>>>;

/// What the branches of a pipeline do, to be read by people and programs; see the
/// [module](self). Clones are the same.
#[derive(Clone)]
pub struct Status {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    version: OnceLock<Arc<str>>,
    lifecycle: Lifecycle,
    started: Instant,
    names: Names,
    branches: Mutex<Vec<Branch>>,
}

impl Status {
    /// A status without branches. The name is the title of the page and the `service.name` of
    /// the metrics. What became of all items, and whether the pipeline drains, is asked of this
    /// lifecycle, whose [layer](Lifecycle::layer) is to be outermost.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, lifecycle: &Lifecycle) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                version: OnceLock::new(),
                lifecycle: lifecycle.clone(),
                started: Instant::now(),
                names: Names::default(),
                branches: Mutex::default(),
            }),
        }
    }

    /// The lifecycle that it was made with.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.shared.lifecycle
    }

    /// The version of the application. Default: that of this library. Only the first one given
    /// counts.
    #[must_use]
    pub fn version(self, version: impl Into<Arc<str>>) -> Self {
        let _ = self.shared.version.set(version.into());
        self
    }

    /// Adds a branch: one destination of the telemetry.
    ///
    /// Its name is what people call it, or a URL such as [`from_url`](crate::from_url) takes, of
    /// which user information, query and fragment are not kept. It is the value of
    /// `otel.component.name` in the metrics; a name that there is already gets a number.
    #[must_use]
    pub fn branch(&self, name: &str) -> Branch {
        let branch = Branch::new(name, BranchRole::Destination, &self.shared.names);
        self.shared.lock().push(branch.clone());
        branch
    }

    /// All of it at this moment, as the [JSON](self#json) of `/status.json`.
    #[must_use]
    pub fn json(&self) -> String {
        json::render(&self.report())
    }

    /// All of it at this moment, as a request of [metrics](self#metrics).
    ///
    /// # Errors
    /// If it is larger than [`Limits`](crate::otlp::Limits) allow, which takes some hundred
    /// thousand branches.
    pub fn metrics(&self) -> Result<ExportRequest, ExportError> {
        metrics::request(&self.report())
    }

    /// Answers HTTP requests with the [pages](self#pages): for any server.
    ///
    /// The links of the page are relative: under another path than `/` that path must end with a
    /// slash, and be taken off before.
    #[must_use]
    pub fn http_service(&self) -> StatusHttpService {
        StatusHttpService::new(self.clone())
    }

    /// A router with the [pages](self#pages), to merge beside one's own routes.
    #[cfg(feature = "axum")]
    pub fn router(&self) -> axum::Router {
        service::PATHS
            .iter()
            .fold(axum::Router::new(), |router, path| {
                router.route_service(path, self.http_service())
            })
    }

    /// Serves the [pages](self#pages) at an address, until the server that is returned is
    /// dropped.
    ///
    /// The address is bound here: it is in use when this returns.
    ///
    /// # Errors
    /// Says which address cannot be listened on, and why: also outside of a tokio runtime, which
    /// must have input and output enabled.
    pub fn serve(&self, address: SocketAddr) -> std::io::Result<StatusServer> {
        StatusServer::bind(self, address)
    }

    fn is_draining(&self) -> bool {
        self.shared.lifecycle.is_draining()
    }

    fn branches(&self) -> Vec<Branch> {
        self.shared.lock().clone()
    }

    /// Takes a sample of each branch.
    fn sample(&self) {
        for branch in self.branches() {
            branch.sample();
        }
    }

    fn report(&self) -> Report {
        let shared = &*self.shared;
        let version = shared.version.get().map(|version| &**version);
        Report {
            name: Arc::clone(&shared.name),
            version: version.unwrap_or(env!("CARGO_PKG_VERSION")).into(),
            now: report::Now::read(),
            started: shared.started,
            is_draining: self.is_draining(),
            items: shared.lifecycle.report(),
            branches: self.branches().iter().map(Branch::report).collect(),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Branch>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("name", &self.shared.name)
            .field("draining", &self.is_draining())
            .field("branches", &self.branches())
            .finish_non_exhaustive()
    }
}
