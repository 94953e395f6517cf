//! Random telemetry: every line is strict JSON, actions and documents alternate, every item is in a
//! document or rejected, and every field that the layout keeps is found again, judged by prost's
//! structs.

use std::{collections::BTreeMap, fmt};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    metrics::v1::{metric::Data, number_data_point},
    resource::v1::Resource,
};
use proptest::proptest;
use prost::Message;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use tower_otlp::{
    ExportRequest, Signal,
    exporters::elasticsearch::{Bulk, BulkFormat, DocumentIds},
};

use crate::support::generate::{self, Options};

/// JSON in which a key that occurs twice is an error, as it is to the server.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(json!(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(json!(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(json!(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(json!(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(json!(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if out.insert(key, value).is_some() {
                return Err(serde::de::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(out))
    }
}

/// The documents of a request, each with its action and the items in it.
fn encode(signal: Signal, bytes: Vec<u8>) -> (Bulk, Vec<(Value, Value)>) {
    let request = ExportRequest::from_protobuf(signal, bytes).expect("valid");
    let format = BulkFormat::default().document_ids(DocumentIds::Content);
    let bulk = format.encode(request.otlp());
    let text = std::str::from_utf8(bulk.as_bytes()).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| {
            let strict: Strict =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            strict.0
        })
        .collect();
    assert_eq!(lines.len(), 2 * bulk.len());
    let documents = lines.as_chunks::<2>().0.iter().cloned();
    let documents: Vec<(Value, Value)> = documents
        .map(|[action, document]| (action, document))
        .collect();
    for ((action, _), known) in documents.iter().zip(bulk.documents()) {
        assert!(action["create"]["_index"].is_string(), "{action}");
        assert_eq!(action["create"]["_id"].as_str().map(str::len), Some(32));
        let text = &bulk.as_bytes()[known.range];
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 2);
        assert!(known.own_id && !known.items.is_empty());
    }
    // Every item is somewhere, and nowhere twice but for spans, which have documents of events.
    let mut found: Vec<u64> = bulk
        .documents()
        .flat_map(|document| document.items.to_vec())
        .collect();
    found.dedup();
    found.extend(bulk.rejected());
    found.sort_unstable();
    assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
    assert!(found.last().is_none_or(|last| *last < request.items()));
    if signal != Signal::Metrics {
        assert_eq!(found.len() as u64, request.items());
    }
    (bulk, documents)
}

fn double(value: f64) -> Value {
    // Not a number is null there, too.
    json!(value)
}

fn value(any: Option<&AnyValue>, as_text: bool) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) => double(*value),
        Some(Any::BytesValue(raw)) => json!(hex(raw)),
        Some(Any::ArrayValue(list)) => {
            let values = list.values.iter().map(|each| value(Some(each), as_text));
            Value::Array(values.collect())
        }
        Some(Any::KvlistValue(map)) if as_text => {
            // Compared as what it says, not as it is spelled.
            json!({"text": members(&map.values, false)})
        }
        Some(Any::KvlistValue(map)) => members(&map.values, false),
        Some(other) => panic!("{other:?} is of profiles"),
    }
}

fn members(attributes: &[KeyValue], as_text: bool) -> Value {
    let mut out = Map::new();
    for attribute in attributes {
        out.insert(
            attribute.key.clone(),
            value(attribute.value.as_ref(), as_text),
        );
    }
    Value::Object(out)
}

/// Puts what stands as JSON in strings of `found` in the form of [`value`], where `expected` has it.
fn unfold(found: &Value, expected: &Value) -> Value {
    match (found, expected) {
        (Value::String(text), Value::Object(map)) if map.contains_key("text") => {
            let Strict(inner) = serde_json::from_str(text).expect("JSON in text");
            json!({"text": inner})
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .map(|(found, expected)| unfold(found, expected))
            .collect(),
        _ => found.clone(),
    }
}

fn assert_attributes(found: &Value, attributes: &[KeyValue], as_text: bool) {
    let expected = members(attributes, as_text);
    let expected = expected.as_object().expect("an object");
    let empty = Map::new();
    let found = found.as_object().unwrap_or(&empty);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (key, expected) in expected {
        assert_eq!(unfold(&found[key], expected), *expected, "{key}");
    }
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text_of(found: &Value, expected: &str) {
    assert_eq!(found.as_str().unwrap_or_default(), expected);
}

fn id_of(found: &Value, id: &[u8]) {
    let expected = if id.iter().all(|byte| *byte == 0) {
        String::new()
    } else {
        hex(id)
    };
    text_of(found, &expected);
}

fn count_of(found: &Value, expected: u32) {
    assert_eq!(found.as_u64().unwrap_or(0), u64::from(expected));
}

fn time_of(found: &Value, nanos: u64) {
    let text = found.as_str().expect("a time");
    let (millis, rest) = text.split_once('.').expect("a point");
    assert_eq!(rest.len(), 6);
    let millis: u64 = millis.parse().expect("milliseconds");
    let rest: u64 = rest.parse().expect("nanoseconds");
    assert_eq!(
        millis
            .checked_mul(1_000_000)
            .and_then(|time| time.checked_add(rest)),
        Some(nanos)
    );
}

fn around(
    document: &Value,
    resource: Option<&Resource>,
    resource_url: &str,
    scope: Option<&InstrumentationScope>,
    scope_url: &str,
) {
    let resource = resource.cloned().unwrap_or_default();
    let scope = scope.cloned().unwrap_or_default();
    assert_attributes(
        &document["resource"]["attributes"],
        &resource.attributes,
        false,
    );
    count_of(
        &document["resource"]["dropped_attributes_count"],
        resource.dropped_attributes_count,
    );
    text_of(&document["resource"]["schema_url"], resource_url);
    assert_attributes(&document["scope"]["attributes"], &scope.attributes, false);
    count_of(
        &document["scope"]["dropped_attributes_count"],
        scope.dropped_attributes_count,
    );
    text_of(&document["scope"]["schema_url"], scope_url);
    text_of(&document["scope"]["name"], &scope.name);
    text_of(&document["scope"]["version"], &scope.version);
}

proptest! {
    #![proptest_config(generate::config(256))]

    #[test]
    fn spans_and_events(message in generate::traces(Options::default())) {
        let (_, documents) = encode(Signal::Traces, message.encode_to_vec());
        let mut rest = documents.iter();
        for resource in &message.resource_spans {
            for scope in &resource.scope_spans {
                for span in &scope.spans {
                    let (_, document) = rest.next().expect("a span");
                    around(document, resource.resource.as_ref(), &resource.schema_url, scope.scope.as_ref(), &scope.schema_url);
                    time_of(&document["@timestamp"], span.start_time_unix_nano);
                    id_of(&document["trace_id"], &span.trace_id);
                    id_of(&document["span_id"], &span.span_id);
                    id_of(&document["parent_span_id"], &span.parent_span_id);
                    text_of(&document["trace_state"], &span.trace_state);
                    text_of(&document["name"], &span.name);
                    let duration = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
                    assert_eq!(document["duration"], duration);
                    assert_attributes(&document["attributes"], &span.attributes, false);
                    count_of(&document["dropped_attributes_count"], span.dropped_attributes_count);
                    count_of(&document["dropped_events_count"], span.dropped_events_count);
                    count_of(&document["dropped_links_count"], span.dropped_links_count);
                    let kinds = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
                    let kind = usize::try_from(span.kind).ok().and_then(|kind| kinds.get(kind));
                    text_of(&document["kind"], kind.unwrap_or(&kinds[0]));
                    let status = span.status.clone().unwrap_or_default();
                    text_of(&document["status"]["message"], &status.message);
                    let codes = ["Unset", "Ok", "Error"];
                    let code = usize::try_from(status.code).ok().and_then(|code| codes.get(code));
                    text_of(&document["status"]["code"], code.unwrap_or(&codes[0]));
                    let links = document["links"].as_array().expect("a list");
                    assert_eq!(links.len(), span.links.len());
                    for (found, link) in links.iter().zip(&span.links) {
                        id_of(&found["trace_id"], &link.trace_id);
                        id_of(&found["span_id"], &link.span_id);
                        text_of(&found["trace_state"], &link.trace_state);
                        assert_attributes(&found["attributes"], &link.attributes, false);
                        count_of(&found["dropped_attributes_count"], link.dropped_attributes_count);
                    }
                    for event in &span.events {
                        let (_, document) = rest.next().expect("an event");
                        around(document, resource.resource.as_ref(), &resource.schema_url, scope.scope.as_ref(), &scope.schema_url);
                        time_of(&document["@timestamp"], event.time_unix_nano);
                        id_of(&document["trace_id"], &span.trace_id);
                        id_of(&document["span_id"], &span.span_id);
                        text_of(&document["event_name"], &event.name);
                        count_of(&document["dropped_attributes_count"], event.dropped_attributes_count);
                        let mut attributes = event.attributes.clone();
                        if !event.name.is_empty() {
                            attributes.push(KeyValue {
                                key: "event.name".to_owned(),
                                value: Some(AnyValue { value: Some(Any::StringValue(event.name.clone())) }),
                                ..KeyValue::default()
                            });
                        }
                        assert_attributes(&document["attributes"], &attributes, false);
                    }
                }
            }
        }
        assert!(rest.next().is_none());
    }

    #[test]
    fn log_records(message in generate::logs(Options::default())) {
        let (_, documents) = encode(Signal::Logs, message.encode_to_vec());
        let mut rest = documents.iter();
        for resource in &message.resource_logs {
            for scope in &resource.scope_logs {
                for record in &scope.log_records {
                    let (_, document) = rest.next().expect("a record");
                    around(document, resource.resource.as_ref(), &resource.schema_url, scope.scope.as_ref(), &scope.schema_url);
                    let observed = record.observed_time_unix_nano;
                    let time = if record.time_unix_nano == 0 { observed } else { record.time_unix_nano };
                    time_of(&document["@timestamp"], time);
                    time_of(&document["observed_timestamp"], observed);
                    assert_eq!(document["severity_number"].as_i64().unwrap_or(0), i64::from(record.severity_number));
                    text_of(&document["severity_text"], &record.severity_text);
                    text_of(&document["event_name"], &record.event_name);
                    id_of(&document["trace_id"], &record.trace_id);
                    id_of(&document["span_id"], &record.span_id);
                    count_of(&document["dropped_attributes_count"], record.dropped_attributes_count);
                    assert_attributes(&document["attributes"], &record.attributes, false);
                    let body = value(record.body.as_ref(), false);
                    let expected = match body {
                        Value::Null if record.body.as_ref().is_none_or(|body| body.value.is_none()) => Value::Null,
                        Value::Object(_) => json!({"structured": body}),
                        Value::Array(ref list) => {
                            let all_maps = list.iter().all(Value::is_object);
                            if all_maps { json!({"structured": body}) } else { json!({"structured": {"value": body}}) }
                        }
                        text => json!({"text": text}),
                    };
                    assert_eq!(document["body"], expected);
                }
            }
        }
        assert!(rest.next().is_none());
    }

    #[test]
    fn data_points(message in generate::metrics(Options::default())) {
        let (bulk, documents) = encode(Signal::Metrics, message.encode_to_vec());
        let mut of_item = BTreeMap::new();
        for (known, (_, document)) in bulk.documents().zip(&documents) {
            let metrics = document["metrics"].as_object().expect("metrics");
            assert_eq!(metrics.len(), known.items.len(), "each point has a name of its own");
            of_item.extend(known.items.iter().map(|item| (*item, document)));
        }
        let mut item = 0;
        for resource in &message.resource_metrics {
            for scope in &resource.scope_metrics {
                for metric in &scope.metrics {
                    let mut each = |attributes: &[KeyValue], time: u64, start: u64, flags: u32, expected: Option<Value>| {
                        let found = of_item.get(&item);
                        let rejected = bulk.rejected().contains(&item);
                        item += 1;
                        let Some(document) = found else {
                            assert!(rejected || flags & 1 == 1, "in no document, and nobody says why");
                            return;
                        };
                        assert!(!rejected);
                        assert_attributes(&document["attributes"], attributes, true);
                        assert_eq!(document["@timestamp"], time / 1_000_000);
                        assert_eq!(document["start_timestamp"].as_u64().unwrap_or(0), start / 1_000_000);
                        text_of(&document["unit"], &metric.unit);
                        text_of(&document["scope"]["name"], scope.scope.as_ref().map_or("", |scope| &scope.name));
                        text_of(&document["resource"]["schema_url"], &resource.schema_url);
                        let found = &document["metrics"][&metric.name];
                        match expected {
                            Some(expected) => assert_eq!(*found, expected),
                            None => {
                                let length = |name: &str| found[name].as_array().map(Vec::len);
                                assert!(length("counts").is_some(), "{found}");
                                assert_eq!(length("counts"), length("values"));
                                let values = found["values"].as_array().expect("values");
                                assert!(values.iter().all(Value::is_f64), "{found}");
                            }
                        }
                    };
                    let number = |value: Option<number_data_point::Value>| match value {
                        Some(number_data_point::Value::AsInt(value)) => json!(value),
                        Some(number_data_point::Value::AsDouble(value)) => json!(value),
                        None => json!("no value has no document"),
                    };
                    match &metric.data {
                        None => {}
                        Some(Data::Gauge(gauge)) => for point in &gauge.data_points {
                            each(&point.attributes, point.time_unix_nano, point.start_time_unix_nano, point.flags, Some(number(point.value)));
                        },
                        Some(Data::Sum(sum)) => for point in &sum.data_points {
                            each(&point.attributes, point.time_unix_nano, point.start_time_unix_nano, point.flags, Some(number(point.value)));
                        },
                        Some(Data::Histogram(histogram)) => for point in &histogram.data_points {
                            each(&point.attributes, point.time_unix_nano, point.start_time_unix_nano, point.flags, None);
                        },
                        Some(Data::ExponentialHistogram(histogram)) => for point in &histogram.data_points {
                            each(&point.attributes, point.time_unix_nano, point.start_time_unix_nano, point.flags, None);
                        },
                        Some(Data::Summary(summary)) => for point in &summary.data_points {
                            let expected = json!({"sum": point.sum, "value_count": point.count});
                            each(&point.attributes, point.time_unix_nano, point.start_time_unix_nano, point.flags, Some(expected));
                        },
                    }
                }
            }
        }
    }
}
