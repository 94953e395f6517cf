use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{
        Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::trace::tonic::group_spans_by_resource_and_scope,
};
use opentelemetry_sdk::{
    Resource,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use proptest::prelude::*;
use tower_otlp::{
    ExportRequest,
    sdk::encode::{EncodedResource, encode_spans},
};

use super::{assert_says, draw, resource, with_schema};
use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
};

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

fn drawn() -> SpanData {
    draw::span(&mut Draw::seeded(7, Options::default()))
}

fn encode(batch: &[SpanData]) -> ExportRequest {
    encode_spans(&EncodedResource::default(), batch)
}

#[test]
fn spans_of_real_tracers_say_what_the_structs_say() {
    let kept = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(kept.clone())
        .build();
    let resource = Resource::builder().with_service_name("checkout").build();
    let remote = SpanContext::new(
        TraceId::from(7),
        SpanId::from(9),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("vendor", "1")]).expect("valid"),
    );
    let tracer = provider.tracer("checkout");
    let mut root = tracer
        .span_builder("GET /cart")
        .with_kind(SpanKind::Server)
        .with_links(vec![Link::with_context(remote.clone())])
        .start_with_context(&tracer, &Context::new().with_remote_span_context(remote));
    root.add_event("cache miss", vec![KeyValue::new("key", "cart:1")]);
    root.set_status(Status::error("out of stock"));
    let context = Context::new().with_span(root);
    let other = provider.tracer_with_scope(
        InstrumentationScope::builder("sqlx")
            .with_version("1")
            .build(),
    );
    other.start_with_context("SELECT", &context).end();
    context.span().end();
    let spans = kept.get_finished_spans().expect("kept");
    assert_eq!(spans.len(), 2);

    let request = encode_spans(&EncodedResource::new(&resource), &spans);
    let traces = request.traces().expect("traces");
    let read: Vec<_> = traces
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|span| (span.name().to_string(), span.flags()))
        .collect();
    // Sampled; whether the parent is remote is known; it is.
    assert_eq!(
        read,
        [("SELECT".into(), 0x101), ("GET /cart".into(), 0x301)]
    );
    held_against_structs(&resource, spans);
}

#[test]
fn a_thousand_attributes_and_empty_names() {
    let mut span = drawn();
    span.name = "".into();
    span.attributes = (0..1000_i64)
        .map(|index| KeyValue::new(format!("key.{index}"), index * index))
        .chain([KeyValue::new("", ""), KeyValue::new("", 0.0)])
        .collect();
    held_against_structs(&Resource::builder_empty().build(), vec![span]);
}

#[test]
fn a_large_batch_of_many_scopes() {
    let mut draw = Draw::seeded(1, Options::default());
    let batch = (0..2000).map(|index| {
        let mut span = draw::span(&mut draw);
        span.attributes.truncate(2);
        span.events.events.clear();
        span.links.links.clear();
        span.instrumentation_scope =
            InstrumentationScope::builder(format!("library {}", index % 700)).build();
        span
    });
    let batch = batch.collect();
    held_against_structs(&Resource::builder_empty().build(), batch);
}

#[test]
fn without_spans_nothing_is_written() {
    let resource = Resource::builder().build();
    let request = encode_spans(&EncodedResource::new(&resource), &[]);
    assert_eq!((request.items(), request.byte_size()), (0, 0));
}

#[test]
fn times_out_of_range_are_the_nearest_in_it() {
    let mut span = drawn();
    span.start_time = UNIX_EPOCH - Duration::from_secs(1);
    span.end_time = UNIX_EPOCH + Duration::from_secs(1 << 62);
    let request = encode(&[span]);
    let traces = request.traces().expect("traces");
    let span = traces
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .next()
        .expect("a span");
    assert_eq!(span.start_time_unix_nano(), 0);
    assert_eq!(span.end_time_unix_nano(), u64::MAX);
}

/// The names of the scopes, each with how many spans it has.
fn scopes(request: &ExportRequest) -> Vec<(String, usize)> {
    let traces = request.traces().expect("traces");
    traces
        .resources()
        .flat_map(|resource| resource.scopes())
        .map(|group| (group.scope().name().to_string(), group.items().count()))
        .collect()
}

fn with_scope(scope: InstrumentationScope) -> SpanData {
    SpanData {
        instrumentation_scope: scope,
        ..drawn()
    }
}

/// opentelemetry-proto tells a version that is empty from none, and not a number from itself, so
/// that it writes the same scope several times.
#[test]
fn scopes_that_are_written_the_same_are_one() {
    let scope = || InstrumentationScope::builder("checkout");
    let nan = |key| KeyValue::new(key, f64::NAN);
    let list = |key| KeyValue::new(key, Value::Array(vec![f64::NAN].into()));
    let request = encode(&[
        with_scope(scope().build()),
        with_scope(scope().with_version("").build()),
        with_scope(scope().with_schema_url("").build()),
        with_scope(scope().with_attributes([nan("a"), list("b")]).build()),
        with_scope(scope().with_attributes([list("b"), nan("a")]).build()),
        with_scope(scope().with_attributes([nan("b"), list("a")]).build()),
        with_scope(scope().with_attributes([nan("a")]).build()),
        with_scope(scope().build()),
    ]);
    let name = || "checkout".to_owned();
    assert_eq!(
        scopes(&request),
        [(name(), 4), (name(), 2), (name(), 1), (name(), 1)]
    );
}

#[test]
fn scopes_come_in_the_order_of_their_first_spans() {
    let names = ["b", "a", "b", "c", "a", "b"];
    let batch = names.map(|name| with_scope(InstrumentationScope::builder(name).build()));
    let expected = [("b", 3), ("a", 2), ("c", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(scopes(&encode(&batch)), expected);
}

#[test]
fn allocations_do_not_grow_with_the_batch() {
    let resource = EncodedResource::default();
    let count = |spans: usize, scopes: usize| {
        let batch: Vec<_> = (0..spans)
            .map(|index| {
                with_scope(InstrumentationScope::builder(format!("s{}", index % scopes)).build())
            })
            .collect();
        // In debug builds the check of what was written allocates too, once.
        let (_, count, _) = allocations(|| encode_spans(&resource, &batch));
        count
    };
    assert_eq!(count(10, 1), count(1000, 1));
    // Few items are sorted on the stack.
    assert_eq!(count(500, 3), count(1000, 3));
    assert!(count(1000, 3) <= 8, "{}", count(1000, 3));

    let order = |count: usize| {
        let pairs = [KeyValue::new("a", 1), KeyValue::new("b", f64::NAN)];
        let batch: Vec<_> = (0..count)
            .map(|index| {
                let mut pairs = pairs.clone();
                pairs.rotate_left(index % 2);
                with_scope(
                    InstrumentationScope::builder("s")
                        .with_attributes(pairs)
                        .build(),
                )
            })
            .collect();
        allocations(|| encode_spans(&resource, &batch)).1
    };
    assert_eq!(order(10), order(1000));
}
