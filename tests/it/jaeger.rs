//! The Jaeger exporters: what they write, read back with the `thrift` crate, and what they do over
//! real sockets.

#![allow(clippy::expect_used, clippy::panic)]

mod examples;
mod http;
mod mapping;
mod properties;
mod udp;
mod whole;

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TCompactInputProtocol, TCompactOutputProtocol,
};
use tower_otlp::{
    ExportRequest, Signal,
    exporters::jaeger::encode::{Batches, EncodeOptions, Format},
};

use crate::support::jaeger_idl::{self as idl, Record, Span, Tag};

const FORMATS: [Format; 3] = [Format::Collector, Format::AgentCompact, Format::AgentBinary];

/// A message in this format, read to its last byte.
fn read(format: Format, message: &[u8]) -> idl::Batch {
    let mut rest = message;
    let batch = match format {
        Format::Collector => idl::Batch::read(&mut TBinaryInputProtocol::new(&mut rest, true)),
        Format::AgentBinary => idl::read_call(&mut TBinaryInputProtocol::new(&mut rest, true)),
        _ => idl::read_call(&mut TCompactInputProtocol::new(&mut rest)),
    };
    let batch = batch.unwrap_or_else(|error| panic!("{format:?}: {error}"));
    assert!(rest.is_empty(), "{format:?}: {} bytes are left", rest.len());
    batch
}

/// What the `thrift` crate writes.
fn write(format: Format, batch: &idl::Batch) -> Vec<u8> {
    let mut out = Vec::new();
    let written = match format {
        Format::Collector => batch.write(&mut TBinaryOutputProtocol::new(&mut out, true)),
        Format::AgentBinary => {
            idl::write_call(batch, &mut TBinaryOutputProtocol::new(&mut out, true))
        }
        _ => idl::write_call(batch, &mut TCompactOutputProtocol::new(&mut out)),
    };
    written.expect("written");
    out
}

/// All messages of a request, and how many spans were rejected.
fn encode(
    request: &ExportRequest,
    options: &EncodeOptions,
    format: Format,
    limit: usize,
) -> (Vec<Vec<u8>>, u64, Vec<String>) {
    let traces = request.traces().expect("traces");
    let mut batches = Batches::new(traces, options, format, limit);
    let (mut messages, mut rejected, mut reasons, mut item) = (Vec::new(), 0, Vec::new(), 0);
    let mut out = Vec::new();
    while let Some(batch) = batches.next_into(&mut out) {
        assert_eq!(batch.items.start, item, "no gap");
        item = batch.items.end;
        assert_eq!(
            batch.items.end - batch.items.start,
            batch.spans + batch.rejected
        );
        assert_eq!(batch.reason.is_some(), batch.rejected > 0);
        rejected += batch.rejected;
        reasons.extend(batch.reason);
        assert_eq!(out.is_empty(), batch.spans == 0);
        if batch.spans > 0 {
            messages.push(std::mem::take(&mut out));
        }
    }
    assert_eq!(item, request.items());
    (messages, rejected, reasons)
}

/// The batches of a request, the same in all formats.
fn batches_with(request: &ExportRequest, options: &EncodeOptions) -> Vec<idl::Batch> {
    let [collector, compact, binary] = FORMATS.map(|format| {
        let (messages, _, _) = encode(request, options, format, usize::MAX);
        messages
            .iter()
            .map(|message| {
                let batch = read(format, message);
                // Byte for byte what the library writes.
                assert_eq!(write(format, &batch), *message, "{format:?}");
                batch
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(collector, compact);
    assert_eq!(collector, binary);
    collector
}

fn batches(request: &ExportRequest) -> Vec<idl::Batch> {
    batches_with(request, &EncodeOptions::default())
}

fn traces(json: &str) -> ExportRequest {
    ExportRequest::from_json(Signal::Traces, json.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A request of one span with these further fields.
fn with_span(fields: &str) -> ExportRequest {
    let comma = if fields.is_empty() { "" } else { "," };
    traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{
            "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001"{comma}{fields}
        }}]}}]}}]}}"#
    ))
}

/// The only span of a request.
fn only(request: &ExportRequest) -> Span {
    let mut batches = batches(request);
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].spans.len(), 1);
    batches.remove(0).spans.remove(0)
}

fn span(fields: &str) -> Span {
    only(&with_span(fields))
}

fn string(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        v_str: Some(value.to_owned()),
        ..Tag::default()
    }
}

fn double(key: &str, value: f64) -> Tag {
    Tag {
        key: key.to_owned(),
        v_type: 1,
        v_double: Some(value),
        ..Tag::default()
    }
}

fn boolean(key: &str, value: bool) -> Tag {
    Tag {
        key: key.to_owned(),
        v_type: 2,
        v_bool: Some(value),
        ..Tag::default()
    }
}

fn long(key: &str, value: i64) -> Tag {
    Tag {
        key: key.to_owned(),
        v_type: 3,
        v_long: Some(value),
        ..Tag::default()
    }
}

fn binary(key: &str, value: &[u8]) -> Tag {
    Tag {
        key: key.to_owned(),
        v_type: 4,
        v_binary: Some(value.to_vec()),
        ..Tag::default()
    }
}
