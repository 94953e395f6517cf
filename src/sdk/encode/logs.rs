//! Log records.

use opentelemetry::{InstrumentationScope, SpanId, TraceId};
use opentelemetry_sdk::logs::SdkLogRecord;

use super::{
    any_value::{any_value_len, put_any_attribute, put_any_value},
    nested::{field_len, put_fixed32, put_message, put_number, put_text},
    scopes::Scope,
    time::unix_nanos,
};
use crate::otlp::wire::{put_len_field, put_varint_field};

/// How many messages are around the fields of a record, its own included: the group of the
/// resource, the group of the scope, the record.
const LEVEL: usize = 3;

/// The scope under which a record is exported. Those who pass on the records of a logging library
/// do so with one logger for all: the target says which part of the program it was.
pub(super) fn scope_of<'a>(record: &'a SdkLogRecord, scope: &'a InstrumentationScope) -> Scope<'a> {
    match record.target() {
        Some(target) => Scope::named(target, scope),
        None => Scope::new(scope),
    }
}

/// About how many bytes a record takes.
pub(super) fn record_len(record: &SdkLogRecord) -> usize {
    let attributes = record.attributes_iter().map(|(key, value)| {
        let value = field_len(any_value_len(value, LEVEL + 2));
        field_len(field_len(key.as_str().len()) + value)
    });
    // Times 18, severity 2, flags 5, identifiers 28.
    53 + record
        .severity_text()
        .map_or(0, |text| field_len(text.len()))
        + record.event_name().map_or(0, |name| field_len(name.len()))
        + record
            .body()
            .map_or(0, |body| field_len(any_value_len(body, LEVEL + 1)))
        + attributes.sum::<usize>()
}

/// Writes the body of a `LogRecord`.
pub(super) fn put_record(out: &mut Vec<u8>, record: &SdkLogRecord) {
    if let Some(time) = record.timestamp() {
        put_number(out, 1, unix_nanos(time));
    }
    if let Some(severity) = record.severity_number() {
        // The numbers are those of OTLP.
        put_varint_field(out, 2, severity as u64);
    }
    put_text(out, 3, record.severity_text().unwrap_or_default());
    if let Some(body) = record.body() {
        put_message(out, 5, any_value_len(body, LEVEL + 1), |out| {
            put_any_value(out, LEVEL + 1, body);
        });
    }
    for (key, value) in record.attributes_iter() {
        put_any_attribute(out, 6, LEVEL + 1, key.as_str(), value);
    }
    if let Some(context) = record.trace_context() {
        let flags = context.trace_flags.unwrap_or_default();
        if flags.to_u8() != 0 {
            put_fixed32(out, 8, u32::from(flags.to_u8()));
        }
        // No identifier is all zeros: a reader may refuse one.
        if context.trace_id != TraceId::INVALID {
            put_len_field(out, 9, &context.trace_id.to_bytes());
        }
        if context.span_id != SpanId::INVALID {
            put_len_field(out, 10, &context.span_id.to_bytes());
        }
    }
    if let Some(time) = record.observed_timestamp() {
        put_number(out, 11, unix_nanos(time));
    }
    put_text(out, 12, record.event_name().unwrap_or_default());
}
