//! Random traces: everything that is written can be read, and every field that the mapping keeps is
//! found again, judged by prost's structs.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::Link},
};
use proptest::proptest;
use tower_otlp::{
    ExportRequest,
    exporters::jaeger::encode::{EncodeOptions, Format},
};

use super::{FORMATS, encode, read, write};
use crate::support::{
    generate::{self, Options},
    jaeger_idl::{self as idl, SpanRef, Tag},
};

fn int(bytes: &[u8]) -> i64 {
    bytes
        .iter()
        .fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
        .cast_signed()
}

fn is_valid(id: &[u8], length: usize) -> bool {
    id.len() == length && id.iter().any(|byte| *byte != 0)
}

fn can_be_sent(span: &Span) -> bool {
    is_valid(&span.trace_id, 16)
        && is_valid(&span.span_id, 8)
        && matches!(span.parent_span_id.len(), 0 | 8)
}

/// Whether a tag says what an attribute says.
fn assert_tag(tag: &Tag, attribute: &KeyValue) {
    assert_eq!(tag.key, attribute.key);
    let value = attribute
        .value
        .as_ref()
        .and_then(|value| value.value.as_ref());
    let set = [
        tag.v_str.is_some(),
        tag.v_double.is_some(),
        tag.v_bool.is_some(),
        tag.v_long.is_some(),
        tag.v_binary.is_some(),
    ];
    let named = usize::try_from(tag.v_type).expect("a type");
    for (number, set) in set.into_iter().enumerate() {
        assert_eq!(set, number == named, "{tag:?}");
    }
    match value {
        None => assert_eq!(tag.v_str.as_deref(), Some("")),
        Some(Value::StringValue(text)) => assert_eq!(tag.v_str.as_ref(), Some(text)),
        Some(Value::BoolValue(value)) => assert_eq!(tag.v_bool, Some(*value)),
        Some(Value::IntValue(value)) => assert_eq!(tag.v_long, Some(*value)),
        Some(Value::DoubleValue(value)) => {
            assert_eq!(tag.v_double.map(f64::to_bits), Some(value.to_bits()));
        }
        Some(Value::BytesValue(value)) => assert_eq!(tag.v_binary.as_ref(), Some(value)),
        Some(value) => {
            let text = tag.v_str.as_deref().expect("text");
            let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
            match value {
                Value::ArrayValue(list) => {
                    assert_eq!(json.as_array().map(Vec::len), Some(list.values.len()));
                }
                Value::KvlistValue(map) => {
                    let json = json.as_object().expect("an object");
                    assert!(map.values.iter().all(|pair| json.contains_key(&pair.key)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The attributes that no made tag replaces.
fn kept<'a>(attributes: &'a [KeyValue], made: &[Tag]) -> Vec<&'a KeyValue> {
    let is_made = |key: &str| made.iter().any(|tag| tag.key == key);
    attributes
        .iter()
        .filter(|pair| !is_made(&pair.key))
        .collect()
}

fn assert_references(span: &idl::Span, source: &Span) -> u32 {
    let fits =
        |link: &&Link| matches!(link.trace_id.len(), 0 | 16) && matches!(link.span_id.len(), 0 | 8);
    let to_parent = |link: &&Link| {
        int(&source.parent_span_id) != 0
            && link.trace_id == source.trace_id
            && link.span_id == source.parent_span_id
    };
    let expected: Vec<SpanRef> = source
        .links
        .iter()
        .filter(fits)
        .filter(|link| !to_parent(link))
        .map(|link| {
            let (high, low) = link.trace_id.split_at(link.trace_id.len() / 2);
            SpanRef {
                ref_type: 1,
                trace_id_low: int(low),
                trace_id_high: int(high),
                span_id: int(&link.span_id),
            }
        })
        .collect();
    assert_eq!(span.references.clone().unwrap_or_default(), expected);
    let lost = source.links.len() - source.links.iter().filter(fits).count();
    u32::try_from(lost).expect("few")
}

fn assert_span(span: &idl::Span, source: &Span, scope: &(String, String)) {
    assert_eq!(span.trace_id_high, int(&source.trace_id[..8]));
    assert_eq!(span.trace_id_low, int(&source.trace_id[8..]));
    assert_eq!(span.span_id, int(&source.span_id));
    assert_eq!(span.parent_span_id, int(&source.parent_span_id));
    assert_eq!(span.operation_name, source.name);
    let flags = if source.flags == 0 {
        1
    } else {
        source.flags & 1
    };
    assert_eq!(span.flags.cast_unsigned(), flags);
    assert_eq!(
        span.start_time.cast_unsigned(),
        source.start_time_unix_nano / 1000
    );
    let duration = source
        .end_time_unix_nano
        .saturating_sub(source.start_time_unix_nano);
    assert_eq!(span.duration.cast_unsigned(), duration / 1000);
    let lost = assert_references(span, source);

    let tags = span.tags.as_deref().unwrap_or_default();
    assert_ne!(
        span.tags.as_ref().map(Vec::len),
        Some(0),
        "left out if empty"
    );
    let text = |key: &str, value: &str| (!value.is_empty()).then(|| super::string(key, value));
    let count = |key: &str, value: u32| (value > 0).then(|| super::long(key, value.into()));
    let status = source.status.clone().unwrap_or_default();
    let kinds = ["internal", "server", "client", "producer", "consumer"];
    let kind = usize::try_from(i64::from(source.kind) - 1)
        .ok()
        .and_then(|kind| kinds.get(kind));
    let before: Vec<Tag> = [
        text("otel.scope.name", &scope.0),
        text("otel.scope.version", &scope.1),
    ]
    .into_iter()
    .flatten()
    .collect();
    let after: Vec<Tag> = [
        kind.and_then(|kind| text("span.kind", kind)),
        match status.code {
            1 => text("otel.status_code", "OK"),
            2 => text("otel.status_code", "ERROR"),
            _ => None,
        },
        (status.code == 2).then(|| super::boolean("error", true)),
        text("otel.status_description", &status.message),
        text("w3c.tracestate", &source.trace_state),
        count(
            "otel.dropped_attributes_count",
            source.dropped_attributes_count,
        ),
        count("otel.dropped_events_count", source.dropped_events_count),
        count(
            "otel.dropped_links_count",
            source.dropped_links_count.saturating_add(lost),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(tags.starts_with(&before), "{tags:?}");
    assert!(tags.ends_with(&after), "{tags:?}");
    let made = [before.clone(), after.clone()].concat();
    let kept = kept(&source.attributes, &made);
    assert_eq!(tags.len(), made.len() + kept.len());
    for (tag, attribute) in tags[before.len()..].iter().zip(kept) {
        assert_tag(tag, attribute);
    }

    let logs = span.logs.as_deref().unwrap_or_default();
    assert_eq!(logs.len(), source.events.len());
    for (log, event) in logs.iter().zip(&source.events) {
        assert_eq!(log.timestamp.cast_unsigned(), event.time_unix_nano / 1000);
        let mut fields = log.fields.as_slice();
        if !event.name.is_empty() && event.attributes.iter().all(|pair| pair.key != "event") {
            assert_eq!(fields[0], super::string("event", &event.name));
            fields = &fields[1..];
        }
        if event.dropped_attributes_count > 0 {
            let (last, rest) = fields.split_last().expect("a field");
            let dropped = event.dropped_attributes_count.into();
            assert_eq!(*last, super::long("otel.dropped_attributes_count", dropped));
            fields = rest;
        }
        assert_eq!(fields.len(), event.attributes.len());
        for (tag, attribute) in fields.iter().zip(&event.attributes) {
            assert_tag(tag, attribute);
        }
    }
}

fn check(message: ExportTraceServiceRequest, limit: usize) {
    let request = ExportRequest::from(message.clone());
    // What can be sent, with its resource and scope, in order.
    let mut sources = Vec::new();
    for group in &message.resource_spans {
        let resource = group.resource.clone().unwrap_or_default();
        for scope in &group.scope_spans {
            let info = scope.scope.clone().unwrap_or_default();
            for span in &scope.spans {
                sources.push((
                    resource.clone(),
                    (info.name.clone(), info.version.clone()),
                    span,
                ));
            }
        }
    }
    for format in FORMATS {
        let (messages, rejected, _) = encode(&request, &EncodeOptions::default(), format, limit);
        let invalid = sources
            .iter()
            .filter(|(_, _, span)| !can_be_sent(span))
            .count() as u64;
        let mut left = sources.iter().filter(|(_, _, span)| can_be_sent(span));
        let mut too_large = 0;
        for bytes in &messages {
            assert!(bytes.len() <= limit);
            let batch = read(format, bytes);
            assert!(!batch.spans.is_empty());
            assert_eq!(write(format, &batch), *bytes);
            for span in &batch.spans {
                // Those too large for a message of their own are missing in between.
                let (resource, scope, source) = loop {
                    let next = left.next().expect("a source");
                    if limit == usize::MAX || int(&next.2.span_id) == span.span_id {
                        break next;
                    }
                    too_large += 1;
                };
                assert_span(span, source, scope);
                let tags = batch.process.tags.as_deref().unwrap_or_default();
                assert_eq!(batch.process.service_name, "unknown_service");
                assert_eq!(tags.len(), resource.attributes.len());
                for (tag, attribute) in tags.iter().zip(&resource.attributes) {
                    assert_tag(tag, attribute);
                }
            }
        }
        too_large += left.count() as u64;
        if limit == usize::MAX {
            assert_eq!(too_large, 0);
        }
        assert_eq!(rejected, invalid + too_large, "{format:?}");
    }
}

#[test]
fn every_kept_field_is_found_again() {
    proptest!(generate::config(300), |(message in generate::traces(Options::default()))| {
        check(message, usize::MAX);
    });
}

#[test]
fn random_limits_lose_nothing_in_silence() {
    proptest!(generate::config(300), |(
        message in generate::traces(Options { depth: 2, ..Options::default() }),
        limit in 60_usize..6000,
    )| {
        check(message, limit);
    });
}

#[test]
fn many_seeds() {
    for seed in 0..2000 {
        let options = Options {
            odd_ids: seed % 2 == 0,
            ..Options::default()
        };
        let mut draw = generate::Draw::seeded(seed, options);
        check(draw.traces(), usize::MAX);
    }
}

#[test]
fn other_options_can_be_read_as_well() {
    for seed in 0..500 {
        let mut draw = generate::Draw::seeded(seed, Options::default());
        let request = ExportRequest::from(draw.traces());
        let options = EncodeOptions::default()
            .unknown_service("edge")
            .internal_kind(false)
            .scope_attributes(true)
            .link_logs(true);
        for format in FORMATS {
            let (messages, _, _) = encode(&request, &options, format, usize::MAX);
            for bytes in &messages {
                let batch = read(format, bytes);
                assert_eq!(write(format, &batch), *bytes);
            }
        }
    }
}

#[test]
fn allocations_do_not_grow_with_the_spans() {
    use crate::support::{allocations::allocations, backend::telemetry};
    use tower_otlp::{Signal, exporters::jaeger::encode::Batches};

    let options = EncodeOptions::default();
    let counts = [10, 1000].map(|spans| {
        let request = telemetry(Signal::Traces, spans);
        let mut out = Vec::with_capacity(1 << 20);
        let ((), count, _) = allocations(|| {
            let traces = request.traces().expect("traces");
            let mut batches = Batches::new(traces, &options, Format::Collector, usize::MAX);
            while batches.next_into(&mut out).is_some() {}
        });
        count
    });
    assert_eq!(counts[0], counts[1]);
    assert!(counts[1] <= 2, "{counts:?}");
}
