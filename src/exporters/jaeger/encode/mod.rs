//! OTLP spans as Thrift messages: pure functions, to be used alone if need be.
//!
//! ```
//! use tower_otlp::{ExportRequest, Signal, exporters::jaeger::encode::{Batches, EncodeOptions, Format}};
//!
//! # let span = [&[0x0a, 16][..], &[1; 16], &[0x12, 8], &[2; 8]].concat();
//! # let bytes = [&[0x0a, 32, 0x12, 30, 0x12, 28][..], &span].concat();
//! let request = ExportRequest::from_protobuf(Signal::Traces, bytes)?;
//! let options = EncodeOptions::default();
//! let mut message = Vec::new();
//! if let Some(traces) = request.traces() {
//!     let mut batches = Batches::new(traces, &options, Format::AgentCompact, 65_000);
//!     while let Some(batch) = batches.next_into(&mut message) {
//!         println!("{} spans in {} bytes", batch.spans, message.len());
//!         assert_eq!((batch.spans, batch.rejected), (1, 0));
//!         message.clear();
//!     }
//! }
//! # Ok::<(), tower_otlp::otlp::Malformed>(())
//! ```
//!
//! # The mapping
//!
//! | OTLP | Jaeger |
//! |---|---|
//! | resource | `Process`: `service.name` as its name, the other attributes as tags |
//! | trace id | `traceIdHigh`, `traceIdLow`: big-endian halves |
//! | parent | `parentSpanId`, 0 for a root span |
//! | times | microseconds, cut off; the duration is cut off after the subtraction |
//! | flags | the sampled bit; 1 if there are no flags, for who is exported was sampled |
//! | links | references, `FOLLOWS_FROM`, or `CHILD_OF` if `opentracing.ref_type` is `child_of` |
//! | events | logs, the name as field `event` |
//! | attributes | tags of their type; lists and maps as JSON text, no value as empty text |
//! | scope | tags `otel.scope.name`, `otel.scope.version` |
//! | kind, status, tracestate, dropped counts | tags `span.kind`, `otel.status_code`, `error`, `otel.status_description`, `w3c.tracestate`, `otel.dropped_*_count` |
//!
//! A tag that is made from such a field replaces an attribute of the same name. A link to the
//! span's own parent is left out, for the parent is there already. Of a link the attributes and the
//! tracestate have no place in Jaeger; [`EncodeOptions::link_logs`] writes the attributes as a log.
//! A link with an id of the wrong length is left out and counted in `otel.dropped_links_count`.
//! Scope attributes are left out unless [asked for](EncodeOptions::scope_attributes).
//!
//! Sources: `jaeger.thrift` and `agent.thrift` of jaeger-idl; the OpenTelemetry specification,
//! "OpenTelemetry to Jaeger Transformation" and "Mapping to non-OTLP formats". Where they leave a
//! choice this does mostly as the OpenTelemetry Collector does.
//!
//! # What cannot be carried
//!
//! A span with an invalid trace or span id, one whose parent id has the wrong length, and one that
//! alone is larger than the limit: each is rejected, counted and named, and its neighbours live.

mod log;
mod position;
mod process;
mod span;
mod tag;

use std::{fmt, ops::Range, sync::Arc};

use self::{
    position::Position,
    span::{BadId, ScopeTags},
};
use super::thrift::{Binary, Compact, Kind, OpenList, Protocol};
use crate::otlp::{Span, Traces};

/// Which message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A bare `Batch` in the binary protocol: the body of a request to the collector.
    Collector,
    /// A call of `emitBatch` in the compact protocol: a datagram to port 6831 of an agent.
    AgentCompact,
    /// A call of `emitBatch` in the binary protocol: a datagram to port 6832 of an agent.
    AgentBinary,
}

/// Choices that Jaeger's model leaves open.
///
/// | option | default |
/// |---|---|
/// | service name if the resource has none | `unknown_service` |
/// | tag `span.kind`=`internal` | written |
/// | scope attributes | left out |
/// | link attributes as logs | left out |
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    unknown_service: Arc<str>,
    internal_kind: bool,
    scope_attributes: bool,
    link_logs: bool,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            unknown_service: DEFAULT_SERVICE.into(),
            internal_kind: true,
            scope_attributes: false,
            link_logs: false,
        }
    }
}

/// What the OpenTelemetry specification calls a service that has no name.
const DEFAULT_SERVICE: &str = "unknown_service";

impl EncodeOptions {
    /// The name of a service whose resource has no `service.name`, or one that is empty or no
    /// string. Jaeger cannot find what has an empty name, so an empty text means the default:
    /// `unknown_service`.
    #[must_use]
    pub fn unknown_service(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.unknown_service = if name.is_empty() {
            DEFAULT_SERVICE.into()
        } else {
            name
        };
        self
    }

    /// Whether an internal span has the tag `span.kind`=`internal`. The specification says it
    /// should not; the Collector writes it, and cannot tell such a span from one of unknown kind
    /// without it. Default: true.
    #[must_use]
    pub const fn internal_kind(mut self, write: bool) -> Self {
        self.internal_kind = write;
        self
    }

    /// Whether the attributes of the scope stand among the tags of each span, under their own
    /// keys, before those of the span. Default: false.
    #[must_use]
    pub const fn scope_attributes(mut self, write: bool) -> Self {
        self.scope_attributes = write;
        self
    }

    /// Whether each link is also a log at the start of the span, with the fields `event`=`link`,
    /// `trace_id` and `span_id` in hex, and the link's attributes. Default: false.
    #[must_use]
    pub const fn link_logs(mut self, write: bool) -> Self {
        self.link_logs = write;
        self
    }
}

/// One message that [`Batches`] wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// Which spans of the request it answers for, counted from 0 in the order of the request:
    /// those in it, and those rejected on the way.
    pub items: Range<u64>,
    /// Number of spans in the message. With none, nothing was written.
    pub spans: u64,
    /// Number of spans that Jaeger cannot carry.
    pub rejected: u64,
    /// The first of these, by name, and why.
    pub reason: Option<String>,
    /// The last span in the message.
    pub(crate) last_item: u64,
}

/// Writes the spans of a request as messages of a limited size, one by one.
///
/// A message holds spans of one resource, as many as fit. Resources that stand side by side in the
/// request and are the same byte for byte share messages. The spans are those of the request, in
/// its order.
#[derive(Clone)]
pub struct Batches<'a> {
    position: Position<'a>,
    /// Where the last message began.
    last: Position<'a>,
    options: &'a EncodeOptions,
    format: Format,
    /// The largest message.
    max_bytes: usize,
    /// What more than one span may take together.
    fill_bytes: usize,
    scope: ScopeTags,
}

impl<'a> Batches<'a> {
    /// Writes these spans in messages of at most `max_bytes` each.
    #[must_use]
    pub fn new(
        traces: Traces<'a>,
        options: &'a EncodeOptions,
        format: Format,
        max_bytes: usize,
    ) -> Self {
        let position = Position::new(traces);
        Self {
            last: position.clone(),
            position,
            options,
            format,
            max_bytes,
            fill_bytes: max_bytes,
            scope: ScopeTags::default(),
        }
    }

    /// Appends the next message to `out`. `None` when all spans were in one.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> Option<Batch> {
        self.position.skip_empty()?;
        self.last = self.position.clone();
        Some(match self.format {
            Format::Collector => self.fill::<Binary>(out),
            Format::AgentBinary => self.fill::<Binary>(out),
            Format::AgentCompact => self.fill::<Compact>(out),
        })
    }

    /// Goes back to where the last message began, and from now on puts spans together in messages
    /// of at most `fill_bytes`. A span alone may still be as large as the limit.
    pub(crate) fn again(&mut self, fill_bytes: usize) {
        self.position = self.last.clone();
        self.scope.forget();
        self.set_fill(fill_bytes);
    }

    pub(crate) fn set_fill(&mut self, fill_bytes: usize) {
        self.fill_bytes = fill_bytes.min(self.max_bytes);
    }

    fn fill<P: Protocol>(&mut self, out: &mut Vec<u8>) -> Batch {
        let base = out.len();
        let mut batch = Batch {
            items: self.position.item()..self.position.item(),
            ..Batch::default()
        };
        // Thrift takes about half as much again as protobuf.
        let guess = self.position.group_size().saturating_mul(2);
        out.reserve(guess.min(self.fill_bytes));
        let list = self.open::<P>(out);
        let mut count = 0;
        while let Some(next) = self.position.next() {
            if next.is_new_scope || !self.scope.is_ready() {
                self.scope.render::<P>(&next.scope, self.options);
            }
            let before = out.len();
            if let Err(bad_id) = span::write::<P>(out, &next.span, &self.scope, self.options) {
                out.truncate(before);
                batch.reject(&next.span, next.item, || bad_id.to_string());
                continue;
            }
            let size = list.offset() - base
                + P::list_header(count + 1)
                + (out.len() - list.elements())
                + self.tail();
            if size > self.fill_bytes && count > 0 {
                out.truncate(before);
                self.position.back();
                break;
            }
            if size > self.max_bytes {
                out.truncate(before);
                let limit = self.max_bytes;
                batch.reject(&next.span, next.item, || {
                    format!(
                        "alone in a message it takes {size} bytes, and the limit is {limit} bytes"
                    )
                });
                continue;
            }
            count += 1;
            batch.last_item = next.item;
        }
        batch.items.end = self.position.item();
        batch.spans = count as u64;
        if count == 0 {
            out.truncate(base);
        } else {
            P::close_list(out, list, Kind::Struct, count);
            out.extend_from_slice(&[0, 0][..self.tail()]);
        }
        batch
    }

    /// Writes all in front of the spans.
    fn open<P: Protocol>(&self, out: &mut Vec<u8>) -> OpenList {
        if self.format != Format::Collector {
            P::oneway(out, b"emitBatch");
            P::field(out, Kind::Struct, 1, 0);
        }
        P::field(out, Kind::Struct, 1, 0);
        process::write::<P>(out, &self.position.resource(), self.options);
        P::field(out, Kind::List, 2, 1);
        P::open_list(out, true)
    }

    /// Size of all behind the spans: the ends of the batch, and of the call's arguments.
    const fn tail(&self) -> usize {
        match self.format {
            Format::Collector => 1,
            Format::AgentCompact | Format::AgentBinary => 2,
        }
    }
}

impl fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("format", &self.format)
            .field("max_bytes", &self.max_bytes)
            .field("next_item", &self.position.item())
            .finish_non_exhaustive()
    }
}

impl Batch {
    #[cold]
    pub(crate) fn reject(&mut self, span: &Span<'_>, item: u64, why: impl FnOnce() -> String) {
        self.rejected += 1;
        self.reason
            .get_or_insert_with(|| format!("{}: {}", named(span, item), why()));
    }
}

/// A span in words, cut to a sensible length.
fn named(span: &Span<'_>, item: u64) -> String {
    const LONGEST: usize = 60;
    let name = span.name().as_str();
    let short: String = name.chars().take(LONGEST).collect();
    let dots = if short.len() < name.len() { "..." } else { "" };
    format!("span {item} ({short:?}{dots})")
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadId::Trace => "its trace id is not 16 bytes, or all zeros",
            BadId::Span => "its span id is not 8 bytes, or all zeros",
            BadId::ParentSpan => "its parent span id is not 8 bytes",
        })
    }
}

#[cfg(test)]
mod tests;
