//! A key and a value as a `Tag`.

use crate::{
    exporters::jaeger::thrift::{Kind, OpenList, Protocol},
    otlp::{AnyValue, text},
};

/// `TagType` of Jaeger's IDL.
const STRING: i32 = 0;
const DOUBLE: i32 = 1;
const BOOL: i32 = 2;
const LONG: i32 = 3;
const BINARY: i32 = 4;

#[inline]
pub(super) fn write<P: Protocol>(out: &mut Vec<u8>, key: &[u8], value: AnyValue<'_>) {
    match value {
        AnyValue::Str(text) => string::<P>(out, key, text.as_bytes()),
        AnyValue::Int(value) => long::<P>(out, key, value),
        AnyValue::Bool(value) => bool::<P>(out, key, value),
        AnyValue::Double(value) => {
            begin::<P>(out, key, DOUBLE);
            P::double_field(out, 4, 2, value);
            P::stop(out);
        }
        AnyValue::Bytes(value) => {
            begin::<P>(out, key, BINARY);
            P::string_field(out, 7, 2, value);
            P::stop(out);
        }
        AnyValue::Empty => string::<P>(out, key, b""),
        AnyValue::Array(_) | AnyValue::Map(_) => {
            made_string::<P>(out, key, |out| text::json(out, value));
        }
    }
}

/// A tag of text that `write` appends.
pub(super) fn made_string<P: Protocol>(
    out: &mut Vec<u8>,
    key: &[u8],
    write: impl FnOnce(&mut Vec<u8>),
) {
    begin::<P>(out, key, STRING);
    P::made_string_field(out, 3, 2, write);
    P::stop(out);
}

#[inline]
pub(super) fn string<P: Protocol>(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    begin::<P>(out, key, STRING);
    P::string_field(out, 3, 2, value);
    P::stop(out);
}

#[inline]
pub(super) fn long<P: Protocol>(out: &mut Vec<u8>, key: &[u8], value: i64) {
    begin::<P>(out, key, LONG);
    P::i64_field(out, 6, 2, value);
    P::stop(out);
}

#[inline]
pub(super) fn bool<P: Protocol>(out: &mut Vec<u8>, key: &[u8], value: bool) {
    begin::<P>(out, key, BOOL);
    P::bool_field(out, 5, 2, value);
    P::stop(out);
}

#[inline]
fn begin<P: Protocol>(out: &mut Vec<u8>, key: &[u8], kind: i32) {
    P::string_field(out, 1, 0, key);
    P::i32_field(out, 2, 1, kind);
}

/// Ends an optional list of structs whose field began at `start`: an empty one is left out.
/// Whether it is there.
#[inline]
pub(super) fn end_list<P: Protocol>(
    out: &mut Vec<u8>,
    start: usize,
    list: OpenList,
    count: usize,
) -> bool {
    if count == 0 {
        out.truncate(start);
        return false;
    }
    P::close_list(out, list, Kind::Struct, count);
    true
}
