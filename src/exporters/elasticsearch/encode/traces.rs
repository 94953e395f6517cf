//! Spans and their events.

use super::{
    BulkFormat,
    bulk::Bulk,
    group::{careful_attributes, each_item, outer_attributes, plain_attributes},
    target::{Routing, Target},
    value::{Maps, id_field, integer, time_field},
};
use crate::{
    Signal,
    otlp::{
        json::write::{key, name, short_field, string, text_field},
        views::{Event, Link, Span, SpanKind, StatusCode, Str, Traces},
    },
};

pub(super) fn write(format: &BulkFormat, bulk: &mut Bulk, traces: Traces<'_>) {
    let kinds = [Signal::Traces, Signal::Logs];
    each_item(
        traces,
        format,
        kinds,
        |group, [spans, events], span, item| {
            let kind = (Signal::Traces, spans);
            let own = (item, span.attributes());
            group.write_document(format, bulk, kind, own, |bulk, tail, target, own| {
                span_lines(format, bulk, tail, target, span, own)
            });
            for event in span.events() {
                let kind = (Signal::Logs, events);
                let own = (item, event.attributes());
                group.write_document(format, bulk, kind, own, |bulk, tail, target, own| {
                    event_lines(format, bulk, tail, target, span, &event, own)
                });
            }
        },
    );
}

/// Writes both lines of a span. `false` if its attributes need a second look: `own` then is what
/// they say.
fn span_lines(
    format: &BulkFormat,
    bulk: &mut Bulk,
    tail: &[u8],
    target: &Target,
    span: &Span<'_>,
    own: Option<Routing<'_>>,
) -> bool {
    let id = format.id(own.unwrap_or_default().document_id);
    let out = &mut bulk.text;
    let place = target.begin_action(out, format.action, id);
    out.extend_from_slice(b"}}\n");
    let document = out.len();
    out.push(b'{');
    time_field(out, key!("@timestamp"), span.start_time_unix_nano());
    out.extend_from_slice(&target.data_stream);
    id_field(out, key!("trace_id"), span.trace_id().as_bytes());
    id_field(out, key!("span_id"), span.span_id().as_bytes());
    text_field(out, key!("trace_state"), span.trace_state());
    id_field(
        out,
        key!("parent_span_id"),
        span.parent_span_id().as_bytes(),
    );
    text_field(out, key!("name"), span.name());
    out.extend_from_slice(match span.kind() {
        SpanKind::INTERNAL => b",\"kind\":\"Internal\"",
        SpanKind::SERVER => b",\"kind\":\"Server\"",
        SpanKind::CLIENT => b",\"kind\":\"Client\"",
        SpanKind::PRODUCER => b",\"kind\":\"Producer\"",
        SpanKind::CONSUMER => b",\"kind\":\"Consumer\"",
        _ => b",\"kind\":\"Unspecified\"" as &[u8],
    });
    name(out, key!("duration"));
    // A span that ends before it starts has no duration; a difference without a sign would wrap.
    let end = span.end_time_unix_nano();
    integer(out, end.saturating_sub(span.start_time_unix_nano()));
    if own.is_some() {
        careful_attributes(out, span.attributes(), Maps::Objects, |_| false);
    } else if !plain_attributes(out, span.attributes(), Maps::Objects, |_| false) {
        return false;
    }
    short_field(
        out,
        key!("dropped_attributes_count"),
        span.dropped_attributes_count(),
    );
    short_field(
        out,
        key!("dropped_events_count"),
        span.dropped_events_count(),
    );
    out.extend_from_slice(b",\"links\":[");
    for (position, link) in span.links().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_link(out, &link);
    }
    out.push(b']');
    short_field(out, key!("dropped_links_count"), span.dropped_links_count());
    let status = span.status();
    out.extend_from_slice(b",\"status\":{");
    text_field(out, key!("message"), status.message());
    name(out, key!("code"));
    out.extend_from_slice(match status.code() {
        StatusCode::OK => b"\"Ok\"}",
        StatusCode::ERROR => b"\"Error\"}",
        _ => b"\"Unset\"}" as &[u8],
    });
    out.extend_from_slice(tail);
    out.push(b'}');
    bulk.finish(id, place, target, document);
    true
}

fn write_link(out: &mut Vec<u8>, link: &Link<'_>) {
    out.push(b'{');
    id_field(out, key!("trace_id"), link.trace_id().as_bytes());
    id_field(out, key!("span_id"), link.span_id().as_bytes());
    text_field(out, key!("trace_state"), link.trace_state());
    outer_attributes(out, link.attributes());
    short_field(
        out,
        key!("dropped_attributes_count"),
        link.dropped_attributes_count(),
    );
    out.push(b'}');
}

/// As [`span_lines`], for an event.
fn event_lines(
    format: &BulkFormat,
    bulk: &mut Bulk,
    tail: &[u8],
    target: &Target,
    span: &Span<'_>,
    event: &Event<'_>,
    own: Option<Routing<'_>>,
) -> bool {
    let id = format.id(own.unwrap_or_default().document_id);
    let out = &mut bulk.text;
    let place = target.begin_action(out, format.action, id);
    out.extend_from_slice(b"}}\n");
    let document = out.len();
    out.push(b'{');
    time_field(out, key!("@timestamp"), event.time_unix_nano());
    out.extend_from_slice(&target.data_stream);
    id_field(out, key!("trace_id"), span.trace_id().as_bytes());
    id_field(out, key!("span_id"), span.span_id().as_bytes());
    short_field(
        out,
        key!("dropped_attributes_count"),
        event.dropped_attributes_count(),
    );
    text_field(out, key!("event_name"), event.name());
    let name = event.name();
    let is_name = |key: &[u8]| !name.is_empty() && key == EVENT_NAME;
    if own.is_some() {
        careful_attributes(out, event.attributes(), Maps::Objects, is_name);
    } else if !plain_attributes(out, event.attributes(), Maps::Objects, is_name) {
        return false;
    }
    name_attribute(out, name);
    out.extend_from_slice(tail);
    out.push(b'}');
    bulk.finish(id, place, target, document);
    true
}

const EVENT_NAME: &[u8] = b"event.name";

/// Adds the attribute `event.name` to the attributes, which end what was written of the document,
/// if there are any.
fn name_attribute(out: &mut Vec<u8>, event: Str<'_>) {
    if event.is_empty() {
        return;
    }
    // Without attributes the name of the event stands there, a string.
    if out.last() == Some(&b'}') {
        out.pop();
        out.extend_from_slice(b",\"event.name\":");
    } else {
        out.extend_from_slice(b",\"attributes\":{\"event.name\":");
    }
    string(out, event.as_bytes());
    out.push(b'}');
}
