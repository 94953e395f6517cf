//! The encoders of the SDK's types, held against the SDK's own way: opentelemetry-proto's structs,
//! encoded by prost.

mod draw;
mod logs;
mod metrics;
mod normal;
mod spans;

use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use tower_otlp::{ExportRequest, otlp::Decoded};

use crate::support::{generate::Draw, oracle};

/// Asserts that a request says what the SDK's own structs say, and that it is as sound as one that
/// came over the wire.
#[track_caller]
fn assert_says(request: &ExportRequest, expected: Decoded) {
    let signal = request.signal();
    let checked = ExportRequest::from_protobuf(signal, request.protobuf().clone())
        .expect("what we write passes our own check");
    assert!(checked.otlp().is_as_received(), "canonical");
    assert_eq!(checked.items(), request.items());
    assert_eq!(request.items(), oracle::items(&expected));
    let read = oracle::decode(signal, request.protobuf()).expect("prost reads it");
    // Every length is as short as it can be: prost writes the same bytes in other places.
    assert_eq!(oracle::encode(&read).len(), request.byte_size());
    oracle::assert_same(
        &normal::of(read),
        &normal::of(expected),
        &"what is encoded and the SDK's own structs differ",
    );
}

fn resource(draw: &mut Draw) -> Resource {
    let builder = Resource::builder_empty().with_attributes(draw::attributes(draw, 6));
    if draw.one_in(2) {
        return builder.build();
    }
    builder
        .with_schema_url([], "https://opentelemetry.io/schemas/1.40.0")
        .build()
}

fn with_schema(resource: &Resource) -> ResourceAttributesWithSchema {
    resource.into()
}
