//! `ListOfSpans` of `zipkin.proto`.
//!
//! Source: openzipkin/zipkin-api. Fields stand in the order of their numbers.

use std::net::IpAddr;

use super::{
    Format, Item, Scratch, ZipkinOptions, annotation, endpoint::Endpoint, event_time, lower_case,
    value,
};
use crate::otlp::{
    SpanKind,
    wire::{
        FIXED64, begin_len, end_len, put_len_field, put_tag, put_varint, put_varint_field,
        varint_len,
    },
};

/// Fields of `ListOfSpans`.
const SPANS: u32 = 1;

/// Fields of `Span`.
const TRACE_ID: u32 = 1;
const PARENT_ID: u32 = 2;
const ID: u32 = 3;
const KIND: u32 = 4;
const NAME: u32 = 5;
const TIMESTAMP: u32 = 6;
const DURATION: u32 = 7;
const LOCAL_ENDPOINT: u32 = 8;
const REMOTE_ENDPOINT: u32 = 9;
const ANNOTATIONS: u32 = 10;
const TAGS: u32 = 11;

/// Fields of `Endpoint`.
const SERVICE_NAME: u32 = 1;
const IPV4: u32 = 2;
const IPV6: u32 = 3;
const PORT: u32 = 4;

/// Fields of `Annotation`, and of an entry of the map of tags.
const ANNOTATION_TIMESTAMP: u32 = 1;
const ANNOTATION_VALUE: u32 = 2;
const TAG_KEY: u32 = 1;
const TAG_VALUE: u32 = 2;

pub(super) struct Protobuf;

impl Format for Protobuf {
    type Memory<'a> = ();

    fn begin(_: &mut Vec<u8>) {}

    fn span<'a>(
        out: &mut Vec<u8>,
        item: &Item<'a, '_>,
        options: &ZipkinOptions,
        (): &mut (),
        scratch: &mut Scratch<'a>,
    ) {
        let span = item.span;
        let body = begin_len(out, SPANS);
        put_len_field(out, TRACE_ID, span.trace_id().as_bytes());
        if !item.parent.is_empty() {
            put_len_field(out, PARENT_ID, item.parent);
        }
        put_len_field(out, ID, span.span_id().as_bytes());
        if let Some(kind) = kind(span.kind()) {
            put_varint_field(out, KIND, kind);
        }
        if !span.name().is_empty() {
            let text = &mut scratch.text;
            text.clear();
            lower_case(text, span.name());
            put_len_field(out, NAME, text);
        }
        if item.timestamp != 0 {
            put_fixed64_field(out, TIMESTAMP, item.timestamp);
        }
        if item.duration != 0 {
            put_varint_field(out, DURATION, item.duration);
        }
        endpoint(out, LOCAL_ENDPOINT, &item.local);
        endpoint(out, REMOTE_ENDPOINT, &item.remote);
        for event in span.events() {
            annotation(&event, options, scratch);
            let body = begin_len(out, ANNOTATIONS);
            put_fixed64_field(out, ANNOTATION_TIMESTAMP, event_time(&event, item));
            put_len_field(out, ANNOTATION_VALUE, &scratch.text);
            end_len(out, body);
        }
        tags(out, item, scratch);
        end_len(out, body);
    }

    fn end(_: &mut Vec<u8>) {}

    fn begin_tag(_: &mut Vec<u8>) {}

    fn tag(text: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        let body = begin_len(text, TAGS);
        put_len_field(text, TAG_KEY, key);
        put_len_field(text, TAG_VALUE, value);
        end_len(text, body);
    }

    fn tag_key(text: &mut Vec<u8>, key: &[u8]) {
        put_len_field(text, TAG_KEY, key);
    }

    fn end_tags(_: &mut Vec<u8>) {}
}

const fn kind(kind: SpanKind) -> Option<u64> {
    match kind {
        SpanKind::CLIENT => Some(1),
        SpanKind::SERVER => Some(2),
        SpanKind::PRODUCER => Some(3),
        SpanKind::CONSUMER => Some(4),
        _ => None,
    }
}

fn put_fixed64_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn endpoint(out: &mut Vec<u8>, number: u32, endpoint: &Endpoint<'_>) {
    if !endpoint.is_known() {
        return;
    }
    let body = begin_len(out, number);
    if !endpoint.service_name.is_empty() {
        put_len_field(out, SERVICE_NAME, endpoint.service_name);
    }
    match endpoint.address {
        Some(IpAddr::V4(address)) => put_len_field(out, IPV4, &address.octets()),
        Some(IpAddr::V6(address)) => put_len_field(out, IPV6, &address.octets()),
        None => {}
    }
    if endpoint.port != 0 {
        put_varint_field(out, PORT, u64::from(endpoint.port));
    }
    end_len(out, body);
}

/// Writes the tags: those of resource and scope are in the template as a whole, of the span's
/// own it has the key.
fn tags<'a>(out: &mut Vec<u8>, item: &Item<'a, '_>, scratch: &mut Scratch<'a>) {
    let text = &item.template.text;
    let mut written = 0;
    for step in &item.template.steps {
        out.extend_from_slice(text.get(written..step.run_end).unwrap_or_default());
        let key = text.get(step.run_end..step.end).unwrap_or_default();
        let value = value(item, step.source, scratch);
        let length = key.len() + 1 + varint_len(value.len() as u64) + value.len();
        put_tag(out, TAGS, crate::otlp::wire::LEN);
        put_varint(out, length as u64);
        out.extend_from_slice(key);
        put_len_field(out, TAG_VALUE, value);
        written = step.end;
    }
    let end = item.template.end;
    out.extend_from_slice(text.get(written..end).unwrap_or_default());
}
