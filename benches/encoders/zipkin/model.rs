//! Zipkin's model as structs, as exporters usually have it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::span::SpanKind,
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ZipkinSpan {
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    name: String,
    timestamp: u64,
    duration: u64,
    local_endpoint: Endpoint,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    service_name: String,
}

#[derive(Serialize)]
struct Annotation {
    timestamp: u64,
    value: String,
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 15];
    let digits = bytes.iter().flat_map(digits);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

pub(super) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        other => unreachable!("not in the workload: {other:?}"),
    }
}

pub(super) const fn micros(nanos: u64) -> u64 {
    (nanos + 500) / 1000
}

pub(super) fn kind(kind: i32) -> Option<&'static str> {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Client) => Some("CLIENT"),
        Ok(SpanKind::Server) => Some("SERVER"),
        Ok(SpanKind::Producer) => Some("PRODUCER"),
        Ok(SpanKind::Consumer) => Some("CONSUMER"),
        _ => None,
    }
}

pub(super) fn event_value(name: &str, attributes: &[KeyValue]) -> String {
    let pairs: Vec<String> = attributes
        .iter()
        .map(|pair| {
            let key = serde_json::to_string(&pair.key).expect("writes");
            let value = serde_json::to_string(&text(pair.value.as_ref())).expect("writes");
            format!("{key}:{value}")
        })
        .collect();
    format!("\"{name}\":{{{}}}", pairs.join(","))
}

pub(super) fn spans(request: &ExportTraceServiceRequest) -> Vec<ZipkinSpan> {
    let mut spans = Vec::new();
    for group in &request.resource_spans {
        let resource = group.resource.as_ref().expect("in the workload");
        let mut base = BTreeMap::new();
        let mut service = String::new();
        for pair in &resource.attributes {
            if pair.key == "service.name" {
                service = text(pair.value.as_ref());
            } else {
                base.insert(pair.key.clone(), text(pair.value.as_ref()));
            }
        }
        for scoped in &group.scope_spans {
            let scope = scoped.scope.as_ref().expect("in the workload");
            let mut base = base.clone();
            base.insert("otel.scope.name".to_owned(), scope.name.clone());
            base.insert("otel.scope.version".to_owned(), scope.version.clone());
            for span in &scoped.spans {
                let mut tags = base.clone();
                for pair in &span.attributes {
                    tags.insert(pair.key.clone(), text(pair.value.as_ref()));
                }
                let status = span.status.as_ref().expect("in the workload");
                if status.code == 2 {
                    tags.insert("otel.status_code".to_owned(), "ERROR".to_owned());
                    tags.insert("error".to_owned(), status.message.clone());
                }
                for (number, link) in span.links.iter().enumerate() {
                    let (trace, id) = (hex(&link.trace_id), hex(&link.span_id));
                    tags.insert(
                        format!("otlp.link.{number}"),
                        format!("{trace}|{id}|{}|{{}}|0", link.trace_state),
                    );
                }
                let annotations = span.events.iter().map(|event| Annotation {
                    timestamp: micros(event.time_unix_nano),
                    value: event_value(&event.name, &event.attributes),
                });
                spans.push(ZipkinSpan {
                    trace_id: hex(&span.trace_id),
                    parent_id: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
                    id: hex(&span.span_id),
                    kind: kind(span.kind),
                    name: span.name.to_lowercase(),
                    timestamp: micros(span.start_time_unix_nano),
                    duration: micros(span.end_time_unix_nano - span.start_time_unix_nano).max(1),
                    local_endpoint: Endpoint {
                        service_name: service.clone(),
                    },
                    annotations: annotations.collect(),
                    tags,
                });
            }
        }
    }
    spans
}
