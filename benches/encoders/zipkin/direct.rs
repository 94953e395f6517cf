//! A writer straight from decoded structs: no model in between, text into one buffer.

use std::io::Write;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::Span,
};

use super::model::{event_value, kind, micros};

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writes");
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(bytes.iter().flat_map(|byte| {
        [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]
    }));
}

/// A tag's value, as a JSON string.
fn value(out: &mut Vec<u8>, value: Option<&AnyValue>) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => string(out, text),
        Some(Value::BoolValue(value)) => write!(out, "\"{value}\"").expect("writes"),
        Some(Value::IntValue(value)) => write!(out, "\"{value}\"").expect("writes"),
        Some(Value::DoubleValue(value)) => write!(out, "\"{value}\"").expect("writes"),
        other => unreachable!("not in the workload: {other:?}"),
    }
}

pub(super) fn write(request: &ExportTraceServiceRequest) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    out.push(b'[');
    for group in &request.resource_spans {
        let resource = group.resource.as_ref().expect("in the workload");
        let mut service = "";
        let mut base = Vec::new();
        for pair in &resource.attributes {
            if let (
                "service.name",
                Some(AnyValue {
                    value: Some(Value::StringValue(name)),
                }),
            ) = (&*pair.key, &pair.value)
            {
                service = name;
            } else {
                string(&mut base, &pair.key);
                base.push(b':');
                value(&mut base, pair.value.as_ref());
                base.push(b',');
            }
        }
        for scoped in &group.scope_spans {
            let scope = scoped.scope.as_ref().expect("in the workload");
            let mut base = base.clone();
            base.extend(b"\"otel.scope.name\":");
            string(&mut base, &scope.name);
            base.extend(b",\"otel.scope.version\":");
            string(&mut base, &scope.version);
            for item in &scoped.spans {
                if out.len() > 1 {
                    out.push(b',');
                }
                span(&mut out, item, service, &base);
            }
        }
    }
    out.push(b']');
    out
}

fn span(out: &mut Vec<u8>, span: &Span, service: &str, base: &[u8]) {
    out.extend(b"{\"traceId\":\"");
    hex(out, &span.trace_id);
    if !span.parent_span_id.is_empty() {
        out.extend(b"\",\"parentId\":\"");
        hex(out, &span.parent_span_id);
    }
    out.extend(b"\",\"id\":\"");
    hex(out, &span.span_id);
    out.push(b'"');
    if let Some(kind) = kind(span.kind) {
        write!(out, ",\"kind\":\"{kind}\"").expect("writes");
    }
    out.extend(b",\"name\":");
    string(out, &span.name.to_lowercase());
    let start = micros(span.start_time_unix_nano);
    let duration = micros(span.end_time_unix_nano - span.start_time_unix_nano).max(1);
    write!(out, ",\"timestamp\":{start},\"duration\":{duration}").expect("writes");
    out.extend(b",\"localEndpoint\":{\"serviceName\":");
    string(out, service);
    out.push(b'}');
    for (number, event) in span.events.iter().enumerate() {
        out.extend(if number == 0 {
            &b",\"annotations\":["[..]
        } else {
            b","
        });
        let time = micros(event.time_unix_nano);
        write!(out, "{{\"timestamp\":{time},\"value\":").expect("writes");
        string(out, &event_value(&event.name, &event.attributes));
        out.push(b'}');
    }
    if !span.events.is_empty() {
        out.push(b']');
    }
    // Neither sorted nor without doubles: as cheap as a direct writer can be.
    out.extend(b",\"tags\":{");
    out.extend(base);
    for pair in &span.attributes {
        out.push(b',');
        string(out, &pair.key);
        out.push(b':');
        value(out, pair.value.as_ref());
    }
    let status = span.status.as_ref().expect("in the workload");
    if status.code == 2 {
        out.extend(b",\"otel.status_code\":\"ERROR\",\"error\":");
        string(out, &status.message);
    }
    for (number, link) in span.links.iter().enumerate() {
        write!(out, ",\"otlp.link.{number}\":\"").expect("writes");
        hex(out, &link.trace_id);
        out.push(b'|');
        hex(out, &link.span_id);
        write!(out, "|{}|{{}}|0\"", link.trace_state).expect("writes");
    }
    out.extend(b"}}");
}
