//! Zipkin v2 JSON.
//!
//! Source: `zipkin2-api.yaml` of openzipkin/zipkin-api. Fields stand in the order in which
//! Zipkin's own library writes them.

use std::{io::Write as _, net::IpAddr};

use super::{
    Format, Item, Scratch, ZipkinOptions,
    attribute::{Found, Value},
    blocks::{Blocks, ROOM, Room},
    endpoint::Endpoint,
    json_events::{annotations, link},
    lower_case,
    parts::Parts,
    template::Source,
    text::plain,
    value,
};
use crate::otlp::{
    AnyValue, SpanKind,
    json::{hex, write::string_body},
};

/// What is kept from span to span.
pub(super) struct Memory<'a> {
    room: Room,
    /// The last name of a span that is not simply ASCII: few are different.
    name: Rendered<'a>,
    /// The name of the service, as the end of a call.
    local: Rendered<'a>,
}

impl Default for Memory<'_> {
    fn default() -> Self {
        Self {
            room: ROOM,
            name: Rendered::default(),
            local: Rendered::default(),
        }
    }
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
    fn write(
        &mut self,
        out: &mut Blocks<'_>,
        name: &'a [u8],
        render: impl FnOnce(&mut Blocks<'_>),
    ) {
        let is_known = std::ptr::eq(self.name, name) || self.name == name;
        if self.length > 0 && is_known {
            out.fragment(&self.text, self.length);
            return;
        }
        out.space();
        let start = out.position();
        render(out);
        let length = out.position() - start;
        // A longer text may have gone on, and is not remembered.
        let made = out.last(length);
        if made.len() == length
            && let Some(text) = self.text.get_mut(..length)
        {
            text.copy_from_slice(made);
            (self.name, self.length) = (name, length);
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
        let mut blocks = Blocks::new(out, &mut memory.room);
        let text = &mut blocks;
        head(text, item);
        name(text, &mut memory.name, span, &mut scratch.text);
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
        blocks.finish();
    }

    fn end(out: &mut Vec<u8>) {
        if let Some(comma) = out.last_mut() {
            *comma = b']';
        }
    }

    fn begin_tag(text: &mut Vec<u8>) {
        // The quote ends the value before.
        let before: &[u8] = match text.is_empty() {
            true => b",\"tags\":{\"",
            false => b"\",\"",
        };
        text.extend_from_slice(before);
    }

    fn tag(text: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        Self::tag_key(text, key);
        string_body(text, value);
        defuse(text);
    }

    fn tag_key(text: &mut Vec<u8>, key: &[u8]) {
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

/// Writes the ids and the kind.
#[inline(always)]
fn head(out: &mut Blocks<'_>, item: &Item<'_, '_>) {
    // What differs goes to places that are known: all ids become digits in one go. Their lengths
    // were checked.
    let span = item.span;
    let kind = kind(span.kind());
    let trace: [u8; 16] = span.trace_id().to_array().unwrap_or_default();
    let id: [u8; 8] = span.span_id().to_array().unwrap_or_default();
    let mut ids = [0; 32];
    ids[..16].copy_from_slice(&trace);
    ids[16..24].copy_from_slice(&id);
    match <&[u8; 8]>::try_from(item.parent) {
        Ok(parent) => {
            ids[24..].copy_from_slice(parent);
            let digits: [u8; 64] = hex::digits(&ids);
            out.with::<128>(|room| {
                room[..98].copy_from_slice(
                    b"{\"traceId\":\"                                \
                    \",\"parentId\":\"                \",\"id\":\"                ",
                );
                room[12..44].copy_from_slice(&digits[..32]);
                room[58..74].copy_from_slice(&digits[48..]);
                room[82..98].copy_from_slice(&digits[32..48]);
                room[98..118].copy_from_slice(kind.0);
                98 + kind.1
            });
        }
        Err(_) => {
            let digits: [u8; 64] = hex::digits(&ids);
            out.with::<96>(|room| {
                room[..68].copy_from_slice(
                    b"{\"traceId\":\"                                \
                    \",\"id\":\"                ",
                );
                room[12..44].copy_from_slice(&digits[..32]);
                room[52..68].copy_from_slice(&digits[32..48]);
                room[68..88].copy_from_slice(kind.0);
                68 + kind.1
            });
        }
    }
}

/// The kind, and the quote before it that ends the id: the first bytes, as many as it says.
const fn kind(kind: SpanKind) -> (&'static [u8; 20], usize) {
    match kind {
        SpanKind::CLIENT => (b"\",\"kind\":\"CLIENT\"   ", 17),
        SpanKind::SERVER => (b"\",\"kind\":\"SERVER\"   ", 17),
        SpanKind::PRODUCER => (b"\",\"kind\":\"PRODUCER\" ", 19),
        SpanKind::CONSUMER => (b"\",\"kind\":\"CONSUMER\" ", 19),
        _ => (b"\"                   ", 1),
    }
}

/// Writes the name, unless it is empty.
#[inline(always)]
fn name<'a>(out: &mut Blocks<'_>, known: &mut Rendered<'a>, span: &Parts<'a>, lower: &mut Vec<u8>) {
    let (text, length) = span.name_from();
    if length == 0 {
        return;
    }
    out.literal(b",\"name\":\"");
    if !out.lower_case(text, length) {
        let name = span.name();
        known.write(out, name.as_bytes(), |out| {
            lower.clear();
            lower_case(lower, name);
            out.escaped(lower, lower.len());
        });
    }
    defuse_blocks(out);
    out.literal(b"\"");
}

/// Writes the end that made the span.
#[inline]
fn local<'a>(out: &mut Blocks<'_>, known: &mut Rendered<'a>, local: &Endpoint<'a>) {
    const KEY: &[u8; 18] = b",\"localEndpoint\":{";
    if local.service_name.is_empty() || local.address.is_some() || local.port != 0 {
        endpoint(out, KEY, local);
        return;
    }
    known.write(out, local.service_name, |out| endpoint(out, KEY, local));
}

fn endpoint<const N: usize>(out: &mut Blocks<'_>, key: &[u8; N], endpoint: &Endpoint<'_>) {
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

#[inline(always)]
fn tags<'a>(out: &mut Blocks<'_>, item: &Item<'a, '_>, scratch: &mut Scratch<'a>) {
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
            Source::Link(position) => {
                if let Some(found) = item.links.get(position) {
                    link(out, found, scratch);
                }
            }
            source => string(out, value(item, source, scratch)),
        }
    }
    out.fragment(rest, template.end - written);
}

#[inline(always)]
fn attribute<'a>(out: &mut Blocks<'_>, value: Value<'a>, scratch: &mut Scratch<'a>) {
    match value.find() {
        Found::Text(text, length) => {
            out.escaped(text, length);
            if length >= DANGEROUS.len() {
                defuse_blocks(out);
            }
        }
        Found::Int(number) => {
            if number < 0 {
                out.literal(b"-");
            }
            out.integer(number.unsigned_abs());
        }
        Found::Bool(true) => out.literal(b"true"),
        Found::Bool(false) => out.literal(b"false"),
        Found::Double(number) if out.short_double(number) => {}
        Found::Double(number) => other(out, AnyValue::Double(number), scratch),
        Found::Other(value) => other(out, value, scratch),
    }
}

#[inline(never)]
fn other<'a>(out: &mut Blocks<'_>, value: AnyValue<'a>, scratch: &mut Scratch<'a>) {
    let Scratch { text, stack } = scratch;
    match value {
        AnyValue::Str(text) => string(out, text.as_bytes()),
        value => {
            text.clear();
            plain(text, value, stack);
            string(out, text);
        }
    }
}

#[inline(never)]
pub(super) fn string(out: &mut Blocks<'_>, text: &[u8]) {
    out.escaped(text, text.len());
    defuse_blocks(out);
}

#[inline]
fn defuse_blocks(out: &mut Blocks<'_>) {
    if out.ends_with(DANGEROUS) {
        out.back(1);
        out.literal(b"\\u0073");
    }
}

/// See [`defuse`].
const DANGEROUS: &[u8; 12] = b"yAnnotations";

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
