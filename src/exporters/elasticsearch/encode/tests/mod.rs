//! The worked examples of the layout byte for byte, and what other exporters got wrong.

mod documents;
mod examples;
mod points;
mod routing;
mod values;

use super::*;
use crate::ExportRequest;

fn encode_with(format: &BulkFormat, signal: Signal, json: &str) -> Bulk {
    let request = ExportRequest::from_json(signal, json.as_bytes()).expect("OTLP/JSON");
    format.encode(request.otlp())
}

fn encode(signal: Signal, json: &str) -> Bulk {
    encode_with(&BulkFormat::default(), signal, json)
}

fn text(bulk: &Bulk) -> &str {
    std::str::from_utf8(bulk.as_bytes()).expect("UTF-8")
}

fn lines(bulk: &Bulk) -> Vec<serde_json::Value> {
    assert!(bulk.is_empty() || bulk.as_bytes().ends_with(b"\n"));
    text(bulk)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn log(record: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)
}

/// The document of a single log record.
fn log_document(record: &str) -> String {
    let bulk = encode(Signal::Logs, &log(record));
    assert_eq!(bulk.len(), 1);
    text(&bulk).lines().nth(1).expect("a document").to_owned()
}

/// The value of a field of a document, as it stands there up to the next of these.
fn attributes(list: &str) -> String {
    let document = log_document(&format!(r#"{{"attributes":[{list}]}}"#));
    match document.split_once(r#""attributes":"#) {
        Some((_, rest)) => {
            let end = rest.find(r#","resource""#).expect("a resource");
            rest[..end].to_owned()
        }
        None => String::new(),
    }
}

fn span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

fn metrics(metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#
    )
}

const EVENT_SPAN: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"scope":{"name":"shop.http","version":"1.2.0"},"spans":[
{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","parentSpanId":"00f067aa0ba902b7","name":"GET /cart","kind":2,
 "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124956789",
 "attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}},{"key":"ratio","value":{"doubleValue":1}}],
 "events":[{"timeUnixNano":"1700000000124000005","name":"retry","attributes":[{"key":"n","value":{"intValue":"1"}}]}],
 "status":{"code":2,"message":"boom"}}]}]}]}"#;

const TWO_POINTS: &str = r#"{"name":"http.requests","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5"}]}},
{"name":"queue.size","unit":"1","gauge":{"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asDouble":2}]}}"#;

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

fn gauge(name: &str, point: &str) -> String {
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{point}]}}}}"#)
}
