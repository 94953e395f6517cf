//! Hex, as ids are written in.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of every byte.
static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Writes bytes in lower-case hex.
#[inline]
pub(crate) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    // Ids have one of two lengths: in a buffer of fixed size they are written in one go.
    if let Ok(id) = bytes.try_into() {
        out.extend_from_slice(&digits::<16, 32>(id));
    } else if let Ok(id) = bytes.try_into() {
        out.extend_from_slice(&digits::<8, 16>(id));
    } else {
        for &byte in bytes {
            out.extend_from_slice(&PAIRS[usize::from(byte)]);
        }
    }
}

/// The digits of an id. `DOUBLE` is twice `N`.
#[inline]
pub(crate) fn digits<const N: usize, const DOUBLE: usize>(bytes: &[u8; N]) -> [u8; DOUBLE] {
    let mut text = [0; DOUBLE];
    // Without a table the compiler does all of them at once.
    for (pair, &byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

#[inline]
const fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

/// The value of every digit; what is none has a high bit.
#[cfg(feature = "json")]
static VALUES: [u8; 256] = {
    let mut values = [0x80; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value as usize] as usize] = value;
        values[DIGITS[value as usize].to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

/// Reads `text` as hex digits of either case, and appends the bytes. On anything else it returns
/// `None`, having written part of them.
#[cfg(feature = "json")]
#[inline]
pub(crate) fn decode(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    // Ids, again, in one go.
    if let Ok(id) = text.try_into() {
        return decode_array::<32, 16>(out, id);
    }
    if let Ok(id) = text.try_into() {
        return decode_array::<16, 8>(out, id);
    }
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    for pair in pairs {
        decode_array::<2, 1>(out, pair)?;
    }
    Some(())
}

#[cfg(feature = "json")]
#[inline]
fn decode_array<const DOUBLE: usize, const N: usize>(
    out: &mut Vec<u8>,
    text: &[u8; DOUBLE],
) -> Option<()> {
    let mut bytes = [0; N];
    let mut all = 0;
    for (byte, &[high, low]) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        let (high, low) = (VALUES[usize::from(high)], VALUES[usize::from(low)]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    if all & 0x80 != 0 {
        return None;
    }
    out.extend_from_slice(&bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits() {
        for byte in 0..=u8::MAX {
            let mut text = Vec::new();
            encode(&mut text, &[byte]);
            assert_eq!(text, format!("{byte:02x}").as_bytes());
        }
    }

    #[test]
    fn all_lengths_are_written_alike() {
        let bytes = (100..140).collect::<Vec<u8>>();
        for length in 0..bytes.len() {
            let mut text = Vec::new();
            encode(&mut text, &bytes[..length]);
            let expected = bytes[..length]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>();
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn only_hex_is_read() {
        let mut out = Vec::new();
        assert_eq!(decode(&mut out, b"00fFA9"), Some(()));
        assert_eq!(out, [0, 0xff, 0xa9]);
        for text in ["0", "0g", "g0", "0x", " 0", "/0", ":0", "@0", "`0", "é"] {
            assert_eq!(decode(&mut Vec::new(), text.as_bytes()), None, "{text}");
        }
    }
}
