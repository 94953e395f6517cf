//! Events and links in Zipkin v2 JSON: their text is put together where it is written, unless it
//! needs escapes.

use super::{
    AnnotationFormat, Item, Scratch, ZipkinOptions, annotation, blocks::Blocks,
    clean::is_clean_text, event_time, json::string, link as link_text, text,
};
use crate::otlp::{
    AnyValue, Attributes, Link,
    json::{hex, write::string_body},
};

/// Writes the events.
#[inline]
pub(super) fn annotations<'a>(
    out: &mut Blocks<'_>,
    item: &Item<'a, '_>,
    options: &ZipkinOptions,
    scratch: &mut Scratch<'a>,
) {
    let mut is_open = false;
    for event in item.span.events() {
        match is_open {
            true => out.literal(b",{\"timestamp\":"),
            false => out.literal(b",\"annotations\":[{\"timestamp\":"),
        }
        is_open = true;
        out.integer(event_time(&event, item));
        out.literal(b",\"value\":\"");
        let attributes = event.attributes();
        if options.annotations == AnnotationFormat::Specification && !attributes.is_empty() {
            nested_string(out, event.name().as_bytes(), scratch);
            out.literal(b":");
            nested_object(out, attributes, scratch);
        } else {
            annotation(&event, options, scratch);
            string(out, &scratch.text);
        }
        out.literal(b"\"}");
    }
    if is_open {
        out.literal(b"]");
    }
}

/// Writes attributes as a JSON object, as it stands in a string.
fn nested_object<'a>(out: &mut Blocks<'_>, attributes: Attributes<'a>, scratch: &mut Scratch<'a>) {
    let mut before = b"{";
    for (key, value) in attributes {
        out.literal(before);
        before = b",";
        nested_string(out, key.as_bytes(), scratch);
        out.literal(b":");
        if let AnyValue::Str(text) = value {
            nested_string(out, text.as_bytes(), scratch);
        } else {
            scratch.text.clear();
            text::json(&mut scratch.text, value, &mut scratch.stack);
            out.escaped(&scratch.text, scratch.text.len());
        }
    }
    out.literal(b"}");
}

/// Writes text as a JSON string, as it stands in a string.
fn nested_string(out: &mut Blocks<'_>, text: &[u8], scratch: &mut Scratch<'_>) {
    out.literal(b"\\\"");
    // What needs no escape needs none twice.
    if is_clean_text(text) {
        out.slice(text);
    } else {
        scratch.text.clear();
        string_body(&mut scratch.text, text);
        out.escaped(&scratch.text, scratch.text.len());
    }
    out.literal(b"\\\"");
}

/// Writes a link, as the function of that name beside this module makes its text.
pub(super) fn link<'a>(out: &mut Blocks<'_>, link: &Link<'a>, scratch: &mut Scratch<'a>) {
    let (trace, id) = (link.trace_id().to_array(), link.span_id().to_array());
    match (trace, id) {
        (Some(trace), Some(id)) if link.attributes().is_empty() => {
            out.literal(&hex::digits::<16, 32>(&trace));
            out.literal(b"|");
            out.literal(&hex::digits::<8, 16>(&id));
            out.literal(b"|");
            let state = link.trace_state().as_bytes();
            out.escaped(state, state.len());
            out.literal(b"|{}|");
            out.integer(u64::from(link.dropped_attributes_count()));
        }
        _ => {
            scratch.text.clear();
            link_text(link, scratch);
            string(out, &scratch.text);
        }
    }
}
