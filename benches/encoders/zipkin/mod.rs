//! Zipkin bodies of 1,000 spans.

mod direct;
mod model;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::zipkin::encode::{ZipkinEncoding, ZipkinOptions, encode},
};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn groups() -> Vec<Group<'static>> {
    let bytes = Bytes::from(workload::encoded(Signal::Traces));
    let request = ExportRequest::from_protobuf(Signal::Traces, bytes.clone()).expect("valid");
    assert_eq!(request.items(), ITEMS);
    let json = ours(&request, ZipkinEncoding::Json);
    let protobuf = ours(&request, ZipkinEncoding::Protobuf);
    println!(
        "zipkin: {} bytes of OTLP, {} of JSON, {} of protobuf",
        bytes.len(),
        json.len(),
        protobuf.len()
    );
    // The baselines say the same as we do.
    let ours_read: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    for theirs in [by_model(&bytes), by_hand(&bytes)] {
        let theirs: serde_json::Value = serde_json::from_slice(&theirs).expect("JSON");
        assert_eq!(theirs, ours_read);
    }

    let (source, wire) = (request.clone(), bytes.clone());
    let model = Group::new("zipkin JSON", ITEMS)
        .baseline("prost decode + model + serde_json", move || by_model(&wire))
        .candidate("from bytes", Goal::Times(12.0), move || {
            ours(&source, ZipkinEncoding::Json)
        });
    let (source, wire) = (request.clone(), bytes);
    let direct = Group::new("zipkin JSON, direct", ITEMS)
        .baseline("prost decode + direct writer", move || by_hand(&wire))
        .candidate("from bytes", Goal::Times(3.5), move || {
            ours(&source, ZipkinEncoding::Json)
        });
    let (json_source, source) = (request.clone(), request);
    let protobuf = Group::new("zipkin encodings", ITEMS)
        .baseline("JSON", move || ours(&json_source, ZipkinEncoding::Json))
        .candidate("protobuf", Goal::None, move || {
            ours(&source, ZipkinEncoding::Protobuf)
        });
    vec![model, direct, protobuf]
}

fn ours(request: &ExportRequest, encoding: ZipkinEncoding) -> Vec<u8> {
    let options = ZipkinOptions::default().encoding(encoding);
    let mut out = Vec::with_capacity(request.byte_size() * 3);
    let traces = request.traces().expect("traces");
    encode(traces, &options, &mut out).expect("no limit");
    out
}

fn by_model(bytes: &Bytes) -> Vec<u8> {
    let decoded = ExportTraceServiceRequest::decode(bytes.clone()).expect("valid");
    serde_json::to_vec(&model::spans(&decoded)).expect("writes")
}

fn by_hand(bytes: &Bytes) -> Vec<u8> {
    let decoded = ExportTraceServiceRequest::decode(bytes.clone()).expect("valid");
    direct::write(&decoded)
}
