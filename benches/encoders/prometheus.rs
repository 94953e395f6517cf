//! The Prometheus exporter, against the `prometheus` crate with the same families.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use prometheus::{
    Encoder as _, TextEncoder,
    proto::{self, LabelPair, MetricFamily, MetricType},
};
use tower_otlp::{
    ExportRequest,
    exporters::prometheus::{EscapingScheme, Format, PrometheusExporter},
};

use crate::support::{
    allocations::kept,
    table::{Goal, Group},
};

/// Series of each group: nine of ten are numbers, one is a histogram of ten buckets.
const SERIES: u64 = 100_000;
const FAMILIES: u64 = 10;
const EACH: u64 = SERIES / FAMILIES;
const BOUNDS: [f64; 9] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];

pub(crate) fn groups() -> Vec<Group<'static>> {
    let sent: &'static ExportRequest = Box::leak(Box::new(request()));
    let families: &'static [MetricFamily] = Vec::leak(families());
    let (exporter, bytes) = kept(|| {
        let exporter = PrometheusExporter::builder().build().expect("built");
        ingest(&exporter, sent);
        exporter
    });
    println!(
        "prometheus: {} bytes of memory a series",
        bytes / exporter.stats().series
    );
    let exporter: &'static PrometheusExporter = Box::leak(Box::new(exporter));
    let page = |format| move || exporter.render(format, EscapingScheme::AllowUtf8).len();
    vec![
        Group::new("prometheus ingest", SERIES)
            .baseline("reading the points alone", move || read(sent))
            .candidate("into series that are there", Goal::None, move || {
                ingest(exporter, sent)
            })
            .candidate("into new series", Goal::None, move || {
                let exporter = PrometheusExporter::builder().build().expect("built");
                ingest(&exporter, sent)
            }),
        Group::new("prometheus scrape", SERIES)
            .baseline("prometheus crate, text", move || {
                let mut out = Vec::new();
                TextEncoder::new()
                    .encode(families, &mut out)
                    .expect("written");
                out.len()
            })
            .candidate("text", Goal::Times(2.0), page(Format::Text))
            .candidate("OpenMetrics", Goal::Times(2.0), page(Format::OpenMetrics1))
            .candidate("protobuf", Goal::Times(2.0), page(Format::Protobuf)),
    ]
}

fn ingest(exporter: &PrometheusExporter, request: &ExportRequest) -> u64 {
    let answer = tower::Service::call(&mut exporter.clone(), request.clone());
    let answer = answer.into_inner().expect("accepted");
    answer.delivered_items()
}

fn read(request: &ExportRequest) -> u64 {
    use tower_otlp::otlp::MetricData;
    let metrics = request.metrics().expect("metrics");
    let scopes = metrics.resources().flat_map(|group| group.scopes());
    let mut points = 0;
    for metric in scopes.flat_map(|scope| scope.items()) {
        points += match metric.data() {
            Some(MetricData::Gauge(gauge)) => gauge.points().map(|p| p.time_unix_nano() & 1).sum(),
            Some(MetricData::Sum(sum)) => sum.points().map(|p| p.time_unix_nano() & 1).sum(),
            Some(MetricData::Histogram(all)) => all.points().map(|p| p.count() & 1).sum::<u64>(),
            _ => 0,
        };
    }
    points
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

/// The labels of a series beside job, instance and scope.
fn labels(family: u64, number: u64) -> [(&'static str, String); 4] {
    [
        (
            "http.request.method",
            ["GET", "PUT"][(number % 2) as usize].to_owned(),
        ),
        ("http.response.status_code", (200 + number % 5).to_string()),
        ("http.route", format!("/v1/carts/{number}/items")),
        ("server.address", format!("shop-{family}.example.com")),
    ]
}

fn value(family: u64, number: u64) -> f64 {
    (family * 1_000 + number) as f64 * if family.is_multiple_of(2) { 1.0 } else { 0.37 }
}

fn request() -> ExportRequest {
    let now = 1_767_225_600_000_000_000;
    let attributes = |family, number| {
        let all = labels(family, number);
        all.map(|(key, value)| text(key, value)).to_vec()
    };
    let numbers = |family| -> Vec<NumberDataPoint> {
        let point = |number| NumberDataPoint {
            attributes: attributes(family, number),
            start_time_unix_nano: 1,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(value(family, number))),
            ..NumberDataPoint::default()
        };
        (0..EACH).map(point).collect()
    };
    let metrics = (0..FAMILIES).map(|family| {
        let data = match family {
            0 => Data::Histogram(Histogram {
                data_points: (0..EACH)
                    .map(|number| HistogramDataPoint {
                        attributes: attributes(family, number),
                        start_time_unix_nano: 1,
                        time_unix_nano: now,
                        count: 10 * (number + 1),
                        sum: Some(value(1, number)),
                        bucket_counts: vec![number + 1; BOUNDS.len() + 1],
                        explicit_bounds: BOUNDS.to_vec(),
                        ..HistogramDataPoint::default()
                    })
                    .collect(),
                aggregation_temporality: 2,
            }),
            1..5 => Data::Gauge(Gauge {
                data_points: numbers(family),
            }),
            _ => Data::Sum(Sum {
                data_points: numbers(family),
                aggregation_temporality: 2,
                is_monotonic: true,
            }),
        };
        Metric {
            name: format!("http.server.metric{family}"),
            description: "As the semantic conventions describe it.".to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    });
    let group = ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![
                text("service.name", "cart"),
                text("service.instance.id", "cart-7f9c"),
            ],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "shop.http".to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics: metrics.collect(),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    };
    ExportRequest::from(ExportMetricsServiceRequest {
        resource_metrics: vec![group],
    })
}

/// The same as the exporter shows it.
fn families() -> Vec<MetricFamily> {
    let all = (0..FAMILIES).map(|family| {
        let mut out = MetricFamily::default();
        let is_counter = family >= 5;
        let suffix = if is_counter { "_total" } else { "" };
        out.set_name(format!("http_server_metric{family}{suffix}"));
        out.set_help("As the semantic conventions describe it.".to_owned());
        out.set_field_type(match family {
            0 => MetricType::HISTOGRAM,
            1..5 => MetricType::GAUGE,
            _ => MetricType::COUNTER,
        });
        let metrics = (0..EACH).map(|number| {
            let mut metric = proto::Metric::default();
            let fixed = [
                ("instance", "cart-7f9c".to_owned()),
                ("job", "cart".to_owned()),
                ("otel_scope_name", "shop.http".to_owned()),
            ];
            let pairs = labels(family, number).into_iter().chain(fixed);
            let pairs = pairs.map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name(name.replace('.', "_"));
                pair.set_value(value);
                pair
            });
            metric.set_label(pairs.collect());
            if family == 0 {
                let mut histogram = proto::Histogram::default();
                histogram.set_sample_count(10 * (number + 1));
                histogram.set_sample_sum(value(1, number));
                let buckets = (1_u64..).zip(BOUNDS).map(|(position, bound)| {
                    let mut bucket = proto::Bucket::default();
                    bucket.set_upper_bound(bound);
                    bucket.set_cumulative_count(position * (number + 1));
                    bucket
                });
                histogram.set_bucket(buckets.collect());
                metric.set_histogram(histogram);
            } else if is_counter {
                let mut counter = proto::Counter::default();
                counter.set_value(value(family, number));
                metric.set_counter(counter);
            } else {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value(family, number));
                metric.set_gauge(gauge);
            }
            metric
        });
        out.set_metric(metrics.collect());
        out
    });
    all.collect()
}
