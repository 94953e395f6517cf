//! A span as Jaeger's `Span`.

use super::{EncodeOptions, log, tag};
use crate::{
    exporters::jaeger::thrift::{Kind, Protocol},
    otlp::{AnyValue, Link, Scope, Span, SpanId, SpanKind, StatusCode, TraceId},
};

/// `SpanRefType` of Jaeger's IDL.
const CHILD_OF: i32 = 0;
const FOLLOWS_FROM: i32 = 1;

const NANOS_PER_MICRO: u64 = 1000;

const SCOPE_NAME: &[u8] = b"otel.scope.name";
const SCOPE_VERSION: &[u8] = b"otel.scope.version";
const KIND: &[u8] = b"span.kind";
const STATUS_CODE: &[u8] = b"otel.status_code";
const ERROR: &[u8] = b"error";
const STATUS_DESCRIPTION: &[u8] = b"otel.status_description";
const TRACE_STATE: &[u8] = b"w3c.tracestate";
pub(super) const DROPPED_ATTRIBUTES: &[u8] = b"otel.dropped_attributes_count";
const DROPPED_EVENTS: &[u8] = b"otel.dropped_events_count";
const DROPPED_LINKS: &[u8] = b"otel.dropped_links_count";

/// The id for which a span cannot be a span of Jaeger.
#[derive(Debug)]
pub(super) enum BadId {
    Trace,
    Span,
    ParentSpan,
}

/// The tags that all spans of a scope have in common, written once.
#[derive(Clone, Default)]
pub(super) struct ScopeTags {
    bytes: Vec<u8>,
    count: usize,
    has_name: bool,
    has_version: bool,
    is_ready: bool,
}

impl ScopeTags {
    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) const fn forget(&mut self) {
        self.is_ready = false;
    }

    pub(super) fn render<P: Protocol>(&mut self, scope: &Scope<'_>, options: &EncodeOptions) {
        self.bytes.clear();
        self.count = 0;
        self.is_ready = true;
        self.has_name = !scope.name().is_empty();
        self.has_version = !scope.version().is_empty();
        if self.has_name {
            tag::string::<P>(&mut self.bytes, SCOPE_NAME, scope.name().as_bytes());
            self.count += 1;
        }
        if self.has_version {
            tag::string::<P>(&mut self.bytes, SCOPE_VERSION, scope.version().as_bytes());
            self.count += 1;
        }
        if options.scope_attributes {
            for (key, value) in scope.attributes() {
                let replaced = match key.as_bytes() {
                    SCOPE_NAME => self.has_name,
                    SCOPE_VERSION => self.has_version,
                    _ => false,
                };
                if !replaced {
                    tag::write::<P>(&mut self.bytes, key.as_bytes(), value);
                    self.count += 1;
                }
            }
        }
    }
}

/// Writes the body of a `Span`. After an error `out` holds a part of it.
#[inline]
pub(super) fn write<P: Protocol>(
    out: &mut Vec<u8>,
    span: &Span<'_>,
    scope: &ScopeTags,
    options: &EncodeOptions,
) -> Result<(), BadId> {
    let (high, low) = trace_id(span.trace_id()).ok_or(BadId::Trace)?;
    let id = span_id(span.span_id()).ok_or(BadId::Span)?;
    if (high, low) == (0, 0) {
        return Err(BadId::Trace);
    }
    if id == 0 {
        return Err(BadId::Span);
    }
    let parent = if span.parent_span_id().is_empty() {
        0
    } else {
        span_id(span.parent_span_id()).ok_or(BadId::ParentSpan)?
    };
    P::i64_field(out, 1, 0, low);
    P::i64_field(out, 2, 1, high);
    P::i64_field(out, 3, 2, id);
    P::i64_field(out, 4, 3, parent);
    P::string_field(out, 5, 4, span.name().as_bytes());
    let parent = Reference {
        high,
        low,
        span: parent,
    };
    let (has_references, lost_links) = references::<P>(out, span, &parent);
    P::i32_field(
        out,
        7,
        if has_references { 6 } else { 5 },
        flags(span.flags()),
    );
    let start = span.start_time_unix_nano();
    let duration = span.end_time_unix_nano().saturating_sub(start) / NANOS_PER_MICRO;
    P::i64_field(out, 8, 7, micros(start));
    // Lossless: a thousandth of 64 bits.
    P::i64_field(out, 9, 8, duration as i64);
    let has_tags = tags::<P>(out, span, scope, options, lost_links);
    log::write::<P>(out, span, options, if has_tags { 10 } else { 9 });
    P::stop(out);
    Ok(())
}

/// Lossless: a thousandth of 64 bits.
#[inline]
pub(super) const fn micros(nanos: u64) -> i64 {
    (nanos / NANOS_PER_MICRO) as i64
}

/// The sampled bit alone: the next one, W3C's "random trace id", means "debug" to Jaeger. SDKs that
/// do not send flags send sampled spans.
#[inline]
const fn flags(flags: u32) -> i32 {
    if flags == 0 { 1 } else { (flags & 1) as i32 }
}

/// The halves of a trace id. An empty one, which a link may have, is zero.
#[inline]
fn trace_id(id: TraceId<'_>) -> Option<(i64, i64)> {
    if id.is_empty() {
        return Some((0, 0));
    }
    let number = u128::from_be_bytes(id.to_array()?);
    // Cut in two, on purpose.
    Some(((number >> 64) as i64, number as i64))
}

#[inline]
fn span_id(id: SpanId<'_>) -> Option<i64> {
    if id.is_empty() {
        return Some(0);
    }
    Some(i64::from_be_bytes(id.to_array()?))
}

#[derive(PartialEq)]
struct Reference {
    high: i64,
    low: i64,
    span: i64,
}

impl Reference {
    fn of(link: &Link<'_>) -> Option<Self> {
        let (high, low) = trace_id(link.trace_id())?;
        let span = span_id(link.span_id())?;
        Some(Self { high, low, span })
    }
}

/// Writes the links. Whether there are any, and how many had no place.
fn references<P: Protocol>(out: &mut Vec<u8>, span: &Span<'_>, parent: &Reference) -> (bool, u32) {
    if span.links().is_empty() {
        return (false, 0);
    }
    let start = out.len();
    P::field(out, Kind::List, 6, 5);
    let list = P::open_list(out, false);
    let (mut count, mut lost) = (0, 0);
    for link in span.links() {
        let Some(reference) = Reference::of(&link) else {
            lost += 1;
            continue;
        };
        if parent.span != 0 && reference == *parent {
            continue;
        }
        let kind = match link.attributes().get("opentracing.ref_type") {
            Some(AnyValue::Str(kind)) if kind == *"child_of" => CHILD_OF,
            _ => FOLLOWS_FROM,
        };
        P::i32_field(out, 1, 0, kind);
        P::i64_field(out, 2, 1, reference.low);
        P::i64_field(out, 3, 2, reference.high);
        P::i64_field(out, 4, 3, reference.span);
        P::stop(out);
        count += 1;
    }
    (tag::end_list::<P>(out, start, list, count), lost)
}

/// What the tags that are made from fields say. An attribute with the key of one of these that is
/// there is left out.
struct Made<'a> {
    scope_name: bool,
    scope_version: bool,
    kind: Option<&'static [u8]>,
    code: Option<&'static [u8]>,
    error: bool,
    description: &'a [u8],
    trace_state: &'a [u8],
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl<'a> Made<'a> {
    #[inline]
    fn new(span: &Span<'a>, scope: &ScopeTags, options: &EncodeOptions, lost_links: u32) -> Self {
        let status = span.status();
        let code: Option<&[u8]> = match status.code() {
            StatusCode::OK => Some(b"OK"),
            StatusCode::ERROR => Some(b"ERROR"),
            _ => None,
        };
        Self {
            scope_name: scope.has_name,
            scope_version: scope.has_version,
            kind: match span.kind() {
                SpanKind::INTERNAL if options.internal_kind => Some(b"internal"),
                SpanKind::SERVER => Some(b"server"),
                SpanKind::CLIENT => Some(b"client"),
                SpanKind::PRODUCER => Some(b"producer"),
                SpanKind::CONSUMER => Some(b"consumer"),
                _ => None,
            },
            code,
            error: status.code() == StatusCode::ERROR,
            description: status.message().as_bytes(),
            trace_state: span.trace_state().as_bytes(),
            dropped_attributes: span.dropped_attributes_count(),
            dropped_events: span.dropped_events_count(),
            dropped_links: span.dropped_links_count().saturating_add(lost_links),
        }
    }

    #[inline]
    fn replaces(&self, key: &[u8]) -> bool {
        matches!(key, [b'e' | b'o' | b's' | b'w', ..]) && self.replaces_key(key)
    }

    fn replaces_key(&self, key: &[u8]) -> bool {
        match key {
            SCOPE_NAME => self.scope_name,
            SCOPE_VERSION => self.scope_version,
            KIND => self.kind.is_some(),
            STATUS_CODE => self.code.is_some(),
            ERROR => self.error,
            STATUS_DESCRIPTION => !self.description.is_empty(),
            TRACE_STATE => !self.trace_state.is_empty(),
            DROPPED_ATTRIBUTES => self.dropped_attributes != 0,
            DROPPED_EVENTS => self.dropped_events != 0,
            DROPPED_LINKS => self.dropped_links != 0,
            _ => false,
        }
    }

    /// Writes those behind the attributes; says how many.
    #[inline]
    fn write<P: Protocol>(&self, out: &mut Vec<u8>) -> usize {
        let mut count = 0;
        let texts = [
            (KIND, self.kind.unwrap_or_default()),
            (STATUS_CODE, self.code.unwrap_or_default()),
        ];
        for (key, text) in texts {
            count += text_unless_empty::<P>(out, key, text);
        }
        if self.error {
            tag::bool::<P>(out, ERROR, true);
            count += 1;
        }
        let texts = [
            (STATUS_DESCRIPTION, self.description),
            (TRACE_STATE, self.trace_state),
        ];
        for (key, text) in texts {
            count += text_unless_empty::<P>(out, key, text);
        }
        let counts = [
            (DROPPED_ATTRIBUTES, self.dropped_attributes),
            (DROPPED_EVENTS, self.dropped_events),
            (DROPPED_LINKS, self.dropped_links),
        ];
        for (key, dropped) in counts {
            if dropped != 0 {
                tag::long::<P>(out, key, i64::from(dropped));
                count += 1;
            }
        }
        count
    }
}

#[inline]
fn text_unless_empty<P: Protocol>(out: &mut Vec<u8>, key: &[u8], text: &[u8]) -> usize {
    if text.is_empty() {
        return 0;
    }
    tag::string::<P>(out, key, text);
    1
}

/// Writes the tags; says whether there are any.
#[inline]
fn tags<P: Protocol>(
    out: &mut Vec<u8>,
    span: &Span<'_>,
    scope: &ScopeTags,
    options: &EncodeOptions,
    lost_links: u32,
) -> bool {
    let made = Made::new(span, scope, options, lost_links);
    let start = out.len();
    P::field(out, Kind::List, 10, 9);
    let list = P::open_list(out, false);
    out.extend_from_slice(&scope.bytes);
    let mut count = scope.count;
    for (key, value) in span.attributes() {
        if !made.replaces(key.as_bytes()) {
            tag::write::<P>(out, key.as_bytes(), value);
            count += 1;
        }
    }
    count += made.write::<P>(out);
    tag::end_list::<P>(out, start, list, count)
}
