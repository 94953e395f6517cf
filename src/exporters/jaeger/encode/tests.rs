//! The worked examples of the formats, byte for byte.

use super::*;
use crate::{ExportRequest, Signal};

const FORMATS: [Format; 3] = [Format::Collector, Format::AgentCompact, Format::AgentBinary];

/// Spans with nothing but ids: no test of this file needs more.
fn spans(count: usize) -> ExportRequest {
    let span = [
        &[0x0a, 16][..],
        &[0; 15],
        &[1],
        &[0x12, 8],
        &[0; 7],
        &[2],
        b"\x2a\x01x",
        &[0x39],
        &1000_u64.to_le_bytes(),
        &[0x41],
        &3000_u64.to_le_bytes(),
    ]
    .concat();
    let body: Vec<u8> = std::iter::repeat_n([&[0x12, 49][..], &span].concat(), count)
        .flatten()
        .collect();
    let field = |number: u8, body: Vec<u8>| {
        let mut out = Vec::new();
        crate::otlp::wire::put_len_field(&mut out, number.into(), &body);
        out
    };
    let resource = field(
        1,
        field(1, b"\x0a\x0cservice.name\x12\x03\x0a\x01a".to_vec()),
    );
    let group = [resource, field(2, body)].concat();
    ExportRequest::from_protobuf(Signal::Traces, field(1, group)).expect("valid")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("a digit"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn messages(
    request: &ExportRequest,
    format: Format,
    max_bytes: usize,
) -> (Vec<Vec<u8>>, Vec<Batch>) {
    let options = EncodeOptions::default();
    let traces = request.traces().expect("traces");
    let mut batches = Batches::new(traces, &options, format, max_bytes);
    let (mut messages, mut all) = (Vec::new(), Vec::new());
    let mut out = b"before".to_vec();
    while let Some(batch) = batches.next_into(&mut out) {
        messages.push(out.split_off(6));
        assert_eq!(out, b"before");
        all.push(batch);
    }
    (messages, all)
}

#[test]
fn the_smallest_batch_in_every_format() {
    for (format, expected) in [
        (
            Format::Collector,
            "0c00010b00010000000161000f00020c000000010a000100000000000000010a
             000200000000000000000a000300000000000000020a00040000000000000000
             0b00050000000178080007000000010a000800000000000000010a0009000000
             00000000020000",
        ),
        (
            Format::AgentCompact,
            "82810009656d697442617463681c1c18016100191c1602160016041600180178
             250216021604000000",
        ),
        (
            Format::AgentBinary,
            "8001000400000009656d69744261746368000000000c00010c00010b00010000
             000161000f00020c000000010a000100000000000000010a0002000000000000
             00000a000300000000000000020a000400000000000000000b00050000000178
             080007000000010a000800000000000000010a00090000000000000002000000",
        ),
    ] {
        let (messages, batches) = messages(&spans(1), format, usize::MAX);
        assert_eq!(messages, [hex(expected)], "{format:?}");
        let [batch] = batches.try_into().expect("one");
        assert_eq!((batch.items, batch.spans, batch.rejected), (0..1, 1, 0));
        assert_eq!(batch.reason, None);
    }
}

/// Sizes of an empty envelope, the process `a`, and one span, as the formula has them.
fn size(format: Format, count: usize) -> usize {
    let (envelope, process, span) = match format {
        Format::AgentCompact => (18 + Compact::list_header(count), 4, 18),
        Format::AgentBinary => (37, 9, 82),
        // The bare batch: two fields, the header of the list, the end.
        Format::Collector => (3 + 3 + 5 + 1, 9, 82),
    };
    envelope + process + count * span
}

#[test]
fn a_message_has_the_size_of_the_formula() {
    for format in FORMATS {
        for count in [1, 14, 15, 20, 127, 128] {
            let (messages, _) = messages(&spans(count), format, usize::MAX);
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].len(), size(format, count), "{format:?} {count}");
        }
    }
}

#[test]
fn the_limit_counts_the_envelope_once() {
    for format in FORMATS {
        for count in [1, 2, 14, 15, 20] {
            for (limit, first) in [
                (size(format, count), count),
                (size(format, count) - 1, count - 1),
            ] {
                let (messages, batches) = messages(&spans(count), format, limit);
                let case = format!("{format:?} {count} {limit}");
                assert!(
                    messages.iter().all(|message| message.len() <= limit),
                    "{case}"
                );
                assert_eq!(batches[0].spans, first as u64, "{case}");
                let all: u64 = batches
                    .iter()
                    .map(|batch| batch.spans + batch.rejected)
                    .sum();
                assert_eq!(all, count as u64, "{case}");
            }
        }
    }
}

#[test]
fn no_message_is_without_spans() {
    for format in FORMATS {
        let (messages, batches) = messages(&spans(3), format, 10);
        assert_eq!(messages, [b""], "{format:?}");
        assert_eq!((batches[0].spans, batches[0].rejected), (0, 3));
        assert_eq!(batches[0].items, 0..3);
        let reason = batches[0].reason.as_deref().expect("a reason");
        assert!(
            reason.starts_with("span 0 (\"x\"): alone in a message it takes "),
            "{reason}"
        );
    }
}

#[test]
fn going_back_writes_the_same_spans_in_smaller_messages() {
    let request = spans(10);
    let options = EncodeOptions::default();
    let traces = request.traces().expect("traces");
    let mut batches = Batches::new(traces, &options, Format::AgentCompact, 1000);
    let mut out = Vec::new();
    let first = batches.next_into(&mut out).expect("one");
    assert_eq!(first.items, 0..10);
    out.clear();
    batches.again(size(Format::AgentCompact, 4));
    let mut ranges = Vec::new();
    while let Some(batch) = batches.next_into(&mut out) {
        ranges.push(batch.items);
    }
    assert_eq!(ranges, [0..4, 4..8, 8..10]);
    // One span may be larger than what several may fill, and not larger than the limit.
    batches.again(1);
    out.clear();
    let batch = batches.next_into(&mut out).expect("the last message again");
    assert_eq!((batch.items, batch.rejected), (8..9, 0));
}
