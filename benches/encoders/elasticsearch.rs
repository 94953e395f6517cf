//! Documents for Elasticsearch, against the way that is obvious: decode with prost, build a
//! `serde_json::Value` for each document, write it. The values leave out what costs more than a
//! lookup: routing by attributes, positions, and grouping by anything but a map of strings.

use std::collections::HashMap;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    metrics::v1::{metric::Data, number_data_point},
    resource::v1::Resource,
};
use prost::Message;
use serde_json::{Map, Value, json};
use tower_otlp::{
    ExportRequest, Signal,
    exporters::elasticsearch::{Bulk, BulkFormat, DocumentIds},
};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn groups() -> Vec<Group<'static>> {
    Signal::ALL.map(group).into()
}

fn group(signal: Signal) -> Group<'static> {
    let bytes: &'static [u8] = encoded(signal).leak();
    let request = ExportRequest::from_protobuf(signal, bytes).expect("valid");
    let request: &'static ExportRequest = Box::leak(Box::new(request));
    let format = BulkFormat::default();
    let again = format.clone();
    let with_ids = format.clone().document_ids(DocumentIds::Content);
    let mut bulk = Bulk::default();
    Group::new(format!("elasticsearch {signal}"), ITEMS)
        .baseline("prost, serde_json values", move || match signal {
            Signal::Traces => traces(bytes),
            Signal::Metrics => metrics(bytes),
            Signal::Logs => logs(bytes),
        })
        .candidate("from checked bytes", Goal::Times(6.0), move || {
            format.encode(request.otlp())
        })
        .candidate("the same, memory reused", Goal::None, move || {
            again.encode_into(&mut bulk, request.otlp());
            bulk.as_bytes().len()
        })
        .candidate("the same, ids by content", Goal::None, move || {
            with_ids.encode(request.otlp())
        })
}

/// The workload, with histograms as Elasticsearch takes them: of delta temporality.
fn encoded(signal: Signal) -> Vec<u8> {
    let bytes = workload::encoded(signal);
    if signal != Signal::Metrics {
        return bytes;
    }
    let mut decoded = ExportMetricsServiceRequest::decode(&*bytes).expect("valid");
    let groups = decoded.resource_metrics.iter_mut();
    let scopes = groups.flat_map(|group| &mut group.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        match &mut metric.data {
            Some(Data::Histogram(histogram)) => histogram.aggregation_temporality = 1,
            Some(Data::ExponentialHistogram(histogram)) => histogram.aggregation_temporality = 1,
            _ => {}
        }
    }
    decoded.encode_to_vec()
}

fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) => json!(value),
        // The workload has few others.
        _ => Value::Null,
    }
}

fn attributes(list: &[KeyValue]) -> Value {
    let members = list
        .iter()
        .map(|pair| (pair.key.clone(), value(pair.value.as_ref())));
    Value::Object(members.collect::<Map<_, _>>())
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(nanos: u64) -> String {
    format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000)
}

fn resource(resource: Option<&Resource>) -> Value {
    let list = resource.map_or(&[][..], |resource| &resource.attributes);
    json!({ "attributes": attributes(list) })
}

fn scope(scope: Option<&InstrumentationScope>) -> Value {
    scope.map_or(
        json!({}),
        |scope| json!({ "name": scope.name, "version": scope.version }),
    )
}

fn stream(kind: &str) -> Value {
    json!({ "type": kind, "dataset": "generic.otel", "namespace": "default" })
}

fn lines(out: &mut Vec<u8>, action: &Value, document: &Value) {
    for line in [action, document] {
        serde_json::to_writer(&mut *out, line).expect("written");
        out.push(b'\n');
    }
}

fn traces(bytes: &[u8]) -> Vec<u8> {
    let decoded = ExportTraceServiceRequest::decode(bytes).expect("valid");
    let mut out = Vec::with_capacity(1 << 21);
    let action = json!({ "create": { "_index": "traces-generic.otel-default" } });
    let of_event = json!({ "create": { "_index": "logs-generic.otel-default" } });
    for group in &decoded.resource_spans {
        let resource = resource(group.resource.as_ref());
        for inner in &group.scope_spans {
            let scope = scope(inner.scope.as_ref());
            for span in &inner.spans {
                let links = span.links.iter().map(|link| {
                    json!({ "trace_id": hex(&link.trace_id), "span_id": hex(&link.span_id), "attributes": attributes(&link.attributes) })
                });
                let status = span.status.clone().unwrap_or_default();
                let document = json!({
                    "@timestamp": time(span.start_time_unix_nano),
                    "data_stream": stream("traces"),
                    "trace_id": hex(&span.trace_id),
                    "span_id": hex(&span.span_id),
                    "parent_span_id": hex(&span.parent_span_id),
                    "name": span.name,
                    "kind": span.kind().as_str_name(),
                    "duration": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
                    "attributes": attributes(&span.attributes),
                    "links": links.collect::<Vec<_>>(),
                    "status": { "message": status.message, "code": status.code },
                    "resource": resource,
                    "scope": scope,
                });
                lines(&mut out, &action, &document);
                for event in &span.events {
                    let document = json!({
                        "@timestamp": time(event.time_unix_nano),
                        "data_stream": stream("logs"),
                        "trace_id": hex(&span.trace_id),
                        "span_id": hex(&span.span_id),
                        "event_name": event.name,
                        "attributes": attributes(&event.attributes),
                        "resource": resource,
                        "scope": scope,
                    });
                    lines(&mut out, &of_event, &document);
                }
            }
        }
    }
    out
}

fn logs(bytes: &[u8]) -> Vec<u8> {
    let decoded = ExportLogsServiceRequest::decode(bytes).expect("valid");
    let mut out = Vec::with_capacity(1 << 21);
    let action = json!({ "create": { "_index": "logs-generic.otel-default" } });
    for group in &decoded.resource_logs {
        let resource = resource(group.resource.as_ref());
        for inner in &group.scope_logs {
            let scope = scope(inner.scope.as_ref());
            for record in &inner.log_records {
                let document = json!({
                    "@timestamp": time(record.time_unix_nano),
                    "observed_timestamp": time(record.observed_time_unix_nano),
                    "data_stream": stream("logs"),
                    "severity_text": record.severity_text,
                    "severity_number": record.severity_number,
                    "trace_id": hex(&record.trace_id),
                    "span_id": hex(&record.span_id),
                    "attributes": attributes(&record.attributes),
                    "resource": resource,
                    "scope": scope,
                    "body": { "text": value(record.body.as_ref()) },
                });
                lines(&mut out, &action, &document);
            }
        }
    }
    out
}

fn metrics(bytes: &[u8]) -> Vec<u8> {
    let decoded = ExportMetricsServiceRequest::decode(bytes).expect("valid");
    let mut out = Vec::with_capacity(1 << 21);
    for group in &decoded.resource_metrics {
        let resource = resource(group.resource.as_ref());
        for inner in &group.scope_metrics {
            let scope = scope(inner.scope.as_ref());
            let mut documents: Vec<(Map<String, Value>, Value)> = Vec::new();
            let mut known: HashMap<String, usize> = HashMap::new();
            for metric in &inner.metrics {
                let mut add =
                    |list: &[KeyValue], at: u64, start: u64, template: &str, value: Value| {
                        let attributes = attributes(list);
                        let key = format!("{attributes}{at}{start}{}", metric.unit);
                        let position = *known.entry(key).or_insert_with(|| {
                            let document = json!({
                                "@timestamp": at / 1_000_000,
                                "start_timestamp": start / 1_000_000,
                                "unit": metric.unit,
                                "data_stream": stream("metrics"),
                                "attributes": attributes,
                                "resource": resource,
                                "scope": scope,
                                "metrics": {},
                            });
                            documents.push((Map::new(), document));
                            documents.len() - 1
                        });
                        let (templates, document) = &mut documents[position];
                        templates.insert(format!("metrics.{}", metric.name), json!(template));
                        document["metrics"][&metric.name] = value;
                    };
                let number = |value: &Option<number_data_point::Value>| match value {
                    Some(number_data_point::Value::AsInt(value)) => json!(value),
                    Some(number_data_point::Value::AsDouble(value)) => json!(value),
                    None => Value::Null,
                };
                match metric.data.as_ref().expect("data") {
                    Data::Gauge(gauge) => {
                        for point in &gauge.data_points {
                            add(
                                &point.attributes,
                                point.time_unix_nano,
                                point.start_time_unix_nano,
                                "gauge_double",
                                number(&point.value),
                            );
                        }
                    }
                    Data::Sum(sum) => {
                        for point in &sum.data_points {
                            add(
                                &point.attributes,
                                point.time_unix_nano,
                                point.start_time_unix_nano,
                                "counter_long",
                                number(&point.value),
                            );
                        }
                    }
                    Data::Histogram(histogram) => {
                        for point in &histogram.data_points {
                            let value = json!({ "counts": point.bucket_counts, "values": point.explicit_bounds });
                            add(
                                &point.attributes,
                                point.time_unix_nano,
                                point.start_time_unix_nano,
                                "histogram",
                                value,
                            );
                        }
                    }
                    Data::ExponentialHistogram(histogram) => {
                        for point in &histogram.data_points {
                            let counts = point.positive.as_ref().map(|half| &half.bucket_counts);
                            add(
                                &point.attributes,
                                point.time_unix_nano,
                                point.start_time_unix_nano,
                                "histogram",
                                json!({ "counts": counts }),
                            );
                        }
                    }
                    Data::Summary(_) => {}
                }
            }
            for (templates, document) in &documents {
                let action = json!({ "create": { "_index": "metrics-generic.otel-default", "dynamic_templates": templates } });
                lines(&mut out, &action, document);
            }
        }
    }
    out
}
