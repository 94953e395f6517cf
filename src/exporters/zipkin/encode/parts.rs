//! The fields of a span, read in one pass together with its attributes.
//!
//! [`Span`](crate::otlp::Span) walks over the attributes to find their end, and they are walked
//! over again to be read. Where the keys are known beforehand one walk does both.

use super::attribute::{Keys, Value};
use crate::otlp::{
    Attributes, Event, Link, SpanId, SpanKind, Status, Str, TraceId,
    cursor::{Cursor, key},
    views::{Repeated, View},
    wire::{FIXED64, LEN, VARINT},
};

/// The fields of a span that Zipkin has a place for.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a [u8],
    name: Window<'a>,
    kind: i32,
    start: u64,
    end: u64,
    status: &'a [u8],
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    attributes: Window<'a>,
    events: Window<'a>,
    links: Window<'a>,
}

/// Bytes of a span, and what stands behind them: those of the values of a repeated field, which
/// canonical form has side by side, or of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Window<'a> {
    /// To the end of the span.
    from: &'a [u8],
    length: usize,
}

impl<'a> Window<'a> {
    /// Makes it reach from `start`, unless it starts before, to `rest`.
    fn widen(&mut self, start: &'a [u8], rest: &'a [u8]) {
        if self.from.is_empty() {
            self.from = start;
        }
        self.length = self.from.len().saturating_sub(rest.len());
    }

    /// The window of a text, of which the field begins at `start` and `rest` stands behind it.
    fn ending(start: &'a [u8], text: &[u8], rest: &[u8]) -> Self {
        let before = start.len().saturating_sub(text.len() + rest.len());
        Self {
            from: start.get(before..).unwrap_or_default(),
            length: text.len(),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.from.get(..self.length).unwrap_or_default()
    }
}

impl<'a> Parts<'a> {
    /// Reads a span. If its attributes have the likely keys their values are read, too: then it
    /// returns true.
    #[inline]
    pub(super) fn read(
        &mut self,
        bytes: &'a [u8],
        likely: &Keys<'a>,
        values: &mut Vec<Value<'a>>,
    ) -> bool {
        const TRACE_ID: u32 = key(1, LEN);
        const SPAN_ID: u32 = key(2, LEN);
        const TRACE_STATE: u32 = key(3, LEN);
        const PARENT_SPAN_ID: u32 = key(4, LEN);
        const NAME: u32 = key(5, LEN);
        const KIND: u32 = key(6, VARINT);
        const START: u32 = key(7, FIXED64);
        const END: u32 = key(8, FIXED64);
        const ATTRIBUTES: u32 = key(9, LEN);
        const DROPPED_ATTRIBUTES: u32 = key(10, VARINT);
        const EVENTS: u32 = key(11, LEN);
        const DROPPED_EVENTS: u32 = key(12, VARINT);
        const LINKS: u32 = key(13, LEN);
        const DROPPED_LINKS: u32 = key(14, VARINT);
        const STATUS: u32 = key(15, LEN);

        *self = Self::default();
        let mut are_read = likely.is_empty();
        if are_read {
            values.clear();
        }
        let mut cursor = Cursor::new(self.read_common(bytes));
        loop {
            let start = cursor.rest();
            // Flags, which have no place in Zipkin, mostly stand last.
            if let [0x85, 0x01, _, _, _, _] = start {
                return are_read;
            }
            let Some(found) = cursor.key() else {
                return are_read;
            };
            let read = match found {
                TRACE_ID => cursor.len().map(|value| self.trace_id = value),
                SPAN_ID => cursor.len().map(|value| self.span_id = value),
                TRACE_STATE => cursor.len().map(|value| self.trace_state = value),
                PARENT_SPAN_ID => cursor.len().map(|value| self.parent_span_id = value),
                NAME => cursor
                    .len()
                    .map(|value| self.name = Window::ending(start, value, cursor.rest())),
                // Protobuf truncates a varint to the width of its field.
                KIND => cursor.varint().map(|value| self.kind = value as i32),
                START => cursor.fixed64().map(|value| self.start = value),
                END => cursor.fixed64().map(|value| self.end = value),
                ATTRIBUTES => {
                    let is_first = self.attributes.length == 0;
                    let behind = match is_first {
                        true => likely.read_values(start, values),
                        false => None,
                    };
                    are_read = behind.is_some();
                    let read = match behind {
                        Some(behind) => {
                            cursor = Cursor::new(behind);
                            Some(())
                        }
                        None => cursor.run(found),
                    };
                    self.attributes.widen(start, cursor.rest());
                    read
                }
                DROPPED_ATTRIBUTES => cursor
                    .varint()
                    .map(|value| self.dropped_attributes = value as u32),
                EVENTS => {
                    let read = cursor.run(found);
                    self.events.widen(start, cursor.rest());
                    read
                }
                DROPPED_EVENTS => cursor
                    .varint()
                    .map(|value| self.dropped_events = value as u32),
                LINKS => {
                    let read = cursor.run(found);
                    self.links.widen(start, cursor.rest());
                    read
                }
                DROPPED_LINKS => cursor
                    .varint()
                    .map(|value| self.dropped_links = value as u32),
                STATUS => cursor.len().map(|value| self.status = value),
                _ => cursor.skip(found),
            };
            if read.is_none() {
                return are_read;
            }
        }
    }

    /// Reads the fields that nearly all spans begin with, if they stand in the order of their
    /// numbers; says where the others start.
    #[inline(always)]
    fn read_common(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((ids, mut rest)) = bytes.split_first_chunk::<28>() else {
            return bytes;
        };
        if (ids[0], ids[1], ids[18], ids[19]) != (0x0a, 16, 0x12, 8) {
            return bytes;
        }
        (self.trace_id, self.span_id) = (&ids[2..18], &ids[20..]);
        if let Some((parent, behind)) = rest.split_first_chunk::<10>()
            && (parent[0], parent[1]) == (0x22, 8)
        {
            (self.parent_span_id, rest) = (&parent[2..], behind);
        }
        if let [0x2a, length @ 0..0x80, from @ ..] = rest {
            let length = usize::from(*length);
            let Some(behind) = from.get(length..) else {
                return rest;
            };
            (self.name, rest) = (Window { from, length }, behind);
        }
        if let Some((times, behind)) = rest.split_first_chunk::<20>()
            && (times[0], times[2], times[11]) == (0x30, 0x39, 0x41)
            && times[1] < 0x80
            && let (Some(start), Some(end)) = (times[3..].first_chunk(), times.last_chunk())
        {
            self.kind = i32::from(times[1]);
            (self.start, self.end) = (u64::from_le_bytes(*start), u64::from_le_bytes(*end));
            rest = behind;
        }
        rest
    }

    pub(super) const fn trace_id(&self) -> TraceId<'a> {
        TraceId::new(self.trace_id)
    }

    pub(super) const fn span_id(&self) -> SpanId<'a> {
        SpanId::new(self.span_id)
    }

    pub(super) const fn parent_span_id(&self) -> SpanId<'a> {
        SpanId::new(self.parent_span_id)
    }

    pub(super) const fn trace_state(&self) -> Str<'a> {
        Str::new(self.trace_state)
    }

    pub(super) fn name(&self) -> Str<'a> {
        Str::new(self.name.bytes())
    }

    /// The name and what stands behind it, and how many bytes are of the name.
    pub(super) const fn name_from(&self) -> (&'a [u8], usize) {
        (self.name.from, self.name.length)
    }

    pub(super) const fn kind(&self) -> SpanKind {
        SpanKind(self.kind)
    }

    pub(super) const fn start_time_unix_nano(&self) -> u64 {
        self.start
    }

    pub(super) const fn end_time_unix_nano(&self) -> u64 {
        self.end
    }

    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes.bytes())
    }

    pub(super) const fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes
    }

    pub(super) fn events(&self) -> Repeated<'a, Event<'a>> {
        Repeated::new(self.events.bytes())
    }

    pub(super) const fn dropped_events_count(&self) -> u32 {
        self.dropped_events
    }

    pub(super) fn links(&self) -> Repeated<'a, Link<'a>> {
        Repeated::new(self.links.bytes())
    }

    pub(super) const fn dropped_links_count(&self) -> u32 {
        self.dropped_links
    }

    pub(super) const fn has_status(&self) -> bool {
        !self.status.is_empty()
    }

    pub(super) fn status(&self) -> Status<'a> {
        Status::view(self.status)
    }
}

/// The bytes of a span.
#[derive(Clone, Copy)]
pub(super) struct SpanBytes<'a>(pub(super) &'a [u8]);

impl<'a> View<'a> for SpanBytes<'a> {
    fn view(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Span;

    /// `name: "GET"`, attributes `a: "x"` and `b: 5`, an event, an attribute count.
    const SPAN: &[u8] = b"\x2a\x03GET\x4a\x08\x0a\x01a\x12\x03\x0a\x01x\x4a\x07\x0a\x01b\x12\x02\x18\x05\x50\x02\x5a\x02\x12\x00";

    fn read<'a>(span: &'a [u8], keys: &Keys<'a>) -> (bool, Vec<String>, Parts<'a>) {
        let (mut parts, mut values) = (Parts::default(), Vec::new());
        let are_read = parts.read(span, keys, &mut values);
        let values = values.iter().map(|value| format!("{:?}", value.get()));
        (are_read, values.collect(), parts)
    }

    fn keys(span: &[u8]) -> Keys<'_> {
        let mut keys = Keys::default();
        let window = Span::view(span).attributes().as_bytes();
        keys.read(window, &mut Vec::new());
        keys
    }

    fn expected(span: &[u8]) -> Vec<String> {
        let attributes = Span::view(span).attributes().iter();
        attributes.map(|(_, value)| format!("{value:?}")).collect()
    }

    #[test]
    fn the_likely_keys_are_read_at_once() {
        let (are_read, values, parts) = read(SPAN, &keys(SPAN));
        assert!(are_read);
        assert_eq!(values, expected(SPAN));
        assert_eq!(parts.name(), "GET");
        assert_eq!(parts.dropped_attributes_count(), 2);
        assert_eq!(parts.events().count(), 1);
        assert_eq!(parts.attributes().iter().count(), 2);
    }

    #[test]
    fn other_keys_are_left_to_be_read() {
        let more = [SPAN, b"\x4a\x05\x0a\x01c\x12\x00"].concat();
        let fewer = &SPAN[..15];
        for (span, likely) in [(SPAN, fewer), (fewer, SPAN), (&*more, SPAN), (SPAN, b"")] {
            let (are_read, _, parts) = read(span, &keys(likely));
            assert!(!are_read);
            assert!(parts.attributes().iter().count() > 0);
        }
        let (are_read, _, parts) = read(b"", &keys(SPAN));
        assert!(!are_read && parts.attributes().is_empty());
        assert!(read(b"\x2a\x01x", &keys(b"")).0);
    }

    #[test]
    fn fields_are_read_in_any_order() {
        let fields: [&[u8]; 8] = [
            b"\x0a\x10ABCDEFGHIJKLMNOP",
            b"\x12\x08abcdefgh",
            b"\x22\x08ijklmnop",
            b"\x2a\x03GET",
            b"\x30\x02",
            b"\x39\x01\x02\x03\x04\x05\x06\x07\x08",
            b"\x41\x02\x02\x03\x04\x05\x06\x07\x08",
            b"\x85\x01\x01\x01\0\0",
        ];
        let check = |bytes: &[u8]| {
            let (span, (_, _, parts)) = (Span::view(bytes), read(bytes, &Keys::default()));
            assert_eq!(parts.trace_id(), span.trace_id());
            assert_eq!(parts.span_id(), span.span_id());
            assert_eq!(parts.parent_span_id(), span.parent_span_id());
            assert_eq!(parts.trace_state(), span.trace_state());
            assert_eq!(parts.name(), span.name());
            assert_eq!(parts.kind(), span.kind());
            assert_eq!(parts.start_time_unix_nano(), span.start_time_unix_nano());
            assert_eq!(parts.end_time_unix_nano(), span.end_time_unix_nano());
            assert_eq!(parts.status().code(), span.status().code());
            let (name, length) = parts.name_from();
            assert_eq!(name.get(..length), Some(span.name().as_bytes()));
        };
        check(&fields.concat());
        for field in 0..fields.len() {
            // Without one, with one moved to the end, or to the start, or another behind it.
            let without = [&fields[..field], &fields[field + 1..]].concat();
            check(&without.concat());
            check(&[&*without.concat(), fields[field]].concat());
            check(&[fields[field], &*without.concat()].concat());
            for other in [&b"\x1a\x03a=b"[..], b"\x7a\x02\x18\x02"] {
                let (before, behind) = fields.split_at(field);
                check(&[&*before.concat(), other, &*behind.concat()].concat());
            }
        }
    }

    #[test]
    fn another_spelling_is_read_alike() {
        // The second attribute has a tag of two bytes; then lengths of two bytes.
        let spelled = b"\x4a\x08\x0a\x01a\x12\x03\x0a\x01x\xca\x00\x07\x0a\x01b\x12\x02\x18\x05";
        let (are_read, values, parts) = read(spelled, &keys(SPAN));
        assert!(are_read);
        assert_eq!(values, expected(SPAN));
        // One more than is likely.
        assert!(!read(spelled, &keys(&spelled[..10])).0);
        assert_eq!(parts.attributes().as_bytes(), spelled);
        let long = b"\x4a\x89\x00\x0a\x01a\x12\x83\x00\x0a\x01x\x4a\x07\x0a\x01b\x12\x02\x18\x05";
        let (are_read, values, _) = read(long, &keys(SPAN));
        assert!(are_read);
        assert_eq!(values, expected(SPAN));
    }
}
