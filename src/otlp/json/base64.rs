//! Base64 ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648)), as other bytes are written in.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes in the standard alphabet, padded.
pub(crate) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    let (groups, rest) = bytes.as_chunks::<3>();
    for &[a, b, c] in groups {
        out.extend_from_slice(&digits(a, b, c));
    }
    match *rest {
        [a] => {
            let [first, second, ..] = digits(a, 0, 0);
            out.extend_from_slice(&[first, second, b'=', b'=']);
        }
        [a, b] => {
            let [first, second, third, _] = digits(a, b, 0);
            out.extend_from_slice(&[first, second, third, b'=']);
        }
        _ => {}
    }
}

#[inline]
fn digits(a: u8, b: u8, c: u8) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
}

/// Reads base64 in the standard or the URL-safe alphabet, padded or not, as the JSON mapping of
/// protobuf demands, and appends the bytes. On anything else it returns `None`, having written
/// part of them.
#[cfg(feature = "json")]
pub(crate) fn decode(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let text = match text {
        [text @ .., b'=', b'='] | [text @ .., b'='] => text,
        text => text,
    };
    let (groups, rest) = text.as_chunks::<4>();
    out.reserve(text.len() / 4 * 3 + 2);
    for &[a, b, c, d] in groups {
        let bits = value(a)? << 18 | value(b)? << 12 | value(c)? << 6 | value(d)?;
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    match *rest {
        [] => {}
        [a, b] => {
            let bits = value(a)? << 18 | value(b)? << 12;
            out.extend_from_slice(&bits.to_be_bytes()[1..2]);
        }
        [a, b, c] => {
            let bits = value(a)? << 18 | value(b)? << 12 | value(c)? << 6;
            out.extend_from_slice(&bits.to_be_bytes()[1..3]);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(feature = "json")]
#[inline]
fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10, and the two digits that the alphabets differ in.
    const EXAMPLES: [(&[u8], &str); 9] = [
        (b"", ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg=="),
        (b"fooba", "Zm9vYmE="),
        (b"foobar", "Zm9vYmFy"),
        (&[0xfb, 0xff, 0xbf], "+/+/"),
        (&[0, 255], "AP8="),
    ];

    #[test]
    fn writes_the_standard_alphabet() {
        for (bytes, text) in EXAMPLES {
            let mut out = Vec::new();
            encode(&mut out, bytes);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn reads_both_alphabets_with_and_without_padding() {
        let read = |text: &str| {
            let mut out = Vec::new();
            decode(&mut out, text.as_bytes()).map(|()| out)
        };
        for (bytes, text) in EXAMPLES {
            assert_eq!(read(text).as_deref(), Some(bytes), "{text}");
            assert_eq!(read(text.trim_end_matches('=')).as_deref(), Some(bytes));
            let url_safe = text.replace('+', "-").replace('/', "_");
            assert_eq!(read(&url_safe).as_deref(), Some(bytes));
        }
        for text in ["A", "AAAAA", "A=A=", "AA=A", "====", "A A=", "Zm9v\n", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
