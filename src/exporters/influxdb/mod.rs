//! InfluxDB 1, 2 and 3: traces, metrics and logs as line protocol.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{Compression, ExportRequest, Signal, exporters::influxdb::InfluxDbExporter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = InfluxDbExporter::builder()
//!     .endpoint("https://influx.example:8086")
//!     .bucket("my-org", "telemetry")
//!     .token("secret")
//!     .compression(Compression::Gzip)
//!     .build()?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Metrics, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of telemetry
//!
//! The schema is that of the OpenTelemetry Collector's InfluxDB exporter
//! ([influxdb-observability](https://github.com/influxdata/influxdb-observability)):
//!
//! | OTLP | measurement | tags | time |
//! |---|---|---|---|
//! | span | `spans` | ids, [dimensions](LineProtocol::span_dimensions) | start |
//! | span event | `logs` | ids of the span | of the event |
//! | span link | `span-links` | ids of the span, and of the span linked to | start of the span |
//! | log record | `logs` | ids, [dimensions](LineProtocol::log_record_dimensions) | of the record, else when it was observed |
//! | data point | by the [schema](MetricsSchema) | all attributes | of the point |
//!
//! Attributes of spans and logs that are no dimension are one JSON object in the field
//! `attributes`: those of the record win over those of its scope, and these over those of its
//! resource.
//!
//! - Points with the same measurement, tags and time are one point to InfluxDB. Log records, span
//!   events, links and exemplars of one request that would be are moved apart by one unit of the
//!   [precision]: by 1 ns.
//! - What has no time gets that of the export.
//! - Exponential histograms have no form in any of the schemas: they are rejected with a count, and
//!   so is a number that is not finite. A point that says that it has no value is left out.
//! - Names that InfluxDB keeps for itself (`time`, what begins with `_`) and tags that have the name
//!   of a field get `exported_` before them. A backslash in a name or a tag is left out at
//!   its end, and before a comma, an equals sign or a space; a line break becomes a space: line
//!   protocol cannot say them.
//! - Not written, as the schema has no place for it: schema URLs, flags, the scope's name and
//!   version of spans and logs, descriptions and (but for `otel-v1`) units of metrics.
//!
//! Trace and span ids are tags, which is costly in InfluxDB 1 and 2: their index holds every value.
//!
//! # What an answer means
//!
//! | answer | outcome |
//! |---|---|
//! | 2xx | delivered |
//! | 400 or 422 that says how many lines it dropped | delivered; each line dropped counts as an item rejected |
//! | any other 400, 422 | an error without a retry |
//! | 401, 403, 404 | an error without a retry |
//! | 413 | [`TooLarge`](crate::ErrorKind::TooLarge), for a [`split`](crate::layers::split) layer |
//! | 408, 429, 500, 502, 503, 504 | an error with a retry, after `Retry-After` if there is one |
//!
//! [`on_status`](InfluxDbBuilder::on_status) replaces a row. The lines that a server quotes are
//! not in messages: they are telemetry.
//!
//! A request of more than [10,000 lines or 10 MB](LineProtocol::max_lines) is sent as several
//! bodies, one after the other. If one fails, all are sent again by a retry: a line that is
//! written twice is one point. A request whose lines take more than 512 MiB together is
//! [`TooLarge`](crate::ErrorKind::TooLarge) without an attempt.
//!
//! [precision]: LineProtocol::precision

mod answer;
mod api;
mod builder;
mod encode;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{BoxError, ServiceExt as _};
use tower_service::Service;

use self::answer::Outcome;
pub use self::{
    api::WriteApi,
    builder::InfluxDbBuilder,
    encode::{Body, LineProtocol, Lines, MetricsSchema, Precision},
};
use crate::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{Endpoint, HttpExportFuture, HttpSender, RequestBody, ReqwestService},
};

/// Response future of [`InfluxDbExporter`].
pub type InfluxDbFuture = HttpExportFuture;

/// The name under which this exporter appears in errors.
const NAME: &str = "influxdb";

const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// What the lines of one request may take together, in bytes.
const MOST_BYTES: usize = 512 << 20;

/// Writes telemetry to InfluxDB. Made by a [builder](Self::builder). A clone shares everything.
///
/// It is ready when its transport is: the default one always is, and opens as many connections
/// as are needed. Limit it with a layer.
#[derive(Clone)]
pub struct InfluxDbExporter<S = ReqwestService> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    endpoint: Endpoint,
    api: WriteApi,
    protocol: LineProtocol,
    compression: Compression,
    sender: HttpSender,
}

impl InfluxDbExporter {
    /// A builder. Which database to write to must be said.
    #[must_use]
    pub fn builder() -> InfluxDbBuilder {
        InfluxDbBuilder::default()
    }
}

impl<S> InfluxDbExporter<S> {
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

impl<S> fmt::Debug for InfluxDbExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &*self.config;
        let mut out = f.debug_struct("InfluxDbExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoint", &config.endpoint.shown)
            .field("api", &config.api)
            .field("protocol", &config.protocol)
            .field("compression", &config.compression);
        config.sender.debug(&mut out);
        out.finish()
    }
}

impl<S, B> Service<ExportRequest> for InfluxDbExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = InfluxDbFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(|error| {
            let error = ExportError::from(error.into());
            self.config.sender.name(error, &self.config.endpoint)
        })
    }

    fn call(&mut self, request: ExportRequest) -> InfluxDbFuture {
        let config = Arc::clone(&self.config);
        // The clone takes the place of the service that is ready.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let posts = match config.posts(&request) {
            Ok(posts) => posts,
            Err(error) => {
                let error = config.sender.name(error, &config.endpoint);
                return HttpExportFuture::ready(Err(error));
            }
        };
        let deadline = config.sender.deadline();
        // The first goes out at once: readiness was for it.
        let mut bodies = posts.bodies.into_iter();
        let first = bodies
            .next()
            .map(|post| (inner.call(config.post(post.text)), post.items));
        HttpExportFuture::new(async move {
            let sender = &config.sender;
            let mut sum = posts.skipped;
            let mut next = first;
            while let Some((answer, items)) = next.take() {
                let reply = sender.exchange(answer, deadline).await;
                let outcome = reply.and_then(|reply| answer::read(&reply, sender, items));
                sum.add(outcome.map_err(|error| sender.name(error, &config.endpoint))?);
                if let Some(post) = bodies.next() {
                    let ready = inner.ready().await.map_err(|error| {
                        sender.name(ExportError::from(error.into()), &config.endpoint)
                    })?;
                    next = Some((ready.call(config.post(post.text)), post.items));
                }
            }
            let items = request.items();
            let rejected = sum.rejected.min(items);
            let response = sender.delivered(items - rejected, &config.endpoint);
            Ok(if rejected > 0 {
                response.with_rejected(rejected, sum.message)
            } else {
                response
            })
        })
    }
}

/// What one request becomes.
struct Posts {
    bodies: Vec<Post>,
    /// Of the items that have no form in line protocol.
    skipped: Outcome,
}

struct Post {
    text: Bytes,
    items: u64,
}

impl Config {
    fn posts(&self, request: &ExportRequest) -> Result<Posts, ExportError> {
        let lines = self
            .protocol
            .encode_within(request, unix_nanos(), MOST_BYTES);
        let lines = lines.ok_or_else(|| {
            let message = format!("its lines take more than {MOST_BYTES} bytes together");
            ExportError::new(ErrorKind::TooLarge, message)
        })?;
        let skipped = Outcome {
            rejected: lines.skipped_items(),
            message: lines.reason().unwrap_or_default().to_owned(),
        };
        let bodies = lines.bodies().to_vec();
        let text = Bytes::from(lines.into_bytes());
        let mut posts = Vec::with_capacity(bodies.len());
        for Body { range, items, .. } in bodies {
            // Items that need no line are delivered without being sent.
            if range.is_empty() {
                continue;
            }
            self.sender.check_size(range.len())?;
            let text = text.slice(range);
            let text = match self.compression {
                Compression::None => text,
                compression => compression
                    .compress(&text)
                    .map_err(|error| {
                        let message = format!("{} failed: {error}", compression.as_str());
                        ExportError::new(ErrorKind::Internal, message)
                    })?
                    .into(),
            };
            posts.push(Post { text, items });
        }
        Ok(Posts {
            bodies: posts,
            skipped,
        })
    }

    fn post(&self, text: Bytes) -> Request<RequestBody> {
        self.sender
            .post(&self.endpoint, CONTENT_TYPE, self.compression, text)
    }
}

/// Now, in nanoseconds since the Unix epoch.
fn unix_nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signal;

    /// Each line says again what its group says: of each record, and of each bucket.
    #[test]
    fn lines_beyond_the_limit_are_not_written() {
        const MOST: usize = 100_000;
        let scope = format!(r#""scope":{{"name":"{}"}}"#, "s".repeat(1000));
        let points = vec!["{}"; 5000].join(",");
        let gauge = format!(r#"{{"name":"m","gauge":{{"dataPoints":[{points}]}}}}"#);
        let gauge = gauge.replace("{}", r#"{"asInt":"1"}"#);
        let counts = vec![r#""1""#; 5001].join(",");
        let bounds: Vec<String> = (0..5000).map(|bound| bound.to_string()).collect();
        let histogram = format!(
            r#"{{"name":"m","histogram":{{"aggregationTemporality":2,"dataPoints":[{{
                "count":"5001","sum":1,"bucketCounts":[{counts}],"explicitBounds":[{}]}}]}}}}"#,
            bounds.join(",")
        );
        for metric in [gauge, histogram] {
            let json = format!(
                r#"{{"resourceMetrics":[{{"scopeMetrics":[{{{scope},"metrics":[{metric}]}}]}}]}}"#
            );
            let request =
                ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
            let protocol =
                LineProtocol::default().metrics_schema(MetricsSchema::TelegrafPrometheusV2);
            let all = protocol.encode(&request, 1).into_bytes().len();
            assert!(all > 5_000_000, "{all}");
            assert!(protocol.encode_within(&request, 1, MOST).is_none());
            assert!(protocol.encode_within(&request, 1, all).is_some());
            assert!(protocol.encode_within(&request, 1, all - 1).is_none());
            let written = protocol.written_within(&request, MOST);
            assert!((MOST..3 * MOST).contains(&written), "{written}");
        }
    }
}
