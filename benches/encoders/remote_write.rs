//! Metrics as messages of Prometheus remote write, against structs that are filled from what prost
//! decodes, and encoded with prost. Both are compressed with the same library.

use std::{collections::HashMap, time::SystemTime};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::prometheus::remote_write::encode::{
        EncodeOptions, Encoder, MessageLimits, Protocol,
    },
};

use crate::support::{
    remote_write::{BucketSpan, Count, Histogram, ZeroCount, v1, v2},
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn groups() -> Vec<Group<'static>> {
    let bytes: &'static [u8] = workload::encoded(Signal::Metrics).leak();
    let request = ExportRequest::from_protobuf(Signal::Metrics, bytes).expect("valid");
    let request: &'static ExportRequest = Box::leak(Box::new(request));
    vec![
        Group::new("remote write 2.0", ITEMS)
            .baseline("prost, structs, prost", move || {
                let decoded = ExportMetricsServiceRequest::decode(bytes).expect("valid");
                compress(&to_v2(model(&decoded)).encode_to_vec())
            })
            .candidate("from checked bytes", Goal::Times(3.0), {
                let mut encoder = Encoder::new(EncodeOptions::default());
                let mut out = Vec::new();
                move || {
                    encode(&mut encoder, request, Protocol::V2, &mut out);
                    compress(&out)
                }
            }),
        Group::new("remote write 1.0", ITEMS)
            .baseline("prost, structs, prost", move || {
                let decoded = ExportMetricsServiceRequest::decode(bytes).expect("valid");
                compress(&to_v1(model(&decoded)).encode_to_vec())
            })
            .candidate("from checked bytes", Goal::Times(2.0), {
                let mut encoder = Encoder::new(EncodeOptions::default());
                let mut out = Vec::new();
                move || {
                    encode(&mut encoder, request, Protocol::V1, &mut out);
                    compress(&out)
                }
            }),
        Group::new("remote write 2.0, without compression", ITEMS)
            .baseline("prost, structs, prost", move || {
                let decoded = ExportMetricsServiceRequest::decode(bytes).expect("valid");
                to_v2(model(&decoded)).encode_to_vec()
            })
            .candidate("from checked bytes", Goal::None, {
                let mut encoder = Encoder::new(EncodeOptions::default());
                let mut out = Vec::new();
                move || {
                    encode(&mut encoder, request, Protocol::V2, &mut out);
                    out.len()
                }
            }),
    ]
}

fn compress(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(message)
        .expect("small enough")
}

fn encode(encoder: &mut Encoder, request: &ExportRequest, protocol: Protocol, out: &mut Vec<u8>) {
    out.clear();
    let limits = MessageLimits {
        samples: usize::MAX,
        bytes: usize::MAX,
    };
    let metrics = request.metrics().expect("metrics");
    encoder.convert(metrics, protocol, 1, SystemTime::UNIX_EPOCH);
    encoder.next_into(0, limits, out).expect("one message");
}

type Labels = Vec<(String, String)>;

/// A series as such exporters have it between the formats.
struct Series {
    labels: Labels,
    kind: i32,
    value: Option<f64>,
    histogram: Option<Histogram>,
    time: i64,
    start: i64,
    help: String,
}

fn text(value: &KeyValue) -> String {
    match value.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        // The workload has no others.
        _ => String::new(),
    }
}

fn name(key: &str) -> String {
    key.replace(['.', '-', '/'], "_")
}

fn with(labels: &Labels, name: &str, more: Option<(&str, String)>) -> Labels {
    let mut labels = labels.clone();
    labels.push(("__name__".to_owned(), name.to_owned()));
    labels.extend(more.map(|(name, value)| (name.to_owned(), value)));
    labels.sort();
    labels
}

fn millis(nanos: u64) -> i64 {
    (nanos / 1_000_000).cast_signed()
}

/// Neither joins labels of one name nor looks for series that are there already, and translates
/// names by replacing characters.
fn model(request: &ExportMetricsServiceRequest) -> Vec<Series> {
    let mut out = Vec::new();
    for group in &request.resource_metrics {
        let resource = group.resource.as_ref();
        let mut common: Labels = Vec::new();
        let mut info: Labels = Vec::new();
        for attribute in resource.iter().flat_map(|resource| &resource.attributes) {
            match &*attribute.key {
                "service.name" => common.push(("job".to_owned(), text(attribute))),
                "service.instance.id" => common.push(("instance".to_owned(), text(attribute))),
                key => info.push((name(key), text(attribute))),
            }
        }
        let mut latest = 0;
        for scope in &group.scope_metrics {
            let mut base = common.clone();
            if let Some(scope) = &scope.scope {
                base.push(("otel_scope_name".to_owned(), scope.name.clone()));
                base.push(("otel_scope_version".to_owned(), scope.version.clone()));
            }
            for metric in &scope.metrics {
                let mut metric_name = name(&metric.name);
                let labels_of = |attributes: &[KeyValue]| -> Labels {
                    let mut labels = base.clone();
                    labels.extend(attributes.iter().map(|one| (name(&one.key), text(one))));
                    labels
                };
                let mut push = |labels, kind, value, histogram, time: u64, start: u64| {
                    latest = latest.max(millis(time));
                    out.push(Series {
                        labels,
                        kind,
                        value,
                        histogram,
                        time: millis(time),
                        start: millis(start),
                        help: metric.description.clone(),
                    });
                };
                let number = |value: &Option<number_data_point::Value>| match value {
                    Some(number_data_point::Value::AsDouble(value)) => *value,
                    Some(number_data_point::Value::AsInt(value)) => *value as f64,
                    None => 0.0,
                };
                match metric.data.as_ref().expect("a type") {
                    Data::Gauge(gauge) => {
                        metric_name.push_str("_bytes");
                        for point in &gauge.data_points {
                            let labels = with(&labels_of(&point.attributes), &metric_name, None);
                            let value = Some(number(&point.value));
                            push(labels, 2, value, None, point.time_unix_nano, 0);
                        }
                    }
                    Data::Sum(sum) => {
                        metric_name.push_str("_total");
                        for point in &sum.data_points {
                            let labels = with(&labels_of(&point.attributes), &metric_name, None);
                            let (time, start) = (point.time_unix_nano, point.start_time_unix_nano);
                            push(labels, 1, Some(number(&point.value)), None, time, start);
                        }
                    }
                    Data::Histogram(histogram) => {
                        metric_name.push_str("_seconds");
                        let [sum_name, count_name, bucket_name] =
                            ["sum", "count", "bucket"].map(|part| format!("{metric_name}_{part}"));
                        for point in &histogram.data_points {
                            let labels = labels_of(&point.attributes);
                            let (time, start) = (point.time_unix_nano, point.start_time_unix_nano);
                            let sum = with(&labels, &sum_name, None);
                            push(sum, 3, point.sum, None, time, start);
                            let count = Some(point.count as f64);
                            push(
                                with(&labels, &count_name, None),
                                3,
                                count,
                                None,
                                time,
                                start,
                            );
                            let mut total = 0;
                            for (bound, count) in
                                point.explicit_bounds.iter().zip(&point.bucket_counts)
                            {
                                total += count;
                                let le = Some(("le", bound.to_string()));
                                let labels = with(&labels, &bucket_name, le);
                                push(labels, 3, Some(total as f64), None, time, start);
                            }
                            let labels =
                                with(&labels, &bucket_name, Some(("le", "+Inf".to_owned())));
                            push(labels, 3, count, None, time, start);
                        }
                    }
                    Data::ExponentialHistogram(histogram) => {
                        metric_name.push_str("_seconds");
                        for point in &histogram.data_points {
                            let labels = with(&labels_of(&point.attributes), &metric_name, None);
                            let (time, start) = (point.time_unix_nano, point.start_time_unix_nano);
                            let (mut deltas, mut last) = (Vec::new(), 0);
                            let buckets = point.positive.clone().unwrap_or_default();
                            for count in &buckets.bucket_counts {
                                deltas.push(count.cast_signed() - last);
                                last = count.cast_signed();
                            }
                            let native = Histogram {
                                count: Some(Count::Int(point.count)),
                                sum: point.sum.unwrap_or_default(),
                                schema: point.scale,
                                zero_threshold: 1e-128,
                                zero_count: Some(ZeroCount::Int(point.zero_count)),
                                positive_spans: vec![BucketSpan {
                                    offset: buckets.offset + 1,
                                    length: deltas.len() as u32,
                                }],
                                positive_deltas: deltas,
                                timestamp: millis(time),
                                start_timestamp: millis(start),
                                ..Histogram::default()
                            };
                            push(labels, 3, None, Some(native), time, start);
                        }
                    }
                    // The workload has none.
                    Data::Summary(_) => {}
                }
            }
        }
        info.extend(common);
        out.push(Series {
            labels: with(&info, "target_info", None),
            kind: 2,
            value: Some(1.0),
            histogram: None,
            time: latest,
            start: 0,
            help: "Target metadata".to_owned(),
        });
    }
    out
}

fn to_v1(series: Vec<Series>) -> v1::WriteRequest {
    let one = |series: Series| v1::TimeSeries {
        labels: series
            .labels
            .into_iter()
            .map(|(name, value)| v1::Label { name, value })
            .collect(),
        samples: series
            .value
            .map(|value| v1::Sample {
                value,
                timestamp: series.time,
            })
            .into_iter()
            .collect(),
        exemplars: Vec::new(),
        histograms: series.histogram.into_iter().collect(),
    };
    v1::WriteRequest {
        timeseries: series.into_iter().map(one).collect(),
        metadata: Vec::new(),
    }
}

fn to_v2(series: Vec<Series>) -> v2::Request {
    let mut symbols = vec![String::new()];
    let mut numbers: HashMap<String, u32> = HashMap::from([(String::new(), 0)]);
    let mut number = |text: String| -> u32 {
        if let Some(number) = numbers.get(&text) {
            return *number;
        }
        let number = symbols.len() as u32;
        symbols.push(text.clone());
        numbers.insert(text, number);
        number
    };
    let mut timeseries = Vec::new();
    for series in series {
        let mut labels_refs = Vec::new();
        for (name, value) in series.labels {
            labels_refs.extend([number(name), number(value)]);
        }
        timeseries.push(v2::TimeSeries {
            labels_refs,
            samples: series
                .value
                .map(|value| v2::Sample {
                    value,
                    timestamp: series.time,
                    start_timestamp: series.start,
                })
                .into_iter()
                .collect(),
            histograms: series.histogram.into_iter().collect(),
            exemplars: Vec::new(),
            metadata: Some(v2::Metadata {
                kind: series.kind,
                help_ref: number(series.help),
                unit_ref: 0,
            }),
        });
    }
    v2::Request {
        symbols,
        timeseries,
    }
}
