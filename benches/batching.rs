//! What merging and cutting on bytes costs, against decoding, doing it on structs and encoding.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use support::{
    table::{self, Goal, Group},
    workload::{self, ITEMS},
};
use tower_otlp::{
    ExportRequest, Signal,
    otlp::{Limits, OtlpBytes},
};

/// Requests in a batch.
const PARTS: usize = 8;
/// The most items in a piece.
const PIECE: usize = 100;

fn main() {
    table::run(vec![
        merge::<ExportTraceServiceRequest>(Signal::Traces, |batch, part| {
            batch.resource_spans.extend(part.resource_spans);
        }),
        merge::<ExportMetricsServiceRequest>(Signal::Metrics, |batch, part| {
            batch.resource_metrics.extend(part.resource_metrics);
        }),
        merge::<ExportLogsServiceRequest>(Signal::Logs, |batch, part| {
            batch.resource_logs.extend(part.resource_logs);
        }),
        split(
            Signal::Traces,
            "prost decode, cut, encode",
            Goal::Times(20.0),
            cut_traces,
        ),
        split(
            Signal::Logs,
            "prost decode, cut, encode",
            Goal::Times(20.0),
            cut_logs,
        ),
        // Less work than cutting at data points: no goal.
        split(
            Signal::Metrics,
            "prost decode, encode",
            Goal::None,
            |bytes| vec![decode::<ExportMetricsServiceRequest>(bytes).encode_to_vec()],
        ),
    ]);
}

fn checked(signal: Signal) -> OtlpBytes {
    let request = ExportRequest::from_protobuf(signal, workload::encoded(signal)).expect("valid");
    assert_eq!(request.items(), ITEMS);
    request.otlp().clone()
}

fn decode<T: Message + Default>(bytes: &Bytes) -> T {
    T::decode(bytes.clone()).expect("valid")
}

fn merge<T: Message + Default + 'static>(signal: Signal, extend: fn(&mut T, T)) -> Group<'static> {
    let parts = vec![checked(signal); PARTS];
    let bytes: Vec<Bytes> = parts.iter().map(|part| part.bytes().clone()).collect();
    Group::new(format!("{signal}, merge {PARTS}"), ITEMS * PARTS as u64)
        .baseline("prost decode, extend, encode", move || {
            let mut batch = T::default();
            for part in &bytes {
                extend(&mut batch, decode(part));
            }
            batch.encode_to_vec()
        })
        .candidate("on bytes", Goal::Times(50.0), move || {
            OtlpBytes::merge(&parts).expect("one signal")
        })
}

fn split(
    signal: Signal,
    name: &'static str,
    goal: Goal,
    baseline: fn(&Bytes) -> Vec<Vec<u8>>,
) -> Group<'static> {
    let whole = checked(signal);
    let bytes = whole.bytes().clone();
    let by_bytes = whole.clone();
    let halved = whole.clone();
    Group::new(format!("{signal}, cut into hundreds"), ITEMS)
        .baseline(name, move || baseline(&bytes))
        .candidate("by items, on bytes", goal, move || {
            let pieces = whole.split(&Limits::default().max_items(PIECE as u64));
            assert_eq!(pieces.count(), 10);
        })
        .candidate("by size, on bytes", Goal::None, move || {
            let size = by_bytes.bytes().len() / 10;
            by_bytes.split(&Limits::default().max_bytes(size)).count()
        })
        .candidate("halves, on bytes", Goal::None, move || halved.halve())
}

/// Cuts a request whose items are the given fields, three levels down.
macro_rules! cut {
    ($name:ident, $message:ident, $groups:ident, $scopes:ident, $items:ident) => {
        fn $name(bytes: &Bytes) -> Vec<Vec<u8>> {
            let mut pieces = Vec::new();
            let mut piece = $message::default();
            let mut room = PIECE;
            for mut group in decode::<$message>(bytes).$groups {
                let scopes = std::mem::take(&mut group.$scopes);
                let mut open = group.clone();
                for mut scope in scopes {
                    let mut items = std::mem::take(&mut scope.$items);
                    while !items.is_empty() {
                        let more = items.split_off(room.min(items.len()));
                        room -= items.len();
                        let mut part = scope.clone();
                        part.$items = std::mem::replace(&mut items, more);
                        open.$scopes.push(part);
                        if room == 0 {
                            piece
                                .$groups
                                .push(std::mem::replace(&mut open, group.clone()));
                            pieces.push(std::mem::take(&mut piece).encode_to_vec());
                            room = PIECE;
                        }
                    }
                }
                if !open.$scopes.is_empty() {
                    piece.$groups.push(open);
                }
            }
            if !piece.$groups.is_empty() {
                pieces.push(piece.encode_to_vec());
            }
            assert_eq!(pieces.len(), 10);
            pieces
        }
    };
}
cut!(
    cut_traces,
    ExportTraceServiceRequest,
    resource_spans,
    scope_spans,
    spans
);
cut!(
    cut_logs,
    ExportLogsServiceRequest,
    resource_logs,
    scope_logs,
    log_records
);
