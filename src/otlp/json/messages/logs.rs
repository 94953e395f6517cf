//! Log records.

use crate::otlp::LogRecord;

use super::{
    super::write::{id_field, key, long_field, name, short_field, text_field},
    any_value, attributes_field,
};

pub(super) fn log_record(out: &mut Vec<u8>, record: LogRecord<'_>) {
    out.push(b'{');
    long_field(out, key!("timeUnixNano"), record.time_unix_nano());
    long_field(
        out,
        key!("observedTimeUnixNano"),
        record.observed_time_unix_nano(),
    );
    short_field(out, key!("severityNumber"), record.severity_number().0);
    text_field(out, key!("severityText"), record.severity_text());
    name(out, key!("body"));
    any_value(out, record.body());
    attributes_field(out, key!("attributes"), record.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        record.dropped_attributes_count(),
    );
    short_field(out, key!("flags"), record.flags());
    id_field(out, key!("traceId"), record.trace_id().as_bytes());
    id_field(out, key!("spanId"), record.span_id().as_bytes());
    text_field(out, key!("eventName"), record.event_name());
    out.push(b'}');
}
