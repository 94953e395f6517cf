//! Protobuf's wire format: reading fields, writing fields.
//!
//! Two readers for two moments. `Reader` is for bytes that nobody has checked and says what
//! is wrong; `Fields` is for checked bytes and cannot fail: on bytes that are impossible after
//! a check it simply ends.

/// Wire type of a field.
pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LEN: u8 = 2;
pub(crate) const START_GROUP: u8 = 3;
pub(crate) const END_GROUP: u8 = 4;
pub(crate) const FIXED32: u8 = 5;

/// The most messages (and groups) that may be nested in each other, as in other protobuf
/// implementations.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why bytes are not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Truncated,
    Varint,
    Tag,
    Depth,
}

/// Reads a varint at `*at`, and moves there.
#[inline]
pub(crate) fn varint(buf: &[u8], at: &mut usize) -> Result<u64, Fault> {
    match buf.get(*at) {
        Some(&byte) if byte < 0x80 => {
            *at += 1;
            Ok(u64::from(byte))
        }
        Some(_) => long_varint(buf, at),
        None => Err(Fault::Truncated),
    }
}

#[inline]
fn long_varint(buf: &[u8], at: &mut usize) -> Result<u64, Fault> {
    let rest = buf.get(*at..).unwrap_or_default();
    // Up to eight bytes at once, if there are as many to look at.
    if let Some(word) = rest.first_chunk::<8>()
        && let Some((value, length)) = varint_in(u64::from_le_bytes(*word))
    {
        *at += length;
        return Ok(value);
    }
    slow_varint(rest, at)
}

/// The varint at the start of eight bytes and its length, if it ends within them.
#[inline]
const fn varint_in(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let length = ends.trailing_zeros() / 8 + 1;
    // What stands behind is gone, and so are the marks of continuation: groups of seven bits,
    // joined by twos, fours, eights.
    let groups = word & (u64::MAX >> (64 - 8 * length)) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (groups & 0x007f_007f_007f_007f) | ((groups & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    let value = (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4);
    Some((value, length as usize))
}

#[cold]
fn slow_varint(rest: &[u8], at: &mut usize) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for (position, &byte) in rest.iter().take(10).enumerate() {
        if position == 9 && byte > 1 {
            return Err(Fault::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte < 0x80 {
            *at += position + 1;
            return Ok(value);
        }
    }
    Err(if rest.len() < 10 {
        Fault::Truncated
    } else {
        Fault::Varint
    })
}

/// Reads a field's number and wire type at `*at`, and moves there.
#[inline]
pub(crate) fn tag(buf: &[u8], at: &mut usize) -> Result<(u32, u8), Fault> {
    let key = varint(buf, at)?;
    let key = u32::try_from(key).map_err(|_| Fault::Tag)?;
    let number = key >> 3;
    if number == 0 {
        return Err(Fault::Tag);
    }
    // Lossless: masked to three bits.
    Ok((number, (key & 7) as u8))
}

/// Reads a length at `*at` and returns the range of the bytes it spans, having moved past them.
#[inline]
pub(crate) fn span(buf: &[u8], at: &mut usize) -> Result<std::ops::Range<usize>, Fault> {
    let length = usize::try_from(varint(buf, at)?).map_err(|_| Fault::Truncated)?;
    let start = *at;
    let end = start.checked_add(length).ok_or(Fault::Truncated)?;
    if end > buf.len() {
        return Err(Fault::Truncated);
    }
    *at = end;
    Ok(start..end)
}

/// Moves past the value of a field that the schema does not know. `depth` is how many more
/// levels may be entered; at the last one prost refuses any unknown field, and so does this, for
/// what is accepted here must not fail to decode there.
#[inline]
pub(crate) fn skip(
    buf: &[u8],
    at: &mut usize,
    number: u32,
    wire: u8,
    depth: usize,
) -> Result<(), Fault> {
    if depth == 0 {
        return Err(Fault::Depth);
    }
    match wire {
        START_GROUP => skip_group(buf, at, number, depth - 1),
        _ => skip_value(buf, at, wire),
    }
}

/// Moves past a value that is not a group.
#[inline(always)]
pub(crate) fn skip_value(buf: &[u8], at: &mut usize, wire: u8) -> Result<(), Fault> {
    match wire {
        VARINT => varint(buf, at).map(drop),
        LEN => span(buf, at).map(drop),
        FIXED64 => advance(buf, at, 8),
        FIXED32 => advance(buf, at, 4),
        _ => Err(Fault::Tag),
    }
}

#[inline]
fn advance(buf: &[u8], at: &mut usize, by: usize) -> Result<(), Fault> {
    if buf.len().saturating_sub(*at) < by {
        return Err(Fault::Truncated);
    }
    *at += by;
    Ok(())
}

#[cold]
fn skip_group(buf: &[u8], at: &mut usize, number: u32, depth: usize) -> Result<(), Fault> {
    loop {
        let (inner, wire) = tag(buf, at)?;
        if wire == END_GROUP {
            return if inner == number {
                Ok(())
            } else {
                Err(Fault::Tag)
            };
        }
        skip(buf, at, inner, wire, depth)?;
    }
}

/// The value of one field of checked bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Len(&'a [u8]),
    /// A group, from behind its start tag to and with its end tag.
    Group,
}

/// One field of checked bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
    /// The field as it stands, tag included.
    pub(crate) raw: &'a [u8],
}

/// Iterates over the fields of one checked message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    buf: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) const fn new(buf: &'a [u8]) -> Self {
        Self { buf, at: 0 }
    }

    #[inline]
    fn read(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let mut at = start;
        let (number, wire) = tag(self.buf, &mut at).ok()?;
        let value = match wire {
            LEN => Value::Len(self.buf.get(span(self.buf, &mut at).ok()?)?),
            VARINT => Value::Varint(varint(self.buf, &mut at).ok()?),
            FIXED64 => {
                let bytes = self.buf.get(at..)?.first_chunk::<8>()?;
                at += 8;
                Value::Fixed64(u64::from_le_bytes(*bytes))
            }
            FIXED32 => {
                let bytes = self.buf.get(at..)?.first_chunk::<4>()?;
                at += 4;
                Value::Fixed32(u32::from_le_bytes(*bytes))
            }
            _ => {
                skip(self.buf, &mut at, number, wire, MAX_DEPTH).ok()?;
                Value::Group
            }
        };
        self.at = at;
        Some(Field {
            number,
            value,
            raw: self.buf.get(start..at)?,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if self.at >= self.buf.len() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.at = self.buf.len();
        }
        field
    }
}

/// Number of bytes that `value` takes as a varint.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    // ceil(bits / 7), with one byte for zero.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // Lossless: masked to seven bits.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a field's tag.
#[inline]
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number << 3 | u32::from(wire)));
}

/// Writes a varint field.
#[inline]
pub(crate) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, VARINT);
    put_varint(out, value);
}

/// Writes a string, bytes or finished sub-message field.
#[inline]
pub(crate) fn put_len_field(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    if let (1..16, Ok(length @ 0..0x80)) = (number, u8::try_from(value.len())) {
        // Lossless: below 128.
        out.extend_from_slice(&[(number << 3) as u8 | LEN, length]);
        out.extend_from_slice(value);
        return;
    }
    put_tag(out, number, LEN);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Begins a sub-message whose length is not known yet; hand the result to [`end_len`].
///
/// One byte is kept for the length: most sub-messages of telemetry are short.
#[inline]
pub(crate) fn begin_len(out: &mut Vec<u8>, number: u32) -> usize {
    if number < 16 {
        // Lossless: below 128.
        out.extend_from_slice(&[(number << 3) as u8 | LEN, 0]);
    } else {
        put_tag(out, number, LEN);
        out.push(0);
    }
    out.len()
}

/// Ends a sub-message that [`begin_len`] began: writes its length, moving the body if the
/// length needs more than the byte that was kept.
#[inline]
pub(crate) fn end_len(out: &mut Vec<u8>, body: usize) {
    let length = out.len() - body;
    let Ok(short @ 0..0x80) = u8::try_from(length) else {
        return end_long(out, body, length);
    };
    out[body - 1] = short;
}

fn end_long(out: &mut Vec<u8>, body: usize, length: usize) {
    let extra = varint_len(length as u64) - 1;
    out.resize(out.len() + extra, 0);
    out.copy_within(body..body + length, body + extra);
    let mut rest = length as u64;
    for byte in &mut out[body - 1..body + extra] {
        // Lossless: masked to seven bits.
        *byte = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
    }
    out[body + extra - 1] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_read_back() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                // At the end of the data, and with more behind it.
                for behind in [&[][..], &[0; 8], &[0xff; 8]] {
                    let bytes = [&out[..], behind].concat();
                    let mut at = 0;
                    assert_eq!(varint(&bytes, &mut at), Ok(value));
                    assert_eq!(at, out.len());
                }
            }
        }
    }

    #[test]
    fn faulty_varints_are_told_apart() {
        assert_eq!(varint(&[0x80], &mut 0), Err(Fault::Truncated));
        assert_eq!(varint(&[0xff; 11], &mut 0), Err(Fault::Varint));
        let padded = [0x81, 0x80, 0x80, 0x00];
        assert_eq!(varint(&padded, &mut 0), Ok(1));
    }

    #[test]
    fn lengths_are_patched_at_every_size() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = vec![9, 9];
            let body = begin_len(&mut out, 4);
            out.extend((0..length).map(|n| n as u8));
            end_len(&mut out, body);
            let field = Fields::new(&out[2..]).next().expect("a field");
            assert_eq!(field.number, 4);
            let Value::Len(read) = field.value else {
                panic!("not a length-delimited field");
            };
            assert!(read.iter().copied().eq((0..length).map(|n| n as u8)));
        }
    }
}
