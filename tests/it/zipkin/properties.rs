//! Any request: the encoder does not panic, independent parsers read what it wrote, and what they
//! read is what prost's structs hold.

mod oracle;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
};
use proptest::prelude::*;
use prost::Message;
use tower_otlp::{
    ExportRequest,
    exporters::zipkin::encode::{Encoded, ZipkinEncoding, ZipkinOptions, encode},
};

use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
    zipkin_proto,
};

/// Writes a request in both encodings, and reads both.
fn check(mut message: ExportTraceServiceRequest, service: &str) {
    for group in &mut message.resource_spans {
        let resource = group.resource.get_or_insert_default();
        resource.attributes.push(KeyValue {
            key: "service.name".to_owned(),
            value: Some(AnyValue {
                value: Some(Value::StringValue(service.to_owned())),
            }),
            ..KeyValue::default()
        });
    }
    let expected = oracle::expected(&message);
    let rejected = oracle::spans(&message) - expected.len() as u64;
    let request = ExportRequest::from(message);

    let (encoded, body) = write(&request, ZipkinEncoding::Json);
    assert_eq!(encoded.spans(), expected.len() as u64);
    assert_eq!(encoded.rejected(), rejected);
    let text = std::str::from_utf8(&body).expect("UTF-8");
    assert!(!text.contains("yAnnotations\""));
    let found: Vec<serde_json::Value> = match text {
        "" => Vec::new(),
        text => serde_json::from_str(text).expect("JSON"),
    };
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        expected.assert_json(found);
    }

    let (encoded, body) = write(&request, ZipkinEncoding::Protobuf);
    assert_eq!(encoded.spans(), expected.len() as u64);
    let list = zipkin_proto::ListOfSpans::decode(&*body).expect("protobuf");
    assert_eq!(list.spans.len(), expected.len());
    for (found, expected) in list.spans.iter().zip(&expected) {
        expected.assert_protobuf(found);
    }
}

fn write(request: &ExportRequest, encoding: ZipkinEncoding) -> (Encoded, Vec<u8>) {
    let options = ZipkinOptions::default().encoding(encoding);
    let mut out = Vec::new();
    let traces = request.traces().expect("traces");
    let encoded = encode(traces, &options, &mut out).expect("no limit");
    (encoded, out)
}

proptest! {
    #![proptest_config(generate::config(300))]

    #[test]
    fn any_request_is_read_back(message in generate::traces(Options::default()), service in ".{0,8}") {
        check(message, &service);
    }
}

#[test]
fn requests_from_seeds_are_read_back() {
    for seed in 0..500 {
        let options = Options {
            fuel: 600,
            odd_ids: seed % 4 == 0,
            ..Options::default()
        };
        check(Draw::seeded(seed, options).traces(), "shop");
    }
}

/// A thousand times the spans cost no more allocations, but for one text that is longer.
#[test]
fn allocations_are_those_of_a_request_not_of_its_spans() {
    use crate::support::backend::telemetry;
    for encoding in [ZipkinEncoding::Json, ZipkinEncoding::Protobuf] {
        let count = |items| {
            let request = telemetry(tower_otlp::Signal::Traces, items);
            let options = ZipkinOptions::default().encoding(encoding);
            let mut out = Vec::with_capacity(10 << 20);
            let traces = request.traces().expect("traces");
            let (encoded, count, _) = allocations(|| encode(traces, &options, &mut out));
            assert_eq!(encoded.expect("no limit").spans(), items as u64);
            count
        };
        let (few, many) = (count(10), count(10_000));
        assert!(many <= few + 2 && many < 20, "{encoding:?}: {few}, {many}");
    }
}
