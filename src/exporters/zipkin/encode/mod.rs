//! From spans to a Zipkin body: nothing is decoded, and nothing is sent.
//!
//! ```
//! use tower_otlp::{
//!     ExportRequest, Signal,
//!     exporters::zipkin::encode::{ZipkinOptions, encode},
//! };
//!
//! let otlp = br#"{"resourceSpans":[{
//!     "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
//!     "scopeSpans":[{"spans":[{
//!         "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
//!         "name":"GET /cart","kind":2,
//!         "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124956789"}]}]}]}"#;
//! let request = ExportRequest::from_json(Signal::Traces, otlp)?;
//!
//! let mut body = Vec::new();
//! if let Some(traces) = request.traces() {
//!     let encoded = encode(traces, &ZipkinOptions::default(), &mut body)?;
//!     assert_eq!(encoded.spans(), 1);
//! }
//! assert_eq!(
//!     String::from_utf8_lossy(&body),
//!     concat!(
//!         r#"[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","id":"1112131415161718","#,
//!         r#""kind":"SERVER","name":"get /cart","timestamp":1700000000123457,"duration":1500,"#,
//!         r#""localEndpoint":{"serviceName":"cart"}}]"#,
//!     ),
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribute;
mod blocks;
mod clean;
mod endpoint;
mod json;
mod json_events;
mod options;
mod parts;
mod protobuf;
mod template;
#[cfg(test)]
mod tests;
mod text;

pub use self::options::{AnnotationFormat, ZipkinEncoding, ZipkinOptions};
use self::{
    attribute::Value,
    endpoint::{Endpoint, local, remote},
    parts::{Parts, SpanBytes},
    template::{Extra, SERVICE_NAME, Source, Tags, Template},
    text::{MapStack, integer, plain, sorted_object},
};
use crate::{
    ErrorKind, ExportError,
    otlp::{AnyValue, Event, Link, SpanKind, StatusCode, Str, Traces, json::hex},
};

/// What became of the spans of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    spans: u64,
    rejected: u64,
    reason: Option<String>,
    without_duration: u64,
}

impl Encoded {
    /// Number of spans in the body. Without any there is no body.
    #[must_use]
    pub const fn spans(&self) -> u64 {
        self.spans
    }

    /// Number of spans that Zipkin cannot carry, and that are not in the body: their ids are
    /// missing, zero, or of the wrong length. A server refuses a whole body for one of them.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Why the first of them was left out, with its name and its id.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Number of spans in the body that end before they start. Zipkin has no negative durations,
    /// so these have none.
    #[must_use]
    pub const fn without_duration(&self) -> u64 {
        self.without_duration
    }

    fn reject(&mut self, span: &Parts<'_>, why: &str) {
        self.rejected += 1;
        if self.reason.is_none() {
            let name = shown(span.name().as_str());
            self.reason = Some(format!("span \"{name}\" ({}): {why}", span.span_id()));
        }
    }
}

/// Writes spans behind what `out` holds, in the form that `POST /api/v2/spans` takes.
///
/// Allocates for the request, not for its spans. If no span can be carried nothing is written:
/// an empty list need not be sent.
///
/// # Errors
/// [`ErrorKind::TooLarge`] as soon as the body is larger than
/// [`max_bytes`](ZipkinOptions::max_bytes). `out` is then as it was. Zipkin repeats the tags of a
/// resource in each of its spans, so that a body may be many times as large as its OTLP form.
pub fn encode(
    traces: Traces<'_>,
    options: &ZipkinOptions,
    out: &mut Vec<u8>,
) -> Result<Encoded, ExportError> {
    let start = out.len();
    let encoded = match options.encoding {
        ZipkinEncoding::Json => run::<json::Json>(traces, options, out),
        ZipkinEncoding::Protobuf => run::<protobuf::Protobuf>(traces, options, out),
    };
    if encoded.as_ref().map_or(0, Encoded::spans) == 0 {
        out.truncate(start);
    }
    encoded
}

/// An encoding of Zipkin's model.
trait Format {
    /// What is kept from span to span.
    type Memory<'a>: Default;

    /// Begins the list of spans.
    fn begin(out: &mut Vec<u8>);

    /// Writes a span.
    fn span<'a>(
        out: &mut Vec<u8>,
        item: &Item<'a, '_>,
        options: &ZipkinOptions,
        memory: &mut Self::Memory<'a>,
        scratch: &mut Scratch<'a>,
    );

    /// Ends a list of at least one span.
    fn end(out: &mut Vec<u8>);

    /// Writes what stands before each tag in the text of a template.
    fn begin_tag(text: &mut Vec<u8>);

    /// Writes a whole tag.
    fn tag(text: &mut Vec<u8>, key: &[u8], value: &[u8]);

    /// Writes a tag up to its value.
    fn tag_key(text: &mut Vec<u8>, key: &[u8]);

    /// Ends the text of a template.
    fn end_tags(text: &mut Vec<u8>);
}

/// A span, taken apart for a [`Format`].
struct Item<'a, 'b> {
    span: &'b Parts<'a>,
    /// Empty for a root span.
    parent: &'a [u8],
    /// Microseconds; 0 if it is not known.
    timestamp: u64,
    /// Microseconds; 0 if it is not known.
    duration: u64,
    local: Endpoint<'a>,
    remote: Endpoint<'a>,
    template: &'b Template<'a>,
    attributes: &'b [Value<'a>],
    links: &'b [Link<'a>],
}

/// Memory for text that has to be made before it can be written.
#[derive(Default)]
struct Scratch<'a> {
    text: Vec<u8>,
    stack: MapStack<'a>,
}

fn run<'a, F: Format>(
    traces: Traces<'a>,
    options: &'a ZipkinOptions,
    out: &mut Vec<u8>,
) -> Result<Encoded, ExportError> {
    let start = out.len();
    let mut encoded = Encoded::default();
    let mut memory = F::Memory::default();
    let mut scratch = Scratch::default();
    let mut tags = Tags::default();
    let mut span = Parts::default();
    let mut attributes: Vec<Value<'a>> = Vec::new();
    let mut links: Vec<Link<'a>> = Vec::new();
    F::begin(out);
    for resource in traces.resources() {
        let own_name = service_name(resource.attributes());
        let service_name = own_name.unwrap_or(options.default_service_name.as_bytes());
        for group in resource.scopes() {
            tags.begin::<F>(
                resource.attributes(),
                own_name.is_some(),
                &group.scope(),
                options,
                &mut scratch.stack,
            );
            for SpanBytes(bytes) in group.children() {
                tags.read(bytes, &mut span, &mut attributes);
                if let Err(why) = check_ids(&span) {
                    encoded.reject(&span, why);
                    continue;
                }
                links.clear();
                if options.link_tags {
                    links.extend(span.links());
                }
                let (mut near, mut far) = (
                    Endpoint {
                        service_name,
                        ..Endpoint::default()
                    },
                    Endpoint::default(),
                );
                let is_caller = matches!(span.kind(), SpanKind::CLIENT | SpanKind::PRODUCER);
                let ends = tags.ends();
                if ends.any(is_caller) {
                    near = local(service_name, ends, &attributes);
                    far = remote(is_caller, ends, &attributes);
                }
                let extra = extra(&span, links.len(), options);
                let template = tags.template::<F>(extra);
                let duration = duration(&span).unwrap_or_else(|| {
                    encoded.without_duration += 1;
                    0
                });
                let parent = span.parent_span_id();
                let item = Item {
                    span: &span,
                    parent: if parent.is_valid() {
                        parent.as_bytes()
                    } else {
                        &[]
                    },
                    timestamp: micros(span.start_time_unix_nano()),
                    duration,
                    local: near,
                    remote: far,
                    template,
                    attributes: &attributes,
                    links: &links,
                };
                F::span(out, &item, options, &mut memory, &mut scratch);
                encoded.spans += 1;
                if out.len() - start > options.max_bytes {
                    return Err(too_large(options.max_bytes));
                }
            }
        }
    }
    F::end(out);
    Ok(encoded)
}

/// The name of the service, if the resource has one. Of two the last counts, as for tags.
fn service_name(resource: crate::otlp::Attributes<'_>) -> Option<&[u8]> {
    let last = resource
        .iter()
        .filter(|(key, _)| *key == SERVICE_NAME)
        .last();
    match last {
        Some((_, AnyValue::Str(name))) if !name.is_empty() => Some(name.as_bytes()),
        _ => None,
    }
}

/// Zipkin refuses a whole body for one span without good ids.
fn check_ids(span: &Parts<'_>) -> Result<(), &'static str> {
    if !span.trace_id().is_valid() {
        return Err("its trace id is missing, zero, or not 16 bytes long");
    }
    if !span.span_id().is_valid() {
        return Err("its id is missing, zero, or not 8 bytes long");
    }
    // One of zeros means a root span, too.
    if !matches!(span.parent_span_id().as_bytes().len(), 0 | 8) {
        return Err("the id of its parent is not 8 bytes long");
    }
    Ok(())
}

fn extra(span: &Parts<'_>, links: usize, options: &ZipkinOptions) -> Extra {
    let mut extra = Extra::default();
    extra.links = links;
    // Mostly there is none.
    let code = match span.has_status() {
        true => span.status().code(),
        false => StatusCode::UNSET,
    };
    let is_error = code == StatusCode::ERROR;
    extra.set_if(Extra::STATUS, is_error || code == StatusCode::OK);
    extra.set_if(Extra::FAILED, is_error);
    extra.set_if(Extra::TRACE_STATE, !span.trace_state().is_empty());
    extra.set_if(
        Extra::DROPPED_ATTRIBUTES,
        span.dropped_attributes_count() != 0,
    );
    extra.set_if(Extra::DROPPED_EVENTS, span.dropped_events_count() != 0);
    extra.set_if(Extra::DROPPED_LINKS, span.dropped_links_count() != 0);
    extra.set_if(
        Extra::INTERNAL,
        options.internal_kind_tag && span.kind() == SpanKind::INTERNAL,
    );
    extra
}

/// Nanoseconds as microseconds, rounded half up.
const fn micros(nanos: u64) -> u64 {
    nanos / 1000 + (nanos % 1000 >= 500) as u64
}

/// How long the span took, in microseconds: at least 1, 0 if it is not known or none. `None` if
/// it is negative.
fn duration(span: &Parts<'_>) -> Option<u64> {
    let (start, end) = (span.start_time_unix_nano(), span.end_time_unix_nano());
    if start == 0 || end == 0 {
        return Some(0);
    }
    match end.checked_sub(start)? {
        0 => Some(0),
        nanos => Some(micros(nanos).max(1)),
    }
}

/// When an event happened, in microseconds. Zipkin refuses a whole body for an annotation
/// without a time, so an event without one gets that of its span.
fn event_time(event: &Event<'_>, item: &Item<'_, '_>) -> u64 {
    match micros(event.time_unix_nano()) {
        0 => item.timestamp.max(1),
        time => time,
    }
}

/// Makes the value of an annotation in `scratch`.
fn annotation<'a>(event: &Event<'a>, options: &ZipkinOptions, scratch: &mut Scratch<'a>) {
    let Scratch { text, stack, .. } = scratch;
    text.clear();
    let (name, attributes) = (event.name().as_bytes(), event.attributes());
    let dropped = event.dropped_attributes_count();
    match options.annotations {
        AnnotationFormat::Specification if !attributes.is_empty() => {
            crate::otlp::json::write::string(text, name);
            text.push(b':');
            text::object(text, attributes, stack);
        }
        AnnotationFormat::Collector if !attributes.is_empty() || dropped != 0 => {
            text.extend_from_slice(name);
            text.push(b'|');
            sorted_object(text, attributes, stack);
            text.push(b'|');
            integer(text, dropped);
        }
        _ => text.extend_from_slice(name),
    }
}

/// The value of a tag: where it stands, or made in `scratch`.
#[inline]
fn value<'s, 'a: 's>(
    item: &Item<'a, '_>,
    source: Source,
    scratch: &'s mut Scratch<'a>,
) -> &'s [u8] {
    let span = item.span;
    let count = match source {
        Source::Attribute(position) => {
            let value = item.attributes.get(position).map(|value| value.get());
            if let Some(AnyValue::Str(text)) = value {
                return text.as_bytes();
            }
            let Scratch { text, stack, .. } = scratch;
            text.clear();
            plain(text, value.unwrap_or_default(), stack);
            return text;
        }
        Source::Status if span.status().code() == StatusCode::ERROR => return b"ERROR",
        Source::Status => return b"OK",
        Source::StatusMessage => return span.status().message().as_bytes(),
        Source::TraceState => return span.trace_state().as_bytes(),
        Source::Kind => return b"internal",
        Source::Link(position) => {
            scratch.text.clear();
            if let Some(found) = item.links.get(position) {
                link(found, scratch);
            }
            return &scratch.text;
        }
        Source::DroppedAttributes => span.dropped_attributes_count(),
        Source::DroppedEvents => span.dropped_events_count(),
        Source::DroppedLinks => span.dropped_links_count(),
    };
    scratch.text.clear();
    integer(&mut scratch.text, count);
    &scratch.text
}

/// A link, in the form of the Collector: the specification has none.
fn link<'a>(link: &Link<'a>, scratch: &mut Scratch<'a>) {
    let Scratch { text, stack, .. } = scratch;
    hex::encode(text, link.trace_id().as_bytes());
    text.push(b'|');
    hex::encode(text, link.span_id().as_bytes());
    text.push(b'|');
    text.extend_from_slice(link.trace_state().as_bytes());
    text.push(b'|');
    sorted_object(text, link.attributes(), stack);
    text.push(b'|');
    integer(text, link.dropped_attributes_count());
}

/// Writes the name in lower case, as Zipkin keeps it.
fn lower_case(out: &mut Vec<u8>, name: Str<'_>) {
    let start = out.len();
    if name.as_bytes().is_ascii() {
        out.extend_from_slice(name.as_bytes());
        if let Some(written) = out.get_mut(start..) {
            written.make_ascii_lowercase();
        }
        return;
    }
    let mut buffer = [0; 4];
    for letter in name.as_str().chars().flat_map(char::to_lowercase) {
        out.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
    }
}

fn too_large(limit: usize) -> ExportError {
    ExportError::new(
        ErrorKind::TooLarge,
        format!("the spans take more than the limit of {limit} bytes in Zipkin's form"),
    )
}

/// The beginning of a name, without what could disturb a log or a terminal.
fn shown(name: &str) -> String {
    const LONGEST: usize = 48;
    let harmless = |letter: char| match letter {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        letter if letter.is_control() => '?',
        letter => letter,
    };
    name.chars().take(LONGEST).map(harmless).collect()
}
