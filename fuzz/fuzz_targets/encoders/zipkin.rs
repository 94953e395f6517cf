//! Zipkin: JSON with each key once, or protobuf that prost reads, with as many spans as counted.

#[path = "../../../tests/it/support/zipkin_proto.rs"]
mod zipkin_proto;

use prost::Message as _;
use tower_otlp::{
    ErrorKind, ExportRequest,
    exporters::zipkin::encode::{AnnotationFormat, ZipkinEncoding, ZipkinOptions, encode},
};

use crate::{BEFORE, Choices, json, written};

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    let Some(traces) = request.traces() else {
        return;
    };
    let encoding = choices.pick(0, [ZipkinEncoding::Json, ZipkinEncoding::Protobuf]);
    let annotations = [AnnotationFormat::Specification, AnnotationFormat::Collector];
    let limit = if choices.is(2) { 400 } else { usize::MAX };
    let options = ZipkinOptions::default()
        .encoding(encoding)
        .annotations(choices.pick(3, annotations))
        .link_tags(choices.is(5))
        .library_tags(choices.is(6))
        .internal_kind_tag(choices.is(7))
        .default_service_name(if choices.is(8) { "" } else { "shop" })
        .max_bytes(limit);
    let mut out = BEFORE.to_vec();
    let encoded = match encode(traces, &options, &mut out) {
        Ok(encoded) => encoded,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(limit < usize::MAX);
            assert_eq!(out, BEFORE);
            return;
        }
    };
    assert_eq!(encoded.spans() + encoded.rejected(), request.items());
    assert_eq!(encoded.reason().is_some(), encoded.rejected() > 0);
    assert!(encoded.without_duration() <= encoded.spans());
    let body = written(&out, request);
    assert_eq!(body.is_empty(), encoded.spans() == 0);
    let spans = match encoding {
        _ if body.is_empty() => 0,
        ZipkinEncoding::Json => json::read(&body),
        _ => {
            let list = zipkin_proto::ListOfSpans::decode(&*body).expect("protobuf");
            // The limit is looked at behind each span; JSON ends with one byte more.
            assert!(body.len() <= limit);
            list.spans.len()
        }
    };
    assert_eq!(spans as u64, encoded.spans());
}
