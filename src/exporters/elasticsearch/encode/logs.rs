//! Log records.

use super::{
    BulkFormat, Mapping,
    bulk::Bulk,
    group::{Group, careful_attributes, each_item},
    target::{Routing, Target, is_routing},
    value::{Maps, id_field, is_geo, object, plain_members, time_field, value},
};
use crate::{
    Signal,
    otlp::{
        json::write::{key, name, short_field, text_field},
        views::{AnyValue, LogRecord, Logs, Str},
    },
};

pub(super) fn write(format: &BulkFormat, bulk: &mut Bulk, logs: Logs<'_>) {
    each_item(
        logs,
        format,
        [Signal::Logs],
        |group, [target], record, item| {
            if format.mapping == Mapping::BodyMap {
                return write_body(format, bulk, group, record, item);
            }
            let kind = (Signal::Logs, target);
            let own = (item, record.attributes());
            group.write_document(format, bulk, kind, own, |bulk, tail, target, own| {
                record_lines(format, bulk, tail, target, record, own)
            });
        },
    );
}

/// Writes both lines of a record. `false` if its attributes need a second look: `own` then is
/// what they say.
fn record_lines(
    format: &BulkFormat,
    bulk: &mut Bulk,
    tail: &[u8],
    target: &Target,
    record: &LogRecord<'_>,
    own: Option<Routing<'_>>,
) -> bool {
    let id = format.id(own.unwrap_or_default().document_id);
    let out = &mut bulk.text;
    let place = target.begin_action(out, format.action, id);
    out.extend_from_slice(b"}}\n");
    let document = out.len();
    out.push(b'{');
    let observed = record.observed_time_unix_nano();
    let time = match record.time_unix_nano() {
        0 => observed,
        time => time,
    };
    time_field(out, key!("@timestamp"), time);
    time_field(out, key!("observed_timestamp"), observed);
    out.extend_from_slice(&target.data_stream);
    text_field(out, key!("severity_text"), record.severity_text());
    short_field(out, key!("severity_number"), record.severity_number().0);
    id_field(out, key!("trace_id"), record.trace_id().as_bytes());
    id_field(out, key!("span_id"), record.span_id().as_bytes());
    let mut event_name = record.event_name();
    if own.is_some() {
        careful_attributes(out, record.attributes(), Maps::Objects, |_| false);
        if event_name.is_empty() {
            event_name = last_text(record, "event.name");
        }
    } else if !attributes(out, record, &mut event_name) {
        return false;
    }
    short_field(
        out,
        key!("dropped_attributes_count"),
        record.dropped_attributes_count(),
    );
    text_field(out, key!("event_name"), event_name);
    out.extend_from_slice(tail);
    write_text(out, record.body());
    out.push(b'}');
    bulk.finish(id, place, target, document);
    true
}

/// Writes the attributes, unless they need a second look, and notes the name of the event if that
/// is one of them.
#[inline]
fn attributes<'a>(out: &mut Vec<u8>, record: &LogRecord<'a>, event_name: &mut Str<'a>) -> bool {
    let attributes = record.attributes();
    if attributes.is_empty() {
        return true;
    }
    name(out, key!("attributes"));
    out.push(b'{');
    let is_event = !event_name.is_empty();
    let plain = plain_members(out, attributes, Maps::Objects, |key, member| {
        if key == b"event.name"
            && !is_event
            && let AnyValue::Str(text) = member
        {
            *event_name = text;
        }
        is_routing(key) || is_geo(key)
    });
    out.push(b'}');
    plain
}

/// The text of the last attribute with this key.
fn last_text<'a>(record: &LogRecord<'a>, wanted: &str) -> Str<'a> {
    let found = record
        .attributes()
        .iter()
        .filter(|(key, _)| key == wanted)
        .last();
    match found {
        Some((_, AnyValue::Str(text))) => text,
        _ => Str::default(),
    }
}

/// Writes the body: text, or what has a structure.
fn write_text(out: &mut Vec<u8>, body: AnyValue<'_>) {
    match body {
        AnyValue::Empty => return,
        AnyValue::Map(_) => {
            out.extend_from_slice(b",\"body\":{\"structured\":");
            value(out, body, Maps::Objects);
        }
        AnyValue::Array(values) => {
            out.extend_from_slice(b",\"body\":{\"structured\":");
            if values.iter().all(|each| matches!(each, AnyValue::Map(_))) {
                value(out, body, Maps::Objects);
            } else {
                out.extend_from_slice(b"{\"value\":");
                value(out, body, Maps::Objects);
                out.push(b'}');
            }
        }
        _ => {
            out.extend_from_slice(b",\"body\":{\"text\":");
            value(out, body, Maps::Objects);
        }
    }
    out.push(b'}');
}

/// Writes the body of a record as the document.
fn write_body<'a>(
    format: &BulkFormat,
    bulk: &mut Bulk,
    group: &mut Group<'a>,
    record: &LogRecord<'a>,
    item: u64,
) {
    let AnyValue::Map(body) = record.body() else {
        let reason = "the mapping `bodymap` needs log records whose body is a map";
        bulk.rejections
            .add(item, reason, record.event_name().as_str());
        return;
    };
    bulk.items.push(item);
    let own = Routing::of(record.attributes());
    let (_, target) = group.resolve_own(format, Signal::Logs, own);
    let id = format.id(own.document_id);
    let place = target.begin_action(&mut bulk.text, format.action, id);
    bulk.text.extend_from_slice(b"}}\n");
    let document = bulk.text.len();
    object(&mut bulk.text, body);
    bulk.finish(id, place, target, document);
}
