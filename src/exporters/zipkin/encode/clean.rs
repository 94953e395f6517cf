//! Whether JSON takes text as it is: looked through in chunks.

/// Bytes that are looked through at a time.
pub(super) const CHUNK: usize = 16;

/// A text of less than a chunk, with zeros behind it.
#[inline]
pub(super) fn pad(text: &[u8]) -> [u8; CHUNK] {
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
pub(super) fn harmless(byte: u8) -> u8 {
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
pub(super) fn is_clean(chunk: &[u8; CHUNK], size: usize) -> bool {
    // The compiler does this for all bytes at once, unless it may stop early.
    let mut is_clean = true;
    for (byte, fill) in chunk.iter().zip(fill(size)) {
        is_clean &= harmless(byte | fill) != 0;
    }
    is_clean
}

/// The same, if these bytes are ASCII besides.
#[inline(always)]
pub(super) fn is_clean_ascii(chunk: &[u8; CHUNK], size: usize) -> bool {
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

    #[test]
    fn short_texts_are_padded_with_zeros() {
        let text: [u8; CHUNK] = *b"0123456789abcdef";
        for length in 0..CHUNK {
            let mut expected = [0; CHUNK];
            expected[..length].copy_from_slice(&text[..length]);
            assert_eq!(pad(&text[..length]), expected);
        }
    }

    #[test]
    fn every_byte_at_every_place_counts() {
        for byte in 0..=u8::MAX {
            let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            for place in 0..40 {
                let mut text = [b'x'; 40];
                text[place] = byte;
                assert_eq!(is_clean_text(&text), is_plain);
                assert_eq!(is_clean_text(&text[..place + 1]), is_plain);
                assert!(is_clean_text(&text[..place]));
            }
            for size in 0..=CHUNK {
                let mut chunk = [b'x'; CHUNK];
                chunk[size.saturating_sub(1)] = byte;
                assert_eq!(is_clean(&chunk, size), is_plain || size == 0);
                let is_ascii = is_plain && byte.is_ascii();
                assert_eq!(is_clean_ascii(&chunk, size), is_ascii || size == 0);
            }
        }
    }
}
