//! Zipkin v2 JSON.
//!
//! Source: `zipkin2-api.yaml` of openzipkin/zipkin-api. Fields stand in the order in which
//! Zipkin's own library writes them.

use std::{io::Write as _, net::IpAddr};

use super::{
    Format, Item, Scratch, ZipkinOptions, annotation,
    attribute::{Found, Value},
    blocks::Blocks,
    endpoint::Endpoint,
    event_time, lower_case,
    template::Source,
    text::plain,
    value,
};
use crate::otlp::{
    AnyValue, SpanKind, Str,
    json::{hex, write::string_body},
};

/// How many names of spans are remembered.
const NAMES: usize = 16;

/// What is kept from span to span.
#[derive(Default)]
pub(super) struct Memory<'a> {
    span: Blocks,
    /// Names of spans: few are different.
    names: [Rendered<'a>; NAMES],
    /// The name of the service, as the end of a call.
    local: Rendered<'a>,
}

/// The longest text that is remembered, in bytes.
const LONGEST: usize = 128;

/// A name with the text that is written for it.
struct Rendered<'a> {
    name: &'a [u8],
    text: [u8; LONGEST],
    /// Length of the text; 0 if there is none yet.
    length: usize,
}

impl Default for Rendered<'_> {
    fn default() -> Self {
        Self {
            name: &[],
            text: [0; LONGEST],
            length: 0,
        }
    }
}

impl<'a> Rendered<'a> {
    /// Writes the text for this name, as `render` does.
    #[inline]
    fn write(&mut self, out: &mut Blocks, name: &'a [u8], render: impl FnOnce(&mut Blocks)) {
        if self.length > 0 && self.name == name {
            out.fragment(&self.text, self.length);
            return;
        }
        let start = out.written().len();
        render(out);
        let made = out.written().get(start..).unwrap_or_default();
        if let Some(text) = self.text.get_mut(..made.len()) {
            text.copy_from_slice(made);
            (self.name, self.length) = (name, made.len());
        }
    }
}

pub(super) struct Json;

impl Format for Json {
    type Memory<'a> = Memory<'a>;

    fn begin(out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn span<'a>(
        out: &mut Vec<u8>,
        item: &Item<'a, '_>,
        options: &ZipkinOptions,
        memory: &mut Memory<'a>,
        scratch: &mut Scratch<'a>,
    ) {
        let span = item.span;
        let text = &mut memory.span;
        text.clear();
        head(text, item);
        kind(text, span.kind());
        name(text, &mut memory.names, span.name(), &mut scratch.text);
        if item.timestamp != 0 {
            text.literal(b",\"timestamp\":");
            text.integer(item.timestamp);
        }
        if item.duration != 0 {
            text.literal(b",\"duration\":");
            text.integer(item.duration);
        }
        local(text, &mut memory.local, &item.local);
        endpoint(text, b",\"remoteEndpoint\":{", &item.remote);
        annotations(text, item, options, scratch);
        tags(text, item, scratch);
        text.literal(b"},");
        out.extend_from_slice(text.written());
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

/// Writes the ids, but for the quote behind the last.
#[inline]
fn head(out: &mut Blocks, item: &Item<'_, '_>) {
    // Their lengths were checked.
    let trace: [u8; 16] = item.span.trace_id().to_array().unwrap_or_default();
    let id: [u8; 8] = item.span.span_id().to_array().unwrap_or_default();
    out.literal(b"{\"traceId\":\"");
    out.literal(&hex::digits::<16, 32>(&trace));
    if let Ok(parent) = item.parent.try_into() {
        out.literal(b"\",\"parentId\":\"");
        out.literal(&hex::digits::<8, 16>(parent));
    }
    out.literal(b"\",\"id\":\"");
    out.literal(&hex::digits::<8, 16>(&id));
}

/// Writes the kind, and the quote before it that ends the id.
#[inline]
fn kind(out: &mut Blocks, kind: SpanKind) {
    match kind {
        SpanKind::CLIENT => out.literal(b"\",\"kind\":\"CLIENT\""),
        SpanKind::SERVER => out.literal(b"\",\"kind\":\"SERVER\""),
        SpanKind::PRODUCER => out.literal(b"\",\"kind\":\"PRODUCER\""),
        SpanKind::CONSUMER => out.literal(b"\",\"kind\":\"CONSUMER\""),
        _ => out.literal(b"\""),
    }
}

#[inline]
fn name<'a>(
    out: &mut Blocks,
    names: &mut [Rendered<'a>; NAMES],
    name: Str<'a>,
    lower: &mut Vec<u8>,
) {
    let bytes = name.as_bytes();
    // The end of a name differs more often than its start.
    let [.., last] = bytes else {
        return;
    };
    let place = (usize::from(*last) ^ bytes.len()) % NAMES;
    names[place].write(out, bytes, |out| {
        lower.clear();
        lower_case(lower, name);
        out.literal(b",\"name\":\"");
        string(out, lower);
        out.literal(b"\"");
    });
}

/// Writes the end that made the span.
#[inline]
fn local<'a>(out: &mut Blocks, known: &mut Rendered<'a>, local: &Endpoint<'a>) {
    const KEY: &[u8; 18] = b",\"localEndpoint\":{";
    if local.service_name.is_empty() || local.address.is_some() || local.port != 0 {
        endpoint(out, KEY, local);
        return;
    }
    known.write(out, local.service_name, |out| endpoint(out, KEY, local));
}

fn endpoint<const N: usize>(out: &mut Blocks, key: &[u8; N], endpoint: &Endpoint<'_>) {
    if !endpoint.is_known() {
        return;
    }
    out.literal(key);
    let mut comma: &[u8] = b"";
    if !endpoint.service_name.is_empty() {
        out.literal(b"\"serviceName\":\"");
        string(out, endpoint.service_name);
        out.literal(b"\"");
        comma = b",";
    }
    if let Some(address) = endpoint.address {
        out.slice(comma);
        comma = b",";
        match address {
            IpAddr::V4(_) => out.literal(b"\"ipv4\":\""),
            IpAddr::V6(_) => out.literal(b"\"ipv6\":\""),
        }
        let mut text = [0; 48];
        let mut free = &mut text[..];
        // The longest address takes 45 bytes.
        let _ = write!(free, "{address}\"");
        let length = 48 - free.len();
        out.block(&text, length);
    }
    if endpoint.port != 0 {
        out.slice(comma);
        out.literal(b"\"port\":");
        out.integer(u64::from(endpoint.port));
    }
    out.literal(b"}");
}

fn annotations<'a>(
    out: &mut Blocks,
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
        annotation(&event, options, scratch);
        string(out, &scratch.text);
        out.literal(b"\"}");
    }
    if is_open {
        out.literal(b"]");
    }
}

#[inline]
fn tags<'a>(out: &mut Blocks, item: &Item<'a, '_>, scratch: &mut Scratch<'a>) {
    let template = item.template;
    let mut rest = &*template.text;
    let mut written = 0;
    for step in &template.steps {
        out.fragment(rest, step.end - written);
        rest = template.text.get(step.end..).unwrap_or_default();
        written = step.end;
        match step.source {
            Source::Attribute(position) => {
                if let Some(found) = item.attributes.get(position) {
                    attribute(out, *found, scratch);
                }
            }
            source => string(out, value(item, source, scratch)),
        }
    }
    out.fragment(rest, template.end - written);
}

#[inline]
fn attribute<'a>(out: &mut Blocks, value: Value<'a>, scratch: &mut Scratch<'a>) {
    match value.find() {
        Found::Text(text, length) => {
            out.escaped(text, length);
            defuse_blocks(out);
        }
        Found::Other(AnyValue::Int(number)) => {
            if number < 0 {
                out.literal(b"-");
            }
            out.integer(number.unsigned_abs());
        }
        Found::Other(AnyValue::Bool(true)) => out.literal(b"true"),
        Found::Other(AnyValue::Bool(false)) => out.literal(b"false"),
        Found::Other(AnyValue::Str(text)) => string(out, text.as_bytes()),
        Found::Other(value) => {
            let Scratch { text, stack } = scratch;
            text.clear();
            plain(text, value, stack);
            string(out, text);
        }
    }
}

fn string(out: &mut Blocks, text: &[u8]) {
    out.escaped(text, text.len());
    defuse_blocks(out);
}

#[inline]
fn defuse_blocks(out: &mut Blocks) {
    if out.last() == Some(b's') && out.written().ends_with(DANGEROUS) {
        out.back(1);
        out.literal(b"\\u0073");
    }
}

/// See [`defuse`].
const DANGEROUS: &[u8] = b"yAnnotations";

/// To be called before the quote that ends a string.
///
/// A server takes a body for the old format, and refuses it, if `yAnnotations"` stands anywhere
/// in it. Another spelling of the last letter means the same, and keeps one odd span from having
/// its neighbours refused.
#[inline]
fn defuse(out: &mut Vec<u8>) {
    if out.last() == Some(&b's') && out.ends_with(DANGEROUS) {
        out.pop();
        out.extend_from_slice(b"\\u0073");
    }
}
