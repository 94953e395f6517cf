//! Attributes as most of the SDK has them: keys with strings, booleans, numbers and lists of
//! these.

use opentelemetry::{Array, KeyValue, Value};

use super::nested::{field_len, put_double, put_message, put_text};
use crate::otlp::wire::{LEN, put_len_field, put_varint, put_varint_field, varint_len};

// KeyValue.
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;
// AnyValue.
pub(super) const STRING: u32 = 1;
pub(super) const BOOL: u32 = 2;
pub(super) const INT: u32 = 3;
pub(super) const DOUBLE: u32 = 4;
pub(super) const ARRAY: u32 = 5;
pub(super) const MAP: u32 = 6;
pub(super) const BYTES: u32 = 7;
// ArrayValue, KeyValueList.
pub(super) const VALUES: u32 = 1;

/// Writes attributes as field `number` of the message around them.
#[inline]
pub(super) fn put_attributes<'a>(
    out: &mut Vec<u8>,
    number: u32,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) {
    for attribute in attributes {
        put_attribute(out, number, attribute.key.as_str(), &attribute.value);
    }
}

/// About how many bytes attributes take.
#[inline]
pub(super) fn attributes_len<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> usize {
    attributes
        .into_iter()
        .map(|attribute| attribute_len(attribute.key.as_str(), &attribute.value))
        .sum()
}

/// About how many bytes an attribute takes.
#[inline]
pub(super) fn attribute_len(key: &str, value: &Value) -> usize {
    field_len(field_len(key.len()) + field_len(value_len(value)))
}

/// Writes an attribute.
#[inline]
pub(super) fn put_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &Value) {
    match value {
        Value::String(text) => put_text_attribute(out, number, key, text.as_str()),
        Value::Bool(value) => put_short(out, number, key, &[(BOOL << 3) as u8, u8::from(*value)]),
        Value::I64(value) => put_int_attribute(out, number, key, *value),
        Value::F64(value) => put_double_attribute(out, number, key, *value),
        _ => put_message(out, number, attribute_len(key, value), |out| {
            put_text(out, KEY, key);
            put_message(out, VALUE, value_len(value), |out| put_value(out, value));
        }),
    }
}

/// Writes an attribute with a string.
#[inline]
pub(super) fn put_text_attribute(out: &mut Vec<u8>, number: u32, key: &str, text: &str) {
    let value = 1 + varint_len(text.len() as u64) + text.len();
    put_key(out, number, key, value);
    put_len_field(out, STRING, text.as_bytes());
}

/// Writes an attribute with an integer.
#[inline]
pub(super) fn put_int_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: i64) {
    let value = value.cast_unsigned();
    put_key(out, number, key, 1 + varint_len(value));
    put_varint_field(out, INT, value);
}

/// Writes an attribute with a double.
#[inline]
pub(super) fn put_double_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: f64) {
    put_key(out, number, key, 9);
    put_double(out, DOUBLE, value);
}

/// Writes an attribute with a value of a few bytes.
#[inline]
pub(super) fn put_short(out: &mut Vec<u8>, number: u32, key: &str, value: &[u8]) {
    put_key(out, number, key, value.len());
    out.extend_from_slice(value);
}

/// Writes an attribute up to its value, which takes so many bytes.
#[inline]
fn put_key(out: &mut Vec<u8>, number: u32, key: &str, value: usize) {
    debug_assert!(number < 16, "a tag of one byte");
    // Lossless, here and below: under 16, and under 128.
    let tag = |number: u32| (number << 3) as u8 | LEN;
    let length = field_len(key.len()) + field_len(value);
    if length < 128 && !key.is_empty() {
        out.extend_from_slice(&[tag(number), length as u8, tag(KEY), key.len() as u8]);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&[tag(VALUE), value as u8]);
        return;
    }
    let name = match key.len() {
        0 => 0,
        length => 1 + varint_len(length as u64) + length,
    };
    let length = name + 1 + varint_len(value as u64) + value;
    out.push(tag(number));
    put_varint(out, length as u64);
    put_text(out, KEY, key);
    out.push(tag(VALUE));
    put_varint(out, value as u64);
}

/// Writes the body of an `AnyValue`.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => put_len_field(out, STRING, text.as_str().as_bytes()),
        Value::Bool(value) => put_varint_field(out, BOOL, u64::from(*value)),
        Value::I64(value) => put_varint_field(out, INT, value.cast_unsigned()),
        Value::F64(value) => put_double(out, DOUBLE, *value),
        Value::Array(array) => put_array(out, array),
        // A kind that came later than this code: its text is better than nothing.
        other => put_len_field(out, STRING, other.to_string().as_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::Bool(values) => put_list(
            out,
            values,
            |_| 2,
            |out, value| {
                put_varint_field(out, BOOL, u64::from(*value));
            },
        ),
        Array::I64(values) => put_list(
            out,
            values,
            |value| 1 + varint_len(value.cast_unsigned()),
            |out, value| {
                put_varint_field(out, INT, value.cast_unsigned());
            },
        ),
        Array::F64(values) => put_list(
            out,
            values,
            |_| 9,
            |out, value| put_double(out, DOUBLE, *value),
        ),
        Array::String(values) => put_list(
            out,
            values,
            |text| field_len(text.as_str().len()),
            |out, text| {
                put_len_field(out, STRING, text.as_str().as_bytes());
            },
        ),
        // As above.
        other => put_len_field(out, STRING, other.to_string().as_bytes()),
    }
}

#[inline]
fn put_list<T>(
    out: &mut Vec<u8>,
    values: &[T],
    length: impl Fn(&T) -> usize,
    put: impl Fn(&mut Vec<u8>, &T),
) {
    let expected = values.iter().map(|value| field_len(length(value))).sum();
    put_message(out, ARRAY, expected, |out| {
        for value in values {
            put_message(out, VALUES, length(value), |out| put(out, value));
        }
    });
}

/// About how many bytes the body of an `AnyValue` takes.
#[inline]
fn value_len(value: &Value) -> usize {
    match value {
        Value::String(text) => field_len(text.as_str().len()),
        Value::Bool(_) => 2,
        Value::I64(value) => 1 + varint_len(value.cast_unsigned()),
        Value::F64(_) => 9,
        Value::Array(array) => field_len(match array {
            Array::Bool(values) => 4 * values.len(),
            Array::I64(values) => values
                .iter()
                .map(|value| 3 + varint_len(value.cast_unsigned()))
                .sum(),
            Array::F64(values) => 11 * values.len(),
            Array::String(values) => values
                .iter()
                .map(|text| field_len(field_len(text.as_str().len())))
                .sum(),
            _ => 0,
        }),
        _ => 0,
    }
}
