//! What the mapping makes of prost's structs, written another way than the encoder.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span},
};
use serde_json::json;

use crate::support::zipkin_proto as model;

type Json = serde_json::Value;

/// A text that must be there: as it is, or as any spelling of some JSON.
#[derive(Clone, Debug)]
enum Text {
    Plain(String),
    Json(Json),
    /// `"name":{...}`.
    Event(String, Json),
    /// Ids, a tracestate, JSON, and a count.
    Link(String, Json, String),
}

impl Text {
    fn assert(&self, found: &str) {
        match self {
            Text::Plain(text) => assert_eq!(found, text),
            Text::Json(value) => assert_same(&read(found), value),
            Text::Event(name, object) => {
                assert_same(&read(&format!("{{{found}}}")), &json!({ name: object }));
            }
            Text::Link(start, object, end) => {
                let rest = found.strip_prefix(start).expect("the beginning of a link");
                assert_same(&read(rest.strip_suffix(end).expect("the end")), object);
            }
        }
    }
}

fn read(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The same, where 1 and 1.0 are the same number.
fn assert_same(found: &Json, expected: &Json) {
    match (found, expected) {
        (Json::Array(found), Json::Array(expected)) => {
            assert_eq!(found.len(), expected.len());
            found
                .iter()
                .zip(expected)
                .for_each(|(f, e)| assert_same(f, e));
        }
        (Json::Object(found), Json::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{found:?} {expected:?}");
            found
                .values()
                .zip(expected.values())
                .for_each(|(f, e)| assert_same(f, e));
        }
        (Json::Number(found), Json::Number(number)) if number.is_f64() => {
            assert_eq!(found.as_f64(), number.as_f64());
        }
        _ => assert_eq!(found, expected),
    }
}

/// A span as it must arrive.
#[derive(Debug)]
pub(super) struct Expected {
    trace_id: Vec<u8>,
    parent_id: Vec<u8>,
    id: Vec<u8>,
    kind: i32,
    name: String,
    timestamp: u64,
    duration: u64,
    service: String,
    annotations: Vec<(u64, Text)>,
    tags: BTreeMap<String, Text>,
}

pub(super) fn spans(message: &ExportTraceServiceRequest) -> u64 {
    let scopes = message
        .resource_spans
        .iter()
        .flat_map(|group| &group.scope_spans);
    scopes.map(|scope| scope.spans.len() as u64).sum()
}

/// The spans that can be carried.
pub(super) fn expected(message: &ExportTraceServiceRequest) -> Vec<Expected> {
    let mut all = Vec::new();
    for group in &message.resource_spans {
        let resource = group.resource.clone().unwrap_or_default();
        for scoped in &group.scope_spans {
            let scope = scoped.scope.clone().unwrap_or_default();
            let mut tags = BTreeMap::new();
            let mut service = "unknown_service".to_owned();
            for pair in &resource.attributes {
                match (&*pair.key, text(pair.value.as_ref())) {
                    ("service.name", Text::Plain(name)) if !name.is_empty() => service = name,
                    (key, value) => drop(tags.insert(key.to_owned(), value)),
                }
            }
            add(&mut tags, &scope.attributes);
            for (key, value) in [("name", &scope.name), ("version", &scope.version)] {
                if !value.is_empty() {
                    tags.insert(format!("otel.scope.{key}"), Text::Plain(value.clone()));
                }
            }
            for span in &scoped.spans {
                let good = |id: &[u8], length| id.len() == length && id != vec![0; length];
                if good(&span.trace_id, 16)
                    && good(&span.span_id, 8)
                    && matches!(span.parent_span_id.len(), 0 | 8)
                {
                    all.push(expect(span, &service, tags.clone()));
                }
            }
        }
    }
    all
}

fn expect(span: &Span, service: &str, mut tags: BTreeMap<String, Text>) -> Expected {
    let plain = |tags: &mut BTreeMap<String, Text>, key: &str, value: String| {
        tags.insert(key.to_owned(), Text::Plain(value));
    };
    add(&mut tags, &span.attributes);
    tags.remove("error");
    if !span.trace_state.is_empty() {
        plain(&mut tags, "w3c.tracestate", span.trace_state.clone());
    }
    for (what, count) in [
        ("attributes", span.dropped_attributes_count),
        ("events", span.dropped_events_count),
        ("links", span.dropped_links_count),
    ] {
        if count != 0 {
            plain(
                &mut tags,
                &format!("otel.dropped_{what}_count"),
                count.to_string(),
            );
        }
    }
    let status = span.status.clone().unwrap_or_default();
    match status.code {
        1 => plain(&mut tags, "otel.status_code", "OK".to_owned()),
        2 => {
            plain(&mut tags, "otel.status_code", "ERROR".to_owned());
            plain(&mut tags, "error", status.message);
        }
        _ => {}
    }
    for (number, link) in span.links.iter().enumerate() {
        let (trace, id) = (hex(&link.trace_id), hex(&link.span_id));
        let start = format!("{trace}|{id}|{}|", link.trace_state);
        let end = format!("|{}", link.dropped_attributes_count);
        let link = Text::Link(start, object(&link.attributes), end);
        tags.insert(format!("otlp.link.{number}"), link);
    }
    let micros = |nanos: u64| ((u128::from(nanos) + 500) / 1000) as u64;
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let timestamp = micros(start);
    let event = |event: &span::Event| {
        let time = match micros(event.time_unix_nano) {
            0 => timestamp.max(1),
            time => time,
        };
        let value = match &event.attributes[..] {
            [] => Text::Plain(event.name.clone()),
            attributes => Text::Event(event.name.clone(), object(attributes)),
        };
        (time, value)
    };
    Expected {
        trace_id: span.trace_id.clone(),
        parent_id: match &span.parent_span_id[..] {
            zeros if zeros == [0; 8] => Vec::new(),
            parent => parent.to_vec(),
        },
        id: span.span_id.clone(),
        kind: match span.kind {
            3 => 1,
            2 => 2,
            4 => 3,
            5 => 4,
            _ => 0,
        },
        name: span.name.chars().flat_map(char::to_lowercase).collect(),
        timestamp,
        duration: if start == 0 || end <= start {
            0
        } else {
            micros(end - start).max(1)
        },
        service: service.to_owned(),
        annotations: span.events.iter().map(event).collect(),
        tags,
    }
}

fn add(tags: &mut BTreeMap<String, Text>, attributes: &[KeyValue]) {
    for pair in attributes {
        tags.insert(pair.key.clone(), text(pair.value.as_ref()));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    // As prost's own JSON form has it.
    let value = AnyValue {
        value: Some(Value::BytesValue(bytes.to_vec())),
    };
    let json = serde_json::to_value(value).expect("writes");
    json["bytesValue"].as_str().expect("text").to_owned()
}

fn text(value: Option<&AnyValue>) -> Text {
    let plain = match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => double(*value),
        Some(Value::BytesValue(bytes)) => base64(bytes),
        Some(_) => return Text::Json(json_of(value)),
    };
    Text::Plain(plain)
}

fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    match format!("{value:e}") {
        small if small.contains("e-") => small,
        large => large.replace('e', "e+"),
    }
}

fn json_of(value: Option<&AnyValue>) -> Json {
    match value.and_then(|value| value.value.as_ref()) {
        None => Json::Null,
        Some(Value::StringValue(text)) => json!(text),
        Some(Value::BoolValue(value)) => json!(value),
        Some(Value::IntValue(value)) => json!(value),
        Some(Value::DoubleValue(value)) if value.is_finite() => json!(value),
        Some(Value::DoubleValue(value)) => json!(double(*value)),
        Some(Value::BytesValue(bytes)) => json!(base64(bytes)),
        Some(Value::ArrayValue(array)) => array
            .values
            .iter()
            .map(|value| json_of(Some(value)))
            .collect(),
        Some(Value::KvlistValue(list)) => object(&list.values),
        Some(other) => panic!("not generated: {other:?}"),
    }
}

fn object(attributes: &[KeyValue]) -> Json {
    let pairs = attributes.iter();
    pairs
        .map(|pair| (pair.key.clone(), json_of(pair.value.as_ref())))
        .collect()
}

impl Expected {
    pub(super) fn assert_json(&self, found: &Json) {
        let found = found.as_object().expect("an object");
        let mut fields = 0;
        let mut field = |name: &str, expected: Option<Json>| {
            assert_eq!(found.get(name), expected.as_ref(), "{name}");
            fields += usize::from(expected.is_some());
        };
        field("traceId", Some(json!(hex(&self.trace_id))));
        field(
            "parentId",
            (!self.parent_id.is_empty()).then(|| json!(hex(&self.parent_id))),
        );
        field("id", Some(json!(hex(&self.id))));
        let kinds = ["", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"];
        let kind = kinds[usize::try_from(self.kind).expect("small")];
        field("kind", (!kind.is_empty()).then(|| json!(kind)));
        field("name", (!self.name.is_empty()).then(|| json!(self.name)));
        field(
            "timestamp",
            (self.timestamp != 0).then(|| json!(self.timestamp)),
        );
        field(
            "duration",
            (self.duration != 0).then(|| json!(self.duration)),
        );
        field(
            "localEndpoint",
            Some(json!({ "serviceName": self.service })),
        );
        field("remoteEndpoint", None);
        let none = Vec::new();
        let annotations = match found.get("annotations") {
            None => &none,
            Some(list) => list.as_array().expect("a list"),
        };
        fields += usize::from(!self.annotations.is_empty());
        assert_eq!(annotations.len(), self.annotations.len());
        for (found, (time, value)) in annotations.iter().zip(&self.annotations) {
            assert_eq!(found["timestamp"], json!(time));
            value.assert(found["value"].as_str().expect("text"));
        }
        let nothing = serde_json::Map::new();
        let tags = match found.get("tags") {
            None => &nothing,
            Some(tags) => tags.as_object().expect("an object"),
        };
        fields += usize::from(!self.tags.is_empty());
        let found_tags = tags.iter();
        self.assert_tags(found_tags.map(|(key, value)| (&**key, value.as_str().expect("text"))));
        assert_eq!(found.len(), fields, "{found:?}");
    }

    pub(super) fn assert_protobuf(&self, found: &model::Span) {
        assert_eq!(found.trace_id, self.trace_id);
        assert_eq!(found.parent_id, self.parent_id);
        assert_eq!(found.id, self.id);
        assert_eq!((found.kind, &found.name), (self.kind, &self.name));
        assert_eq!(
            (found.timestamp, found.duration),
            (self.timestamp, self.duration)
        );
        let local = model::Endpoint {
            service_name: self.service.clone(),
            ..model::Endpoint::default()
        };
        assert_eq!(found.local_endpoint.as_ref(), Some(&local));
        assert_eq!(found.remote_endpoint, None);
        assert_eq!(found.annotations.len(), self.annotations.len());
        for (found, (time, value)) in found.annotations.iter().zip(&self.annotations) {
            assert_eq!(found.timestamp, *time);
            value.assert(&found.value);
        }
        self.assert_tags(found.tags.iter().map(|(key, value)| (&**key, &**value)));
    }

    fn assert_tags<'a>(&self, found: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
        assert_eq!(found.len(), self.tags.len());
        for ((found_key, found), (key, value)) in found.zip(&self.tags) {
            assert_eq!(found_key, key);
            value.assert(found);
        }
    }
}
