//! Text that is put together from many short pieces.
//!
//! To copy a few bytes of which the number is not known until then costs a call and some
//! branches. A block of fixed size costs neither: a piece is copied as a block that may reach past
//! its end, and the next piece goes over what was too much.

/// What may stand behind a piece that is copied as a block.
pub(super) const PADDING: usize = 64;

/// Bytes that are looked through at a time.
const CHUNK: usize = 16;

/// The text of one span.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    room: Vec<u8>,
    end: usize,
}

impl Blocks {
    pub(super) const fn clear(&mut self) {
        self.end = 0;
    }

    #[inline]
    pub(super) fn written(&self) -> &[u8] {
        self.room.get(..self.end).unwrap_or_default()
    }

    #[inline]
    pub(super) fn last(&self) -> Option<u8> {
        self.written().last().copied()
    }

    /// Takes back the last bytes.
    pub(super) const fn back(&mut self, length: usize) {
        self.end = self.end.saturating_sub(length);
    }

    /// Writes the first bytes of a block.
    #[inline]
    pub(super) fn block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        let room = self.room.get_mut(self.end..);
        match room.and_then(<[u8]>::first_chunk_mut) {
            Some(room) => {
                *room = *block;
                self.end += length;
            }
            None => self.grow(block, length),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, block: &[u8], length: usize) {
        self.room
            .resize(2 * self.room.len() + block.len() + 4096, 0);
        self.slice(block.get(..length).unwrap_or_default());
    }

    #[inline]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        self.block(text, N);
    }

    /// Writes any bytes.
    #[inline(never)]
    pub(super) fn slice(&mut self, text: &[u8]) {
        let end = self.end + text.len();
        if end > self.room.len() {
            self.room.resize(2 * end, 0);
        }
        if let Some(room) = self.room.get_mut(self.end..end) {
            room.copy_from_slice(text);
            self.end = end;
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
    #[inline]
    pub(super) fn escaped(&mut self, text: &[u8], length: usize) {
        let (mut rest, mut left) = (text, length);
        while left > 0 {
            let size = left.min(CHUNK);
            match rest.split_first_chunk::<CHUNK>() {
                Some((chunk, behind)) if is_clean(chunk, size) => {
                    self.block(chunk, size);
                    rest = behind;
                    left -= size;
                }
                _ => return self.escaped_slowly(rest, left),
            }
        }
    }

    /// Like [`escaped`](Self::escaped), for text that needs it or has nothing behind it.
    #[inline(never)]
    fn escaped_slowly(&mut self, text: &[u8], length: usize) {
        let mut rest = text.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            let padded;
            let chunk = match rest.first_chunk::<CHUNK>() {
                Some(chunk) => chunk,
                None => {
                    padded = pad(rest);
                    &padded
                }
            };
            let size = rest.len().min(CHUNK);
            let mut taken = size;
            if is_clean(chunk, size) {
                self.block(chunk, size);
            } else {
                let clean = chunk.iter().take_while(|byte| !must_escape(**byte)).count();
                self.block(chunk, clean);
                self.escape(chunk[clean % CHUNK]);
                taken = clean + 1;
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
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

    /// Writes a number.
    #[inline]
    pub(super) fn integer(&mut self, value: u64) {
        const EIGHT: u64 = 100_000_000;
        // Lossless, all of them: what is cut off is 0.
        if value < EIGHT {
            self.first_digits(value as u32);
        } else if value < EIGHT * EIGHT {
            self.first_digits((value / EIGHT) as u32);
            let digits = eight_digits((value % EIGHT) as u32) | ZEROS;
            self.block(&digits.to_le_bytes(), 8);
        } else {
            self.slice(itoa::Buffer::new().format(value).as_bytes());
        }
    }

    /// Writes a number of at most eight digits.
    #[inline]
    fn first_digits(&mut self, value: u32) {
        let digits = eight_digits(value);
        // The number 0 has one digit, too.
        let zeros = (digits.trailing_zeros() / 8).min(7);
        let text = (digits | ZEROS) >> (8 * zeros);
        self.block(&text.to_le_bytes(), 8 - zeros as usize);
    }
}

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
    let mut padded = [0; CHUNK];
    padded
        .iter_mut()
        .zip(text)
        .for_each(|(to, from)| *to = *from);
    padded
}

const fn must_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// What makes the bytes of a chunk harmless, but for the first so many.
static FILL: [[u8; CHUNK]; CHUNK + 1] = {
    let mut fill = [[0xff; CHUNK]; CHUNK + 1];
    let mut size = 0;
    while size <= CHUNK {
        let mut position = 0;
        while position < size {
            fill[size][position] = 0;
            position += 1;
        }
        size += 1;
    }
    fill
};

/// Whether JSON takes the first `size` bytes of a chunk as they are.
#[inline]
fn is_clean(chunk: &[u8; CHUNK], size: usize) -> bool {
    let fill = &FILL[size.min(CHUNK)];
    // The compiler does this for all bytes at once, unless it may stop early.
    let mut is_clean = true;
    for (byte, fill) in chunk.iter().zip(fill) {
        is_clean &= !must_escape(byte | fill);
    }
    is_clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::json::write::string_body;

    fn written(write: impl FnOnce(&mut Blocks)) -> String {
        let mut blocks = Blocks::default();
        write(&mut blocks);
        String::from_utf8(blocks.written().to_vec()).expect("UTF-8")
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
