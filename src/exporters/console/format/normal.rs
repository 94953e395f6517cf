//! About one line an item.

use super::{Text, exponential_buckets, walk};
use crate::{
    ExportRequest,
    otlp::{
        Attributes, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData, Number,
        NumberDataPoint, ResourceGroup, ScopeGroup, SummaryDataPoint,
    },
};

pub(super) fn write(text: &mut Text, request: &ExportRequest) {
    if let Some(traces) = request.traces() {
        let names = Names::new("ResourceTraces #", "ScopeTraces #");
        walk(
            text,
            traces,
            names.resource(),
            names.scope(),
            |text, _, span| {
                text.text(span.name());
                text.raw(" ");
                text.show(span.trace_id());
                text.raw(" ");
                text.show(span.span_id());
                text.pairs(span.attributes(), " ", " ");
                text.end_line();
            },
        );
    } else if let Some(metrics) = request.metrics() {
        let names = Names::new("ResourceMetrics #", "ScopeMetrics #");
        walk(
            text,
            metrics,
            names.resource(),
            names.scope(),
            |text, _, one| metric(text, one),
        );
    } else if let Some(logs) = request.logs() {
        let names = Names::new("ResourceLog #", "ScopeLog #");
        walk(
            text,
            logs,
            names.resource(),
            names.scope(),
            |text, _, record| {
                text.value(record.body());
                // The blank stands there without attributes, too.
                text.raw(" ");
                text.pairs(record.attributes(), "", " ");
                text.end_line();
            },
        );
    }
}

/// What groups of this signal are called.
#[derive(Clone, Copy)]
struct Names {
    resource: &'static str,
    scope: &'static str,
}

impl Names {
    const fn new(resource: &'static str, scope: &'static str) -> Self {
        Self { resource, scope }
    }

    fn resource<T>(self) -> impl Fn(&mut Text, usize, &ResourceGroup<'_, T>) {
        move |text, index, group| {
            text.raw(self.resource);
            text.show(index);
            if !group.schema_url().is_empty() {
                text.raw(" [");
                text.text(group.schema_url());
                text.raw("]");
            }
            text.pairs(group.attributes(), " ", " ");
            text.end_line();
        }
    }

    fn scope<T>(self) -> impl Fn(&mut Text, usize, &ScopeGroup<'_, T>) {
        move |text, index, group| {
            let scope = group.scope();
            text.raw(self.scope);
            text.show(index);
            if !scope.name().is_empty() {
                text.raw(" ");
                text.text(scope.name());
            }
            if !scope.version().is_empty() {
                text.raw("@");
                text.text(scope.version());
            }
            if !group.schema_url().is_empty() {
                text.raw(" [");
                text.text(group.schema_url());
                text.raw("]");
            }
            text.pairs(scope.attributes(), " ", " ");
            text.end_line();
        }
    }
}

fn metric(text: &mut Text, metric: &Metric<'_>) {
    match metric.data() {
        Some(MetricData::Gauge(gauge)) => {
            gauge
                .points()
                .for_each(|point| number(text, metric, &point));
        }
        Some(MetricData::Sum(sum)) => {
            sum.points().for_each(|point| number(text, metric, &point));
        }
        Some(MetricData::Histogram(data)) => {
            data.points()
                .for_each(|point| histogram(text, metric, &point));
        }
        Some(MetricData::ExponentialHistogram(data)) => {
            data.points()
                .for_each(|point| exponential(text, metric, &point));
        }
        Some(MetricData::Summary(data)) => {
            data.points()
                .for_each(|point| summary(text, metric, &point));
        }
        None => {}
    }
}

/// `name{k=v,k=v} `
fn series(text: &mut Text, metric: &Metric<'_>, attributes: Attributes<'_>) {
    text.text(metric.name());
    text.raw("{");
    text.pairs(attributes, "", ",");
    text.raw("} ");
}

fn number(text: &mut Text, metric: &Metric<'_>, point: &NumberDataPoint<'_>) {
    series(text, metric, point.attributes());
    match point.value() {
        Some(Number::Int(value)) => text.show(value),
        Some(Number::Double(value)) => text.shortest(value),
        None => {}
    }
    text.end_line();
}

fn field(text: &mut Text, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        text.raw(name);
        text.shortest(value);
    }
}

fn histogram(text: &mut Text, metric: &Metric<'_>, point: &HistogramDataPoint<'_>) {
    series(text, metric, point.attributes());
    text.show(format_args!("count={}", point.count()));
    field(text, " sum=", point.sum());
    field(text, " min=", point.min());
    field(text, " max=", point.max());
    let mut bounds = point.explicit_bounds();
    for count in point.bucket_counts() {
        text.raw(" ");
        if let Some(bound) = bounds.next() {
            text.raw("le");
            text.shortest(bound);
            text.raw("=");
        }
        text.show(count);
    }
    text.end_line();
}

fn exponential(text: &mut Text, metric: &Metric<'_>, point: &ExponentialHistogramDataPoint<'_>) {
    series(text, metric, point.attributes());
    text.show(format_args!("count={}", point.count()));
    field(text, " sum=", point.sum());
    field(text, " min=", point.min());
    field(text, " max=", point.max());
    if point.zero_count() != 0 {
        text.show(format_args!(" zero={}", point.zero_count()));
    }
    let mut bucket = |bound: f64, count: u64| {
        text.raw(" le");
        text.shortest(bound);
        text.show(format_args!("={count}"));
    };
    if let Some(negative) = point.negative() {
        let mut buckets: Vec<_> = exponential_buckets(negative, point.scale()).collect();
        buckets.reverse();
        for (lower, _, count) in buckets {
            bucket(-lower, count);
        }
    }
    if let Some(positive) = point.positive() {
        for (_, upper, count) in exponential_buckets(positive, point.scale()) {
            bucket(upper, count);
        }
    }
    text.end_line();
}

fn summary(text: &mut Text, metric: &Metric<'_>, point: &SummaryDataPoint<'_>) {
    series(text, metric, point.attributes());
    text.show(format_args!("count={} sum=", point.count()));
    text.fixed(point.sum());
    for quantile in point.quantile_values() {
        text.raw(" q");
        text.shortest(quantile.quantile());
        text.raw("=");
        text.shortest(quantile.value());
    }
    text.end_line();
}
