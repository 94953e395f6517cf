//! The value of a data point as the value of a field.

use super::super::value::{float, integer};
use crate::otlp::views::{
    AggregationTemporality, AnyValue, Attributes, Buckets, ExponentialHistogram,
    ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Number, NumberDataPoint, Sum,
    SummaryDataPoint,
};

/// Why a point has no form.
pub(super) type Fault = &'static str;

const NOT_FINITE: Fault = "a value that is not finite, which JSON has no number for";
const NO_VALUE: Fault = "a data point without a value";
const CUMULATIVE: Fault =
    "a histogram with cumulative temporality, which cannot be stored: use delta";
const ODD_BUCKETS: Fault = "a histogram whose buckets do not fit its bounds";
const NO_SUM: Fault = "a histogram that has neither buckets nor a sum";

/// A value that can be written.
pub(super) enum Sample<'a> {
    Gauge(Finite),
    Counter(Finite),
    Summary { sum: f64, count: u64 },
    Histogram(HistogramDataPoint<'a>),
    Exponential(ExponentialHistogramDataPoint<'a>),
}

/// A number that JSON has.
#[derive(Clone, Copy)]
pub(super) enum Finite {
    Int(i64),
    Double(f64),
}

impl Finite {
    fn of(point: &NumberDataPoint<'_>) -> Result<Self, Fault> {
        match point.value() {
            None => Err(NO_VALUE),
            Some(Number::Int(value)) => Ok(Self::Int(value)),
            Some(Number::Double(value)) if value.is_finite() => Ok(Self::Double(value)),
            Some(Number::Double(_)) => Err(NOT_FINITE),
        }
    }

    pub(super) const fn either(self, int: &'static str, double: &'static str) -> &'static str {
        match self {
            Self::Int(_) => int,
            Self::Double(_) => double,
        }
    }
}

/// What `elasticsearch.mapping.hints` asks for.
#[derive(Clone, Copy, Default)]
pub(super) struct Hints {
    /// Write the number of values of a histogram or a summary as `_doc_count`.
    pub(super) doc_count: bool,
    /// Write sum and count of a histogram instead of its buckets.
    pub(super) aggregate: bool,
}

impl Hints {
    pub(super) fn of(attributes: Attributes<'_>) -> Self {
        let mut this = Self::default();
        if let Some(AnyValue::Array(hints)) = attributes.get("elasticsearch.mapping.hints") {
            for hint in hints.iter() {
                match hint.as_str() {
                    Some("_doc_count") => this.doc_count = true,
                    Some("aggregate_metric_double") => this.aggregate = true,
                    _ => {}
                }
            }
        }
        this
    }
}

impl<'a> Sample<'a> {
    pub(super) fn gauge(point: &NumberDataPoint<'_>) -> Result<Self, Fault> {
        Finite::of(point).map(Self::Gauge)
    }

    pub(super) fn sum(sum: &Sum<'_>, point: &NumberDataPoint<'_>) -> Result<Self, Fault> {
        let is_counter =
            sum.is_monotonic() && sum.temporality() == AggregationTemporality::CUMULATIVE;
        let value = Finite::of(point)?;
        Ok(if is_counter {
            Self::Counter(value)
        } else {
            Self::Gauge(value)
        })
    }

    pub(super) fn histogram(
        histogram: &Histogram<'_>,
        point: &HistogramDataPoint<'a>,
    ) -> Result<Self, Fault> {
        if histogram.temporality() == AggregationTemporality::CUMULATIVE {
            return Err(CUMULATIVE);
        }
        let (counts, bounds) = (point.bucket_counts(), point.explicit_bounds());
        if point.sum().is_some_and(|sum| !sum.is_finite()) {
            return Err(NOT_FINITE);
        }
        if bounds.is_empty() && counts.len() <= 1 {
            return match point.sum() {
                None if point.count() > 0 => Err(NO_SUM),
                _ => Ok(Self::Histogram(*point)),
            };
        }
        if counts.len() != bounds.len() + 1 {
            return Err(ODD_BUCKETS);
        }
        if bounds.into_iter().any(|bound| !bound.is_finite()) {
            return Err(NOT_FINITE);
        }
        Ok(Self::Histogram(*point))
    }

    pub(super) fn exponential(
        histogram: &ExponentialHistogram<'_>,
        point: &ExponentialHistogramDataPoint<'a>,
    ) -> Result<Self, Fault> {
        if histogram.temporality() == AggregationTemporality::CUMULATIVE {
            return Err(CUMULATIVE);
        }
        if point.sum().is_some_and(|sum| !sum.is_finite()) {
            return Err(NOT_FINITE);
        }
        Ok(Self::Exponential(*point))
    }

    pub(super) fn summary(point: &SummaryDataPoint<'_>) -> Result<Self, Fault> {
        if !point.sum().is_finite() {
            return Err(NOT_FINITE);
        }
        Ok(Self::Summary {
            sum: point.sum(),
            count: point.count(),
        })
    }

    /// How many values it sums up.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Gauge(_) | Self::Counter(_) => None,
            Self::Summary { count, .. } => Some(*count),
            Self::Histogram(point) => Some(point.count()),
            Self::Exponential(point) => Some(point.count()),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, hints: Hints) {
        match self {
            Self::Gauge(Finite::Int(value)) | Self::Counter(Finite::Int(value)) => {
                integer(out, *value);
            }
            Self::Gauge(Finite::Double(value)) | Self::Counter(Finite::Double(value)) => {
                float(out, *value);
            }
            Self::Summary { sum, count } => aggregate(out, *sum, *count),
            Self::Histogram(point) if hints.aggregate => {
                aggregate(out, point.sum().unwrap_or_default(), point.count());
            }
            Self::Exponential(point) if hints.aggregate => {
                aggregate(out, point.sum().unwrap_or_default(), point.count());
            }
            Self::Histogram(point) => explicit(out, point),
            Self::Exponential(point) => exponential(out, point),
        }
    }
}

fn aggregate(out: &mut Vec<u8>, sum: f64, count: u64) {
    out.extend_from_slice(b"{\"sum\":");
    float(out, sum);
    out.extend_from_slice(b",\"value_count\":");
    integer(out, count);
    out.push(b'}');
}

/// Writes counts and values of the buckets that are not empty.
fn buckets(out: &mut Vec<u8>, buckets: impl Iterator<Item = (u64, f64)> + Clone) {
    let filled = buckets.filter(|(count, _)| *count > 0);
    let mut list = |key: &[u8], each: fn(&mut Vec<u8>, (u64, f64))| {
        out.extend_from_slice(key);
        for (position, bucket) in filled.clone().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            each(out, bucket);
        }
        out.push(b']');
    };
    list(b"{\"counts\":[", |out, (count, _)| integer(out, count));
    list(b",\"values\":[", |out, (_, value)| float(out, value));
    out.push(b'}');
}

fn middle(low: f64, high: f64) -> f64 {
    let sum = low + high;
    if sum.is_finite() {
        sum / 2.0
    } else {
        low / 2.0 + high / 2.0
    }
}

fn explicit(out: &mut Vec<u8>, point: &HistogramDataPoint<'_>) {
    let (counts, bounds) = (point.bucket_counts(), point.explicit_bounds());
    let Some(first) = { bounds }.next() else {
        let mean = point.sum().unwrap_or_default() / point.count().max(1) as f64;
        return buckets(out, std::iter::once((point.count(), mean)));
    };
    // Half of the first bound if that is above zero: the bucket begins at zero then.
    let lowest = if first > 0.0 { first / 2.0 } else { first };
    let between = bounds
        .zip(bounds.skip(1))
        .map(|(low, high)| middle(low, high));
    let last = bounds.last().unwrap_or(first);
    let values = std::iter::once(lowest)
        .chain(between)
        .chain(std::iter::once(last));
    buckets(out, counts.zip(values));
}

/// The lower bound of a bucket: `2 ** (index * 2 ** -scale)`, within what a double can say.
fn lower_bound(index: i64, scale: i32) -> f64 {
    if index == 0 {
        return 1.0;
    }
    let bound = (index as f64 * (-f64::from(scale)).exp2()).exp2();
    if bound.is_finite() { bound } else { f64::MAX }
}

/// Counts and middles of the buckets of one sign.
fn half(half: Buckets<'_>, scale: i32) -> impl Iterator<Item = (u64, f64)> + Clone {
    let offset = i64::from(half.offset());
    (offset..)
        .zip(half.bucket_counts())
        .map(move |(index, count)| {
            // Empty ones are not written.
            let value = match count {
                0 => 0.0,
                _ => middle(lower_bound(index, scale), lower_bound(index + 1, scale)),
            };
            (count, value)
        })
}

fn exponential(out: &mut Vec<u8>, point: &ExponentialHistogramDataPoint<'_>) {
    let scale = point.scale();
    // From the least to the greatest, as the server wants them. Negative values are rare.
    let mut negative: Vec<(u64, f64)> = Vec::new();
    if let Some(of) = point.negative() {
        negative.extend(half(of, scale).map(|(count, value)| (count, -value)));
    }
    let positive = point.positive().map(|of| half(of, scale));
    let zero = std::iter::once((point.zero_count(), 0.0));
    let negative = negative.iter().rev().copied();
    buckets(
        out,
        negative.chain(zero).chain(positive.into_iter().flatten()),
    );
}
