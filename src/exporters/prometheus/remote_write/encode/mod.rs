//! OTLP metrics as messages of remote write: pure functions, to be used alone if need be.
//!
//! ```
//! use std::time::SystemTime;
//! use tower_otlp::{ExportRequest, Signal, exporters::prometheus::remote_write::encode::{
//!     EncodeOptions, Encoder, MessageLimits, Protocol,
//! }};
//!
//! # let point = [&[0x19][..], &1_700_000_000_000_000_000_u64.to_le_bytes(), &[0x21], &0.5_f64.to_le_bytes()].concat();
//! # let bytes = [&[0x0a, 29, 0x12, 27, 0x12, 25, 0x0a, 1, b'x', 0x2a, 20, 0x0a, 18][..], &point].concat();
//! let request = ExportRequest::from_protobuf(Signal::Metrics, bytes)?;
//! let mut encoder = Encoder::new(EncodeOptions::default());
//! let limits = MessageLimits { samples: 2_000, bytes: 3 << 20 };
//! let mut message = Vec::new();
//! if let Some(metrics) = request.metrics() {
//!     encoder.convert(metrics, Protocol::V2, 1, SystemTime::now());
//!     while let Some(contents) = encoder.next_into(0, limits, &mut message) {
//!         println!("{} samples in {} bytes", contents.samples, message.len());
//!         assert_eq!(contents.points, 1);
//!         message.clear();
//!     }
//!     assert_eq!(encoder.rejected(), 0);
//! }
//! # Ok::<(), tower_otlp::otlp::Malformed>(())
//! ```
//!
//! The messages are not compressed yet: remote write has them in Snappy's block format.
//!
//! # The mapping
//!
//! | OTLP | Prometheus |
//! |---|---|
//! | gauge, non-monotonic cumulative sum | `<name>` |
//! | monotonic cumulative sum | `<name>_total` |
//! | histogram | `<name>_sum` (if there is one), `<name>_count`, `<name>_bucket` for each bound and `+Inf` |
//! | histogram, as [native](EncodeOptions::explicit_histograms) | one native histogram with custom buckets |
//! | exponential histogram | one native histogram; finer than schema 8 is merged |
//! | exponential histogram, as [classic](EncodeOptions::exponential_histograms) | as a histogram, with the bounds of its buckets |
//! | summary | `<name>_sum`, `<name>_count`, `<name>` for each quantile |
//! | resource | `target_info`, labels `job` and `instance` |
//! | scope | labels `otel_scope_name`, `otel_scope_version`, `otel_scope_schema_url`, `otel_scope_<attribute>` |
//! | `NoRecordedValue` | a stale marker on each series |
//! | exemplars of counters and histograms | exemplars; those of a histogram with their bucket |
//! | start time of counters, histograms, summaries | start time of each sample, 2.0 only |
//!
//! Labels of lower rank give way to those of the same name: external labels, resource labels,
//! attributes of the point, `job` and `instance`, scope labels, `le` and `quantile`. Attributes that
//! become one label are joined with `;`. An attribute `le` of a histogram and `quantile` of a
//! summary become `exported_le` and `exported_quantile`.
//!
//! A point without a time has the time of the conversion. `min` and `max` of a histogram, and
//! exemplars of other types, have no place in Prometheus.
//!
//! Sources: the [remote write specifications](https://prometheus.io/docs/specs/prw/), 1.0 and
//! 2.0-rc.4; [Prometheus and OpenMetrics compatibility](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)
//! of the OpenTelemetry specification. Where they leave a choice this does mostly as Prometheus'
//! own OTLP ingestion does.
//!
//! # What cannot be carried
//!
//! Delta and unspecified temporality, a metric of whose name nothing is valid, a point without a
//! value, a histogram whose buckets and bounds do not go together, an exponential histogram below
//! scale -4 or without a sum, a point at the time of another one of its series with another value,
//! a sample that alone is larger than a message may be: each is rejected, counted and named, and
//! its neighbours live.

mod convert;
mod histogram;
mod items;
mod labels;
mod native;
mod options;
mod series;
mod symbols;
mod write;
mod writer;

use std::{
    fmt,
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use self::{
    items::{Items, Rejections},
    labels::Labels,
    series::Table,
    symbols::{Symbol, Symbols},
    write::Cursor,
    writer::Writer,
};
pub use self::{
    options::{EncodeOptions, HistogramForm, Protocol},
    write::{Message, MessageLimits},
};
use crate::otlp::Metrics;

/// Turns requests into messages, one request after the other. What it needs for that it keeps, so
/// that a next request allocates next to nothing.
pub struct Encoder {
    options: EncodeOptions,
    protocol: Protocol,
    /// Milliseconds.
    now: i64,
    symbols: Symbols,
    labels: Labels,
    table: Table,
    items: Items,
    rejections: Rejections,
    lacks_instance: bool,
    cursors: Vec<Cursor>,
    writer: Writer,
    /// Bounds of the buckets of a histogram, with the number of values up to there.
    buckets: Vec<(f64, u64)>,
    bucket_series: Vec<u32>,
    /// The texts of the bounds of the last point, by their bits.
    bounds: Vec<(u64, Symbol)>,
    text: Vec<u8>,
}

impl Encoder {
    /// An encoder with these options.
    #[must_use]
    pub fn new(options: EncodeOptions) -> Self {
        Self {
            options,
            protocol: Protocol::V1,
            now: 0,
            symbols: Symbols::default(),
            labels: Labels::default(),
            table: Table::default(),
            items: Items::default(),
            rejections: Rejections::default(),
            lacks_instance: false,
            cursors: Vec::new(),
            writer: Writer::default(),
            buckets: Vec::new(),
            bucket_series: Vec::new(),
            bounds: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Reads the metrics of a request, in place of those before. Their series are handed out to
    /// `shards` shards by their labels, each series always to the same: messages of different
    /// shards may be sent side by side. Points without a time are at `now`.
    pub fn convert(
        &mut self,
        metrics: Metrics<'_>,
        protocol: Protocol,
        shards: usize,
        now: SystemTime,
    ) {
        self.protocol = protocol;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        self.symbols.clear();
        self.labels.clear(&mut self.symbols, &self.options);
        self.table.clear();
        self.items.clear();
        self.rejections = Rejections::default();
        self.lacks_instance = false;
        self.bounds.clear();
        let shards = u32::try_from(shards.max(1)).unwrap_or(u32::MAX);
        self.cursors.clear();
        self.cursors.resize(shards as usize, Cursor::default());
        self.read(metrics);
        self.table.assign_shards(shards, &self.symbols);
    }

    /// How many data points of the request cannot be carried, as far as is known: those that are
    /// too large are found when they are [written](Self::next_into).
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejections.count
    }

    /// The first of the data points that cannot be carried, and why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.rejections.reason.as_deref()
    }

    /// Whether some resource has no `service.instance.id`: all instances of its service then share
    /// their series.
    #[must_use]
    pub const fn lacks_instance(&self) -> bool {
        self.lacks_instance
    }

    /// Number of data points of the request.
    pub(crate) fn items(&self) -> u64 {
        self.items.len()
    }

    /// The data points of which a part was [lost](Self::lose), in order.
    pub(crate) fn lost(&self) -> Vec<Range<u64>> {
        self.items.lost()
    }

    /// About how much memory is kept for a next request, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.symbols.capacity() + self.table.capacity()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("options", &self.options)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
