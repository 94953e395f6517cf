//! Canonical form: one spelling for messages that protobuf lets people spell in many ways.
//!
//! In canonical form a singular field occurs at most once, a oneof has at most one member, the
//! values of a repeated field stand side by side, and repeated numbers are one packed run.
//! Senders write it by nature; the rare message that is legal but different is rewritten here,
//! once, by the rules of the
//! [protobuf encoding](https://protobuf.dev/programming-guides/encoding/#last-one-wins): the last
//! scalar wins, sub-messages merge, runs of a repeated field follow each other. Fields that the
//! schema does not know are kept, behind those that it knows.

use super::{
    check::wire_type,
    schema::{Field, Kind, Label, Message},
    wire::{self, Fields, MAX_DEPTH, Value},
};

/// Rewrites a message that was checked, or that is well-formed in all but its depth: messages
/// nested deeper than a check allows are left out.
pub(crate) fn canonicalise(message: &Message, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    rewrite(message, &[bytes], MAX_DEPTH, &mut out);
    out
}

/// Rewrites the message whose body is spread over `parts`: protobuf merges two occurrences of a
/// message by reading the one behind the other. `depth` is how many more levels may be entered.
fn rewrite(message: &Message, parts: &[&[u8]], depth: usize, out: &mut Vec<u8>) {
    let fields = || parts.iter().flat_map(|part| Fields::new(part));
    let chosen = last_member(message, fields());
    for field in message.fields() {
        let values = || fields().filter(|found| found.number == field.number);
        match (field.label, field.kind) {
            (Label::Repeated, Kind::Message(child)) => {
                for found in values() {
                    if let Value::Len(body) = found.value {
                        nested(child, field.number, &[body], depth, out);
                    }
                }
            }
            (Label::Repeated, Kind::Str) => {
                values().for_each(|found| out.extend_from_slice(found.raw));
            }
            (Label::Repeated, _) => pack(field, values(), out),
            (Label::Single | Label::Oneof, kind) => {
                if field.label == Label::Oneof
                    && chosen.map(|(number, _)| number) != Some(field.number)
                {
                    continue;
                }
                // Members set before another member took the oneof are gone, even if the same
                // member was set again later.
                let from = match (field.label, chosen) {
                    (Label::Oneof, Some((_, from))) => from,
                    _ => 0,
                };
                if let Kind::Message(child) = kind {
                    let bodies: Vec<&[u8]> = fields()
                        .enumerate()
                        .filter(|(position, found)| {
                            *position >= from && found.number == field.number
                        })
                        .filter_map(|(_, found)| match found.value {
                            Value::Len(body) => Some(body),
                            _ => None,
                        })
                        .collect();
                    if !bodies.is_empty() {
                        nested(child, field.number, &bodies, depth, out);
                    }
                } else if let Some(found) = values().last() {
                    out.extend_from_slice(found.raw);
                }
            }
        }
    }
    for found in fields() {
        if message.field(found.number).is_none() {
            out.extend_from_slice(found.raw);
        }
    }
}

fn nested(child: &Message, number: u32, parts: &[&[u8]], depth: usize, out: &mut Vec<u8>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let body = wire::begin_len(out, number);
    rewrite(child, parts, depth, out);
    wire::end_len(out, body);
}

/// The member that a message's oneof ends up with, and from which field on it held without
/// interruption.
fn last_member<'a>(
    message: &Message,
    fields: impl Iterator<Item = wire::Field<'a>>,
) -> Option<(u32, usize)> {
    let mut chosen: Option<(u32, usize)> = None;
    for (position, field) in fields.enumerate() {
        if field.number < 32
            && message.oneof & (1 << field.number) != 0
            && chosen.is_none_or(|(number, _)| number != field.number)
        {
            chosen = Some((field.number, position));
        }
    }
    chosen
}

/// Writes all numbers of a repeated field, packed or not, as one packed run.
fn pack<'a>(field: &Field, values: impl Iterator<Item = wire::Field<'a>>, out: &mut Vec<u8>) {
    let mut body = None;
    for found in values {
        if body.is_none() {
            body = Some(wire::begin_len(out, field.number));
        }
        match found.value {
            Value::Len(run) => out.extend_from_slice(run),
            Value::Varint(value) if wire_type(field.kind) == wire::VARINT => {
                wire::put_varint(out, value);
            }
            Value::Fixed64(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Fixed32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Varint(_) | Value::Group => {}
        }
    }
    if let Some(body) = body {
        wire::end_len(out, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{Limits, OtlpBytes, Signal};

    /// The body of the only log record in a request, checked and put into canonical form.
    fn record(body: &[u8]) -> Vec<u8> {
        let mut bytes = body.to_vec();
        for number in [2, 2, 1] {
            let mut outer = Vec::new();
            wire::put_len_field(&mut outer, number, &bytes);
            bytes = outer;
        }
        let otlp = OtlpBytes::check(Signal::Logs, bytes.into(), &Limits::default())
            .expect("legal protobuf");
        let again = OtlpBytes::check(Signal::Logs, otlp.bytes().clone(), &Limits::default())
            .expect("still legal");
        assert!(again.is_as_received(), "canonical now");
        let logs = otlp.logs().expect("logs");
        let mut records = logs
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items());
        let record = records.next().expect("a record").as_bytes().to_vec();
        assert!(records.next().is_none());
        record
    }

    #[test]
    fn the_last_scalar_wins() {
        // severity_text twice, severity_number in between.
        let twice = record(b"\x1a\x01a\x10\x09\x1a\x02bc");
        assert_eq!(twice, b"\x10\x09\x1a\x02bc");
    }

    #[test]
    fn sub_messages_merge() {
        // Two attributes whose values come in two parts, the second of them empty.
        let body = b"\x32\x09\x0a\x01k\x12\x02\x18\x07\x12\x00";
        assert_eq!(record(body), b"\x32\x07\x0a\x01k\x12\x02\x18\x07");
    }

    #[test]
    fn the_last_member_of_a_oneof_wins() {
        // An int, then a string.
        assert_eq!(record(b"\x2a\x05\x18\x07\x0a\x01s"), b"\x2a\x03\x0a\x01s");
        // An array, a bool, an array again: the first array is gone.
        let arrays = b"\x2a\x0e\x2a\x04\x0a\x02\x18\x01\x10\x01\x2a\x04\x0a\x02\x18\x02";
        assert_eq!(record(arrays), b"\x2a\x06\x2a\x04\x0a\x02\x18\x02");
        // An array twice: the two are one.
        let arrays = b"\x2a\x0c\x2a\x04\x0a\x02\x18\x01\x2a\x04\x0a\x02\x18\x02";
        assert_eq!(
            record(arrays),
            b"\x2a\x0a\x2a\x08\x0a\x02\x18\x01\x0a\x02\x18\x02"
        );
    }

    #[test]
    fn repeated_fields_stand_together() {
        let apart = b"\x32\x03\x0a\x01a\x10\x09\x32\x03\x0a\x01b";
        assert_eq!(record(apart), b"\x10\x09\x32\x03\x0a\x01a\x32\x03\x0a\x01b");
    }

    #[test]
    fn unknown_fields_and_groups_stay() {
        // Field 20 as a varint and field 21 as a group, between two severity texts.
        let body = b"\x1a\x01a\xa0\x01\x05\xab\x01\x08\x01\xac\x01\x1a\x01b";
        assert_eq!(
            record(body),
            b"\x1a\x01b\xa0\x01\x05\xab\x01\x08\x01\xac\x01"
        );
    }

    #[test]
    fn numbers_become_one_packed_run() {
        // Bucket counts of an exponential histogram: one number, a run of two, an empty run.
        let buckets = b"\x10\x05\x12\x03\x06\x80\x01\x12\x00";
        let mut out = Vec::new();
        let path = [1, 2, 2, 10, 1, 8];
        let mut bytes = buckets.to_vec();
        for number in path.iter().rev() {
            out.clear();
            wire::put_len_field(&mut out, *number, &bytes);
            bytes.clone_from(&out);
        }
        let otlp = OtlpBytes::check(Signal::Metrics, bytes.into(), &Limits::default())
            .expect("legal protobuf");
        assert!(!otlp.is_as_received());
        assert!(otlp.bytes().ends_with(b"\x42\x06\x12\x04\x05\x06\x80\x01"));
    }
}
