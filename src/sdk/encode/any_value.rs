//! Values as log records have them: with bytes, lists of anything and maps.
//!
//! Messages may be nested 100 deep, and readers refuse what is deeper (see
//! [`OtlpBytes::check`](crate::otlp::OtlpBytes::check)). A list or map whose values would come to
//! stand deeper is written as a string: its JSON. So nothing of the record is lost, and neither is
//! a neighbour.

use std::{collections::HashMap, slice, vec};

use opentelemetry::{Key, logs::AnyValue};

use super::{
    attributes::{
        ARRAY, BOOL, BYTES, DOUBLE, INT, KEY, MAP, STRING, VALUE, VALUES, put_double_attribute,
        put_int_attribute, put_short, put_text_attribute,
    },
    nested::{field_len, put_double, put_message, put_text},
};
use crate::otlp::{
    AnyValue as View, Str, text,
    wire::{MAX_DEPTH, put_len_field, put_varint_field, varint_len},
};

/// Writes an attribute. `level` is how many messages are around its fields, its own included.
pub(super) fn put_any_attribute(
    out: &mut Vec<u8>,
    number: u32,
    level: usize,
    key: &str,
    value: &AnyValue,
) {
    match value {
        AnyValue::String(text) => put_text_attribute(out, number, key, text.as_str()),
        AnyValue::Int(value) => put_int_attribute(out, number, key, *value),
        AnyValue::Double(value) => put_double_attribute(out, number, key, *value),
        AnyValue::Boolean(value) => {
            put_short(out, number, key, &[(BOOL << 3) as u8, u8::from(*value)]);
        }
        _ => {
            let length = any_value_len(value, level + 1);
            put_message(
                out,
                number,
                field_len(key.len()) + field_len(length),
                |out| {
                    put_text(out, KEY, key);
                    put_message(out, VALUE, length, |out| {
                        put_any_value(out, level + 1, value)
                    });
                },
            );
        }
    }
}

/// Writes the body of an `AnyValue`. `level` is how many messages are around it, its own included.
pub(super) fn put_any_value(out: &mut Vec<u8>, level: usize, value: &AnyValue) {
    match value {
        AnyValue::String(text) => put_len_field(out, STRING, text.as_str().as_bytes()),
        AnyValue::Boolean(value) => put_varint_field(out, BOOL, u64::from(*value)),
        AnyValue::Int(value) => put_varint_field(out, INT, value.cast_unsigned()),
        AnyValue::Double(value) => put_double(out, DOUBLE, *value),
        AnyValue::Bytes(bytes) => put_len_field(out, BYTES, bytes),
        AnyValue::ListAny(values) if fits_list(level) => {
            put_message(out, ARRAY, 0, |out| {
                for value in values.iter() {
                    put_message(out, VALUES, 0, |out| put_any_value(out, level + 2, value));
                }
            });
        }
        AnyValue::Map(values) if fits_map(level) => {
            put_message(out, MAP, 0, |out| {
                for (key, value) in values.iter() {
                    put_any_attribute(out, VALUES, level + 2, key.as_str(), value);
                }
            });
        }
        AnyValue::ListAny(_) | AnyValue::Map(_) => put_len_field(out, STRING, &json(value)),
        // A kind that came later than this code: its text is better than nothing.
        other => put_len_field(out, STRING, format!("{other:?}").as_bytes()),
    }
}

/// About how many bytes the body of an `AnyValue` takes.
pub(super) fn any_value_len(value: &AnyValue, level: usize) -> usize {
    match value {
        AnyValue::String(text) => field_len(text.as_str().len()),
        AnyValue::Boolean(_) => 2,
        AnyValue::Int(value) => 1 + varint_len(value.cast_unsigned()),
        AnyValue::Double(_) => 9,
        AnyValue::Bytes(bytes) => field_len(bytes.len()),
        AnyValue::ListAny(values) if fits_list(level) => {
            let lengths = values
                .iter()
                .map(|value| field_len(any_value_len(value, level + 2)));
            field_len(lengths.sum())
        }
        AnyValue::Map(values) if fits_map(level) => {
            let lengths = values.iter().map(|(key, value)| {
                let value = field_len(any_value_len(value, level + 3));
                field_len(field_len(key.as_str().len()) + value)
            });
            field_len(lengths.sum())
        }
        // Rare enough to let the buffer grow.
        _ => 0,
    }
}

/// Whether values may stand in a list: an `ArrayValue` and an `AnyValue` below this level.
const fn fits_list(level: usize) -> bool {
    level + 2 <= MAX_DEPTH
}

/// Whether they may stand in a map: a `KeyValueList`, a `KeyValue` and an `AnyValue`.
const fn fits_map(level: usize) -> bool {
    level + 3 <= MAX_DEPTH
}

/// What is left of a list or map that is being written as JSON.
enum Open<'a> {
    List(slice::Iter<'a, AnyValue>),
    Map(vec::IntoIter<(&'a Key, &'a AnyValue)>),
}

/// A value as JSON by the rules of [`text::json`], with a stack of its own: it may be nested
/// deeper than threads have stack for.
fn json(value: &AnyValue) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stack = Vec::new();
    open(&mut out, &mut stack, value);
    while let Some(top) = stack.last_mut() {
        let next = match top {
            Open::List(values) => values.next().ok_or(b']'),
            Open::Map(values) => match values.next() {
                Some((key, value)) => {
                    separate(&mut out);
                    text::json(&mut out, View::Str(Str::new(key.as_str().as_bytes())));
                    out.push(b':');
                    Ok(value)
                }
                None => Err(b'}'),
            },
        };
        match next {
            Ok(value) => open(&mut out, &mut stack, value),
            Err(close) => {
                out.push(close);
                stack.pop();
            }
        }
    }
    out
}

/// Writes a comma, unless a list, a map or a value begins here.
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'[' | b'{' | b':')) {
        out.push(b',');
    }
}

fn open<'a>(out: &mut Vec<u8>, stack: &mut Vec<Open<'a>>, value: &'a AnyValue) {
    separate(out);
    match value {
        AnyValue::String(value) => text::json(out, View::Str(Str::new(value.as_str().as_bytes()))),
        AnyValue::Boolean(value) => text::json(out, View::Bool(*value)),
        AnyValue::Int(value) => text::json(out, View::Int(*value)),
        AnyValue::Double(value) => text::json(out, View::Double(*value)),
        AnyValue::Bytes(bytes) => text::json(out, View::Bytes(bytes)),
        AnyValue::ListAny(values) => {
            out.push(b'[');
            stack.push(Open::List(values.iter()));
        }
        AnyValue::Map(values) => {
            out.push(b'{');
            stack.push(Open::Map(sorted(values).into_iter()));
        }
        other => {
            let debug = format!("{other:?}");
            text::json(out, View::Str(Str::new(debug.as_bytes())));
        }
    }
}

fn sorted(values: &HashMap<Key, AnyValue>) -> Vec<(&Key, &AnyValue)> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: impl IntoIterator<Item = AnyValue>) -> AnyValue {
        AnyValue::ListAny(Box::new(values.into_iter().collect()))
    }

    fn map(values: impl IntoIterator<Item = (&'static str, AnyValue)>) -> AnyValue {
        let values = values.into_iter().map(|(key, value)| (key.into(), value));
        AnyValue::Map(Box::new(values.collect()))
    }

    #[test]
    fn json_has_every_kind() {
        let value = list([
            map([
                ("b", list([])),
                ("a\"", map([])),
                ("c", AnyValue::Bytes(Box::new(vec![1, 2, 3]))),
            ]),
            1.5.into(),
            AnyValue::Double(f64::NAN),
            (-7).into(),
            true.into(),
            "[,".into(),
            list([list([1.into()]), list([2.into(), 3.into()])]),
        ]);
        let text = r#"[{"a\"":{},"b":[],"c":"AQID"},1.5,"NaN",-7,true,"[,",[[1],[2,3]]]"#;
        assert_eq!(String::from_utf8(json(&value)).as_deref(), Ok(text));
    }
}
