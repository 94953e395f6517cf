//! Values as text: a tag of Zipkin is a string, whatever the attribute was.

use crate::otlp::{
    AnyValue, Attributes,
    json::{base64, double, write},
};

/// The entries of the maps that are being written, innermost last: they are sorted here, so that
/// no map needs a list of its own. A number tells entries with the same key apart.
pub(super) type MapStack<'a> = Vec<(&'a [u8], usize, AnyValue<'a>)>;

/// Writes a value as the text of a tag.
pub(super) fn plain<'a>(out: &mut Vec<u8>, value: AnyValue<'a>, stack: &mut MapStack<'a>) {
    match value {
        AnyValue::Empty => {}
        AnyValue::Str(text) => out.extend_from_slice(text.as_bytes()),
        AnyValue::Bool(value) => boolean(out, value),
        AnyValue::Int(value) => integer(out, value),
        AnyValue::Double(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
        AnyValue::Double(f64::INFINITY) => out.extend_from_slice(b"Infinity"),
        AnyValue::Double(f64::NEG_INFINITY) => out.extend_from_slice(b"-Infinity"),
        AnyValue::Double(value) => number(out, value),
        AnyValue::Bytes(bytes) => base64::encode(out, bytes),
        AnyValue::Array(_) | AnyValue::Map(_) => json(out, value, stack),
    }
}

/// Writes attributes as a JSON object, in the order in which they were sent.
pub(super) fn object<'a>(out: &mut Vec<u8>, attributes: Attributes<'a>, stack: &mut MapStack<'a>) {
    out.push(b'{');
    for (key, value) in attributes {
        comma(out);
        write::string(out, key.as_bytes());
        out.push(b':');
        json(out, value, stack);
    }
    out.push(b'}');
}

/// Writes attributes as a JSON object, sorted by key. Of a key that occurs twice the last counts.
pub(super) fn sorted_object<'a>(
    out: &mut Vec<u8>,
    attributes: Attributes<'a>,
    stack: &mut MapStack<'a>,
) {
    let start = stack.len();
    let entries = attributes.iter().enumerate();
    stack.extend(entries.map(|(number, (key, value))| (key.as_bytes(), number, value)));
    let end = stack.len();
    if let Some(entries) = stack.get_mut(start..end) {
        entries.sort_unstable_by(|left, right| (left.0, left.1).cmp(&(right.0, right.1)));
    }
    out.push(b'{');
    for position in start..end {
        let Some(&(key, _, value)) = stack.get(position) else {
            break;
        };
        let is_last = position + 1 == end || stack.get(position + 1).is_none_or(|e| e.0 != key);
        if is_last {
            comma(out);
            write::string(out, key);
            out.push(b':');
            json(out, value, stack);
        }
    }
    out.push(b'}');
    stack.truncate(start);
}

/// Writes a value as compact JSON. Nests as deep as the message does, which a check has bounded.
pub(super) fn json<'a>(out: &mut Vec<u8>, value: AnyValue<'a>, stack: &mut MapStack<'a>) {
    match value {
        AnyValue::Empty => out.extend_from_slice(b"null"),
        AnyValue::Str(text) => write::string(out, text.as_bytes()),
        AnyValue::Bool(value) => boolean(out, value),
        AnyValue::Int(value) => integer(out, value),
        AnyValue::Double(value) => number(out, value),
        AnyValue::Bytes(bytes) => write::bytes(out, bytes),
        AnyValue::Array(values) => {
            out.push(b'[');
            for value in values {
                comma(out);
                json(out, value, stack);
            }
            out.push(b']');
        }
        AnyValue::Map(map) => sorted_object(out, map, stack),
    }
}

/// Writes a comma, unless a bracket was just opened.
fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

pub(super) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn integer<T: itoa::Integer>(out: &mut Vec<u8>, value: T) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a number as JavaScript does, whose exponents have no zeros before them: `1e-7`.
fn number(out: &mut Vec<u8>, value: f64) {
    double::encode(out, value);
    if let [.., b'e', b'-', b'0', last] = out[..] {
        out.truncate(out.len() - 2);
        out.push(last);
    }
}
