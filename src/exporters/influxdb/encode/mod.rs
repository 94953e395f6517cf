//! OTLP as line protocol. Does no input or output.

mod attributes;
mod identity;
mod logs;
mod metrics;
mod text;
mod traces;

use std::ops::Range;

use self::{identity::Moments, text::Line};
use crate::{ExportRequest, otlp::views::Str};

/// How OTLP metrics become points.
///
/// A histogram `latency` shows what each does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricsSchema {
    /// Measurement `latency` with the fields `count`, `sum` and one for each bound: the default.
    #[default]
    TelegrafPrometheusV1,
    /// Measurement `prometheus` with the fields `latency_count`, `latency_sum`, and for each
    /// bound a point with the tag `le` and the field `latency_bucket`.
    TelegrafPrometheusV2,
    /// Measurement `latency_s_histogram` with the fields `count`, `sum` and one for each bound,
    /// which say whether they are deltas. Sums and histograms only.
    OtelV1,
}

impl MetricsSchema {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [
        Self::TelegrafPrometheusV1,
        Self::TelegrafPrometheusV2,
        Self::OtelV1,
    ];

    /// The name that the OpenTelemetry Collector has for it: `telegraf-prometheus-v1`,
    /// `telegraf-prometheus-v2`, `otel-v1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TelegrafPrometheusV1 => "telegraf-prometheus-v1",
            Self::TelegrafPrometheusV2 => "telegraf-prometheus-v2",
            Self::OtelV1 => "otel-v1",
        }
    }
}

/// The unit of the time of a point. What is finer is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// Nanoseconds, as OTLP has them: the default.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Precision {
    const fn nanos(self) -> u64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

/// Writes OTLP as line protocol.
///
/// ```
/// use tower_otlp::{ExportRequest, Signal, exporters::influxdb::LineProtocol};
///
/// // ResourceLogs { scope_logs { log_records { body { string_value: "hello" } } } }
/// let bytes = b"\x0a\x0d\x12\x0b\x12\x09\x2a\x07\x0a\x05hello".to_vec();
/// let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
/// let lines = LineProtocol::default().encode(&request, 1_700_000_000_000_000_000);
/// assert_eq!(lines.as_bytes(), b"logs body=\"hello\" 1700000000000000000\n");
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
#[derive(Clone, Debug)]
pub struct LineProtocol {
    schema: MetricsSchema,
    precision: Precision,
    /// Sorted.
    span_dimensions: Vec<String>,
    /// Sorted.
    log_record_dimensions: Vec<String>,
    unsigned_integers: bool,
    integers_as_floats: bool,
    max_lines: usize,
    max_bytes: usize,
}

impl Default for LineProtocol {
    fn default() -> Self {
        Self {
            schema: MetricsSchema::default(),
            precision: Precision::default(),
            span_dimensions: vec!["service.name".to_owned(), "span.name".to_owned()],
            log_record_dimensions: vec!["service.name".to_owned()],
            unsigned_integers: true,
            integers_as_floats: false,
            max_lines: 10_000,
            max_bytes: 10_000_000,
        }
    }
}

impl LineProtocol {
    /// Sets how metrics become points. Default: [`MetricsSchema::TelegrafPrometheusV1`].
    #[must_use]
    pub const fn metrics_schema(mut self, schema: MetricsSchema) -> Self {
        self.schema = schema;
        self
    }

    /// Sets the unit of the time of a point. Default: nanoseconds. With a coarser one more records
    /// have the same time, and are moved apart: see the [module](super).
    #[must_use]
    pub const fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets which attributes of spans, of their scopes and resources become tags; the others are
    /// in the field `attributes`. Default: `service.name`, `span.name`.
    #[must_use]
    pub fn span_dimensions<I>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.span_dimensions = sorted(keys);
        self
    }

    /// Sets which attributes of log records, of their scopes and resources become tags; the
    /// others are in the field `attributes`. Default: `service.name`.
    #[must_use]
    pub fn log_record_dimensions<I>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.log_record_dimensions = sorted(keys);
        self
    }

    /// Whether counts are unsigned integers, which InfluxDB 1 does not know. Default: true.
    #[must_use]
    pub const fn unsigned_integers(mut self, unsigned: bool) -> Self {
        self.unsigned_integers = unsigned;
        self
    }

    /// Whether metrics that are integers are written as floats: InfluxDB refuses the one where a
    /// field has had the other before. Default: false.
    #[must_use]
    pub const fn integers_as_floats(mut self, floats: bool) -> Self {
        self.integers_as_floats = floats;
        self
    }

    /// Sets the most lines of one body. Default: 10,000, as InfluxDB recommends.
    #[must_use]
    pub const fn max_lines(mut self, lines: usize) -> Self {
        self.max_lines = lines;
        self
    }

    /// Sets the most bytes of one body. Default: 10,000,000.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The unit of the time of a point.
    pub(super) const fn unit(&self) -> Precision {
        self.precision
    }

    /// Writes all items of a request. `now_unix_nano` is the time of what has none, in
    /// nanoseconds since the Unix epoch.
    #[must_use]
    pub fn encode(&self, request: &ExportRequest, now_unix_nano: u64) -> Lines {
        self.run(request, now_unix_nano, usize::MAX).finish()
    }

    /// Writes all items of a request, unless they take more than `most` bytes together.
    ///
    /// Each line says again what its group says: the lines of a small request may be of any size.
    pub(super) fn encode_within(
        &self,
        request: &ExportRequest,
        now_unix_nano: u64,
        most: usize,
    ) -> Option<Lines> {
        let writer = self.run(request, now_unix_nano, most);
        (writer.line.out.len() <= most).then(|| writer.finish())
    }

    /// How many bytes are written of a request before it is given up.
    #[cfg(test)]
    pub(super) fn written_within(&self, request: &ExportRequest, most: usize) -> usize {
        self.run(request, 1, most).line.out.len()
    }

    fn run(&self, request: &ExportRequest, now_unix_nano: u64, most: usize) -> Writer<'_> {
        let mut writer = Writer {
            options: self,
            now: now_unix_nano,
            most,
            line: Line::new(
                // Each point says again what its group is.
                Vec::with_capacity(request.byte_size() * 2),
                self.unsigned_integers,
                self.integers_as_floats,
            ),
            scratch: Vec::new(),
            moments: Moments::default(),
            lines: Lines::default(),
            body: Body::default(),
            has_equal_tags: false,
        };
        if let Some(traces) = request.traces() {
            writer.traces(traces);
        } else if let Some(logs) = request.logs() {
            writer.logs(logs);
        } else if let Some(metrics) = request.metrics() {
            writer.metrics(metrics);
        }
        writer
    }
}

fn sorted<I: IntoIterator<Item: Into<String>>>(keys: I) -> Vec<String> {
    let mut keys: Vec<String> = keys.into_iter().map(Into::into).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Line protocol, cut into bodies that are not too large.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    bodies: Vec<Body>,
    skipped_items: u64,
    reason: Option<String>,
}

/// A part of [`Lines`] that is sent at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
    /// How many lines it has.
    pub lines: usize,
    /// How many items of the request are in it.
    pub items: u64,
}

impl Lines {
    /// All lines, each with the line feed behind it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// All lines, each with the line feed behind it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    /// The parts to be sent, in order. Each has at least one item.
    #[must_use]
    pub fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    /// How many items have no form in line protocol and are in no line.
    #[must_use]
    pub const fn skipped_items(&self) -> u64 {
        self.skipped_items
    }

    /// Why the first of them has none.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// Why an item has no form in line protocol.
struct Unfit(&'static str);

/// What is written so far.
struct Writer<'o> {
    options: &'o LineProtocol,
    now: u64,
    /// Beyond so many bytes nothing more is written.
    most: usize,
    line: Line,
    scratch: Vec<u8>,
    moments: Moments,
    lines: Lines,
    /// The part that is being written.
    body: Body,
    /// Whether a line of the present item has two tags with one key.
    has_equal_tags: bool,
}

impl Writer<'_> {
    /// Writes the lines of one item, of this metric if it has one. If it is unfit, none of them.
    fn item(
        &mut self,
        metric: Option<Str<'_>>,
        write: impl FnOnce(&mut Self) -> Result<(), Unfit>,
    ) {
        let (start, lines) = (self.line.out.len(), self.body.lines);
        if start > self.most {
            return;
        }
        let mut written = write(self);
        if std::mem::take(&mut self.has_equal_tags) {
            written = written.and(Err(Unfit("two of its attributes become one tag")));
        }
        if let Err(Unfit(reason)) = written {
            self.line.out.truncate(start);
            self.body.lines = lines;
            self.lines.skipped_items += 1;
            self.lines.reason.get_or_insert_with(|| match metric {
                Some(name) => format!("metric `{name}`: {reason}"),
                None => reason.to_owned(),
            });
            return;
        }
        let is_full = self.body.lines > self.options.max_lines
            || self.line.out.len() - self.body.range.start > self.options.max_bytes;
        if is_full && self.body.items > 0 {
            let rest = Body {
                range: start..start,
                lines: self.body.lines - lines,
                items: 0,
            };
            self.body.lines = lines;
            self.body.range.end = start;
            self.lines
                .bodies
                .push(std::mem::replace(&mut self.body, rest));
        }
        self.body.items += 1;
    }

    fn finish(mut self) -> Lines {
        self.body.range.end = self.line.out.len();
        if self.body.items > 0 {
            self.lines.bodies.push(self.body);
        }
        self.lines.text = self.line.out;
        self.lines
    }

    /// The first of these moments that is known, in the unit of the precision.
    fn time(&self, candidates: [u64; 2]) -> Result<i64, Unfit> {
        let nanos = candidates
            .into_iter()
            .find(|nanos| *nanos != 0)
            .unwrap_or(self.now);
        let time = i64::try_from(nanos / self.options.precision.nanos());
        // InfluxDB keeps the largest number for itself.
        time.ok()
            .filter(|_| nanos < i64::MAX.unsigned_abs())
            .ok_or(Unfit("its time is beyond the year 2262"))
    }

    /// Notes that two tags of the line that begins at `start` have one key: a server drops such a
    /// line, and may not say so.
    fn check_tags(&mut self, start: usize, has_other_keys: bool) {
        let line = self.line.out.get(start..).unwrap_or_default();
        self.has_equal_tags |= has_other_keys && text::has_equal_tags(line);
    }

    /// Ends a line.
    fn end(&mut self, time: i64) {
        self.line.end(time);
        self.body.lines += 1;
    }
}
