//! Line protocol, against decoding and writing lines from the structs: no model between, text
//! written in place, attributes merged in a sorted map, as writers of this schema do it.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{AggregationTemporality, NumberDataPoint, metric::Data, number_data_point},
};
use prost::Message;
use tower_otlp::{ExportRequest, Signal, exporters::influxdb::LineProtocol};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

const NOW: u64 = 1_767_225_600_000_000_000;

pub(crate) fn groups() -> Vec<Group<'static>> {
    vec![
        group(Signal::Traces, Goal::None, traces),
        group(Signal::Logs, Goal::Times(3.0), logs),
        group(Signal::Metrics, Goal::Times(2.5), metrics),
    ]
}

fn group(signal: Signal, goal: Goal, direct: fn(&Bytes) -> String) -> Group<'static> {
    let request = ExportRequest::from_protobuf(signal, workload::encoded(signal)).expect("valid");
    let bytes = request.protobuf().clone();
    let protocol = LineProtocol::default();
    check(&protocol, &request, &direct(&bytes));
    Group::new(format!("influxdb, {signal}"), ITEMS)
        .baseline("prost decode, direct writer", move || direct(&bytes))
        .candidate("from bytes", goal, move || protocol.encode(&request, NOW))
}

/// Both write lines of the same measurements and tags, so that their work is comparable.
fn check(protocol: &LineProtocol, request: &ExportRequest, direct: &str) {
    let lines = protocol.encode(request, NOW);
    let ours = str::from_utf8(lines.as_bytes()).expect("UTF-8");
    let skipped = lines.skipped_items();
    assert!(skipped < ITEMS / 4, "{skipped}: {:?}", lines.reason());
    let heads = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|head| !head.contains("_exemplar,"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(heads(ours), heads(direct));
}

type Tags<'a> = BTreeMap<&'a str, &'a AnyValue>;

fn add<'a>(tags: &mut Tags<'a>, attributes: &'a [KeyValue]) {
    for pair in attributes {
        if let Some(value) = &pair.value {
            tags.insert(&pair.key, value);
        }
    }
}

fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        if matches!(letter, ',' | '=' | ' ') {
            out.push('\\');
        }
        out.push(if letter == '\n' { ' ' } else { letter });
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            control if control < ' ' => write!(out, "\\u{:04x}", u32::from(control)).expect("text"),
            plain => out.push(plain),
        }
    }
    out.push('"');
}

fn json(out: &mut String, value: &AnyValue) {
    match &value.value {
        None => out.push_str("null"),
        Some(Value::StringValue(text)) => json_string(out, text),
        Some(Value::BoolValue(value)) => write!(out, "{value}").expect("text"),
        Some(Value::IntValue(value)) => write!(out, "{value}").expect("text"),
        Some(Value::DoubleValue(value)) => write!(out, "{value}").expect("text"),
        Some(Value::ArrayValue(list)) => {
            out.push('[');
            for (position, value) in list.values.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                json(out, value);
            }
            out.push(']');
        }
        Some(Value::KvlistValue(list)) => {
            let mut sorted = Tags::new();
            add(&mut sorted, &list.values);
            object(out, &sorted);
        }
        Some(_) => out.push_str("\"\""),
    }
}

fn object(out: &mut String, values: &Tags<'_>) {
    out.push('{');
    for (position, (key, value)) in values.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        json_string(out, key);
        out.push(':');
        json(out, value);
    }
    out.push('}');
}

fn plain(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        _ => {
            let mut out = String::new();
            json(&mut out, value);
            out
        }
    }
}

fn tag(out: &mut String, key: &str, value: &str) {
    if !value.is_empty() {
        out.push(',');
        escape(out, key);
        out.push('=');
        escape(out, value);
    }
}

fn id(out: &mut String, key: &str, id: &[u8]) {
    if !id.is_empty() {
        write!(out, ",{key}=").expect("text");
        for byte in id {
            write!(out, "{byte:02x}").expect("text");
        }
    }
}

fn attributes_field(out: &mut String, scratch: &mut String, values: &Tags<'_>) {
    if !values.is_empty() {
        scratch.clear();
        object(scratch, values);
        out.push_str("attributes=");
        quote(out, scratch);
        out.push(',');
    }
}

fn logs(bytes: &Bytes) -> String {
    let request = ExportLogsServiceRequest::decode(bytes.clone()).expect("valid");
    let mut out = String::with_capacity(bytes.len() * 2);
    let mut scratch = String::new();
    for group in &request.resource_logs {
        for scope in &group.scope_logs {
            for record in &scope.log_records {
                let mut all = Tags::new();
                add(
                    &mut all,
                    group.resource.as_ref().map_or(&[], |one| &one.attributes),
                );
                add(
                    &mut all,
                    scope.scope.as_ref().map_or(&[], |one| &one.attributes),
                );
                add(&mut all, &record.attributes);
                out.push_str("logs");
                if let Some(service) = all.remove("service.name") {
                    tag(&mut out, "service.name", &plain(service));
                }
                if !record.trace_id.is_empty() && !record.span_id.is_empty() {
                    id(&mut out, "span_id", &record.span_id);
                    id(&mut out, "trace_id", &record.trace_id);
                }
                out.push(' ');
                attributes_field(&mut out, &mut scratch, &all);
                out.push_str("body=");
                quote(
                    &mut out,
                    &record.body.as_ref().map(plain).unwrap_or_default(),
                );
                let observed = record.observed_time_unix_nano;
                if observed != 0 {
                    write!(out, ",observed_time_unix_nano={observed}i").expect("text");
                }
                if record.severity_number != 0 {
                    write!(out, ",severity_number={}i", record.severity_number).expect("text");
                }
                if !record.severity_text.is_empty() {
                    out.push_str(",severity_text=");
                    quote(&mut out, &record.severity_text);
                }
                writeln!(out, " {}", record.time_unix_nano).expect("text");
            }
        }
    }
    out
}

fn traces(bytes: &Bytes) -> String {
    let request = ExportTraceServiceRequest::decode(bytes.clone()).expect("valid");
    let mut out = String::with_capacity(bytes.len() * 2);
    let mut scratch = String::new();
    for group in &request.resource_spans {
        for scope in &group.scope_spans {
            for span in &scope.spans {
                for event in &span.events {
                    out.push_str("logs");
                    id(&mut out, "span_id", &span.span_id);
                    id(&mut out, "trace_id", &span.trace_id);
                    out.push(' ');
                    let mut own = Tags::new();
                    add(&mut own, &event.attributes);
                    attributes_field(&mut out, &mut scratch, &own);
                    out.push_str("event.name=");
                    quote(&mut out, &event.name);
                    writeln!(out, " {}", event.time_unix_nano).expect("text");
                }
                for link in &span.links {
                    out.push_str("span-links");
                    id(&mut out, "linked_span_id", &link.span_id);
                    id(&mut out, "linked_trace_id", &link.trace_id);
                    id(&mut out, "span_id", &span.span_id);
                    id(&mut out, "trace_id", &span.trace_id);
                    out.push(' ');
                    let mut own = Tags::new();
                    add(&mut own, &link.attributes);
                    attributes_field(&mut out, &mut scratch, &own);
                    write!(
                        out,
                        "dropped_attributes_count={}u",
                        link.dropped_attributes_count
                    )
                    .expect("text");
                    writeln!(out, " {}", span.start_time_unix_nano).expect("text");
                }
                let mut all = Tags::new();
                add(
                    &mut all,
                    group.resource.as_ref().map_or(&[], |one| &one.attributes),
                );
                add(
                    &mut all,
                    scope.scope.as_ref().map_or(&[], |one| &one.attributes),
                );
                add(&mut all, &span.attributes);
                out.push_str("spans");
                if let Some(service) = all.remove("service.name") {
                    tag(&mut out, "service.name", &plain(service));
                }
                id(&mut out, "span_id", &span.span_id);
                id(&mut out, "trace_id", &span.trace_id);
                out.push(' ');
                attributes_field(&mut out, &mut scratch, &all);
                let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
                write!(
                    out,
                    "duration_nano={}i,end_time_unix_nano={end}i",
                    end - start
                )
                .expect("text");
                if let Some(status) = span.status.as_ref().filter(|status| status.code != 0) {
                    out.push_str(",otel.status_code=");
                    quote(&mut out, if status.code == 2 { "Error" } else { "Ok" });
                    if !status.message.is_empty() {
                        out.push_str(",otel.status_description=");
                        quote(&mut out, &status.message);
                    }
                }
                if !span.parent_span_id.is_empty() {
                    out.push_str(",parent_span_id=\"");
                    for byte in &span.parent_span_id {
                        write!(out, "{byte:02x}").expect("text");
                    }
                    out.push('"');
                }
                let kind = ["Internal", "Server", "Client", "Producer", "Consumer"];
                if let Some(kind) = usize::try_from(span.kind - 1)
                    .ok()
                    .and_then(|at| kind.get(at))
                {
                    out.push_str(",span.kind=");
                    quote(&mut out, kind);
                }
                out.push_str(",span.name=");
                quote(&mut out, &span.name);
                writeln!(out, " {start}").expect("text");
            }
        }
    }
    out
}

fn metrics(bytes: &Bytes) -> String {
    let request = ExportMetricsServiceRequest::decode(bytes.clone()).expect("valid");
    let mut out = String::with_capacity(bytes.len() * 2);
    for group in &request.resource_metrics {
        for scope in &group.scope_metrics {
            let library = scope.scope.as_ref().map_or_else(Vec::new, |scope| {
                let text = |text: &str| AnyValue {
                    value: Some(Value::StringValue(text.to_owned())),
                };
                vec![
                    ("otel.library.name", text(&scope.name)),
                    ("otel.library.version", text(&scope.version)),
                ]
            });
            for metric in &scope.metrics {
                let head = |out: &mut String, own: &[KeyValue]| {
                    let mut all: BTreeMap<&str, String> = BTreeMap::new();
                    let outer = group
                        .resource
                        .as_ref()
                        .map_or(&[][..], |one| &one.attributes);
                    let inner = scope.scope.as_ref().map_or(&[][..], |one| &one.attributes);
                    for pair in outer.iter().chain(inner).chain(own) {
                        all.insert(
                            &pair.key,
                            pair.value.as_ref().map(plain).unwrap_or_default(),
                        );
                    }
                    for (key, value) in &library {
                        all.insert(key, plain(value));
                    }
                    escape(out, &metric.name);
                    for (key, value) in &all {
                        tag(out, key, value);
                    }
                    out.push(' ');
                };
                let number = |out: &mut String, key: &str, point: &NumberDataPoint| {
                    head(out, &point.attributes);
                    match point.value {
                        Some(number_data_point::Value::AsInt(value)) => {
                            write!(out, "{key}={value}i")
                        }
                        Some(number_data_point::Value::AsDouble(value)) => {
                            write!(out, "{key}={value}")
                        }
                        None => Ok(()),
                    }
                    .expect("text");
                    end(out, point.start_time_unix_nano, point.time_unix_nano);
                };
                match &metric.data {
                    Some(Data::Gauge(gauge)) => {
                        for point in &gauge.data_points {
                            number(&mut out, "gauge", point);
                        }
                    }
                    Some(Data::Sum(sum)) => {
                        let is_counter = sum.is_monotonic
                            && sum.aggregation_temporality() == AggregationTemporality::Cumulative;
                        for point in &sum.data_points {
                            number(
                                &mut out,
                                if is_counter { "counter" } else { "gauge" },
                                point,
                            );
                        }
                    }
                    Some(Data::Histogram(histogram)) => {
                        for point in &histogram.data_points {
                            head(&mut out, &point.attributes);
                            write!(out, "+Inf={},", point.count).expect("text");
                            let mut below = 0;
                            for (bound, count) in
                                point.explicit_bounds.iter().zip(&point.bucket_counts)
                            {
                                below += count;
                                write!(out, "{bound}={below},").expect("text");
                            }
                            write!(out, "count={}", point.count).expect("text");
                            for (key, value) in
                                [("sum", point.sum), ("min", point.min), ("max", point.max)]
                            {
                                if let Some(value) = value {
                                    write!(out, ",{key}={value}").expect("text");
                                }
                            }
                            end(&mut out, point.start_time_unix_nano, point.time_unix_nano);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    out
}

fn end(out: &mut String, start: u64, time: u64) {
    if start != 0 {
        write!(out, ",start_time_unix_nano={start}i").expect("text");
    }
    writeln!(out, " {time}").expect("text");
}
