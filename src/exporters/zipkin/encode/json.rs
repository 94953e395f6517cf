//! Zipkin v2 JSON.
//!
//! Source: `zipkin2-api.yaml` of openzipkin/zipkin-api. Fields stand in the order in which
//! Zipkin's own library writes them.

use std::{io::Write as _, net::IpAddr};

use super::{
    Format, Item, Scratch, ZipkinOptions, annotation,
    endpoint::Endpoint,
    event_time, lower_case,
    template::Source,
    text::{boolean, integer, plain},
    value,
};
use crate::otlp::{
    AnyValue, SpanKind,
    json::{
        hex,
        write::{key, name, string_body},
    },
};

pub(super) struct Json;

impl Format for Json {
    fn begin(out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn span<'a>(
        out: &mut Vec<u8>,
        item: &Item<'a, '_>,
        options: &ZipkinOptions,
        scratch: &mut Scratch<'a>,
    ) {
        let span = item.span;
        out.extend_from_slice(b"{\"traceId\":\"");
        hex::encode(out, span.trace_id().as_bytes());
        if !item.parent.is_empty() {
            out.extend_from_slice(b"\",\"parentId\":\"");
            hex::encode(out, item.parent);
        }
        out.extend_from_slice(b"\",\"id\":\"");
        hex::encode(out, span.span_id().as_bytes());
        out.extend_from_slice(kind(span.kind()));
        if !span.name().is_empty() {
            out.extend_from_slice(b",\"name\":\"");
            let text = &mut scratch.text;
            text.clear();
            lower_case(text, span.name());
            string_body(out, text);
            end_string(out);
        }
        if item.timestamp != 0 {
            out.extend_from_slice(key!("timestamp"));
            integer(out, item.timestamp);
        }
        if item.duration != 0 {
            out.extend_from_slice(key!("duration"));
            integer(out, item.duration);
        }
        endpoint(out, key!("localEndpoint"), &item.local);
        endpoint(out, key!("remoteEndpoint"), &item.remote);
        annotations(out, item, options, scratch);
        tags(out, item, scratch);
        out.extend_from_slice(b"},");
    }

    fn end(out: &mut Vec<u8>) {
        if let Some(comma) = out.last_mut() {
            *comma = b']';
        }
    }

    fn tag(text: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        Self::tag_key(text, key);
        string_body(text, value);
        defuse(text);
    }

    fn tag_key(text: &mut Vec<u8>, key: &[u8]) {
        // The quote ends the value before this key.
        let before: &[u8] = match text.is_empty() {
            true => b",\"tags\":{\"",
            false => b"\",\"",
        };
        text.extend_from_slice(before);
        string_body(text, key);
        defuse(text);
        text.extend_from_slice(b"\":\"");
    }

    fn end_tags(text: &mut Vec<u8>) {
        if !text.is_empty() {
            text.extend_from_slice(b"\"}");
        }
    }
}

/// The kind, and the quote before it that ends the id.
const fn kind(kind: SpanKind) -> &'static [u8] {
    match kind {
        SpanKind::CLIENT => b"\",\"kind\":\"CLIENT\"",
        SpanKind::SERVER => b"\",\"kind\":\"SERVER\"",
        SpanKind::PRODUCER => b"\",\"kind\":\"PRODUCER\"",
        SpanKind::CONSUMER => b"\",\"kind\":\"CONSUMER\"",
        _ => b"\"",
    }
}

fn endpoint(out: &mut Vec<u8>, key: &[u8], endpoint: &Endpoint<'_>) {
    if !endpoint.is_known() {
        return;
    }
    out.extend_from_slice(key);
    out.push(b'{');
    if !endpoint.service_name.is_empty() {
        out.extend_from_slice(b"\"serviceName\":\"");
        string_body(out, endpoint.service_name);
        end_string(out);
    }
    if let Some(address) = endpoint.address {
        name(
            out,
            match address {
                IpAddr::V4(_) => key!("ipv4"),
                IpAddr::V6(_) => key!("ipv6"),
            },
        );
        // Writing to memory cannot fail.
        let _ = write!(out, "\"{address}\"");
    }
    if endpoint.port != 0 {
        out.extend_from_slice(key!("port"));
        integer(out, endpoint.port);
    }
    out.push(b'}');
}

fn annotations<'a>(
    out: &mut Vec<u8>,
    item: &Item<'a, '_>,
    options: &ZipkinOptions,
    scratch: &mut Scratch<'a>,
) {
    let mut before: &[u8] = b",\"annotations\":[{\"timestamp\":";
    for event in item.span.events() {
        out.extend_from_slice(before);
        before = b",{\"timestamp\":";
        integer(out, event_time(&event, item));
        out.extend_from_slice(b",\"value\":\"");
        annotation(&event, options, scratch);
        string_body(out, &scratch.text);
        end_string(out);
        out.push(b'}');
    }
    if !item.span.events().is_empty() {
        out.push(b']');
    }
}

#[inline]
fn tags<'a>(out: &mut Vec<u8>, item: &Item<'a, '_>, scratch: &mut Scratch<'a>) {
    let text = &item.template.text;
    let mut written = 0;
    for step in &item.template.steps {
        out.extend_from_slice(text.get(written..step.end).unwrap_or_default());
        let attribute = match step.source {
            Source::Attribute(position) => item.attributes.get(position),
            _ => None,
        };
        // Most tags: what needs no escape is written where it belongs at once.
        match attribute {
            Some((_, AnyValue::Int(number))) => integer(out, *number),
            Some((_, AnyValue::Bool(flag))) => boolean(out, *flag),
            Some((_, number @ AnyValue::Double(_))) => plain(out, *number, &mut scratch.stack),
            _ => {
                string_body(out, value(item, step.source, scratch));
                defuse(out);
            }
        }
        written = step.end;
    }
    out.extend_from_slice(text.get(written..).unwrap_or_default());
}

fn end_string(out: &mut Vec<u8>) {
    defuse(out);
    out.push(b'"');
}

/// To be called before the quote that ends a string.
///
/// A server takes a body for the old format, and refuses it, if `yAnnotations"` stands anywhere
/// in it. Another spelling of the last letter means the same, and keeps one odd span from having
/// its neighbours refused.
#[inline]
fn defuse(out: &mut Vec<u8>) {
    if out.last() == Some(&b's') && out.ends_with(b"yAnnotations") {
        out.pop();
        out.extend_from_slice(b"\\u0073");
    }
}
