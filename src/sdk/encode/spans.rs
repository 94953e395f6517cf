//! Spans.

use opentelemetry::{
    SpanId,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::SpanData;

use super::{
    attributes::{attributes_len, put_attributes},
    nested::{field_len, put_fixed32, put_message, put_number, put_text},
    time::unix_nanos,
};
use crate::otlp::wire::{put_len_field, put_varint_field};

/// `SpanFlags`: whether the parent is remote is known, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// About how many bytes a span takes.
pub(super) fn span_len(span: &SpanData) -> usize {
    let events = span.events.iter().map(|event| field_len(event_len(event)));
    let links = span.links.iter().map(|link| field_len(link_len(link)));
    // Identifiers 38, times 18, flags 6, kind 2; counts, a status.
    64 + 12
        + field_len(span.name.len())
        + trace_state_len(span.span_context.trace_state())
        + attributes_len(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

/// Writes the body of a `Span`.
pub(super) fn put_span(out: &mut Vec<u8>, span: &SpanData) {
    put_ids(out, &span.span_context);
    put_trace_state(out, span.span_context.trace_state());
    if span.parent_span_id != SpanId::INVALID {
        put_len_field(out, 4, &span.parent_span_id.to_bytes());
    }
    put_text(out, 5, &span.name);
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    put_varint_field(out, 6, kind);
    put_number(out, 7, unix_nanos(span.start_time));
    put_number(out, 8, unix_nanos(span.end_time));
    put_attributes(out, 9, &span.attributes);
    put_count(out, 10, span.dropped_attributes_count);
    for event in span.events.iter() {
        put_message(out, 11, event_len(event), |out| put_event(out, event));
    }
    put_count(out, 12, span.events.dropped_count);
    for link in span.links.iter() {
        put_message(out, 13, link_len(link), |out| put_link(out, link));
    }
    put_count(out, 14, span.links.dropped_count);
    put_status(out, &span.status);
    let flags = u32::from(span.span_context.trace_flags().to_u8());
    put_fixed32(out, 16, flags | remote(span.parent_span_is_remote));
}

fn put_event(out: &mut Vec<u8>, event: &Event) {
    put_number(out, 1, unix_nanos(event.timestamp));
    put_text(out, 2, &event.name);
    put_attributes(out, 3, &event.attributes);
    put_count(out, 4, event.dropped_attributes_count);
}

fn event_len(event: &Event) -> usize {
    9 + field_len(event.name.len()) + attributes_len(&event.attributes)
}

fn put_link(out: &mut Vec<u8>, link: &Link) {
    put_ids(out, &link.span_context);
    put_trace_state(out, link.span_context.trace_state());
    put_attributes(out, 4, &link.attributes);
    put_count(out, 5, link.dropped_attributes_count);
    let flags = u32::from(link.span_context.trace_flags().to_u8());
    put_fixed32(out, 6, flags | remote(link.span_context.is_remote()));
}

fn link_len(link: &Link) -> usize {
    33 + trace_state_len(link.span_context.trace_state()) + attributes_len(&link.attributes)
}

/// Writes fields 1 and 2, the same for spans and links.
fn put_ids(out: &mut Vec<u8>, context: &SpanContext) {
    let mut ids = [0; 28];
    ids[..2].copy_from_slice(&[0x0a, 16]);
    ids[2..18].copy_from_slice(&context.trace_id().to_bytes());
    ids[18..20].copy_from_slice(&[0x12, 8]);
    ids[20..].copy_from_slice(&context.span_id().to_bytes());
    out.extend_from_slice(&ids);
}

/// Writes field 3 as the header of the W3C has it, unless it is empty.
fn put_trace_state(out: &mut Vec<u8>, state: &TraceState) {
    let mut entries = state.into_iter();
    let Some((key, value)) = entries.next() else {
        return;
    };
    put_message(out, 3, trace_state_len(state), |out| {
        let put = |out: &mut Vec<u8>, [key, value]: [&str; 2]| {
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        };
        put(out, [key, value]);
        for (key, value) in entries {
            out.push(b',');
            put(out, [key, value]);
        }
    });
}

fn trace_state_len(state: &TraceState) -> usize {
    state
        .into_iter()
        .map(|(key, value)| key.len() + value.len() + 2)
        .sum()
}

/// Writes a status, unless it is unset, which is what a reader takes it for without.
fn put_status(out: &mut Vec<u8>, status: &Status) {
    let (code, message) = match status {
        Status::Unset => return,
        Status::Ok => (1, ""),
        Status::Error { description } => (2, &**description),
    };
    put_message(out, 15, field_len(message.len()) + 2, |out| {
        put_text(out, 2, message);
        put_varint_field(out, 3, code);
    });
}

fn put_count(out: &mut Vec<u8>, number: u32, count: u32) {
    if count != 0 {
        put_varint_field(out, number, u64::from(count));
    }
}

const fn remote(is_remote: bool) -> u32 {
    HAS_IS_REMOTE | if is_remote { IS_REMOTE } else { 0 }
}
