//! Elasticsearch and OpenSearch: traces, metrics and logs as documents, by bulk requests.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{
//!     Compression, ExportRequest, Signal, exporters::elasticsearch::ElasticsearchExporter,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = ElasticsearchExporter::builder()
//!     .endpoint("https://node-1.example:9200")
//!     .node("https://node-2.example:9200")
//!     .api_key("id:key")
//!     .compression(Compression::Gzip)
//!     .build()?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of telemetry
//!
//! The layout is that of the OpenTelemetry Collector's Elasticsearch exporter in its mode `otel`,
//! for which Elasticsearch has index templates from 8.12 on (8.17.6 and later for metrics). Other
//! servers need templates with `@timestamp` as `date_nanos` or `date`, format `epoch_millis`:
//!
//! | OTLP | document | data stream |
//! |---|---|---|
//! | span | one | `traces-generic.otel-default` |
//! | span event | one | `logs-generic.otel-default` |
//! | log record | one | `logs-generic.otel-default` |
//! | data points with the same resource, scope, attributes, times and unit | one | `metrics-generic.otel-default` |
//!
//! `generic` and `default` are replaced by the attributes `data_stream.dataset` and
//! `data_stream.namespace`, of the record, its scope or its resource; the attribute
//! `elasticsearch.index` replaces the whole name. A scope of a receiver of the Collector names a
//! dataset, too. [Indices that are set](BulkFormat::index) win over all of these.
//!
//! - Times are milliseconds with six digits behind the point, for spans, events and logs, and
//!   whole milliseconds for metrics.
//! - Two doubles `*.geo.location.lat` and `*.geo.location.lon` become one point. Of equal keys
//!   the last is kept. A number that is not finite is `null` in an attribute.
//! - A data point is rejected, with a count and a reason, if it is a histogram with cumulative
//!   temporality, a value that is not finite, or, in data streams of Elasticsearch, the second
//!   of its metric with the same attributes in the same millisecond. One that says that it has no
//!   value is left out.
//! - Not written, as the layout has no place for it: flags, entities, exemplars, and descriptions
//!   and metadata of metrics; quantiles of summaries, minima and maxima of histograms.
//!
//! OpenSearch gets the same documents, in the same data streams; it has no templates for them.
//!
//! # What an answer means
//!
//! | answer | outcome |
//! |---|---|
//! | 2xx | what it says of each document |
//! | 401, 403 | an error without a retry |
//! | 413 | [`TooLarge`](crate::ErrorKind::TooLarge), for a [`split`](crate::layers::split) layer |
//! | 408, 429, 500, 502, 503, 504 | an error with a retry, after `Retry-After` if there is one |
//! | any other | an error without a retry |
//!
//! | of a document | outcome |
//! |---|---|
//! | 2xx | delivered; the message counts those that went to the failure store |
//! | 409, and the document has an [id of its own](DocumentIds) | delivered, by an earlier attempt |
//! | 429, 5xx | its item is sent again: the error has what [remains](crate::ExportError::remainder) |
//! | any other | its item is rejected, with the server's reason |
//!
//! [`on_status`](ElasticsearchBuilder::on_status) replaces a row of the first table. What a server
//! quotes of a document is not in messages.
//!
//! # Twice, or not
//!
//! A span is sent again with all its events if one of their documents has to be, and a body of
//! which the answer was lost is sent again whole: some documents may then be stored twice. With
//! [`DocumentIds::Content`] each is stored once. A request of more than
//! [5 MB or 5,000 documents](ElasticsearchBuilder::max_request_bytes) goes out as several bodies,
//! one after the other; those that were answered are not sent again.

mod answer;
mod builder;
mod delivery;
mod encode;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::{BoxError, ServiceExt as _};
use tower_service::Service;

use self::delivery::Delivery;
pub use self::{
    builder::ElasticsearchBuilder,
    encode::{Bulk, BulkAction, BulkFormat, Document, DocumentIds, Mapping, Product},
};
use crate::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{Endpoint, HttpExportFuture, HttpSender, RequestBody, ReqwestService},
};

/// Response future of [`ElasticsearchExporter`].
pub type ElasticsearchFuture = HttpExportFuture;

/// The name under which this exporter appears in errors.
const NAME: &str = "elasticsearch";

const CONTENT_TYPE: &str = "application/x-ndjson";

/// Writes telemetry to Elasticsearch or OpenSearch. Made by a [builder](Self::builder). A clone
/// shares everything.
///
/// It is ready when its transport is: the default one always is, and opens as many connections
/// as are needed. Limit it with a layer.
#[derive(Clone)]
pub struct ElasticsearchExporter<S = ReqwestService> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    /// One at least.
    nodes: Vec<Endpoint>,
    /// Which node is next.
    turn: AtomicUsize,
    format: BulkFormat,
    compression: Compression,
    max_body_bytes: usize,
    sender: HttpSender,
}

impl ElasticsearchExporter {
    /// A builder with the defaults.
    #[must_use]
    pub fn builder() -> ElasticsearchBuilder {
        ElasticsearchBuilder::default()
    }
}

impl<S> ElasticsearchExporter<S> {
    fn with_config(inner: S, config: Config) -> Self {
        Self {
            inner,
            config: Arc::new(config),
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

impl<S> fmt::Debug for ElasticsearchExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &*self.config;
        let nodes: Vec<&str> = config.nodes.iter().map(|node| &*node.shown).collect();
        let mut out = f.debug_struct("ElasticsearchExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("nodes", &nodes)
            .field("format", &config.format)
            .field("compression", &config.compression);
        config.sender.debug(&mut out);
        out.finish()
    }
}

impl<S, B> Service<ExportRequest> for ElasticsearchExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ElasticsearchFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        // No endpoint to name: which node is next is not known yet.
        self.inner
            .poll_ready(cx)
            .map_err(|error| ExportError::from(error.into()))
    }

    fn call(&mut self, request: ExportRequest) -> ElasticsearchFuture {
        let config = Arc::clone(&self.config);
        let node = config.next_node();
        let begun = config.begin(request);
        let (delivery, body) = match begun {
            Ok((delivery, Some(body))) => (delivery, body),
            Ok((delivery, None)) => {
                return HttpExportFuture::ready(config.conclude(delivery, None, node));
            }
            Err(error) => return HttpExportFuture::ready(Err(config.name(error, node))),
        };
        let deadline = config.sender.deadline();
        // The clone takes the place of the service that is ready.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        // The first goes out at once: readiness was for it.
        let answer = inner.call(config.post(node, body.clone()));
        HttpExportFuture::new(async move {
            let mut round = Round {
                node,
                tried: 1,
                body,
                delivery,
            };
            let stopped = config.deliver(inner, answer, &mut round, deadline).await;
            config.conclude(round.delivery, stopped, round.node)
        })
    }
}

/// Which body is under way, to which node, and how many nodes it was sent to.
struct Round {
    node: usize,
    tried: usize,
    body: Bytes,
    delivery: Delivery,
}

impl Config {
    fn next_node(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len().max(1)
    }

    /// Writes the documents. There is no body if nothing is to be sent.
    fn begin(&self, request: ExportRequest) -> Result<(Delivery, Option<Bytes>), ExportError> {
        self.format.check(request.signal())?;
        let bulk = self.format.encode(request.otlp());
        let mut delivery = Delivery::new(request, bulk, self.max_body_bytes);
        let body = delivery.next_body();
        let body = body.map(|body| self.compress(body)).transpose()?;
        Ok((delivery, body))
    }

    fn compress(&self, body: Bytes) -> Result<Bytes, ExportError> {
        match self.compression {
            Compression::None => Ok(body),
            compression => compression
                .compress(&body)
                .map(Bytes::from)
                .map_err(|error| {
                    let message = format!("{} failed: {error}", compression.as_str());
                    ExportError::new(ErrorKind::Internal, message)
                }),
        }
    }

    fn post(&self, node: usize, body: Bytes) -> Request<RequestBody> {
        match self.nodes.get(node) {
            Some(node) => self.sender.post(node, CONTENT_TYPE, self.compression, body),
            // There is one for every turn.
            None => Request::new(RequestBody::new(body)),
        }
    }

    /// Sends body after body. Says why it stopped, if that was before the last.
    async fn deliver<S, B>(
        &self,
        mut inner: S,
        mut answer: S::Future,
        round: &mut Round,
        deadline: Option<Instant>,
    ) -> Option<ExportError>
    where
        S: Service<Request<RequestBody>, Response = Response<B>>,
        S::Error: Into<BoxError>,
        B: Body<Error: Into<BoxError>>,
    {
        loop {
            match self.sender.exchange(answer, deadline).await {
                // Nobody is there: perhaps at another node.
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && round.tried < self.nodes.len() =>
                {
                    tracing::debug!(%error, "node skipped");
                    round.tried += 1;
                    round.node = (round.node + 1) % self.nodes.len();
                }
                Err(error) => return Some(error),
                Ok(reply) if !reply.status.is_success() => {
                    return Some(self.sender.refusal(&reply));
                }
                Ok(reply) => {
                    if let Err(error) = round.delivery.settle(&reply, &self.sender) {
                        return Some(error);
                    }
                    let body = round.delivery.next_body()?;
                    match self.compress(body) {
                        Ok(body) => round.body = body,
                        Err(error) => return Some(error),
                    }
                    round.node = self.next_node();
                    round.tried = 1;
                }
            }
            answer = match inner.ready().await {
                Ok(ready) => ready.call(self.post(round.node, round.body.clone())),
                Err(error) => return Some(ExportError::from(error.into())),
            };
        }
    }

    fn conclude(
        &self,
        delivery: Delivery,
        stopped: Option<ExportError>,
        node: usize,
    ) -> Result<ExportResponse, ExportError> {
        let delivered = |items| match self.nodes.get(node) {
            Some(node) => self.sender.delivered(items, node),
            None => ExportResponse::delivered(items),
        };
        delivery
            .conclude(stopped, delivered)
            .map_err(|error| self.name(error, node))
    }

    fn name(&self, error: ExportError, node: usize) -> ExportError {
        match self.nodes.get(node) {
            Some(node) => self.sender.name(error, node),
            None => error,
        }
    }
}
