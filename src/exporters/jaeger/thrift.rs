//! The two Thrift protocols, as far as Jaeger's messages need them.
//!
//! Source: Apache Thrift's `doc/specs/thrift-binary-protocol.md` and
//! `thrift-compact-protocol.md`.
//!
//! A field's header depends, in the compact protocol, on the field before it in the same struct.
//! All fields are known when this is compiled, so each call names both ids and no state is kept.

use crate::otlp::wire::put_varint;

/// What a field or the element of a list is. Booleans have a method of their own.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Double,
    I32,
    I64,
    String,
    List,
    Struct,
}

/// A list whose length is not known yet.
#[derive(Clone, Copy)]
pub(super) struct OpenList {
    /// Where its header stands.
    at: usize,
    /// How many bytes were left for the header.
    width: usize,
}

impl OpenList {
    /// Where the header stands.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    /// Where the elements start, until the list is closed.
    pub(super) const fn elements(&self) -> usize {
        self.at + self.width
    }
}

/// Writes a message bottom up. `id` is that of the field, `previous` that of the field before it
/// in the same struct, or 0.
pub(super) trait Protocol {
    fn field(out: &mut Vec<u8>, kind: Kind, id: u8, previous: u8);
    fn i32_field(out: &mut Vec<u8>, id: u8, previous: u8, value: i32);
    fn i64_field(out: &mut Vec<u8>, id: u8, previous: u8, value: i64);
    fn bool_field(out: &mut Vec<u8>, id: u8, previous: u8, value: bool);
    fn double_field(out: &mut Vec<u8>, id: u8, previous: u8, value: f64);
    fn string_field(out: &mut Vec<u8>, id: u8, previous: u8, value: &[u8]);

    /// Begins a list. `many`: there will probably be more than a few elements.
    fn open_list(out: &mut Vec<u8>, many: bool) -> OpenList;
    /// Ends a list that has this many elements by now.
    fn close_list(out: &mut Vec<u8>, list: OpenList, kind: Kind, count: usize);
    /// Size of the header of a list of this many elements, in bytes.
    fn list_header(count: usize) -> usize;

    /// Ends a struct.
    #[inline]
    fn stop(out: &mut Vec<u8>) {
        out.push(0);
    }

    /// Begins a call that is not answered: name, sequence number 0.
    fn oneway(out: &mut Vec<u8>, name: &[u8]);

    /// Writes text in place, for a value that cannot be borrowed: `write` appends it.
    fn made_string_field(out: &mut Vec<u8>, id: u8, previous: u8, write: impl FnOnce(&mut Vec<u8>));
}

/// Lossless: nothing in memory that came from a request is as large as 2 GiB, and text that is made
/// of it is at most six times as large as its 64 MiB.
#[inline]
const fn length(value: &[u8]) -> i32 {
    value.len() as i32
}

/// The binary protocol: big-endian numbers of fixed size.
pub(super) enum Binary {}

impl Kind {
    const fn binary(self) -> u8 {
        match self {
            Kind::Double => 4,
            Kind::I32 => 8,
            Kind::I64 => 10,
            Kind::String => 11,
            Kind::Struct => 12,
            Kind::List => 15,
        }
    }

    const fn compact(self) -> u8 {
        match self {
            Kind::I32 => 5,
            Kind::I64 => 6,
            Kind::Double => 7,
            Kind::String => 8,
            Kind::List => 9,
            Kind::Struct => 12,
        }
    }
}

const BINARY_BOOL: u8 = 2;
/// Kind of the elements, and how many.
const BINARY_LIST: usize = 5;

impl Protocol for Binary {
    #[inline]
    fn field(out: &mut Vec<u8>, kind: Kind, id: u8, _previous: u8) {
        out.extend_from_slice(&[kind.binary(), 0, id]);
    }

    #[inline]
    fn i32_field(out: &mut Vec<u8>, id: u8, _previous: u8, value: i32) {
        let [a, b, c, d] = value.to_be_bytes();
        out.extend_from_slice(&[Kind::I32.binary(), 0, id, a, b, c, d]);
    }

    #[inline]
    fn i64_field(out: &mut Vec<u8>, id: u8, _previous: u8, value: i64) {
        let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
        out.extend_from_slice(&[Kind::I64.binary(), 0, id, a, b, c, d, e, f, g, h]);
    }

    #[inline]
    fn bool_field(out: &mut Vec<u8>, id: u8, _previous: u8, value: bool) {
        out.extend_from_slice(&[BINARY_BOOL, 0, id, u8::from(value)]);
    }

    #[inline]
    fn double_field(out: &mut Vec<u8>, id: u8, _previous: u8, value: f64) {
        let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
        out.extend_from_slice(&[Kind::Double.binary(), 0, id, a, b, c, d, e, f, g, h]);
    }

    #[inline]
    fn string_field(out: &mut Vec<u8>, id: u8, _previous: u8, value: &[u8]) {
        let [a, b, c, d] = length(value).to_be_bytes();
        out.extend_from_slice(&[Kind::String.binary(), 0, id, a, b, c, d]);
        out.extend_from_slice(value);
    }

    #[inline]
    fn open_list(out: &mut Vec<u8>, _many: bool) -> OpenList {
        let at = out.len();
        out.extend_from_slice(&[0; BINARY_LIST]);
        OpenList {
            at,
            width: BINARY_LIST,
        }
    }

    #[inline]
    fn close_list(out: &mut Vec<u8>, list: OpenList, kind: Kind, count: usize) {
        // Lossless, as lengths are: an element takes more than a byte.
        let [a, b, c, d] = (count as i32).to_be_bytes();
        if let Some(header) = out.get_mut(list.at..list.at + list.width) {
            header.copy_from_slice(&[kind.binary(), a, b, c, d]);
        }
    }

    fn list_header(_count: usize) -> usize {
        BINARY_LIST
    }

    fn oneway(out: &mut Vec<u8>, name: &[u8]) {
        // Version 1 of the strict form, ONEWAY.
        out.extend_from_slice(&[0x80, 0x01, 0, 4]);
        out.extend_from_slice(&length(name).to_be_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(&[0; 4]);
    }

    #[inline]
    fn made_string_field(
        out: &mut Vec<u8>,
        id: u8,
        _previous: u8,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(&[Kind::String.binary(), 0, id, 0, 0, 0, 0]);
        let start = out.len();
        write(out);
        let size = length(out.get(start..).unwrap_or_default());
        if let Some(place) = out.get_mut(start - 4..start) {
            place.copy_from_slice(&size.to_be_bytes());
        }
    }
}

/// The compact protocol: varints, and headers of a byte.
pub(super) enum Compact {}

const COMPACT_TRUE: u8 = 1;
const COMPACT_FALSE: u8 = 2;

/// The short form of a field's header. The long one, for an id more than 15 behind the one before
/// it, is never needed: Jaeger's largest is 11.
#[inline]
const fn header(kind: u8, id: u8, previous: u8) -> u8 {
    (id - previous) << 4 | kind
}

#[inline]
const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

impl Protocol for Compact {
    #[inline]
    fn field(out: &mut Vec<u8>, kind: Kind, id: u8, previous: u8) {
        out.push(header(kind.compact(), id, previous));
    }

    #[inline]
    fn i32_field(out: &mut Vec<u8>, id: u8, previous: u8, value: i32) {
        Self::field(out, Kind::I32, id, previous);
        // Zigzag of 32 and of 64 bits are the same number.
        put_varint(out, zigzag(i64::from(value)));
    }

    #[inline]
    fn i64_field(out: &mut Vec<u8>, id: u8, previous: u8, value: i64) {
        Self::field(out, Kind::I64, id, previous);
        put_varint(out, zigzag(value));
    }

    #[inline]
    fn bool_field(out: &mut Vec<u8>, id: u8, previous: u8, value: bool) {
        let kind = if value { COMPACT_TRUE } else { COMPACT_FALSE };
        out.push(header(kind, id, previous));
    }

    #[inline]
    fn double_field(out: &mut Vec<u8>, id: u8, previous: u8, value: f64) {
        Self::field(out, Kind::Double, id, previous);
        // Little-endian: the opposite of the binary protocol.
        out.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn string_field(out: &mut Vec<u8>, id: u8, previous: u8, value: &[u8]) {
        Self::field(out, Kind::String, id, previous);
        put_varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }

    #[inline]
    fn open_list(out: &mut Vec<u8>, many: bool) -> OpenList {
        let at = out.len();
        // Up to 14 elements need one byte, up to 127 two.
        let width = if many { 2 } else { 1 };
        out.resize(at + width, 0);
        OpenList { at, width }
    }

    #[inline]
    fn close_list(out: &mut Vec<u8>, list: OpenList, kind: Kind, count: usize) {
        let width = Self::list_header(count);
        if width != list.width {
            shift(out, list.at + list.width, list.at + width);
        }
        let mut at = list.at;
        let mut put = |byte| {
            if let Some(place) = out.get_mut(at) {
                *place = byte;
            }
            at += 1;
        };
        if count < 15 {
            // Lossless: below 15.
            put((count as u8) << 4 | kind.compact());
            return;
        }
        put(0xf0 | kind.compact());
        let mut rest = count;
        while rest >= 0x80 {
            // Lossless: masked to seven bits.
            put((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        put(rest as u8);
    }

    #[inline]
    fn list_header(count: usize) -> usize {
        match count {
            0..15 => 1,
            _ => 1 + crate::otlp::wire::varint_len(count as u64),
        }
    }

    fn oneway(out: &mut Vec<u8>, name: &[u8]) {
        // Protocol id; version 1 and ONEWAY; sequence number, a plain varint.
        out.extend_from_slice(&[0x82, 4 << 5 | 1, 0]);
        put_varint(out, name.len() as u64);
        out.extend_from_slice(name);
    }

    #[inline]
    fn made_string_field(
        out: &mut Vec<u8>,
        id: u8,
        previous: u8,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        Self::field(out, Kind::String, id, previous);
        let at = out.len();
        out.push(0);
        write(out);
        let size = out.len() - at - 1;
        let width = crate::otlp::wire::varint_len(size as u64);
        shift(out, at + 1, at + width);
        let mut rest = size;
        for place in out.iter_mut().skip(at).take(width) {
            // Lossless: masked to seven bits.
            *place = (rest & 0x7f) as u8 | if rest >= 0x80 { 0x80 } else { 0 };
            rest >>= 7;
        }
    }
}

/// Moves what stands behind `from` so that it stands behind `to`.
fn shift(out: &mut Vec<u8>, from: usize, to: usize) {
    let end = out.len();
    if to > from {
        out.resize(end + to - from, 0);
        out.copy_within(from..end, to);
    } else if to < from {
        out.copy_within(from..end, to);
        out.truncate(end - (from - to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_headers_of_every_width() {
        for many in [false, true] {
            for (count, header) in [
                (0, &[0x0c][..]),
                (1, &[0x1c]),
                (14, &[0xec]),
                (15, &[0xfc, 15]),
                (127, &[0xfc, 127]),
                (128, &[0xfc, 0x80, 1]),
                (16_384, &[0xfc, 0x80, 0x80, 1]),
            ] {
                let mut out = b"before".to_vec();
                let list = Compact::open_list(&mut out, many);
                out.extend_from_slice(b"elements");
                Compact::close_list(&mut out, list, Kind::Struct, count);
                assert_eq!(out, [b"before", header, b"elements"].concat(), "{count}");
                assert_eq!(Compact::list_header(count), header.len(), "{count}");
            }
        }
    }

    #[test]
    fn made_text_of_every_length() {
        for size in [0, 1, 127, 128, 16_383, 16_384] {
            let text = vec![b'x'; size];
            let (mut made, mut borrowed) = (Vec::new(), Vec::new());
            Compact::made_string_field(&mut made, 3, 2, |out| out.extend_from_slice(&text));
            Compact::string_field(&mut borrowed, 3, 2, &text);
            Binary::made_string_field(&mut made, 3, 2, |out| out.extend_from_slice(&text));
            Binary::string_field(&mut borrowed, 3, 2, &text);
            assert_eq!(made, borrowed, "{size}");
        }
    }

    #[test]
    fn numbers_of_the_compact_protocol() {
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (
                i64::MIN,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ),
        ] {
            let mut out = Vec::new();
            Compact::i64_field(&mut out, 1, 0, value);
            assert_eq!(out, [&[0x16], bytes].concat(), "{value}");
        }
    }
}
