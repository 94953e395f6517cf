//! Validation: one pass over a message that nobody has checked yet.
//!
//! It finds out whether the bytes are a well-formed message of their signal (structure, wire
//! types, lengths, UTF-8, depth), how many items they hold, and whether they are in canonical
//! form. After it, views cannot fail.

use super::{
    Limits, Malformed, Problem, Signal,
    schema::{Field, Kind, Label, Message},
    wire::{self, Fault, LEN, MAX_DEPTH},
};

/// What a check found out about valid bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub(crate) items: u64,
    /// Whether every rule of the canonical form is kept.
    pub(crate) canonical: bool,
}

pub(crate) fn check(signal: Signal, bytes: &[u8], limits: &Limits) -> Result<Checked, Malformed> {
    if bytes.len() > limits.max_bytes {
        return Err(Malformed::at(
            0,
            Problem::TooLarge {
                limit: limits.max_bytes,
            },
        ));
    }
    let mut checker = Checker {
        buf: bytes,
        items: 0,
        canonical: true,
    };
    checker
        .message(Message::root(signal), 0, bytes.len(), MAX_DEPTH)
        .map_err(|malformed| *malformed)?;
    // Members of a oneof that do not last are no items: counted again in canonical form.
    if checker.canonical && checker.items > limits.max_items {
        return Err(Malformed::at(
            0,
            Problem::TooManyItems {
                limit: limits.max_items,
            },
        ));
    }
    Ok(Checked {
        items: checker.items,
        canonical: checker.canonical,
    })
}

struct Checker<'a> {
    buf: &'a [u8],
    items: u64,
    canonical: bool,
}

type Verdict = Result<(), Box<Malformed>>;

#[cold]
fn fail(offset: usize, problem: Problem) -> Box<Malformed> {
    Box::new(Malformed::at(offset, problem))
}

impl Checker<'_> {
    /// Checks the message at `start..end`. `depth` is how many more levels may be entered.
    fn message(&mut self, message: &Message, start: usize, end: usize, depth: usize) -> Verdict {
        let buf = self.buf;
        let Some(body) = buf.get(..end) else {
            return Err(fail(start, Problem::Truncated));
        };
        let mut at = start;
        let mut seen = 0_u32;
        let mut last = 0;
        while at < end {
            let field_start = at;
            let (number, wire) = wire::tag(body, &mut at).map_err(|f| fault(f, field_start))?;
            let Some(field) = message.field(number) else {
                wire::skip(body, &mut at, number, wire, depth)
                    .map_err(|f| fault(f, field_start))?;
                last = number;
                continue;
            };
            let bit = 1_u32 << number;
            match field.label {
                Label::Repeated => {
                    if seen & bit != 0 && (last != number || field.wire != LEN) {
                        self.canonical = false;
                    }
                }
                Label::Single => self.canonical &= seen & bit == 0,
                Label::Oneof => self.canonical &= seen & message.oneof == 0,
            }
            seen |= bit;
            last = number;
            let value_start = at;
            if wire == LEN && field.wire == LEN {
                let value = wire::span(body, &mut at).map_err(|f| {
                    self.locate(fault(f, value_start), message, start, field, field_start)
                })?;
                self.len_value(field, value.start, value.end, depth)
                    .map_err(|m| self.locate(m, message, start, field, field_start))?;
                if is_key_value(field.kind) && depth >= 2 {
                    at = skip_simple_key_values(body, at, field.number);
                }
            } else if wire == field.wire && field.label != Label::Repeated {
                wire::skip_value(body, &mut at, wire).map_err(|f| {
                    self.locate(fault(f, value_start), message, start, field, field_start)
                })?;
            } else {
                self.unusual(field, wire, body, &mut at)
                    .map_err(|m| self.locate(m, message, start, field, field_start))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn len_value(&mut self, field: &Field, start: usize, end: usize, depth: usize) -> Verdict {
        match field.kind {
            Kind::Message(child) => {
                self.items += u64::from(field.is_item);
                if child.is_key_value && simple_key_value(&self.buf[start..end]) {
                    // The fast path looks two messages down.
                    return if depth < 2 {
                        Err(fail(start, Problem::TooDeep))
                    } else {
                        Ok(())
                    };
                }
                if depth == 0 {
                    return Err(fail(start, Problem::TooDeep));
                }
                self.message(child, start, end, depth - 1)
            }
            Kind::Str if !is_utf8(&self.buf[start..end]) => {
                let valid = std::str::from_utf8(&self.buf[start..end])
                    .err()
                    .map_or(0, |error| error.valid_up_to());
                Err(fail(start + valid, Problem::InvalidUtf8))
            }
            _ => Ok(()),
        }
    }

    /// Checks packed numbers, and what stands where they or others are expected.
    fn unusual(&mut self, field: &Field, wire: u8, body: &[u8], at: &mut usize) -> Verdict {
        if field.label == Label::Repeated && wire == LEN {
            return packed(field.wire, body, at);
        }
        if wire != field.wire {
            return Err(fail(
                *at,
                Problem::WrongWireType {
                    found: wire,
                    expected: field.wire,
                },
            ));
        }
        // Legal, but not packed.
        self.canonical = false;
        wire::skip_value(body, at, wire).map_err(|f| fault(f, *at))
    }

    /// Puts the field's name, with its index if it is repeated, before the path of an error.
    #[cold]
    fn locate(
        &self,
        mut malformed: Box<Malformed>,
        message: &Message,
        start: usize,
        field: &Field,
        field_start: usize,
    ) -> Box<Malformed> {
        let index = (field.label == Label::Repeated).then(|| {
            let before = self.buf.get(..field_start).unwrap_or_default();
            let mut at = start;
            let mut index = 0;
            while at < field_start {
                let Ok((number, wire)) = wire::tag(before, &mut at) else {
                    break;
                };
                if wire::skip(before, &mut at, number, wire, MAX_DEPTH).is_err() {
                    break;
                }
                index += usize::from(number == field.number && message.field(number).is_some());
            }
            index
        });
        malformed.prepend(field.name, index);
        malformed
    }
}

fn fault(fault: Fault, offset: usize) -> Box<Malformed> {
    fail(
        offset,
        match fault {
            Fault::Truncated => Problem::Truncated,
            Fault::Varint => Problem::InvalidVarint,
            Fault::Tag => Problem::InvalidTag,
            Fault::Depth => Problem::TooDeep,
        },
    )
}

#[inline]
const fn is_key_value(kind: Kind) -> bool {
    matches!(kind, Kind::Message(child) if child.is_key_value)
}

/// The wire type of a kind that is not packed.
pub(crate) const fn wire_type(kind: Kind) -> u8 {
    match kind {
        Kind::Str | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => LEN,
        Kind::Bool
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Int32
        | Kind::Int64
        | Kind::Enum(_)
        | Kind::Sint32 => wire::VARINT,
        Kind::Fixed32 => wire::FIXED32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => wire::FIXED64,
    }
}

/// Checks a run of packed numbers.
fn packed(of: u8, body: &[u8], at: &mut usize) -> Verdict {
    let run_start = *at;
    let run = wire::span(body, at).map_err(|f| fault(f, run_start))?;
    let end = run.end;
    match of {
        wire::VARINT => {
            let values = &body[..end];
            let mut position = run.start;
            if !are_short_varints(&values[position..]) {
                while position < end {
                    let start = position;
                    wire::varint(values, &mut position).map_err(|f| fault(f, start))?;
                }
            }
        }
        _ => {
            let size = if of == wire::FIXED64 { 8 } else { 4 };
            if !run.len().is_multiple_of(size) {
                return Err(fail(run.start, Problem::Truncated));
            }
        }
    }
    Ok(())
}

/// Whether these are varints of nine bytes at most, which cannot be too large, the last of them
/// whole. `false` says nothing: the general path decides.
fn are_short_varints(run: &[u8]) -> bool {
    let (mut length, mut longest) = (0_u8, 0);
    for byte in run {
        // One more if the varint goes on behind this byte, else none.
        length = length.saturating_add(1) & (byte >> 7).wrapping_neg();
        longest = length.max(longest);
    }
    length == 0 && longest < 9
}

/// Moves past all attributes from `at` on that have this field number and the usual shape: they
/// come in a row, and are most of what telemetry consists of.
#[inline]
fn skip_simple_key_values(body: &[u8], mut at: usize, number: u32) -> usize {
    while let Some([tag, rest @ ..]) = body.get(at..)
        && u32::from(*tag) == number << 3 | u32::from(LEN)
        // From here on tags take two bytes.
        && *tag < 0x80
        && let Some((length, rest)) = usual_length(rest)
        && let Some(pair) = rest.get(..length)
        && simple_key_value(pair)
    {
        at = body.len() - rest.len() + length;
    }
    at
}

/// A length as it is usually spelled: in one byte, or padded to four by those who leave room for
/// a length before they know it.
#[inline(always)]
fn usual_length(body: &[u8]) -> Option<(usize, &[u8])> {
    match body {
        [length @ 0..0x80, rest @ ..] => Some((usize::from(*length), rest)),
        [low @ 0x80..=0xff, high @ 0x80..=0xff, 0x80, 0, rest @ ..] => Some((
            usize::from(low & 0x7f) | usize::from(high & 0x7f) << 7,
            rest,
        )),
        _ => None,
    }
}

/// Whether this is the shape of nearly every attribute: a key, then a value that is a short
/// string, a boolean, an integer or a double, with lengths as they are usually spelled; and
/// whether that is valid. `false` says nothing: the general path decides.
#[inline]
fn simple_key_value(body: &[u8]) -> bool {
    let [0x0a, key_len @ 0..0x80, rest @ ..] = body else {
        return false;
    };
    let Some((key, rest)) = rest.split_at_checked(usize::from(*key_len)) else {
        return false;
    };
    let [0x12, rest @ ..] = rest else {
        return false;
    };
    let Some((value_len, value)) = usual_length(rest) else {
        return false;
    };
    if value.len() != value_len {
        return false;
    }
    match value {
        [0x0a, len @ 0..0x80, text @ ..] => {
            // Short lengths and tags are ASCII: one look at the whole does for both texts.
            text.len() == usize::from(*len) && (is_ascii(body) || is_utf8(text) && is_utf8(key))
        }
        [0x10, 0..0x80] | [0x18, 0..0x80] => is_utf8(key),
        [0x18, number @ ..] => {
            let mut at = 0;
            wire::varint(number, &mut at).is_ok() && at == number.len() && is_utf8(key)
        }
        [0x21, bits @ ..] => bits.len() == 8 && is_utf8(key),
        _ => false,
    }
}

/// UTF-8 check that is quick on the short ASCII strings of which telemetry consists.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || std::str::from_utf8(text).is_ok()
}

/// Whether all bytes are below 0x80, eight at a time; the last eight may overlap those before.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let Some(last) = text.last_chunk::<8>() else {
        return short_is_ascii(text);
    };
    let mut bits = u64::from_le_bytes(*last);
    for word in text.as_chunks::<8>().0 {
        bits |= u64::from_le_bytes(*word);
    }
    bits & HIGH_BITS == 0
}

#[inline]
fn short_is_ascii(text: &[u8]) -> bool {
    const HIGH_BITS: u32 = 0x8080_8080;
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let bits = u32::from_le_bytes(*first) | u32::from_le_bytes(*last);
        return bits & HIGH_BITS == 0;
    }
    text.iter().fold(0, |bits, byte| bits | byte) < 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `KeyValue`: an attribute of the resource of logs.
    fn key_value() -> &'static Message {
        [1, 1, 1]
            .iter()
            .fold(Message::root(Signal::Logs), |message, number| match message
                .field(*number)
                .map(|field| field.kind)
            {
                Some(Kind::Message(child)) => child,
                _ => panic!("field {number} is not a message"),
            })
    }

    fn verdict(bytes: &[u8]) -> Option<Checked> {
        check(Signal::Logs, bytes, &Limits::default()).ok()
    }

    /// What the quick path takes for an attribute must be one for the general path, too.
    #[test]
    fn the_quick_path_takes_nothing_that_the_general_one_refuses() {
        let seeds: [&[u8]; 7] = [
            b"\x0a\x01k\x12\x05\x0a\x03abc",
            b"\x0a\x01k\x12\x02\x10\x01",
            b"\x0a\x02\xc3\xa9\x12\x02\x18\x07",
            b"\x0a\x00\x12\x03\x18\x80\x01",
            b"\x0a\x01k\x12\x09\x21\0\0\0\0\0\0\xf0\x3f",
            b"\x0a\x01k\x12\x00",
            b"\x0a\x01k\x12\x85\x80\x80\x00\x0a\x03abc",
        ];
        let mut quick = 0;
        for seed in seeds {
            for position in 0..seed.len() {
                for byte in 0..=255 {
                    let mut body = seed.to_vec();
                    body[position] = byte;
                    if !simple_key_value(&body) {
                        continue;
                    }
                    quick += 1;
                    let mut checker = Checker {
                        buf: &body,
                        items: 0,
                        canonical: true,
                    };
                    // As a message of its own, an attribute is not looked at by the quick path.
                    let verdict = checker.message(key_value(), 0, body.len(), MAX_DEPTH);
                    assert!(verdict.is_ok(), "{body:02x?}");
                    assert!(checker.canonical, "{body:02x?}");
                }
            }
        }
        assert!(quick > 1000, "{quick}");
    }

    #[test]
    fn utf8_is_judged_as_the_standard_library_does() {
        let texts: [&[u8]; 6] = [
            b"",
            b"plain text of some length",
            "größer".as_bytes(),
            b"12345678\xff",
            b"1234567\xc3\xa9",
            b"\xed\xa0\x80",
        ];
        for text in texts {
            for end in 0..=text.len() {
                assert_eq!(
                    is_utf8(&text[..end]),
                    std::str::from_utf8(&text[..end]).is_ok()
                );
            }
        }
    }

    #[test]
    fn padded_varints_are_canonical() {
        let plain = verdict(b"\x0a\x04\x12\x02\x12\x00").expect("valid");
        let padded = verdict(b"\x8a\x00\x86\x80\x00\x12\x83\x00\x12\x80\x00");
        let padded = padded.expect("valid");
        assert!(plain.canonical && padded.canonical);
        assert_eq!((plain.items, padded.items), (1, 1));
    }
}
