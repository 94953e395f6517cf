//! The rules of the mapping, one by one.

mod fields;
mod links;
mod rejected;
mod tags;

use super::*;
use crate::support::jaeger_idl::{Log, SpanRef};

fn tags(span: &Span) -> Vec<Tag> {
    span.tags.clone().unwrap_or_default()
}

fn logs(span: &Span) -> Vec<Log> {
    span.logs.clone().unwrap_or_default()
}

fn references(span: &Span) -> Vec<SpanRef> {
    span.references.clone().unwrap_or_default()
}

/// A resource with these attributes and one span.
fn with_resource(attributes: &str) -> ExportRequest {
    traces(&format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{attributes}]}},"scopeSpans":[{{"spans":[
        {{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001"}}]}}]}}]}}"#
    ))
}

fn text(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

const LINKS: &str = r#""parentSpanId":"00f067aa0ba902b7","startTimeUnixNano":"7000","links":[
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7"},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0000000000000001","attributes":[
        {"key":"opentracing.ref_type","value":{"stringValue":"child_of"}}]},
    {"traceId":"00000000000000010000000000000002","spanId":"00f067aa0ba902b7","attributes":[
        {"key":"opentracing.ref_type","value":{"stringValue":"follows_from"}}]}]"#;

/// A request of one span with these fields, by prost: JSON has no ids of a wrong length.
fn raw(span: opentelemetry_proto::tonic::trace::v1::Span) -> ExportRequest {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans},
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .into()
}

fn raw_span() -> opentelemetry_proto::tonic::trace::v1::Span {
    opentelemetry_proto::tonic::trace::v1::Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /".to_owned(),
        ..Default::default()
    }
}
