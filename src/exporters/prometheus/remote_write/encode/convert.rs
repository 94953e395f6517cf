//! From data points to samples of series.

use std::io::Write as _;

use super::{
    Encoder,
    series::{Family, Kind, STALE, Sample},
    symbols::Symbol,
};
use crate::{
    exporters::prometheus::translate::{MetricKind, metric_name, unit_words},
    otlp::{
        AggregationTemporality, Exemplar, Metric, MetricData, Metrics, NumberDataPoint, Repeated,
        Resource, Summary, SummaryDataPoint,
    },
};

/// Numbers of `MetricType`, the same in both protocols.
mod family {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const COUNTER: u8 = 1;
    pub(super) const GAUGE: u8 = 2;
    pub(super) const HISTOGRAM: u8 = 3;
    pub(super) const SUMMARY: u8 = 5;
    pub(super) const INFO: u8 = 6;
    pub(super) const STATESET: u8 = 7;
}

/// A metric while its points are read.
#[derive(Clone, Copy)]
pub(super) struct Current<'a> {
    pub(super) source: Metric<'a>,
    pub(super) name: Symbol,
    pub(super) family: u32,
}

/// When, and since when, in milliseconds; for which data point.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: i64,
    start: i64,
    pub(super) item: u32,
}

impl Moment {
    pub(super) const fn sample(self, value: u64) -> Sample {
        Sample::new(value, self.time, self.start, self.item)
    }
}

/// The time of the earliest point of a resource, and of the latest.
pub(super) type Span = Option<(i64, i64)>;

impl Encoder {
    pub(super) fn read(&mut self, metrics: Metrics<'_>) {
        for group in metrics.resources() {
            let resource = group.resource();
            let Self {
                symbols,
                labels,
                options,
                ..
            } = self;
            let has_instance = labels.resource(symbols, options, &resource);
            self.lacks_instance |= !has_instance;
            let mut span = None;
            for scope in group.scopes() {
                let Self {
                    symbols,
                    labels,
                    options,
                    ..
                } = self;
                labels.scope(symbols, options, &scope);
                for metric in scope.items() {
                    self.metric(metric, &mut span);
                }
            }
            if self.options.target_info {
                self.target_info(&resource, span);
            }
        }
        let Self { table, items, .. } = self;
        let mut conflicts = 0_u64;
        table.sort(|item| conflicts += u64::from(items.reject(item)));
        if conflicts > 0 {
            self.rejections.add(conflicts, || {
                "it is at the same time as another point of its series, with another value; \
                 perhaps several instances of a service have no service.instance.id"
                    .to_owned()
            });
        }
    }

    fn metric(&mut self, metric: Metric<'_>, span: &mut Span) {
        let Some(data) = metric.data() else { return };
        let (kind, mut family, temporality) = match &data {
            MetricData::Gauge(_) => (MetricKind::Gauge, family::GAUGE, None),
            MetricData::Sum(sum) if sum.is_monotonic() => (
                MetricKind::Counter,
                family::COUNTER,
                Some(sum.temporality()),
            ),
            MetricData::Sum(sum) => (MetricKind::Other, family::GAUGE, Some(sum.temporality())),
            MetricData::Histogram(histogram) => (
                MetricKind::Other,
                family::HISTOGRAM,
                Some(histogram.temporality()),
            ),
            MetricData::ExponentialHistogram(histogram) => (
                MetricKind::Other,
                family::HISTOGRAM,
                Some(histogram.temporality()),
            ),
            MetricData::Summary(_) => (MetricKind::Other, family::SUMMARY, None),
        };
        if family == family::GAUGE
            && let Some(own) = metric.metadata().get("prometheus.type")
        {
            family = match own.as_str() {
                Some("unknown" | "untyped") => family::UNKNOWN,
                Some("info") => family::INFO,
                Some("stateset") => family::STATESET,
                _ => family,
            };
        }
        if let Some(temporality) = temporality
            && temporality != AggregationTemporality::CUMULATIVE
        {
            let what = match temporality {
                AggregationTemporality::DELTA => "delta",
                _ => "no known",
            };
            return self.reject_metric(
                &metric,
                data,
                &format!(
                    "it has {what} temporality, and Prometheus knows cumulative only; \
                 have the sender report cumulative values"
                ),
            );
        }
        let name = metric_name(
            self.options.strategy,
            &self.options.namespace,
            metric.name().as_str(),
            metric.unit().as_str(),
            kind,
        );
        let Some(name) = name else {
            return self.reject_metric(&metric, data, "nothing of its name is valid");
        };
        let name = self.symbols.intern(name.as_bytes());
        let unit = self.unit(metric.unit().as_str());
        let help = self.symbols.intern(metric.description().as_bytes());
        let metric = Current {
            source: metric,
            name,
            family: self.table.add_family(Family {
                name,
                kind: family,
                help,
                unit,
            }),
        };
        match data {
            MetricData::Gauge(gauge) => self.numbers(metric, gauge.points(), false, span),
            MetricData::Sum(sum) => self.numbers(metric, sum.points(), sum.is_monotonic(), span),
            MetricData::Histogram(histogram) => self.histograms(metric, histogram.points(), span),
            MetricData::ExponentialHistogram(histogram) => {
                self.exponentials(metric, histogram.points(), span);
            }
            MetricData::Summary(summary) => self.summaries(metric, summary, span),
        }
    }

    fn unit(&mut self, unit: &str) -> Symbol {
        if unit.is_empty() {
            return Symbol::EMPTY;
        }
        let (main, per) = unit_words(unit);
        let both = !main.is_empty() && !per.is_empty();
        let words = [&*main, if both { "_" } else { "" }, &*per].concat();
        self.symbols.intern(words.as_bytes())
    }

    fn numbers(
        &mut self,
        metric: Current<'_>,
        points: Repeated<'_, NumberDataPoint<'_>>,
        is_counter: bool,
        span: &mut Span,
    ) {
        for point in points {
            let mut moment = self.moment(point.time_unix_nano(), point.start_time_unix_nano());
            if !is_counter {
                moment.start = 0;
            }
            let value = match point.value() {
                _ if point.no_recorded_value() => STALE,
                Some(value) => value.as_f64().to_bits(),
                None => {
                    self.reject(metric.source, moment.item, "it has no value");
                    continue;
                }
            };
            widen(span, moment.time);
            let Self {
                symbols,
                labels,
                options,
                ..
            } = self;
            labels.point(symbols, options, point.attributes(), None);
            let series = self.push(metric.name, None, metric.family, value, moment);
            if is_counter {
                for exemplar in point.exemplars() {
                    self.exemplar(&exemplar, moment.time, |_| Some(series));
                }
            }
        }
    }

    fn summaries(&mut self, metric: Current<'_>, summary: Summary<'_>, span: &mut Span) {
        for point in summary.points() {
            let moment = self.moment(point.time_unix_nano(), point.start_time_unix_nano());
            widen(span, moment.time);
            self.summary(metric, &point, moment);
        }
    }

    fn summary(&mut self, metric: Current<'_>, point: &SummaryDataPoint<'_>, moment: Moment) {
        let is_stale = point.no_recorded_value();
        let value = |value: f64| if is_stale { STALE } else { value.to_bits() };
        let quantile = self.labels.known.quantile;
        let Self {
            symbols,
            labels,
            options,
            ..
        } = self;
        labels.point(symbols, options, point.attributes(), Some(quantile));
        let name = self.suffixed(metric.name, "_sum");
        self.push(name, None, metric.family, value(point.sum()), moment);
        let name = self.suffixed(metric.name, "_count");
        let count = value(point.count() as f64);
        self.push(name, None, metric.family, count, moment);
        for (position, row) in point.quantile_values().enumerate() {
            let label = (quantile, self.bound(position, row.quantile()));
            let value = value(row.value());
            self.push(metric.name, Some(label), metric.family, value, moment);
        }
    }

    fn target_info(&mut self, resource: &Resource<'_>, span: Span) {
        let Some((earliest, latest)) = span else {
            return;
        };
        let name = self.symbols.intern(b"target_info");
        let help = self.symbols.intern(b"Target metadata");
        let Self {
            symbols,
            labels,
            options,
            table,
            ..
        } = self;
        let Some(labels) = labels.target_info(symbols, options, resource, name) else {
            return;
        };
        let family = table.add_family(Family {
            name,
            kind: family::GAUGE,
            help,
            unit: Symbol::EMPTY,
        });
        let series = table.series_of(labels, Kind::Float, family);
        let value = 1.0_f64.to_bits();
        // Servers forget a sample after five minutes: so that joins find it, there is one at least
        // every half of that, up to an hour back.
        let interval = i64::try_from(options.info_interval.as_millis()).unwrap_or(i64::MAX);
        if let Some(age) = latest.checked_sub(earliest)
            && interval > 0
            && age / interval <= 24
        {
            let mut time = earliest;
            while time < latest {
                table.push_sample(series, Sample::new(value, time, 0, super::series::NONE));
                time += interval;
            }
        }
        table.push_sample(series, Sample::new(value, latest, 0, super::series::NONE));
    }

    /// Adds a sample to the series of the point with this name.
    pub(super) fn push(
        &mut self,
        name: Symbol,
        more: Option<(Symbol, Symbol)>,
        family: u32,
        value: u64,
        moment: Moment,
    ) -> u32 {
        let Self {
            symbols,
            labels,
            table,
            ..
        } = self;
        let labels = labels.series(symbols, name, more);
        let series = table.series_of(labels, Kind::Float, family);
        table.push_sample(series, moment.sample(value));
        series
    }

    pub(super) fn exemplar(
        &mut self,
        exemplar: &Exemplar<'_>,
        time: i64,
        series: impl FnOnce(f64) -> Option<u32>,
    ) {
        let Some(value) = exemplar.value() else {
            return;
        };
        let value = value.as_f64();
        if !self.options.exemplars {
            return;
        }
        let Some(series) = series(value) else { return };
        let own = millis(exemplar.time_unix_nano());
        let Self {
            symbols,
            labels,
            options,
            table,
            ..
        } = self;
        let ids: [(&'static [u8], &[u8]); 2] = [
            (b"trace_id", exemplar.trace_id().as_bytes()),
            (b"span_id", exemplar.span_id().as_bytes()),
        ];
        let labels = labels.exemplar(symbols, options, ids, exemplar.filtered_attributes());
        let time = if own == 0 { time } else { own };
        table.push_exemplar(series, labels, value, time);
    }

    pub(super) fn suffixed(&mut self, name: Symbol, suffix: &str) -> Symbol {
        self.text.clear();
        self.text.extend_from_slice(self.symbols.get(name));
        self.text.extend_from_slice(suffix.as_bytes());
        self.symbols.intern(&self.text)
    }

    /// The text of a bound or quantile: the shortest decimal, never with an exponent.
    pub(super) fn bound(&mut self, position: usize, bound: f64) -> Symbol {
        // Points of a metric nearly always have the same ones.
        if let Some((bits, text)) = self.bounds.get(position)
            && *bits == bound.to_bits()
        {
            return *text;
        }
        self.text.clear();
        let written = match bound {
            f64::INFINITY => self.text.write_all(b"+Inf"),
            f64::NEG_INFINITY => self.text.write_all(b"-Inf"),
            // A sign of zero would make a second series.
            0.0 => self.text.write_all(b"0"),
            _ => write!(self.text, "{bound}"),
        };
        debug_assert!(written.is_ok(), "memory takes all");
        let text = self.symbols.intern(&self.text);
        if position == self.bounds.len() {
            self.bounds.push((bound.to_bits(), text));
        } else if let Some(slot) = self.bounds.get_mut(position) {
            *slot = (bound.to_bits(), text);
        }
        text
    }

    /// Goes on to the next data point, which has these times.
    pub(super) fn moment(&mut self, time: u64, start: u64) -> Moment {
        Moment {
            time: if time == 0 { self.now } else { millis(time) },
            start: match (start, millis(start)) {
                (0, _) => 0,
                // Zero would mean that it is not known.
                (_, start) => start.max(1),
            },
            item: self.items.next(),
        }
    }

    pub(super) fn reject(&mut self, metric: Metric<'_>, item: u32, problem: &str) {
        if self.items.reject(item) {
            self.rejections
                .add(1, || format!("metric `{}`: {problem}", metric.name()));
        }
    }

    fn reject_metric(&mut self, metric: &Metric<'_>, data: MetricData<'_>, problem: &str) {
        let count = match data {
            MetricData::Gauge(gauge) => gauge.points().count(),
            MetricData::Sum(sum) => sum.points().count(),
            MetricData::Histogram(histogram) => histogram.points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.points().count(),
            MetricData::Summary(summary) => summary.points().count(),
        };
        for _ in 0..count {
            let item = self.items.next();
            self.reject(*metric, item, problem);
        }
    }
}

/// Nanoseconds to milliseconds, cut off.
const fn millis(nanos: u64) -> i64 {
    (nanos / 1_000_000).cast_signed()
}

pub(super) fn widen(span: &mut Span, time: i64) {
    *span = Some(match *span {
        None => (time, time),
        Some((earliest, latest)) => (earliest.min(time), latest.max(time)),
    });
}
