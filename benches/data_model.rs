//! What the data model costs, as shares of what prost's structs cost.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[allow(dead_code, reason = "the other bench uses the rest")]
mod support;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use support::{
    read,
    table::{self, Goal, Group},
    workload::{self, ITEMS},
};
use tower_otlp::{ExportRequest, Signal};

fn main() {
    let mut groups = Vec::new();
    for signal in Signal::ALL {
        groups.extend(match signal {
            Signal::Traces => signal_groups::<ExportTraceServiceRequest>(signal),
            Signal::Metrics => signal_groups::<ExportMetricsServiceRequest>(signal),
            Signal::Logs => signal_groups::<ExportLogsServiceRequest>(signal),
        });
    }
    groups.push(bomb());
    table::run(groups);
}

fn check(signal: Signal, bytes: &Bytes) -> ExportRequest {
    ExportRequest::from_protobuf(signal, bytes.clone()).expect("valid")
}

fn signal_groups<T>(signal: Signal) -> Vec<Group<'static>>
where
    T: Message + Default + Clone + Serialize + DeserializeOwned + 'static,
{
    let plain = Bytes::from(workload::encoded(signal));
    let padded = Bytes::from(workload::padded(signal));
    let request = check(signal, &plain);
    assert_eq!(request.items(), ITEMS);
    assert!(request.otlp().is_as_received());
    assert!(check(signal, &padded).otlp().is_as_received());
    println!(
        "{signal}: {} bytes, {} with padded lengths",
        plain.len(),
        padded.len()
    );

    let bytes = plain.clone();
    let mut decode_and = Group::new(signal.as_str(), ITEMS)
        .baseline("prost decode", move || T::decode(bytes.clone()));
    let bytes = plain.clone();
    decode_and = decode_and.candidate("check", Goal::Share(0.13), move || check(signal, &bytes));
    let source = request.clone();
    decode_and = decode_and.candidate("read every field", Goal::Share(0.16), move || {
        read::every_field(&source)
    });
    let source = request.clone();
    decode_and = decode_and.candidate("clone", Goal::None, move || source.clone());
    let decoded = T::decode(plain.clone()).expect("valid");
    decode_and = decode_and.candidate("prost deep clone", Goal::None, move || decoded.clone());
    let source = request.clone();
    decode_and = decode_and.candidate("decode() and From, both ways", Goal::None, move || {
        source.decode().map(ExportRequest::from)
    });

    let bytes = padded.clone();
    let mut with_padding = Group::new(format!("{signal}, padded"), ITEMS)
        .baseline("prost decode", move || T::decode(bytes.clone()));
    with_padding =
        with_padding.candidate("check", Goal::Share(0.25), move || check(signal, &padded));

    let bytes = plain.clone();
    let mut write = Group::new(format!("{signal}, write JSON"), ITEMS).baseline(
        "prost decode + serde_json",
        move || {
            let decoded = T::decode(bytes.clone()).expect("valid");
            serde_json::to_vec(&decoded).expect("writes")
        },
    );
    let source = request.clone();
    write = write.candidate("from bytes", Goal::Times(4.5), move || {
        tower_otlp::otlp::json::write(source.otlp())
    });

    // serde reads its own JSON back without loss but for NaN, which these workloads lack.
    let decoded = T::decode(plain).expect("valid");
    let json = serde_json::to_vec(&decoded).expect("writes");
    let text = json.clone();
    let mut read_json = Group::new(format!("{signal}, read JSON"), ITEMS).baseline(
        "serde_json + prost encode",
        move || {
            let decoded: T = serde_json::from_slice(&text).expect("reads");
            decoded.encode_to_vec()
        },
    );
    read_json = read_json.candidate("to bytes", Goal::Times(2.5), move || {
        ExportRequest::from_json(signal, &json).expect("reads")
    });

    vec![decode_and, with_padding, write, read_json]
}

/// A megabyte of empty spans: two bytes each on the wire, a whole struct each when decoded.
fn bomb() -> Group<'static> {
    const SPANS: u64 = 500_000;
    let mut spans = Vec::new();
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut spans);
    prost::encoding::encode_varint(2 * SPANS + 4, &mut spans);
    prost::encoding::encode_key(2, prost::encoding::WireType::LengthDelimited, &mut spans);
    prost::encoding::encode_varint(2 * SPANS, &mut spans);
    spans.extend([0x12, 0x00].repeat(SPANS as usize));
    let bytes = Bytes::from(spans);
    assert_eq!(check(Signal::Traces, &bytes).items(), SPANS);
    let same = bytes.clone();
    Group::new("1 MB of empty spans", SPANS)
        .baseline("prost decode", move || {
            ExportTraceServiceRequest::decode(same.clone())
        })
        .candidate("check", Goal::None, move || check(Signal::Traces, &bytes))
}
