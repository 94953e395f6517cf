//! OTLP/JSON, both ways: the worked examples, the rules row by row, and opentelemetry-proto as the
//! other opinion.

#![allow(clippy::expect_used, clippy::panic)]

mod examples;
mod hostile;
mod properties;
mod rules;

use tower_otlp::{
    Signal,
    otlp::{Limits, Malformed, OtlpBytes, json},
};

fn read(signal: Signal, text: impl AsRef<[u8]>) -> Result<OtlpBytes, Malformed> {
    json::read(signal, text.as_ref(), &Limits::default())
}

fn write(otlp: &OtlpBytes) -> String {
    String::from_utf8(json::write(otlp)).expect("JSON is UTF-8")
}

/// A request of one span with these JSON fields.
fn span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

/// A request of one log record with this body.
fn log(body: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{body}}}]}}]}}]}}"#)
}

/// A request of one metric with these JSON fields.
fn metric(fields: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{{fields}}}]}}]}}]}}"#)
}
