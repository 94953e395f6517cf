use std::{
    borrow::Cow,
    collections::HashMap,
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use opentelemetry::{
    InstrumentationScope, Key, TraceFlags,
    logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity},
};
use opentelemetry_proto::{
    tonic::{
        collector::logs::v1::ExportLogsServiceRequest,
        common::v1::{ArrayValue, KeyValueList, any_value::Value},
    },
    transform::logs::tonic::group_logs_by_resource_and_scope,
};
use opentelemetry_sdk::{
    Resource,
    logs::{LogBatch, SdkLogRecord, SdkLogger, SdkLoggerProvider},
};
use proptest::prelude::*;
use prost::Message as _;
use tower_otlp::{
    ExportRequest,
    sdk::encode::{EncodedResource, encode_logs},
};

use super::{assert_says, draw, resource, with_schema};
use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
};

type Record = (SdkLogRecord, InstrumentationScope);

fn record() -> SdkLogRecord {
    static LOGGER: LazyLock<SdkLogger> =
        LazyLock::new(|| SdkLoggerProvider::builder().build().logger("test"));
    LOGGER.create_log_record()
}

fn encode(resource: &Resource, records: &[Record]) -> ExportRequest {
    let records: Vec<_> = records
        .iter()
        .map(|(record, scope)| (record, scope))
        .collect();
    encode_logs(&EncodedResource::new(resource), &LogBatch::new(&records))
}

#[track_caller]
fn held_against_structs(resource: &Resource, records: &[Record]) {
    let pairs: Vec<_> = records
        .iter()
        .map(|(record, scope)| (record, scope))
        .collect();
    let batch = LogBatch::new(&pairs);
    let resource_logs = group_logs_by_resource_and_scope(&batch, &with_schema(resource));
    assert_says(
        &encode(resource, records),
        ExportLogsServiceRequest { resource_logs }.into(),
    );
}

fn value(draw: &mut Draw, depth: usize) -> AnyValue {
    match draw.below(if depth == 0 { 7 } else { 9 }) {
        0..3 => AnyValue::String(draw.text().into()),
        3 => draw.signed().into(),
        4 => draw.double().into(),
        5 => draw.one_in(2).into(),
        6 => {
            let length = draw.pick(&[0, 1, 127, 128, 300]);
            AnyValue::Bytes(Box::new((0..length).map(|_| draw.number() as u8).collect()))
        }
        7 => {
            let length = draw.below(4);
            list((0..length).map(|_| value(draw, depth - 1)))
        }
        _ => {
            let length = draw.below(4);
            map((0..length).map(|_| (draw::key(draw), value(draw, depth - 1))))
        }
    }
}

fn list(values: impl IntoIterator<Item = AnyValue>) -> AnyValue {
    AnyValue::ListAny(Box::new(values.into_iter().collect()))
}

fn map(values: impl IntoIterator<Item = (Key, AnyValue)>) -> AnyValue {
    AnyValue::Map(Box::new(values.into_iter().collect::<HashMap<_, _>>()))
}

const SEVERITIES: [Severity; 24] = [
    Severity::Trace,
    Severity::Trace2,
    Severity::Trace3,
    Severity::Trace4,
    Severity::Debug,
    Severity::Debug2,
    Severity::Debug3,
    Severity::Debug4,
    Severity::Info,
    Severity::Info2,
    Severity::Info3,
    Severity::Info4,
    Severity::Warn,
    Severity::Warn2,
    Severity::Warn3,
    Severity::Warn4,
    Severity::Error,
    Severity::Error2,
    Severity::Error3,
    Severity::Error4,
    Severity::Fatal,
    Severity::Fatal2,
    Severity::Fatal3,
    Severity::Fatal4,
];

fn random(draw: &mut Draw) -> Record {
    let mut record = record();
    record.set_observed_timestamp(draw::time(draw));
    if draw.one_in(2) {
        record.set_timestamp(draw::time(draw));
    }
    if !draw.one_in(4) {
        record.set_severity_number(draw.pick(&SEVERITIES));
        record.set_severity_text(draw.pick(&["", "INFO", "wärn"]));
    }
    if draw.one_in(3) {
        record.set_event_name(draw.pick(&["", "device.app.lifecycle"]));
    }
    if draw.one_in(2) {
        record.set_target(draw.pick(&["", "checkout", "checkout::payment"]));
    }
    if draw.one_in(2) {
        let flags = draw.pick(&[None, Some(0), Some(1), Some(0xff)]);
        let (trace, span) = (draw::trace_id(draw), draw::span_id(draw));
        record.set_trace_context(trace, span, flags.map(TraceFlags::new));
    }
    if !draw.one_in(4) {
        record.set_body(value(draw, 5));
    }
    for _ in 0..draw.pick(&[0, 1, 5, 12]) {
        record.add_attribute(draw::key(draw), value(draw, 3));
    }
    (record, draw::scope(draw))
}

proptest! {
    #![proptest_config(generate::config(150))]

    #[test]
    fn any_batch_says_what_the_structs_say(seed: u64, count in 1_usize..40) {
        let mut draw = Draw::seeded(seed, Options::default());
        let resource = resource(&mut draw);
        let records: Vec<_> = (0..count).map(|_| random(&mut draw)).collect();
        held_against_structs(&resource, &records);
    }
}

#[test]
fn every_severity_has_its_number() {
    let records: Vec<_> = SEVERITIES
        .map(|severity| {
            let mut record = record();
            record.set_observed_timestamp(UNIX_EPOCH);
            record.set_severity_number(severity);
            (record, InstrumentationScope::default())
        })
        .into();
    held_against_structs(&Resource::builder_empty().build(), &records);
    let request = encode(&Resource::builder_empty().build(), &records);
    assert_eq!(
        each(&request, |record| record.severity_number().0),
        (1..=24).collect::<Vec<_>>()
    );
}

fn each<T>(request: &ExportRequest, read: impl Fn(tower_otlp::otlp::LogRecord<'_>) -> T) -> Vec<T> {
    let logs = request.logs().expect("logs");
    logs.resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(read)
        .collect()
}

fn one(record: SdkLogRecord) -> ExportRequest {
    let records = [(record, InstrumentationScope::default())];
    encode(&Resource::builder_empty().build(), &records)
}

/// opentelemetry-proto panics without the time of observation.
#[test]
fn a_record_without_any_field_is_a_record() {
    let request = one(record());
    assert_eq!(request.items(), 1);
    let times = |record: tower_otlp::otlp::LogRecord<'_>| {
        (record.time_unix_nano(), record.observed_time_unix_nano())
    };
    assert_eq!(each(&request, times), [(0, 0)]);
}

/// opentelemetry-proto writes them as zeros, which OTLP calls invalid.
#[test]
fn identifiers_of_all_zeros_are_left_out() {
    let mut zeros = record();
    zeros.set_trace_context(0.into(), 0.into(), Some(TraceFlags::SAMPLED));
    let read = |record: tower_otlp::otlp::LogRecord<'_>| {
        let ids = [record.trace_id().as_bytes(), record.span_id().as_bytes()];
        (ids.concat(), record.flags())
    };
    assert_eq!(each(&one(zeros), read), [(Vec::new(), 1)]);
}

#[test]
fn without_records_nothing_is_written() {
    let request = encode(&Resource::builder().build(), &[]);
    assert_eq!((request.items(), request.byte_size()), (0, 0));
}

#[test]
fn times_out_of_range_are_the_nearest_in_it() {
    let mut record = record();
    record.set_timestamp(UNIX_EPOCH - Duration::from_nanos(1));
    record.set_observed_timestamp(UNIX_EPOCH + Duration::from_secs(1 << 40));
    let times = |record: tower_otlp::otlp::LogRecord<'_>| {
        (record.time_unix_nano(), record.observed_time_unix_nano())
    };
    assert_eq!(each(&one(record), times), [(0, u64::MAX)]);
}

#[test]
fn targets_name_the_scope_and_nothing_else_of_it() {
    let scope = |version| {
        InstrumentationScope::builder("opentelemetry-appender-tracing")
            .with_version(version)
            .build()
    };
    let with_target = |target: Option<&'static str>, version| {
        let mut record = record();
        if let Some(target) = target {
            record.set_target(Cow::Borrowed(target));
        }
        record.set_observed_timestamp(UNIX_EPOCH);
        (record, scope(version))
    };
    let records = [
        with_target(Some("checkout"), "1"),
        with_target(Some("cart"), "1"),
        with_target(None, "1"),
        with_target(Some("checkout"), "2"),
        with_target(Some("checkout"), "1"),
    ];
    let resource = Resource::builder_empty().build();
    held_against_structs(&resource, &records);
    let request = encode(&resource, &records);
    let logs = request.logs().expect("logs");
    let scopes: Vec<_> = logs
        .resources()
        .flat_map(|resource| resource.scopes())
        .map(|group| {
            let scope = group.scope();
            let [name, version] = [scope.name(), scope.version()].map(|text| text.to_string());
            (name, version, group.items().count())
        })
        .collect();
    let expected = [
        ("checkout", "1", 2),
        ("cart", "1", 1),
        ("opentelemetry-appender-tracing", "1", 1),
        ("checkout", "2", 1),
    ];
    let expected =
        expected.map(|(name, version, count)| (name.to_owned(), version.to_owned(), count));
    assert_eq!(scopes, expected);
}

/// Puts a value into so many lists, or maps.
fn nested(depth: usize, is_map: bool, inner: AnyValue) -> AnyValue {
    (0..depth).fold(inner, |inner, _| {
        if is_map {
            map([(Key::from_static_str("k"), inner)])
        } else {
            list([inner])
        }
    })
}

/// What prost reads of a body, from within all lists and maps.
fn innermost(request: &ExportRequest) -> (usize, Value) {
    let read = ExportLogsServiceRequest::decode(request.protobuf().clone()).expect("prost reads");
    let record = &read.resource_logs[0].scope_logs[0].log_records[0];
    let mut value = record.body.clone().and_then(|body| body.value);
    let mut depth = 0;
    loop {
        value = match value.expect("a value") {
            Value::ArrayValue(mut list) if !list.values.is_empty() => list.values.remove(0).value,
            Value::KvlistValue(mut map) => map.values.remove(0).value.and_then(|value| value.value),
            innermost => return (depth, innermost),
        };
        depth += 1;
    }
}

#[test]
fn what_is_nested_too_deep_is_json() {
    // Of the 100 levels a body may use those below the resource, the scope, the record and
    // itself: two for each list, three for each map.
    for (is_map, fits) in [(false, 48), (true, 32)] {
        for depth in [fits - 1, fits, fits + 1, fits + 2, 90, 200] {
            let mut deep = record();
            deep.set_body(nested(depth, is_map, "deep".into()));
            deep.add_attribute("deep", nested(depth, is_map, 7.into()));
            let mut neighbour = record();
            neighbour.set_body("a neighbour".into());
            let records = [deep, neighbour].map(|record| (record, InstrumentationScope::default()));
            let request = encode(&Resource::builder_empty().build(), &records);

            ExportRequest::from_protobuf(request.signal(), request.protobuf().clone())
                .expect("what we write passes our own check");
            assert_eq!(request.items(), 2);
            let text = match depth.checked_sub(fits) {
                None | Some(0) => "deep".to_owned(),
                Some(over) if is_map => {
                    format!("{}\"deep\"{}", "{\"k\":".repeat(over), "}".repeat(over))
                }
                Some(over) => format!("{}\"deep\"{}", "[".repeat(over), "]".repeat(over)),
            };
            let expected = (depth.min(fits), Value::StringValue(text));
            assert_eq!(innermost(&request), expected, "{depth} levels");
        }
    }
}

#[test]
fn empty_lists_and_maps_stay_what_they_are() {
    for (value, expected) in [
        (list([]), Value::ArrayValue(ArrayValue::default())),
        (map([]), Value::KvlistValue(KeyValueList::default())),
        ("".into(), Value::StringValue(String::new())),
        (
            AnyValue::Bytes(Box::default()),
            Value::BytesValue(Vec::new()),
        ),
    ] {
        let mut record = record();
        record.set_body(value.clone());
        record.set_observed_timestamp(UNIX_EPOCH);
        record.add_attribute("", value);
        let records = [(record, InstrumentationScope::default())];
        let resource = Resource::builder_empty().build();
        held_against_structs(&resource, &records);
        let request = encode(&resource, &records);
        let read = ExportLogsServiceRequest::decode(request.protobuf().clone()).expect("reads");
        let record = &read.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!(
            record.body.as_ref().and_then(|body| body.value.as_ref()),
            Some(&expected)
        );
        let attribute = record.attributes[0].value.as_ref();
        assert_eq!(
            attribute.and_then(|value| value.value.as_ref()),
            Some(&expected)
        );
    }
}

#[test]
fn allocations_do_not_grow_with_the_batch() {
    let encoded = EncodedResource::default();
    let count = |count: usize| {
        let records: Vec<_> = (0..count)
            .map(|_| random(&mut Draw::seeded(3, Options::default())))
            .collect();
        let records: Vec<_> = records
            .iter()
            .map(|(record, scope)| (record, scope))
            .collect();
        let batch = LogBatch::new(&records);
        let (_, count, _) = allocations(|| encode_logs(&encoded, &batch));
        count
    };
    assert_eq!(count(10), count(2000));
    assert!(count(10) <= 8, "{}", count(10));
}
