//! Telemetry to send.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tower_otlp::{ExportRequest, Signal};

use crate::generate::{Draw, Options};

/// Random requests of every shape that a Collector takes.
pub fn requests(signal: Signal, count: u64) -> Vec<ExportRequest> {
    let options = Options {
        // The Collector refuses these on purpose.
        odd_ids: false,
        profile_fields: false,
        ..Options::default()
    };
    (0..)
        .map(|seed| {
            let mut draw = Draw::seeded(seed, options);
            let bytes = match signal {
                Signal::Traces => draw.traces().encode_to_vec(),
                Signal::Metrics => draw.metrics().encode_to_vec(),
                Signal::Logs => draw.logs().encode_to_vec(),
            };
            ExportRequest::from_protobuf(signal, bytes).expect("generated")
        })
        // The Collector answers an empty request but writes nothing down.
        .filter(|request| !request.is_empty())
        .take(usize::try_from(count).expect("few"))
        .collect()
}

/// A request of one span whose id is `number`, which must not be 0: that is no id.
pub fn numbered_span(number: u64) -> ExportRequest {
    span_at(number, 0)
}

/// A request of one span of a millisecond, in a trace whose id is [`TRACE`], whose id is `number`,
/// not 0. Servers keep what is recent: `start` is in nanoseconds of the epoch.
pub fn span_at(number: u64, start: u64) -> ExportRequest {
    let end = if start == 0 { 0 } else { start + 1_000_000 };
    let message = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![Span {
                    trace_id: vec![1; 16],
                    span_id: number.to_be_bytes().to_vec(),
                    name: format!("span {number}"),
                    start_time_unix_nano: start,
                    end_time_unix_nano: end,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    ExportRequest::from_protobuf(Signal::Traces, message.encode_to_vec()).expect("valid")
}

/// The id of the trace of `numbered_span` and `span_at`, in hexadecimal.
pub const TRACE: &str = "01010101010101010101010101010101";

/// The ids that `numbered_span` gave, in order of arrival.
pub fn numbers(requests: &[ExportRequest]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for request in requests {
        let traces = request.traces().expect("traces");
        for span in traces
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items())
        {
            numbers.push(u64::from_be_bytes(
                span.span_id().to_array().expect("an id"),
            ));
        }
    }
    numbers
}
