//! Metrics and their data points.

use crate::otlp::{
    AggregationTemporality, Buckets, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint,
    Metric, MetricData, Number, NumberDataPoint, QuantileValue, SummaryDataPoint,
    views::{Repeated, View},
};

use super::{
    super::{
        double,
        write::{
            counts_field, double_field, doubles_field, id_field, key, list_field, long, long_field,
            name, short_field, text_field,
        },
    },
    attributes_field,
};

pub(super) fn metric(out: &mut Vec<u8>, metric: Metric<'_>) {
    out.push(b'{');
    text_field(out, key!("name"), metric.name());
    text_field(out, key!("description"), metric.description());
    text_field(out, key!("unit"), metric.unit());
    match metric.data() {
        None => {}
        Some(MetricData::Gauge(gauge)) => {
            name(out, key!("gauge"));
            points(out, gauge.points(), number_point);
            out.push(b'}');
        }
        Some(MetricData::Sum(sum)) => {
            name(out, key!("sum"));
            points(out, sum.points(), number_point);
            temporality(out, sum.temporality());
            if sum.is_monotonic() {
                name(out, key!("isMonotonic"));
                out.extend_from_slice(b"true");
            }
            out.push(b'}');
        }
        Some(MetricData::Histogram(histogram)) => {
            name(out, key!("histogram"));
            points(out, histogram.points(), histogram_point);
            temporality(out, histogram.temporality());
            out.push(b'}');
        }
        Some(MetricData::ExponentialHistogram(histogram)) => {
            name(out, key!("exponentialHistogram"));
            points(out, histogram.points(), exponential_point);
            temporality(out, histogram.temporality());
            out.push(b'}');
        }
        Some(MetricData::Summary(summary)) => {
            name(out, key!("summary"));
            points(out, summary.points(), summary_point);
            out.push(b'}');
        }
    }
    attributes_field(out, key!("metadata"), metric.metadata());
    out.push(b'}');
}

/// Opens the object of a metric's data and writes its points.
fn points<'a, T: View<'a>>(
    out: &mut Vec<u8>,
    points: Repeated<'a, T>,
    point: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'{');
    list_field(out, key!("dataPoints"), points, point);
}

fn temporality(out: &mut Vec<u8>, temporality: AggregationTemporality) {
    short_field(out, key!("aggregationTemporality"), temporality.0);
}

/// Writes the value of a point or an exemplar.
fn number(out: &mut Vec<u8>, value: Option<Number>) {
    match value {
        None => {}
        Some(Number::Double(value)) => {
            name(out, key!("asDouble"));
            double::encode(out, value);
        }
        Some(Number::Int(value)) => {
            name(out, key!("asInt"));
            long(out, value);
        }
    }
}

/// A double that is left out if it is 0; negative zero is another number, and written.
fn unless_zero(value: f64) -> Option<f64> {
    (value.to_bits() != 0).then_some(value)
}

fn number_point(out: &mut Vec<u8>, point: NumberDataPoint<'_>) {
    out.push(b'{');
    attributes_field(out, key!("attributes"), point.attributes());
    long_field(out, key!("startTimeUnixNano"), point.start_time_unix_nano());
    long_field(out, key!("timeUnixNano"), point.time_unix_nano());
    number(out, point.value());
    list_field(out, key!("exemplars"), point.exemplars(), exemplar);
    short_field(out, key!("flags"), point.flags());
    out.push(b'}');
}

fn histogram_point(out: &mut Vec<u8>, point: HistogramDataPoint<'_>) {
    out.push(b'{');
    attributes_field(out, key!("attributes"), point.attributes());
    long_field(out, key!("startTimeUnixNano"), point.start_time_unix_nano());
    long_field(out, key!("timeUnixNano"), point.time_unix_nano());
    long_field(out, key!("count"), point.count());
    double_field(out, key!("sum"), point.sum());
    counts_field(out, key!("bucketCounts"), point.bucket_counts());
    doubles_field(out, key!("explicitBounds"), point.explicit_bounds());
    list_field(out, key!("exemplars"), point.exemplars(), exemplar);
    short_field(out, key!("flags"), point.flags());
    double_field(out, key!("min"), point.min());
    double_field(out, key!("max"), point.max());
    out.push(b'}');
}

fn exponential_point(out: &mut Vec<u8>, point: ExponentialHistogramDataPoint<'_>) {
    out.push(b'{');
    attributes_field(out, key!("attributes"), point.attributes());
    long_field(out, key!("startTimeUnixNano"), point.start_time_unix_nano());
    long_field(out, key!("timeUnixNano"), point.time_unix_nano());
    long_field(out, key!("count"), point.count());
    double_field(out, key!("sum"), point.sum());
    short_field(out, key!("scale"), point.scale());
    long_field(out, key!("zeroCount"), point.zero_count());
    name(out, key!("positive"));
    buckets(out, point.positive());
    name(out, key!("negative"));
    buckets(out, point.negative());
    short_field(out, key!("flags"), point.flags());
    list_field(out, key!("exemplars"), point.exemplars(), exemplar);
    double_field(out, key!("min"), point.min());
    double_field(out, key!("max"), point.max());
    double_field(
        out,
        key!("zeroThreshold"),
        unless_zero(point.zero_threshold()),
    );
    out.push(b'}');
}

fn buckets(out: &mut Vec<u8>, buckets: Option<Buckets<'_>>) {
    out.push(b'{');
    if let Some(buckets) = buckets {
        short_field(out, key!("offset"), buckets.offset());
        counts_field(out, key!("bucketCounts"), buckets.bucket_counts());
    }
    out.push(b'}');
}

fn summary_point(out: &mut Vec<u8>, point: SummaryDataPoint<'_>) {
    out.push(b'{');
    attributes_field(out, key!("attributes"), point.attributes());
    long_field(out, key!("startTimeUnixNano"), point.start_time_unix_nano());
    long_field(out, key!("timeUnixNano"), point.time_unix_nano());
    long_field(out, key!("count"), point.count());
    double_field(out, key!("sum"), unless_zero(point.sum()));
    list_field(
        out,
        key!("quantileValues"),
        point.quantile_values(),
        quantile_value,
    );
    short_field(out, key!("flags"), point.flags());
    out.push(b'}');
}

fn quantile_value(out: &mut Vec<u8>, value: QuantileValue<'_>) {
    out.push(b'{');
    double_field(out, key!("quantile"), unless_zero(value.quantile()));
    double_field(out, key!("value"), unless_zero(value.value()));
    out.push(b'}');
}

fn exemplar(out: &mut Vec<u8>, exemplar: Exemplar<'_>) {
    out.push(b'{');
    attributes_field(
        out,
        key!("filteredAttributes"),
        exemplar.filtered_attributes(),
    );
    long_field(out, key!("timeUnixNano"), exemplar.time_unix_nano());
    number(out, exemplar.value());
    id_field(out, key!("spanId"), exemplar.span_id().as_bytes());
    id_field(out, key!("traceId"), exemplar.trace_id().as_bytes());
    out.push(b'}');
}
