//! Thrift: each message is read by the `thrift` crate, and is no larger than its limit.

#[path = "../../../tests/it/support/jaeger_idl.rs"]
mod idl;

use self::idl::Record as _;
use crate::Choices;
use thrift::protocol::{TBinaryInputProtocol, TCompactInputProtocol};
use tower_otlp::{
    ExportRequest,
    exporters::jaeger::encode::{Batches, EncodeOptions, Format},
};

const FORMATS: [Format; 3] = [Format::Collector, Format::AgentCompact, Format::AgentBinary];

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    let Some(traces) = request.traces() else {
        return;
    };
    let format = choices.pick(0, FORMATS);
    let limit = choices.pick(2, [65_000, 300, 0, usize::MAX]);
    let options = EncodeOptions::default()
        .internal_kind(choices.is(4))
        .scope_attributes(choices.is(5))
        .link_logs(choices.is(6))
        .unknown_service(if choices.is(7) { "" } else { "none" });
    let mut batches = Batches::new(traces, &options, format, limit);
    let (mut item, mut spans) = (0, 0);
    let mut out = Vec::new();
    while let Some(batch) = batches.next_into(&mut out) {
        assert_eq!(batch.items.start, item, "a gap");
        assert!(batch.items.end > item, "no progress");
        item = batch.items.end;
        let answered = batch.items.end - batch.items.start;
        assert_eq!(answered, batch.spans + batch.rejected);
        assert_eq!(batch.reason.is_some(), batch.rejected > 0);
        assert_eq!(out.is_empty(), batch.spans == 0);
        assert!(out.len() <= limit, "{} of {limit} bytes", out.len());
        crate::within(out.len(), request, batch.spans);
        if batch.spans > 0 {
            assert_eq!(read(format, &out).spans.len() as u64, batch.spans);
        }
        spans += batch.spans;
        out.clear();
    }
    assert_eq!(item, request.items());
    assert!(spans <= item);
}

fn read(format: Format, message: &[u8]) -> idl::Batch {
    let mut rest = message;
    let batch = match format {
        Format::Collector => idl::Batch::read(&mut TBinaryInputProtocol::new(&mut rest, true)),
        Format::AgentBinary => idl::read_call(&mut TBinaryInputProtocol::new(&mut rest, true)),
        _ => idl::read_call(&mut TCompactInputProtocol::new(&mut rest)),
    };
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    batch.expect("Thrift")
}
