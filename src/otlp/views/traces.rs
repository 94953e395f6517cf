//! Views of traces.

use super::{Telemetry, view};

/// The spans of a request.
pub type Traces<'a> = Telemetry<'a, Span<'a>>;

view! {
    /// One operation of a trace.
    pub Span {
        /// The trace: 16 bytes, or empty.
        1 trace_id: trace_id,
        /// The span: 8 bytes, or empty.
        2 span_id: span_id,
        /// W3C `tracestate`.
        3 trace_state: str,
        /// The parent span: 8 bytes, or empty for a root span.
        4 parent_span_id: span_id,
        /// What was done; may be empty.
        5 name: str,
        /// Role of the span.
        6 kind: enumeration<SpanKind>,
        /// Start, in nanoseconds since the Unix epoch.
        7 start_time_unix_nano: fixed64,
        /// End, in nanoseconds since the Unix epoch; 0 if it is not known. May be before the start.
        8 end_time_unix_nano: fixed64,
        /// Attributes.
        9 attributes: attributes,
        /// Number of attributes that the sender left out.
        10 dropped_attributes_count: uint32,
        /// Events.
        11 events: repeated<Event>,
        /// Number of events that the sender left out.
        12 dropped_events_count: uint32,
        /// Links.
        13 links: repeated<Link>,
        /// Number of links that the sender left out.
        14 dropped_links_count: uint32,
        /// Status; an unset one if none was sent.
        15 status: message<Status>,
        /// W3C trace flags in the low 8 bits, and whether the parent is remote.
        16 flags: fixed32,
    }
}

view! {
    /// Something that happened at one moment of a span.
    pub Event {
        /// When, in nanoseconds since the Unix epoch.
        1 time_unix_nano: fixed64,
        /// What.
        2 name: str,
        /// Attributes.
        3 attributes: attributes,
        /// Number of attributes that the sender left out.
        4 dropped_attributes_count: uint32,
    }
}

view! {
    /// A pointer from a span to another.
    pub Link {
        /// The trace pointed to: 16 bytes, or empty.
        1 trace_id: trace_id,
        /// The span pointed to: 8 bytes, or empty.
        2 span_id: span_id,
        /// W3C `tracestate` of the span pointed to.
        3 trace_state: str,
        /// Attributes.
        4 attributes: attributes,
        /// Number of attributes that the sender left out.
        5 dropped_attributes_count: uint32,
        /// W3C trace flags in the low 8 bits, and whether the span pointed to is remote.
        6 flags: fixed32,
    }
}

view! {
    /// How a span ended.
    pub Status {
        /// For people, with an error.
        2 message: str,
        /// Whether it went well.
        3 code: enumeration<StatusCode>,
    }
}

/// Role of a span. A number that this version does not know is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SpanKind(pub i32);

impl SpanKind {
    /// Not said; to be treated as internal.
    pub const UNSPECIFIED: Self = Self(0);
    /// Within an application.
    pub const INTERNAL: Self = Self(1);
    /// The serving side of a call.
    pub const SERVER: Self = Self(2);
    /// The calling side of a call.
    pub const CLIENT: Self = Self(3);
    /// Sends a message.
    pub const PRODUCER: Self = Self(4);
    /// Handles a message.
    pub const CONSUMER: Self = Self(5);
}

/// Whether a span went well. A number that this version does not know is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusCode(pub i32);

impl StatusCode {
    /// Nobody said.
    pub const UNSET: Self = Self(0);
    /// Someone judged it a success.
    pub const OK: Self = Self(1);
    /// It failed.
    pub const ERROR: Self = Self(2);
}
