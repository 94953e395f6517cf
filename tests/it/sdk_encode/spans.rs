use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::trace::tonic::group_spans_by_resource_and_scope,
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use proptest::prelude::*;
use tower_otlp::sdk::encode::{EncodedResource, encode_spans};

use super::{assert_says, draw, resource, with_schema};
use crate::support::generate::{self, Draw, Options};

#[track_caller]
fn held_against_structs(resource: &Resource, batch: Vec<SpanData>) {
    let request = encode_spans(&EncodedResource::new(resource), &batch);
    let resource_spans = group_spans_by_resource_and_scope(batch, &with_schema(resource));
    assert_says(
        &request,
        ExportTraceServiceRequest { resource_spans }.into(),
    );
}

proptest! {
    #![proptest_config(generate::config(150))]

    #[test]
    fn any_batch_says_what_the_structs_say(seed: u64, count in 1_usize..40) {
        let mut draw = Draw::seeded(seed, Options::default());
        let resource = resource(&mut draw);
        let batch = (0..count).map(|_| draw::span(&mut draw)).collect();
        held_against_structs(&resource, batch);
    }
}
