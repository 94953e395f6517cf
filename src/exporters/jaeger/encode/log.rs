//! Events, and links if asked for, as logs of a span.

use super::{
    EncodeOptions,
    span::{DROPPED_ATTRIBUTES, micros},
    tag,
};
use crate::{
    exporters::jaeger::thrift::{Kind, Protocol},
    otlp::{Attributes, Event, Link, Span, json::hex},
};

/// Writes the field `logs`, behind the field `previous`, if there are any.
pub(super) fn write<P: Protocol>(
    out: &mut Vec<u8>,
    span: &Span<'_>,
    options: &EncodeOptions,
    previous: u8,
) {
    let has_link_logs = options.link_logs && !span.links().is_empty();
    if span.events().is_empty() && !has_link_logs {
        return;
    }
    let start = out.len();
    P::field(out, Kind::List, 11, previous);
    let list = P::open_list(out, false);
    let mut count = 0;
    if has_link_logs {
        for link in span.links() {
            link_log::<P>(out, &link, span.start_time_unix_nano());
            count += 1;
        }
    }
    for event in span.events() {
        event_log::<P>(out, &event);
        count += 1;
    }
    tag::end_list::<P>(out, start, list, count);
}

/// Writes a log. Its list of fields is required, even if it is empty.
fn log<P: Protocol>(out: &mut Vec<u8>, nanos: u64, fields: impl FnOnce(&mut Vec<u8>) -> usize) {
    P::i64_field(out, 1, 0, micros(nanos));
    P::field(out, Kind::List, 2, 1);
    let list = P::open_list(out, false);
    let count = fields(out);
    P::close_list(out, list, Kind::Struct, count);
    P::stop(out);
}

fn event_log<P: Protocol>(out: &mut Vec<u8>, event: &Event<'_>) {
    let attributes = event.attributes();
    let dropped = event.dropped_attributes_count();
    log::<P>(out, event.time_unix_nano(), |out| {
        let mut count = 0;
        // An attribute of that name stays, and the event's own name is lost: what the
        // specification says.
        if !event.name().is_empty() && attributes.get("event").is_none() {
            tag::string::<P>(out, b"event", event.name().as_bytes());
            count += 1;
        }
        let replaced = |key: &[u8]| dropped != 0 && key == DROPPED_ATTRIBUTES;
        count += attribute_tags::<P>(out, attributes, replaced);
        if dropped != 0 {
            tag::long::<P>(out, DROPPED_ATTRIBUTES, i64::from(dropped));
            count += 1;
        }
        count
    });
}

fn link_log<P: Protocol>(out: &mut Vec<u8>, link: &Link<'_>, nanos: u64) {
    log::<P>(out, nanos, |out| {
        tag::string::<P>(out, b"event", b"link");
        for (key, id) in [
            (&b"trace_id"[..], link.trace_id().as_bytes()),
            (b"span_id", link.span_id().as_bytes()),
        ] {
            tag::made_string::<P>(out, key, |out| hex::encode(out, id));
        }
        let made: [&[u8]; 3] = [b"event", b"trace_id", b"span_id"];
        3 + attribute_tags::<P>(out, link.attributes(), |key| made.contains(&key))
    });
}

fn attribute_tags<P: Protocol>(
    out: &mut Vec<u8>,
    attributes: Attributes<'_>,
    replaced: impl Fn(&[u8]) -> bool,
) -> usize {
    let mut count = 0;
    for (key, value) in attributes {
        if !replaced(key.as_bytes()) {
            tag::write::<P>(out, key.as_bytes(), value);
            count += 1;
        }
    }
    count
}
