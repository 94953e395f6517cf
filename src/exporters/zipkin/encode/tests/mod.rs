//! The encoder, against the examples and the pitfalls of the mapping.

mod endpoints;
mod events;
mod examples;
mod pitfalls;
mod tags;

use super::*;
use crate::{ExportRequest, Signal};

/// A request from OTLP/JSON.
fn request(json: &str) -> ExportRequest {
    ExportRequest::from_json(Signal::Traces, json.as_bytes()).expect("OTLP/JSON")
}

/// OTLP/JSON of one span with these fields behind its ids, of the service `s`.
fn one(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[
        {{"key":"service.name","value":{{"stringValue":"s"}}}}]}},
        "scopeSpans":[{{"spans":[{{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId":"1112131415161718"{comma}{fields}}}]}}]}}]}}"#
    )
}

fn encoded(json: &str, options: &ZipkinOptions) -> (Encoded, Vec<u8>) {
    let request = request(json);
    let mut out = Vec::new();
    let encoded = encode(request.traces().expect("traces"), options, &mut out);
    (encoded.expect("no limit"), out)
}

/// The JSON body.
fn json(otlp: &str) -> String {
    json_with(otlp, &ZipkinOptions::default())
}

fn json_with(otlp: &str, options: &ZipkinOptions) -> String {
    String::from_utf8(encoded(otlp, options).1).expect("UTF-8")
}

/// The only span of the JSON body.
fn span(otlp: &str) -> serde_json::Value {
    span_with(otlp, &ZipkinOptions::default())
}

fn span_with(otlp: &str, options: &ZipkinOptions) -> serde_json::Value {
    let text = json_with(otlp, options);
    let mut list: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(list.len(), 1, "{text}");
    list.remove(0)
}

/// The fields of one span with these fields in OTLP/JSON.
fn fields(fields: &str) -> serde_json::Value {
    span(&one(fields))
}

/// An attribute in OTLP/JSON.
fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{value}}}"#)
}

fn text(key: &str, value: &str) -> String {
    attribute(key, &format!(r#"{{"stringValue":"{value}"}}"#))
}

fn int(key: &str, value: i64) -> String {
    attribute(key, &format!(r#"{{"intValue":"{value}"}}"#))
}

/// One span with these attributes.
fn with(kind: u8, attributes: &[String]) -> serde_json::Value {
    let attributes = attributes.join(",");
    fields(&format!(r#""kind":{kind},"attributes":[{attributes}]"#))
}

fn protobuf(otlp: &str) -> Vec<u8> {
    let options = ZipkinOptions::default().encoding(ZipkinEncoding::Protobuf);
    encoded(otlp, &options).1
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
