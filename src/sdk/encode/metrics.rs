//! Metrics and their data points.

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::{
    Temporality,
    data::{
        AggregatedMetrics, Exemplar, ExponentialBucket, ExponentialHistogram,
        ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, MetricData,
        ScopeMetrics, Sum,
    },
};

use super::{
    attributes::{attributes_len, put_attributes},
    nested::{field_len, put_double, put_fixed64, put_message, put_number, put_text},
    scopes::Scope,
    time::unix_nanos,
};
use crate::otlp::wire::{put_len_field, put_varint, put_varint_field};

/// The types of numbers that instruments have.
pub(super) trait Number: Copy {
    /// Writes the field of a oneof that carries it: a 64-bit integer or a double.
    fn put(self, out: &mut Vec<u8>, as_int: u32, as_double: u32);

    /// The same as a double: histograms know no other.
    fn as_double(self) -> f64;
}

impl Number for f64 {
    fn put(self, out: &mut Vec<u8>, _: u32, as_double: u32) {
        put_double(out, as_double, self);
    }

    fn as_double(self) -> f64 {
        self
    }
}

impl Number for i64 {
    fn put(self, out: &mut Vec<u8>, as_int: u32, _: u32) {
        put_fixed64(out, as_int, self.cast_unsigned());
    }

    fn as_double(self) -> f64 {
        self as f64
    }
}

impl Number for u64 {
    fn put(self, out: &mut Vec<u8>, as_int: u32, as_double: u32) {
        match i64::try_from(self) {
            Ok(value) => value.put(out, as_int, as_double),
            // OTLP's integers have a sign and end here. The size of the number matters more than
            // its last digits.
            Err(_) => put_double(out, as_double, self.as_double()),
        }
    }

    fn as_double(self) -> f64 {
        self as f64
    }
}

/// What is written for one scope: about how many bytes, and how many data points.
pub(super) struct Sizes {
    pub(super) bytes: usize,
    pub(super) points: u64,
}

/// Looks through a scope's metrics before they are written.
pub(super) fn scope_sizes(scope: &ScopeMetrics) -> Sizes {
    let mut sizes = Sizes {
        bytes: Scope::new(scope.scope()).len() + 16,
        points: 0,
    };
    for metric in scope.metrics() {
        let (data, points) = data_sizes(metric);
        sizes.bytes += field_len(names_len(metric) + field_len(data));
        sizes.points += points;
    }
    sizes
}

/// Writes the body of a `ScopeMetrics`.
pub(super) fn put_scope(out: &mut Vec<u8>, scope: &ScopeMetrics) {
    let header = Scope::new(scope.scope());
    header.put(out);
    for metric in scope.metrics() {
        let (data, _) = data_sizes(metric);
        let expected = names_len(metric) + field_len(data);
        put_message(out, 2, expected, |out| put_metric(out, metric, data));
    }
    put_text(out, 3, header.schema_url());
}

/// Writes the body of a `Metric` with data of about `expected` bytes.
fn put_metric(out: &mut Vec<u8>, metric: &Metric, expected: usize) {
    put_text(out, 1, metric.name());
    put_text(out, 2, metric.description());
    put_text(out, 3, metric.unit());
    match metric.data() {
        AggregatedMetrics::F64(data) => put_data(out, data, expected),
        AggregatedMetrics::U64(data) => put_data(out, data, expected),
        AggregatedMetrics::I64(data) => put_data(out, data, expected),
    }
}

fn names_len(metric: &Metric) -> usize {
    field_len(metric.name().len())
        + field_len(metric.description().len())
        + field_len(metric.unit().len())
}

fn put_data<T: Number>(out: &mut Vec<u8>, data: &MetricData<T>, expected: usize) {
    match data {
        MetricData::Gauge(gauge) => put_message(out, 5, expected, |out| put_gauge(out, gauge)),
        MetricData::Sum(sum) => put_message(out, 7, expected, |out| put_sum(out, sum)),
        MetricData::Histogram(histogram) => {
            put_message(out, 9, expected, |out| put_histogram(out, histogram));
        }
        MetricData::ExponentialHistogram(histogram) => {
            put_message(out, 10, expected, |out| {
                put_exponential_histogram(out, histogram);
            });
        }
    }
}

/// About how many bytes a metric's data takes, and how many points are in it.
fn data_sizes(metric: &Metric) -> (usize, u64) {
    match metric.data() {
        AggregatedMetrics::F64(data) => points_sizes(data),
        AggregatedMetrics::U64(data) => points_sizes(data),
        AggregatedMetrics::I64(data) => points_sizes(data),
    }
}

fn points_sizes<T: Number>(data: &MetricData<T>) -> (usize, u64) {
    fn sum(lengths: impl Iterator<Item = usize>) -> (usize, u64) {
        lengths.fold((4, 0), |(bytes, points), length| {
            (bytes + field_len(length), points + 1)
        })
    }
    match data {
        MetricData::Gauge(gauge) => sum(gauge
            .data_points()
            .map(|point| number_len(point.attributes(), point.exemplars()))),
        MetricData::Sum(data) => sum(data
            .data_points()
            .map(|point| number_len(point.attributes(), point.exemplars()))),
        MetricData::Histogram(histogram) => sum(histogram.data_points().map(histogram_len)),
        MetricData::ExponentialHistogram(histogram) => {
            sum(histogram.data_points().map(exponential_len))
        }
    }
}

/// Start and time, the same for all points of a metric.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    end: u64,
}

impl Times {
    /// Writes fields 2 and 3 of every kind of point.
    fn put(self, out: &mut Vec<u8>) {
        put_number(out, 2, self.start);
        put_number(out, 3, self.end);
    }
}

fn put_gauge<T: Number>(out: &mut Vec<u8>, gauge: &Gauge<T>) {
    let times = Times {
        start: gauge.start_time().map_or(0, unix_nanos),
        end: unix_nanos(gauge.time()),
    };
    for point in gauge.data_points() {
        let expected = number_len(point.attributes(), point.exemplars());
        put_message(out, 1, expected, |out| {
            times.put(out);
            point.value().put(out, 6, 4);
            put_exemplars(out, 5, point.exemplars());
            put_attributes(out, 7, point.attributes());
        });
    }
}

fn put_sum<T: Number>(out: &mut Vec<u8>, sum: &Sum<T>) {
    let times = Times {
        start: unix_nanos(sum.start_time()),
        end: unix_nanos(sum.time()),
    };
    for point in sum.data_points() {
        let expected = number_len(point.attributes(), point.exemplars());
        put_message(out, 1, expected, |out| {
            times.put(out);
            point.value().put(out, 6, 4);
            put_exemplars(out, 5, point.exemplars());
            put_attributes(out, 7, point.attributes());
        });
    }
    put_temporality(out, sum.temporality());
    if sum.is_monotonic() {
        put_varint_field(out, 3, 1);
    }
}

fn number_len<'a, T: Number + 'a>(
    attributes: impl Iterator<Item = &'a KeyValue>,
    exemplars: impl Iterator<Item = &'a Exemplar<T>>,
) -> usize {
    27 + attributes_len(attributes) + exemplars_len(exemplars)
}

fn put_histogram<T: Number>(out: &mut Vec<u8>, histogram: &Histogram<T>) {
    let times = Times {
        start: unix_nanos(histogram.start_time()),
        end: unix_nanos(histogram.time()),
    };
    for point in histogram.data_points() {
        put_message(out, 1, histogram_len(point), |out| {
            times.put(out);
            put_number(out, 4, point.count());
            put_double(out, 5, point.sum().as_double());
            put_packed_fixed64(out, 6, point.bucket_counts());
            put_packed_fixed64(out, 7, point.bounds().map(f64::to_bits));
            put_exemplars(out, 8, point.exemplars());
            put_attributes(out, 9, point.attributes());
            put_extremes(out, 11, [point.min(), point.max()]);
        });
    }
    put_temporality(out, histogram.temporality());
}

fn histogram_len<T: Number>(point: &HistogramDataPoint<T>) -> usize {
    54 + field_len(8 * point.bucket_counts().size_hint().0)
        + field_len(8 * point.bounds().size_hint().0)
        + attributes_len(point.attributes())
        + exemplars_len(point.exemplars())
}

fn put_exponential_histogram<T: Number>(out: &mut Vec<u8>, histogram: &ExponentialHistogram<T>) {
    let times = Times {
        start: unix_nanos(histogram.start_time()),
        end: unix_nanos(histogram.time()),
    };
    for point in histogram.data_points() {
        put_message(out, 1, exponential_len(point), |out| {
            put_attributes(out, 1, point.attributes());
            times.put(out);
            put_number(out, 4, point.count() as u64);
            put_double(out, 5, point.sum().as_double());
            put_zigzag(out, 6, point.scale().into());
            put_number(out, 7, point.zero_count());
            put_buckets(out, 8, point.positive_bucket());
            put_buckets(out, 9, point.negative_bucket());
            put_exemplars(out, 11, point.exemplars());
            put_extremes(out, 12, [point.min(), point.max()]);
            if point.zero_threshold().to_bits() != 0 {
                put_double(out, 14, point.zero_threshold());
            }
        });
    }
    put_temporality(out, histogram.temporality());
}

fn exponential_len<T: Number>(point: &ExponentialHistogramDataPoint<T>) -> usize {
    74 + field_len(buckets_len(point.positive_bucket()))
        + field_len(buckets_len(point.negative_bucket()))
        + attributes_len(point.attributes())
        + exemplars_len(point.exemplars())
}

/// Writes one side of an exponential histogram, unless nothing fell there.
fn put_buckets(out: &mut Vec<u8>, number: u32, buckets: &ExponentialBucket) {
    if buckets.offset() == 0 && buckets.counts().next().is_none() {
        return;
    }
    put_message(out, number, buckets_len(buckets), |out| {
        put_zigzag(out, 1, buckets.offset());
        let mut counts = buckets.counts().peekable();
        if counts.peek().is_some() {
            put_message(out, 2, counts.size_hint().0, |out| {
                counts.for_each(|count| put_varint(out, count));
            });
        }
    });
}

fn buckets_len(buckets: &ExponentialBucket) -> usize {
    // Most counts are below 128.
    6 + field_len(buckets.counts().size_hint().0)
}

/// Writes the smallest and the largest value, if they were recorded, zero too.
fn put_extremes<T: Number>(out: &mut Vec<u8>, min: u32, values: [Option<T>; 2]) {
    for (number, value) in (min..).zip(values) {
        if let Some(value) = value {
            put_double(out, number, value.as_double());
        }
    }
}

fn put_packed_fixed64(out: &mut Vec<u8>, number: u32, values: impl Iterator<Item = u64>) {
    let mut values = values.peekable();
    if values.peek().is_some() {
        put_message(out, number, 8 * values.size_hint().0, |out| {
            values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        });
    }
}

/// Writes a `sint32`, unless it is zero.
fn put_zigzag(out: &mut Vec<u8>, number: u32, value: i32) {
    if value != 0 {
        let zigzag = (value << 1) ^ (value >> 31);
        put_varint_field(out, number, zigzag.cast_unsigned().into());
    }
}

fn put_temporality(out: &mut Vec<u8>, temporality: Temporality) {
    let number = match temporality {
        Temporality::Delta => 1,
        // `LowMemory` is a preference, and no data has it.
        _ => 2,
    };
    put_varint_field(out, 2, number);
}

fn put_exemplars<'a, T: Number + 'a>(
    out: &mut Vec<u8>,
    number: u32,
    exemplars: impl Iterator<Item = &'a Exemplar<T>>,
) {
    for exemplar in exemplars {
        put_message(out, number, exemplar_len(exemplar), |out| {
            put_number(out, 2, unix_nanos(exemplar.time()));
            put_sampled(out, exemplar.value, exemplar.span_id(), exemplar.trace_id());
            put_attributes(out, 7, exemplar.filtered_attributes());
        });
    }
}

/// Writes the value of an exemplar and where it was measured.
fn put_sampled<T: Number>(out: &mut Vec<u8>, value: T, span_id: &[u8; 8], trace_id: &[u8; 16]) {
    value.put(out, 6, 3);
    // All zeros stand for no span.
    if *span_id != [0; 8] {
        put_len_field(out, 4, span_id);
    }
    if *trace_id != [0; 16] {
        put_len_field(out, 5, trace_id);
    }
}

fn exemplars_len<'a, T: Number + 'a>(exemplars: impl Iterator<Item = &'a Exemplar<T>>) -> usize {
    exemplars
        .map(|exemplar| field_len(exemplar_len(exemplar)))
        .sum()
}

fn exemplar_len<T>(exemplar: &Exemplar<T>) -> usize {
    46 + attributes_len(exemplar.filtered_attributes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SDK records no exemplars yet, and theirs is a type that nobody else can make.
    #[test]
    fn exemplars_carry_their_span() {
        let put = |span_id, trace_id| {
            let mut out = Vec::new();
            put_sampled(&mut out, -1_i64, span_id, trace_id);
            put_sampled(&mut out, 0.5, &[0; 8], &[0; 16]);
            out
        };
        let mut expected = vec![6 << 3 | 1];
        expected.extend_from_slice(&[0xff; 8]);
        expected.extend_from_slice(&[4 << 3 | 2, 8]);
        expected.extend_from_slice(&[7; 8]);
        expected.extend_from_slice(&[5 << 3 | 2, 16]);
        expected.extend_from_slice(&[9; 16]);
        expected.push(3 << 3 | 1);
        expected.extend_from_slice(&0.5_f64.to_le_bytes());
        assert_eq!(put(&[7; 8], &[9; 16]), expected);
    }
}
