//! Text that is put together from many short pieces.
//!
//! To copy a few bytes of which the number is not known until then costs a call and some
//! branches. A block of fixed size costs neither: a piece is copied as a block that may reach past
//! its end, and the next piece goes over what was too much. All are written to one room of fixed
//! size, so that one comparison tells whether there is room for a block.

use super::clean::{CHUNK, harmless, is_clean, is_clean_ascii, pad};

/// What may stand behind a piece that is copied as a block.
pub(super) const PADDING: usize = 64;

/// Where text is put together before it goes on.
pub(super) type Room = [u8; LIMIT + LARGEST];

/// An empty one.
pub(super) const ROOM: Room = [0; LIMIT + LARGEST];

/// How much is put together at most: enough for most spans, and little enough for the fastest
/// cache.
const LIMIT: usize = 4096;

/// The largest block. There is room for one behind the limit.
const LARGEST: usize = 128;

/// What stays behind when the rest goes on: enough to look back at.
const TAIL: usize = 16;

/// Text on its way to `out`.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    out: &'a mut Vec<u8>,
    room: &'a mut Room,
    /// How much of the room is taken.
    end: usize,
    /// How much has gone on.
    gone: usize,
}

impl<'a> Blocks<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>, room: &'a mut Room) -> Self {
        Self {
            out,
            room,
            end: 0,
            gone: 0,
        }
    }

    /// Hands over what is left.
    pub(super) fn finish(self) {
        let written = self.room.get(..self.end).unwrap_or_default();
        self.out.extend_from_slice(written);
    }

    /// Number of bytes that were written.
    pub(super) const fn position(&self) -> usize {
        self.gone + self.end
    }

    /// The last bytes: as many as [`TAIL`], or [`LARGEST`] if [`space`](Self::space) was made.
    pub(super) fn last(&self, length: usize) -> &[u8] {
        let start = self.end.saturating_sub(length);
        self.room.get(start..self.end).unwrap_or_default()
    }

    /// Whether this was written last.
    #[inline]
    pub(super) fn ends_with(&self, text: &[u8; 12]) -> bool {
        self.last(text.len()) == text
    }

    /// Takes back the last bytes: as many as one may look back at.
    pub(super) const fn back(&mut self, length: usize) {
        self.end = self.end.saturating_sub(length);
    }

    /// Makes space for [`LARGEST`] bytes, so that one can look back at all of them.
    pub(super) fn space(&mut self) {
        if self.end + 2 * LARGEST > LIMIT {
            self.go_on();
        }
    }

    /// Lets most of the text go on, and says where what stays behind ends.
    #[cold]
    #[inline(never)]
    fn go_on(&mut self) -> usize {
        let end = self.end.min(self.room.len());
        let start = end.saturating_sub(TAIL);
        let written = self.room.get(..start).unwrap_or_default();
        self.out.extend_from_slice(written);
        self.room.copy_within(start..end, 0);
        self.gone += start;
        self.end = end - start;
        self.end
    }

    /// Writes into a block, behind what is there; `write` says how many of its bytes count.
    #[inline(always)]
    pub(super) fn with<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) {
        const { assert!(N <= LARGEST) }
        let mut end = self.end;
        if end >= LIMIT {
            end = self.go_on();
        }
        // It is below the limit, and this lets the compiler know.
        if let Some(room) = self.room[end % LIMIT..].first_chunk_mut() {
            self.end = end + write(room);
        }
    }

    /// Writes the first bytes of a block.
    #[inline(always)]
    pub(super) fn block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        self.with(|room| {
            *room = *block;
            length
        });
    }

    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        self.block(text, N);
    }

    /// Writes any bytes.
    #[inline(never)]
    pub(super) fn slice(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            let room = self.room.get_mut(self.end..).unwrap_or_default();
            if let Some(room) = room.get_mut(..rest.len()) {
                room.copy_from_slice(rest);
                self.end += rest.len();
                return;
            }
            let (piece, behind) = rest.split_at(room.len());
            room.copy_from_slice(piece);
            self.end += piece.len();
            rest = behind;
            self.go_on();
        }
    }

    /// Writes the first `length` bytes of `text`.
    #[inline(always)]
    pub(super) fn fragment(&mut self, text: &[u8], length: usize) {
        match text.first_chunk::<32>() {
            Some(block) if length <= 32 => self.block(block, length),
            _ => match text.first_chunk::<64>() {
                Some(block) if length <= 64 => self.block(block, length),
                _ => self.slice(text.get(..length).unwrap_or_default()),
            },
        }
    }

    /// Writes the first `length` bytes of `text` as JSON takes them in a string.
    #[inline(always)]
    pub(super) fn escaped(&mut self, text: &[u8], length: usize) {
        match text.first_chunk() {
            Some(chunk) if length <= CHUNK && is_clean(chunk, length) => self.block(chunk, length),
            _ => self.escaped_long(text, length),
        }
    }

    /// Like [`escaped`](Self::escaped), for text that is longer than a chunk, needs escapes, or has
    /// nothing behind it.
    #[inline(never)]
    fn escaped_long(&mut self, text: &[u8], length: usize) {
        let (mut rest, mut left) = (text, length);
        while left > 0 {
            let size = left.min(CHUNK);
            match rest.split_first_chunk() {
                Some((chunk, behind)) if is_clean(chunk, size) => {
                    self.block(chunk, size);
                    (rest, left) = (behind, left - size);
                }
                _ => return self.escaped_slowly(rest.get(..left).unwrap_or_default()),
            }
        }
    }

    #[inline(never)]
    fn escaped_slowly(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let taken = match rest.first_chunk() {
                Some(chunk) => self.escaped_chunk(chunk, CHUNK),
                None => self.escaped_chunk(&pad(rest), rest.len()),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Writes the first `size` bytes of a chunk, or those up to the first that must be escaped and
    /// that one; says how many.
    #[inline(never)]
    fn escaped_chunk(&mut self, chunk: &[u8; CHUNK], size: usize) -> usize {
        if is_clean(chunk, size) {
            self.block(chunk, size);
            return size;
        }
        let clean = chunk.iter().take_while(|byte| harmless(**byte) != 0);
        let clean = clean.count();
        self.block(chunk, clean);
        self.escape(chunk[clean % CHUNK]);
        clean + 1
    }

    #[inline]
    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.literal(b"\\\""),
            b'\\' => self.literal(b"\\\\"),
            b'\n' => self.literal(b"\\n"),
            b'\r' => self.literal(b"\\r"),
            b'\t' => self.literal(b"\\t"),
            control => {
                self.literal(b"\\u00");
                self.literal(&crate::otlp::json::hex::digits::<1, 2>(&[control]));
            }
        }
    }

    /// Writes the first `length` bytes of `text` in lower case if they are a short text of ASCII
    /// that JSON takes as it is, else nothing.
    #[inline]
    pub(super) fn lower_case(&mut self, text: &[u8], length: usize) -> bool {
        if length > LARGEST {
            return false;
        }
        self.space();
        let start = self.end;
        let (mut rest, mut left) = (text, length);
        while left > 0 {
            let size = left.min(CHUNK);
            match rest.split_first_chunk::<CHUNK>() {
                Some((chunk, behind)) if is_clean_ascii(chunk, size) => {
                    self.block(&chunk.map(|byte| byte.to_ascii_lowercase()), size);
                    rest = behind;
                    left -= size;
                }
                _ => {
                    self.end = start;
                    return false;
                }
            }
        }
        true
    }

    /// Writes a number.
    #[inline(always)]
    pub(super) fn integer(&mut self, value: u64) {
        if value < EIGHT {
            // Lossless.
            self.up_to_eight_digits(value as u32);
        } else {
            self.many_digits(value);
        }
    }

    #[inline(never)]
    fn up_to_eight_digits(&mut self, value: u32) {
        let digits = eight_digits(value);
        // The number 0 has one digit, too.
        let zeros = (digits.trailing_zeros() / 8).min(7);
        let text = (digits | ZEROS) >> (8 * zeros);
        self.block(&text.to_le_bytes(), 8 - zeros as usize);
    }

    #[inline(never)]
    fn many_digits(&mut self, value: u64) {
        if value >= EIGHT * EIGHT {
            return self.slice(itoa::Buffer::new().format(value).as_bytes());
        }
        // Lossless, both.
        let first = eight_digits((value / EIGHT) as u32);
        let last = eight_digits((value % EIGHT) as u32);
        let zeros = first.trailing_zeros() / 8;
        let digits = u128::from(first | ZEROS) | u128::from(last | ZEROS) << 64;
        let text = digits >> (8 * zeros);
        self.block(&text.to_le_bytes(), 16 - zeros as usize);
    }

    /// Writes a number of at most three digits behind the point, if it is one.
    #[inline]
    pub(super) fn short_double(&mut self, value: f64) -> bool {
        let size = value.abs();
        if size.is_nan() || size >= 1e12 {
            return false;
        }
        // Lossless: the sum is below 2^53, and its fraction is not wanted.
        let thousandths = (size * 1000.0 + 0.5) as u64;
        // Both are exact, so the quotient is the double nearest to these digits; no others as
        // short name it.
        if thousandths as f64 / 1000.0 != size {
            return false;
        }
        if value.is_sign_negative() {
            self.literal(b"-");
        }
        self.integer(thousandths / 1000);
        let fraction = thousandths % 1000;
        if fraction != 0 {
            // Lossless: a digit each.
            let [first, second, third] = [100, 10, 1].map(|unit| (fraction / unit % 10) as u8);
            let length = if third != 0 {
                4
            } else if second != 0 {
                3
            } else {
                2
            };
            self.block(&[b'.', b'0' + first, b'0' + second, b'0' + third], length);
        }
        true
    }
}

/// The first number of more than eight digits.
const EIGHT: u64 = 100_000_000;

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight digits of a number, the first in the lowest byte: cut in halves, all halves at once.
#[inline]
const fn eight_digits(value: u32) -> u64 {
    let fours = (value / 10_000) as u64 | ((value % 10_000) as u64) << 32;
    // To divide by 100 and by 10, each good for as many digits as there are.
    let upper_twos = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = upper_twos | (fours - 100 * upper_twos) << 16;
    let upper_ones = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    upper_ones | (twos - 10 * upper_ones) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::json::write::string_body;

    fn written(write: impl FnOnce(&mut Blocks<'_>)) -> String {
        let (mut text, mut room) = (Vec::new(), ROOM);
        let mut blocks = Blocks::new(&mut text, &mut room);
        write(&mut blocks);
        let length = blocks.position();
        blocks.finish();
        assert_eq!(text.len(), length);
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn numbers_of_every_length() {
        let mut numbers = vec![0, u64::MAX];
        for power in 0..20 {
            let power = 10_u64.pow(power);
            numbers.extend([power - 1, power, power + 1, power / 9 * 7, power / 7]);
        }
        for number in numbers {
            assert_eq!(written(|out| out.integer(number)), number.to_string());
        }
    }

    #[test]
    fn every_byte_at_every_place_is_escaped_as_the_other_writer_does() {
        for length in 1..40 {
            for place in 0..length {
                for byte in 0..0x80 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let mut expected = Vec::new();
                    string_body(&mut expected, &text);
                    let expected = String::from_utf8(expected).expect("UTF-8");
                    assert_eq!(written(|out| out.escaped(&text, length)), expected);
                    // What stands behind the text does not count.
                    text.extend_from_slice(&[byte; 20]);
                    assert_eq!(written(|out| out.escaped(&text, length)), expected);
                }
            }
        }
    }

    #[test]
    fn doubles_are_written_as_the_other_writer_does() {
        let mut numbers = vec![0.0, -0.0, 1e12, 999_999_999_999.999, 1e-3, 5e-4, 0.1 + 0.2];
        numbers.extend((0..100_000).map(|number| f64::from(number) / 100.0));
        numbers.extend((0..10_000).map(|number| -f64::from(number * 7919) / 1000.0));
        let mut short = 0;
        for number in numbers {
            let mut is_short = false;
            let text = written(|out| is_short = out.short_double(number));
            let mut expected = Vec::new();
            crate::otlp::json::double::encode(&mut expected, number);
            let expected = if is_short { &*expected } else { b"" };
            assert_eq!(text.as_bytes(), expected, "{number}");
            short += usize::from(is_short);
        }
        assert!(short > 110_000);
    }

    #[test]
    fn short_names_of_ascii_become_lower_case() {
        for (name, lower) in [
            ("GET /Cart[Z]@", Some("get /cart[z]@")),
            (
                "ONE THAT IS LONGER THAN A CHUNK",
                Some("one that is longer than a chunk"),
            ),
            ("Größe", None),
            ("A \"b\"", None),
            ("one that is longer than a chunk\n", None),
        ] {
            let padded = format!("{name}\u{fc}\"{}", " ".repeat(16));
            let mut is_written = false;
            let text = written(|out| {
                out.literal(b"-");
                is_written = out.lower_case(padded.as_bytes(), name.len());
            });
            assert_eq!(text, format!("-{}", lower.unwrap_or_default()));
            assert_eq!(is_written, lower.is_some());
        }
    }

    #[test]
    fn the_end_of_the_room_is_no_end_of_the_text() {
        for before in LIMIT - 40..LIMIT + LARGEST + 20 {
            let start = "s".repeat(before);
            let expected = format!("{start}12345678\\\"1234yAnnotation");
            let text = written(|out| {
                out.slice(start.as_bytes());
                out.integer(12_345_678);
                out.escaped(b"\"1234", 5);
                out.literal(b"yAnnotations");
                assert!(out.ends_with(b"yAnnotations"));
                assert_eq!(out.position(), before + 26);
                out.back(1);
                out.space();
                out.literal(b"abcdef");
                assert_eq!(out.last(6), b"abcdef");
                out.back(6);
            });
            assert_eq!(text, expected);
        }
        let long = "0123456789".repeat(3000);
        assert_eq!(written(|out| out.slice(long.as_bytes())), long);
        assert_eq!(
            written(|out| out.escaped(long.as_bytes(), long.len())),
            long
        );
    }

    #[test]
    fn pieces_of_every_length_follow_each_other() {
        let text: Vec<u8> = (b'a'..=b'z').cycle().take(2000).collect();
        for length in 0..200 {
            let piece = std::str::from_utf8(&text[..length]).expect("ASCII");
            let pieces = written(|out| {
                for _ in 0..20 {
                    out.fragment(&text, length);
                    out.slice(b"-");
                }
            });
            assert_eq!(pieces, format!("{piece}-").repeat(20));
            let short = written(|out| out.fragment(&text[..length], length));
            assert_eq!(short, piece);
        }
    }
}
