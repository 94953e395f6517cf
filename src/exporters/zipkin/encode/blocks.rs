//! Text that is put together from many short pieces.
//!
//! To copy a few bytes of which the number is not known until then costs a call and some
//! branches. A block of fixed size costs neither: a piece is copied as a block that may reach past
//! its end, and the next piece goes over what was too much.

/// What may stand behind a piece that is copied as a block.
pub(super) const PADDING: usize = 64;

/// Bytes that are looked through at a time.
const CHUNK: usize = 16;

/// Where text is put together before it goes on.
pub(super) type Room = [u8; LIMIT + LARGEST];

/// An empty one.
pub(super) const ROOM: Room = [0; LIMIT + LARGEST];

/// How much is put together at most: enough for most spans, and little enough for the fastest
/// cache.
const LIMIT: usize = 4096;

/// The largest block. There is room for one behind the limit, so that one comparison tells whether
/// there is room for any.
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

    /// The last bytes, up to [`LARGEST`] of them if there was [`space`](Self::space) for them.
    pub(super) fn last(&self, length: usize) -> &[u8] {
        let start = self.end.saturating_sub(length);
        self.room.get(start..self.end).unwrap_or_default()
    }

    /// Whether this was written last.
    #[inline]
    pub(super) fn ends_with(&self, text: &[u8; 12]) -> bool {
        self.last(text.len()) == text
    }

    /// Takes back the last bytes: up to a few, and to [`LARGEST`] if there was
    /// [`space`](Self::space) for them.
    pub(super) const fn back(&mut self, length: usize) {
        self.end = self.end.saturating_sub(length);
    }

    /// Makes space for so many bytes that they can be looked back at.
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
        // It is below the limit; this tells it the compiler, too.
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

/// A text of less than a chunk, with zeros behind it.
#[inline]
fn pad(text: &[u8]) -> [u8; CHUNK] {
    // From both ends, so that no loop goes over the bytes.
    let length = text.len();
    let whole = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let last = u128::from(last) << (8 * (length - 8));
        u128::from(first) | last
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        let last = u64::from(last) << (8 * (length - 4));
        u128::from(u64::from(first) | last)
    } else {
        let add = |whole, byte: &u8| whole << 8 | u128::from(*byte);
        text.iter().rev().fold(0, add)
    };
    whole.to_le_bytes()
}

/// A window into this makes the bytes of a chunk harmless, but for as many of the first as it
/// starts before the middle.
static FILL: [u8; 2 * CHUNK] = {
    let mut fill = [0; 2 * CHUNK];
    let mut position = CHUNK;
    while position < 2 * CHUNK {
        fill[position] = 0xff;
        position += 1;
    }
    fill
};

/// What makes the bytes of a chunk harmless, but for the first `size`.
#[inline(always)]
fn fill(size: usize) -> &'static [u8; CHUNK] {
    const NONE: &[u8; CHUNK] = &[0; CHUNK];
    let start = CHUNK - size.min(CHUNK);
    FILL.get(start..)
        .and_then(<[u8]>::first_chunk)
        .unwrap_or(NONE)
}

/// 0 for a byte that must be escaped: the compiler makes one comparison of these three.
#[inline(always)]
fn harmless(byte: u8) -> u8 {
    let control = byte.saturating_sub(0x1f);
    control.min(byte ^ b'"').min(byte ^ b'\\')
}

/// Whether JSON takes this text as it is.
pub(super) fn is_clean_text(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks();
    chunks.iter().all(|chunk| is_clean(chunk, CHUNK)) && is_clean(&pad(rest), rest.len())
}

/// Whether JSON takes the first `size` bytes of a chunk as they are.
#[inline(always)]
fn is_clean(chunk: &[u8; CHUNK], size: usize) -> bool {
    // The compiler does this for all bytes at once, unless it may stop early.
    let mut is_clean = true;
    for (byte, fill) in chunk.iter().zip(fill(size)) {
        is_clean &= harmless(byte | fill) != 0;
    }
    is_clean
}

/// The same, if these bytes are ASCII besides.
#[inline(always)]
fn is_clean_ascii(chunk: &[u8; CHUNK], size: usize) -> bool {
    let mut is_clean = true;
    for (byte, fill) in chunk.iter().zip(fill(size)) {
        let ascii = 0x80_u8.saturating_sub(byte & !fill);
        is_clean &= harmless(byte | fill).min(ascii) != 0;
    }
    is_clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::json::write::string_body;

    fn written(write: impl FnOnce(&mut Blocks<'_>)) -> String {
        let (mut text, mut room) = (Vec::new(), [0; LIMIT + LARGEST]);
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
