//! The parts of a JSON text: names, strings, numbers, lists.
//!
//! Every name comes with the comma before it, in one constant; the comma is left away behind the
//! brace that opens an object. So a field is two copies, and no state says whether it is the first.

use crate::otlp::views::Str;

use super::{base64, double, hex};

/// A field's name as it stands between two fields: `,"name":`.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}
pub(crate) use key;

/// Writes a field's name.
#[inline]
pub(crate) fn name(out: &mut Vec<u8>, key: &[u8]) {
    if let (Some(b'{'), [_comma, first @ ..]) = (out.last(), key) {
        out.extend_from_slice(first);
    } else {
        out.extend_from_slice(key);
    }
}

/// Writes a text field, unless it is empty.
#[inline]
pub(crate) fn text_field(out: &mut Vec<u8>, key: &[u8], text: Str<'_>) {
    if !text.is_empty() {
        name(out, key);
        string(out, text.as_bytes());
    }
}

/// Writes an id in hex, unless it is empty.
#[inline]
pub(crate) fn id_field(out: &mut Vec<u8>, key: &[u8], id: &[u8]) {
    if !id.is_empty() {
        name(out, key);
        out.push(b'"');
        hex::encode(out, id);
        out.push(b'"');
    }
}

/// Writes a 64-bit integer, as a string, unless it is 0.
#[inline]
pub(crate) fn long_field(out: &mut Vec<u8>, key: &[u8], value: u64) {
    if value != 0 {
        name(out, key);
        long(out, value);
    }
}

/// Writes an integer of up to 32 bits, unless it is 0.
#[inline]
pub(crate) fn short_field<T: itoa::Integer + Default + PartialEq>(
    out: &mut Vec<u8>,
    key: &[u8],
    value: T,
) {
    if value != T::default() {
        name(out, key);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Writes a double, if there is one.
#[inline]
pub(crate) fn double_field(out: &mut Vec<u8>, key: &[u8], value: Option<f64>) {
    if let Some(value) = value {
        name(out, key);
        double::encode(out, value);
    }
}

/// Writes a list field, each value by `each`, unless the list is empty.
#[inline]
pub(crate) fn list_field<T>(
    out: &mut Vec<u8>,
    key: &[u8],
    values: impl Iterator<Item = T>,
    each: impl Fn(&mut Vec<u8>, T),
) {
    let mut is_open = false;
    for value in values {
        if is_open {
            out.push(b',');
        } else {
            name(out, key);
            out.push(b'[');
            is_open = true;
        }
        each(out, value);
    }
    if is_open {
        out.push(b']');
    }
}

/// Writes a list of counts, which are mostly small, unless the list is empty.
#[inline]
pub(crate) fn counts_field(out: &mut Vec<u8>, key: &[u8], counts: impl Iterator<Item = u64>) {
    each_with_comma(out, key, counts, |out, count| {
        // Lossless: each digit is below 10.
        let digit = |unit: u64| b'0' + (count / unit % 10) as u8;
        match count {
            0..10 => out.extend_from_slice(&[b'"', digit(1), b'"', b',']),
            10..100 => out.extend_from_slice(&[b'"', digit(10), digit(1), b'"', b',']),
            100..1000 => {
                out.extend_from_slice(&[b'"', digit(100), digit(10), digit(1), b'"', b',']);
            }
            _ => {
                long(out, count);
                out.push(b',');
            }
        }
    });
}

/// Writes a list of doubles, unless it is empty.
#[inline]
pub(crate) fn doubles_field(out: &mut Vec<u8>, key: &[u8], values: impl Iterator<Item = f64>) {
    each_with_comma(out, key, values, |out, value| {
        double::encode(out, value);
        out.push(b',');
    });
}

/// Writes a list field, unless the list is empty. `each` writes a value and the comma behind it.
#[inline]
fn each_with_comma<T>(
    out: &mut Vec<u8>,
    key: &[u8],
    mut values: impl Iterator<Item = T>,
    each: impl Fn(&mut Vec<u8>, T),
) {
    let Some(first) = values.next() else {
        return;
    };
    name(out, key);
    out.push(b'[');
    each(out, first);
    for value in values {
        each(out, value);
    }
    if let Some(comma) = out.last_mut() {
        *comma = b']';
    }
}

/// Writes a 64-bit integer: a string, for a number would lose digits in JavaScript.
#[inline]
pub(crate) fn long<T: itoa::Integer>(out: &mut Vec<u8>, value: T) {
    out.push(b'"');
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.push(b'"');
}

/// Writes bytes: a string in base64.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64::encode(out, bytes);
    out.push(b'"');
}

/// Writes text that is known to be UTF-8.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    string_body(out, text);
    out.push(b'"');
}

/// Writes text without the quotes around it.
#[inline]
pub(crate) fn string_body(out: &mut Vec<u8>, text: &[u8]) {
    let clean = clean(text);
    if clean == text.len() {
        out.extend_from_slice(text);
    } else {
        escaped(out, text, clean);
    }
}

/// Writes text of which the first `clean` bytes need no escape, and the byte behind them does.
#[cold]
fn escaped(out: &mut Vec<u8>, mut text: &[u8], mut clean_bytes: usize) {
    while let Some((run, [byte, rest @ ..])) = text.split_at_checked(clean_bytes) {
        out.extend_from_slice(run);
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                hex::encode(out, &[*control]);
            }
        }
        text = rest;
        clean_bytes = clean(text);
    }
    out.extend_from_slice(text);
}

/// Length of the start of `text` that JSON takes as it is: everything but quotes, backslashes and
/// control characters.
#[inline]
pub(crate) fn clean(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return position * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let start = text.len() - rest.len();
    start
        + rest
            .iter()
            .position(|byte| matches!(byte, ..0x20 | b'"' | b'\\'))
            .unwrap_or(rest.len())
}

/// Sets the high bit of every byte that must be escaped. Above the lowest such byte a borrow may
/// set bits wrongly, so only the lowest is to be trusted.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | is_quote | is_backslash) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn escapes() {
        assert_eq!(written(""), r#""""#);
        assert_eq!(written("x<&>/"), r#""x<&>/""#);
        assert_eq!(written("\"\\\n\r\t"), r#""\"\\\n\r\t""#);
        assert_eq!(written("\u{0}\u{8}\u{1f}"), r#""\u0000\u0008\u001f""#);
        assert_eq!(written(" !#[]\u{7f}"), "\" !#[]\u{7f}\"");
        assert_eq!(written("é\u{2028}🦀"), "\"é\u{2028}🦀\"");
    }

    #[test]
    fn escapes_at_every_position() {
        for length in 0..40 {
            for position in 0..length {
                for special in ['"', '\\', '\n', '\u{0}', '\u{1f}'] {
                    for filler in ['a', ' ', '!', '#', 'é', '\u{7f}'] {
                        let mut text = vec![filler; length];
                        text[position] = special;
                        let text = text.iter().collect::<String>();
                        let inner = written(&text);
                        let escape = match special {
                            '"' => "\\\"".to_owned(),
                            '\\' => "\\\\".to_owned(),
                            '\n' => "\\n".to_owned(),
                            other => format!("\\u{:04x}", u32::from(other)),
                        };
                        let expected = text.replace(special, &escape);
                        assert_eq!(inner, format!("\"{expected}\""));
                    }
                }
            }
        }
    }

    #[test]
    fn no_byte_is_special_by_mistake() {
        for byte in 0..=u8::MAX {
            let must = matches!(byte, ..0x20 | b'"' | b'\\');
            for position in 0..8 {
                let mut word = [b'a'; 8];
                word[position] = byte;
                let found = special(u64::from_le_bytes(word));
                assert_eq!(found != 0, must, "{byte:#x}");
                if must {
                    assert_eq!(found.trailing_zeros() as usize / 8, position, "{byte:#x}");
                }
            }
        }
    }
}
