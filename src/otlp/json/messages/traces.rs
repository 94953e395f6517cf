//! Spans.

use crate::otlp::{Event, Link, Span, Status};

use super::{
    super::write::{id_field, key, list_field, long_field, name, short_field, text_field},
    attributes_field,
};

pub(super) fn span(out: &mut Vec<u8>, span: Span<'_>) {
    out.push(b'{');
    id_field(out, key!("traceId"), span.trace_id().as_bytes());
    id_field(out, key!("spanId"), span.span_id().as_bytes());
    text_field(out, key!("traceState"), span.trace_state());
    id_field(out, key!("parentSpanId"), span.parent_span_id().as_bytes());
    short_field(out, key!("flags"), span.flags());
    text_field(out, key!("name"), span.name());
    short_field(out, key!("kind"), span.kind().0);
    long_field(out, key!("startTimeUnixNano"), span.start_time_unix_nano());
    long_field(out, key!("endTimeUnixNano"), span.end_time_unix_nano());
    attributes_field(out, key!("attributes"), span.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        span.dropped_attributes_count(),
    );
    list_field(out, key!("events"), span.events(), event);
    short_field(out, key!("droppedEventsCount"), span.dropped_events_count());
    list_field(out, key!("links"), span.links(), link);
    short_field(out, key!("droppedLinksCount"), span.dropped_links_count());
    name(out, key!("status"));
    status(out, &span.status());
    out.push(b'}');
}

fn event(out: &mut Vec<u8>, event: Event<'_>) {
    out.push(b'{');
    long_field(out, key!("timeUnixNano"), event.time_unix_nano());
    text_field(out, key!("name"), event.name());
    attributes_field(out, key!("attributes"), event.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        event.dropped_attributes_count(),
    );
    out.push(b'}');
}

fn link(out: &mut Vec<u8>, link: Link<'_>) {
    out.push(b'{');
    id_field(out, key!("traceId"), link.trace_id().as_bytes());
    id_field(out, key!("spanId"), link.span_id().as_bytes());
    text_field(out, key!("traceState"), link.trace_state());
    attributes_field(out, key!("attributes"), link.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        link.dropped_attributes_count(),
    );
    short_field(out, key!("flags"), link.flags());
    out.push(b'}');
}

fn status(out: &mut Vec<u8>, status: &Status<'_>) {
    out.push(b'{');
    text_field(out, key!("message"), status.message());
    short_field(out, key!("code"), status.code().0);
    out.push(b'}');
}
