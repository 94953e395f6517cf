//! Messages of RFC 5424, and the same through structs and `write!`.

use std::{collections::HashSet, fmt::Write as _};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
};
use prost::Message;
use tower_otlp::{ExportRequest, Signal, exporters::syslog::SyslogFormat};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn group() -> Group<'static> {
    let bytes = workload::encoded(Signal::Logs);
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes.clone()).expect("valid");
    let format = SyslogFormat::default();
    let mut out = Vec::new();
    format.encode(request.logs().expect("logs"), &mut out);
    assert_eq!(String::from_utf8_lossy(&out), usual(&bytes));
    println!("syslog: {} bytes", out.len());
    Group::new("syslog", ITEMS)
        .baseline("prost decode + write!", move || usual(&bytes))
        .candidate("from bytes", Goal::Times(4.0), move || {
            out.clear();
            format.encode(request.logs().expect("logs"), &mut out)
        })
}

/// The messages as one writes them with the standard library, of what the workload holds.
fn usual(bytes: &[u8]) -> String {
    let decoded = ExportLogsServiceRequest::decode(bytes).expect("valid");
    let mut out = String::new();
    for group in &decoded.resource_logs {
        let resource = &group.resource.as_ref().expect("a resource").attributes;
        let of_resource = |key| find(resource, key).map_or_else(|| "-".to_owned(), text);
        let (host, app, process, version) = (
            of_resource("host.name"),
            of_resource("service.name"),
            of_resource("process.pid"),
            of_resource("service.version"),
        );
        for group in &group.scope_logs {
            let scope = group.scope.as_ref().expect("a scope");
            for record in &group.log_records {
                let severity = match record.severity_number {
                    1..=8 => 7,
                    10..=12 => 5,
                    13..=16 => 4,
                    17 => 3,
                    18 => 2,
                    19 | 20 => 1,
                    21..=24 => 0,
                    _ => 6,
                };
                let seconds = record.time_unix_nano / 1_000_000_000;
                let micros = record.time_unix_nano / 1000 % 1_000_000;
                let mut message = format!(
                    "<{}>1 {}.{micros:06}Z {host} {app} {process} - [otel@32473",
                    8 + severity,
                    second(seconds),
                );
                write!(message, " trace_id=\"{}\"", hex(&record.trace_id)).expect("memory");
                write!(message, " span_id=\"{}\"", hex(&record.span_id)).expect("memory");
                write!(message, " trace_flags=\"{:02x}\"", record.flags & 0xff).expect("memory");
                write!(message, " scope_name=\"{}\"", escaped(&scope.name)).expect("memory");
                write!(message, " scope_version=\"{}\"", escaped(&scope.version)).expect("memory");
                write!(
                    message,
                    " severity_text=\"{}\"]",
                    escaped(&record.severity_text)
                )
                .expect("memory");
                message.push_str("[attributes@32473");
                let mut names = HashSet::new();
                for pair in &record.attributes {
                    let name = name(&pair.key);
                    let value = escaped(&pair.value.as_ref().map_or_else(String::new, text));
                    if !names.contains(&name) {
                        write!(message, " {name}=\"{value}\"").expect("memory");
                        names.insert(name);
                    }
                }
                write!(message, "][origin swVersion=\"{}\"]", escaped(&version)).expect("memory");
                let body = record.body.as_ref().map_or_else(String::new, text);
                write!(message, " {body}").expect("memory");
                write!(out, "{} {message}", message.len()).expect("memory");
            }
        }
    }
    out
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    let found = attributes.iter().find(|pair| pair.key == key);
    found.and_then(|pair| pair.value.as_ref())
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        _ => String::new(),
    }
}

fn name(key: &str) -> String {
    let allowed = |letter: char| match letter {
        '=' | ']' | '"' => '_',
        letter if letter.is_ascii_graphic() => letter,
        _ => '_',
    };
    key.chars().map(allowed).take(32).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn hex(id: &[u8]) -> String {
    let mut out = String::with_capacity(2 * id.len());
    for byte in id {
        write!(out, "{byte:02x}").expect("memory");
    }
    out
}

/// The workload is of one day.
fn second(seconds: u64) -> String {
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    assert_eq!(seconds / 86_400, 20_454);
    format!("2026-01-01T{hour:02}:{minute:02}:{second:02}")
}
