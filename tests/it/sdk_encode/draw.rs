//! Random values of the SDK's types.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    Array, InstrumentationScope, Key, KeyValue, SpanId, StringValue, TraceFlags, TraceId, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::support::generate::Draw;

pub(crate) fn time(draw: &mut Draw) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(draw.unsigned())
}

pub(crate) fn key(draw: &mut Draw) -> Key {
    match draw.below(3) {
        0 => Key::from_static_str("http.request.method"),
        1 => Arc::<str>::from(draw.text()).into(),
        _ => draw.text().into(),
    }
}

fn text(draw: &mut Draw) -> StringValue {
    match draw.below(3) {
        0 => "static".into(),
        1 => Arc::<str>::from(draw.text()).into(),
        _ => draw.text().into(),
    }
}

fn list<T>(draw: &mut Draw, make: impl Fn(&mut Draw) -> T) -> Vec<T> {
    let length = draw.pick(&[0, 1, 2, 20, 200]);
    (0..length).map(|_| make(draw)).collect()
}

fn value(draw: &mut Draw) -> Value {
    match draw.below(12) {
        0..4 => text(draw).into(),
        4..6 => draw.signed().into(),
        6 => draw.double().into(),
        7 => draw.one_in(2).into(),
        8 => Value::Array(Array::Bool(list(draw, |draw| draw.one_in(2)))),
        9 => Value::Array(Array::I64(list(draw, Draw::signed))),
        10 => Value::Array(Array::F64(list(draw, Draw::double))),
        _ => Value::Array(Array::String(list(draw, text))),
    }
}

pub(crate) fn attributes(draw: &mut Draw, most: usize) -> Vec<KeyValue> {
    let count = draw.below(most + 1);
    (0..count)
        .map(|_| KeyValue::new(key(draw), value(draw)))
        .collect()
}

/// One of a few scopes that differ in one thing each.
pub(crate) fn scope(draw: &mut Draw) -> InstrumentationScope {
    let scope = InstrumentationScope::builder(draw.pick(&["", "checkout", "cart"]));
    match draw.below(6) {
        0 => scope.with_version("1.2.0").build(),
        1 => scope.with_schema_url("https://scope.example/1").build(),
        2 => scope.with_attributes([KeyValue::new("a", 1)]).build(),
        3 => scope
            .with_attributes([KeyValue::new("a", 1), KeyValue::new("b", 0.5)])
            .build(),
        4 => scope
            .with_attributes([KeyValue::new("b", 0.5), KeyValue::new("a", 1)])
            .build(),
        _ => scope.build(),
    }
}

pub(crate) fn trace_id(draw: &mut Draw) -> TraceId {
    let random = u128::from(draw.number()) << 64 | u128::from(draw.number());
    draw.pick(&[0, 1, random, random]).into()
}

pub(crate) fn span_id(draw: &mut Draw) -> SpanId {
    let random = draw.number();
    draw.pick(&[0, 1, random, random]).into()
}

fn context(draw: &mut Draw) -> SpanContext {
    let entries = draw.pick(&[0, 0, 1, 2, 32]);
    let state = (0..entries).map(|entry| (format!("vendor{entry}"), "v".repeat(1 + entry)));
    SpanContext::new(
        trace_id(draw),
        span_id(draw),
        TraceFlags::new(draw.pick(&[0, 1, 0xff])),
        draw.one_in(2),
        TraceState::from_key_value(state).expect("a valid trace state"),
    )
}

fn count(draw: &mut Draw) -> u32 {
    draw.pick(&[0, 0, 1, 300, u32::MAX])
}

pub(crate) fn span(draw: &mut Draw) -> SpanData {
    let mut events = SpanEvents::default();
    events.dropped_count = count(draw);
    for _ in 0..draw.pick(&[0, 0, 1, 5]) {
        let (name, time) = (draw.text(), time(draw));
        let event = Event::new(name, time, attributes(draw, 3), count(draw));
        events.events.push(event);
    }
    let mut links = SpanLinks::default();
    links.dropped_count = count(draw);
    for _ in 0..draw.pick(&[0, 0, 1, 5]) {
        let link = Link::new(context(draw), attributes(draw, 3), count(draw));
        links.links.push(link);
    }
    SpanData {
        span_context: context(draw),
        parent_span_id: span_id(draw),
        parent_span_is_remote: draw.one_in(2),
        span_kind: match draw.below(5) {
            0 => SpanKind::Internal,
            1 => SpanKind::Server,
            2 => SpanKind::Client,
            3 => SpanKind::Producer,
            _ => SpanKind::Consumer,
        },
        name: Cow::Owned(draw.text()),
        start_time: time(draw),
        end_time: time(draw),
        attributes: attributes(draw, 12),
        dropped_attributes_count: count(draw),
        events,
        links,
        status: match draw.below(4) {
            0 => Status::Unset,
            1 => Status::Ok,
            2 => Status::error(""),
            _ => Status::error(draw.text()),
        },
        instrumentation_scope: scope(draw),
    }
}
