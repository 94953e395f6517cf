//! Metrics and their data points.

use super::{super::exponential_buckets, ARROW, DEEP_ARROW, attributes, line, named, string, time};
use crate::exporters::console::format::text::Text;
use crate::otlp::{
    AggregationTemporality, Attributes, Exemplar, ExponentialHistogramDataPoint,
    HistogramDataPoint, Metric, MetricData, Number, NumberDataPoint, Repeated, SummaryDataPoint,
};

pub(super) fn metric(text: &mut Text, index: usize, metric: &Metric<'_>) {
    line(text, "Metric #", index);
    text.raw("Descriptor:\n");
    string(text, "     -> Name: ", metric.name());
    string(text, "     -> Description: ", metric.description());
    string(text, "     -> Unit: ", metric.unit());
    let data = metric.data();
    let kind = match data {
        Some(MetricData::Gauge(_)) => "Gauge",
        Some(MetricData::Sum(_)) => "Sum",
        Some(MetricData::Histogram(_)) => "Histogram",
        Some(MetricData::ExponentialHistogram(_)) => "ExponentialHistogram",
        Some(MetricData::Summary(_)) => "Summary",
        None => "Empty",
    };
    line(text, "     -> DataType: ", kind);
    match data {
        Some(MetricData::Gauge(data)) => each(text, data.points(), number),
        Some(MetricData::Sum(data)) => {
            line(text, "     -> IsMonotonic: ", data.is_monotonic());
            temporality(text, data.temporality());
            each(text, data.points(), number);
        }
        Some(MetricData::Histogram(data)) => {
            temporality(text, data.temporality());
            each(text, data.points(), histogram);
        }
        Some(MetricData::ExponentialHistogram(data)) => {
            temporality(text, data.temporality());
            each(text, data.points(), exponential);
        }
        Some(MetricData::Summary(data)) => each(text, data.points(), summary),
        None => {}
    }
}

fn each<'a, T: crate::otlp::views::View<'a>>(
    text: &mut Text,
    points: Repeated<'a, T>,
    write: fn(&mut Text, usize, &T),
) {
    for (index, point) in points.enumerate() {
        write(text, index, &point);
    }
}

fn temporality(text: &mut Text, AggregationTemporality(value): AggregationTemporality) {
    text.raw("     -> AggregationTemporality: ");
    named(text, &["Unspecified", "Delta", "Cumulative"], value);
    text.end_line();
}

/// What all kinds of points have.
fn head(text: &mut Text, labels: Attributes<'_>, start: u64, taken: u64) {
    attributes(text, "Data point attributes:", ARROW, labels);
    time(text, "StartTimestamp: ", start);
    time(text, "Timestamp: ", taken);
}

fn fixed(text: &mut Text, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        text.raw(name);
        text.fixed(value);
        text.end_line();
    }
}

fn value(text: &mut Text, name: &str, value: Option<Number>) {
    match value {
        Some(Number::Int(value)) => line(text, name, value),
        Some(Number::Double(value)) => fixed(text, name, Some(value)),
        None => {}
    }
}

fn number(text: &mut Text, index: usize, point: &NumberDataPoint<'_>) {
    line(text, "NumberDataPoints #", index);
    let (start, taken) = (point.start_time_unix_nano(), point.time_unix_nano());
    head(text, point.attributes(), start, taken);
    value(text, "Value: ", point.value());
    exemplars(text, point.exemplars());
}

fn histogram(text: &mut Text, index: usize, point: &HistogramDataPoint<'_>) {
    line(text, "HistogramDataPoints #", index);
    let (start, taken) = (point.start_time_unix_nano(), point.time_unix_nano());
    head(text, point.attributes(), start, taken);
    line(text, "Count: ", point.count());
    fixed(text, "Sum: ", point.sum());
    fixed(text, "Min: ", point.min());
    fixed(text, "Max: ", point.max());
    for (index, bound) in point.explicit_bounds().enumerate() {
        text.show(format_args!("ExplicitBounds #{index}: "));
        fixed(text, "", Some(bound));
    }
    for (index, count) in point.bucket_counts().enumerate() {
        line(text, "Buckets #", format_args!("{index}, Count: {count}"));
    }
    exemplars(text, point.exemplars());
}

fn exponential(text: &mut Text, index: usize, point: &ExponentialHistogramDataPoint<'_>) {
    line(text, "ExponentialHistogramDataPoints #", index);
    let (start, taken) = (point.start_time_unix_nano(), point.time_unix_nano());
    head(text, point.attributes(), start, taken);
    line(text, "Count: ", point.count());
    fixed(text, "Sum: ", point.sum());
    fixed(text, "Min: ", point.min());
    fixed(text, "Max: ", point.max());
    if let Some(negative) = point.negative() {
        let mut buckets: Vec<_> = exponential_buckets(negative, point.scale()).collect();
        // From the lowest value upwards.
        buckets.reverse();
        for (lower, upper, count) in buckets {
            bucket(text, ("Bucket [", "), Count: "), (-upper, -lower), count);
        }
    }
    if point.zero_count() != 0 {
        line(text, "Bucket [0, 0], Count: ", point.zero_count());
    }
    if let Some(positive) = point.positive() {
        for (lower, upper, count) in exponential_buckets(positive, point.scale()) {
            bucket(text, ("Bucket (", "], Count: "), (lower, upper), count);
        }
    }
    exemplars(text, point.exemplars());
}

fn bucket(text: &mut Text, (open, close): (&str, &str), (lower, upper): (f64, f64), count: u64) {
    text.raw(open);
    text.fixed(lower);
    text.raw(", ");
    text.fixed(upper);
    line(text, close, count);
}

fn summary(text: &mut Text, index: usize, point: &SummaryDataPoint<'_>) {
    line(text, "SummaryDataPoints #", index);
    let (start, taken) = (point.start_time_unix_nano(), point.time_unix_nano());
    head(text, point.attributes(), start, taken);
    line(text, "Count: ", point.count());
    fixed(text, "Sum: ", Some(point.sum()));
    for (index, quantile) in point.quantile_values().enumerate() {
        text.show(format_args!("QuantileValue #{index}: Quantile "));
        text.fixed(quantile.quantile());
        fixed(text, ", Value ", Some(quantile.value()));
    }
}

fn exemplars<'a>(text: &mut Text, exemplars: Repeated<'a, Exemplar<'a>>) {
    for (index, exemplar) in exemplars.enumerate() {
        if index == 0 {
            text.raw("Exemplars:\n");
        }
        line(text, "Exemplar #", index);
        line(text, "     -> Trace ID: ", exemplar.trace_id());
        line(text, "     -> Span ID: ", exemplar.span_id());
        time(text, "     -> Timestamp: ", exemplar.time_unix_nano());
        value(text, "     -> Value: ", exemplar.value());
        let title = "     -> FilteredAttributes:";
        attributes(text, title, DEEP_ARROW, exemplar.filtered_attributes());
    }
}
