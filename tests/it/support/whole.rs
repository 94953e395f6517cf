//! A trace with everything in it that a trace can have, and the odd spans that exporters lose.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};

/// When most spans start. Its last digits are cut off or rounded up by who keeps microseconds.
pub(crate) const START: u64 = 1_700_000_000_123_456_789;

/// The trace of all spans but [`OLD`].
pub(crate) const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

/// A trace id of 64 bits.
pub(crate) const OLD: u128 = 0xa3ce_929d_0e0e_4736;

/// The parent of the first span, in another process.
pub(crate) const PARENT: u64 = 0x00f0_67aa_0ba9_02b7;

/// The trace and the span of the first link.
pub(crate) const LINKED: (u128, u64) = (
    0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
    0x1112_1314_1516_1718,
);

/// How many attributes the span `wide` has: `k0` is 0, and so on.
pub(crate) const WIDE: i64 = 1000;

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

/// A span that ends half a second after its start.
fn span(id: u64, name: &str) -> Span {
    Span {
        trace_id: TRACE.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: START,
        end_time_unix_nano: START + 500_000_000,
        status: Some(Status::default()),
        ..Span::default()
    }
}

fn full() -> Span {
    let list = [any(Value::IntValue(1)), any(text("a"))].to_vec();
    let map = vec![pair("z", Value::IntValue(1)), pair("a", text("x"))];
    Span {
        parent_span_id: PARENT.to_be_bytes().to_vec(),
        trace_state: "vendor=a,other=b".to_owned(),
        // Sampled, and by whom is known.
        flags: 0x101,
        kind: 2,
        // Cut off one by one the times are 1501 us apart; the difference is 1500.999 us.
        end_time_unix_nano: START + 1_500_999,
        attributes: vec![
            pair("text", text("naïve 🦀")),
            pair("int", Value::IntValue(i64::MIN)),
            pair("bool", Value::BoolValue(true)),
            pair("double", Value::DoubleValue(0.25)),
            pair("bytes", Value::BytesValue(vec![0, 255])),
            pair("list", Value::ArrayValue(ArrayValue { values: list })),
            pair("map", Value::KvlistValue(KeyValueList { values: map })),
            KeyValue {
                key: "unset".to_owned(),
                value: Some(AnyValue::default()),
                ..KeyValue::default()
            },
        ],
        dropped_attributes_count: 3,
        events: vec![
            Event {
                time_unix_nano: 1_700_000_000_123_999_500,
                name: "cache.miss".to_owned(),
                attributes: vec![pair("key", text("cart:7")), pair("a", Value::IntValue(1))],
                dropped_attributes_count: 2,
            },
            Event {
                time_unix_nano: 1_700_000_000_124_000_499,
                name: "done".to_owned(),
                ..Event::default()
            },
        ],
        dropped_events_count: 4,
        links: vec![
            Link {
                trace_id: LINKED.0.to_be_bytes().to_vec(),
                span_id: LINKED.1.to_be_bytes().to_vec(),
                trace_state: "k=v".to_owned(),
                attributes: vec![pair("why", text("retry"))],
                dropped_attributes_count: 1,
                flags: 1,
            },
            Link {
                trace_id: TRACE.to_be_bytes().to_vec(),
                span_id: 10_u64.to_be_bytes().to_vec(),
                ..Link::default()
            },
        ],
        dropped_links_count: 5,
        status: Some(Status {
            message: "boom".to_owned(),
            code: 2,
        }),
        ..span(1, "GET /cart")
    }
}

/// One resource and one scope with these spans, in this order: everything (id 1), no end (2), no
/// duration (3), a negative one (4), the short trace id (5), `wide` (6), without names (7).
pub(crate) fn message() -> ExportTraceServiceRequest {
    let child = |id, name, end_time_unix_nano| Span {
        parent_span_id: 1_u64.to_be_bytes().to_vec(),
        end_time_unix_nano,
        ..span(id, name)
    };
    let old = Span {
        trace_id: OLD.to_be_bytes().to_vec(),
        ..span(5, "old")
    };
    let number = |number| pair(&format!("k{number}"), Value::IntValue(number));
    let wide = Span {
        attributes: (0..WIDE).map(number).collect(),
        ..span(6, "wide")
    };
    let nameless = Span {
        attributes: vec![pair("", text(""))],
        events: vec![Event {
            time_unix_nano: START,
            ..Event::default()
        }],
        ..span(7, "")
    };
    let spans = vec![
        full(),
        child(2, "endless", 0),
        child(3, "instant", START),
        child(4, "backwards", START - 1000),
        old,
        wide,
        nameless,
    ];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![
                    pair("host.name", text("h1")),
                    pair("service.name", text("cart")),
                    pair("process.pid", Value::IntValue(7)),
                ],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "shop.http".to_owned(),
                    version: "1.2.0".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}
