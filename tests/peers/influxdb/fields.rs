//! Spans, events, links and log records with everything that is awkward in line protocol.

use serde_json::{Value as Json, json};
use tower_otlp::{
    Compression, ExportRequest, Signal,
    exporters::influxdb::{LineProtocol, Precision},
};

use super::{assert_same, deliver, from_json, points, stored, to};
use crate::servers::influxdb::{DATABASE, InfluxDb};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const START: i64 = 1_700_000_000_123_456_789;

fn text(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Names of tags that are reserved, are taken, or need escapes.
fn dimensions() -> LineProtocol {
    let keys = [
        "service.name",
        "span.name",
        "_hidden",
        "time",
        "attributes",
        "a key, with = all",
        "back\\slash\\",
        "back\\, before",
        "größe 🦀",
        "in \"quotes\"",
        "line\nbreak",
    ];
    LineProtocol::default()
        .span_dimensions(keys)
        .log_record_dimensions(keys)
}

/// A value for each of them, as it goes in.
fn awkward() -> Vec<Json> {
    vec![
        text("_hidden", "1"),
        text("time", "2 o'clock"),
        text("attributes", "{\"a\":1}"),
        text("a key, with = all", "x=1, y=2 z"),
        text("back\\slash\\", "C:\\dir\\"),
        text("back\\, before", "a\\, b\\= c\\\\ d"),
        text("größe 🦀", "naïve 日本"),
        text("in \"quotes\"", "say \"hi"),
        text("line\nbreak", "one\ntwo\r\n"),
    ]
}

/// The same as tags, with some more.
fn tags(more: Json) -> Json {
    let mut tags = json!({
        "exported__hidden": "1",
        "exported_time": "2 o'clock",
        "exported_attributes": "{\"a\":1}",
        "a key, with = all": "x=1, y=2 z",
        "back\\slash": "C:\\dir",
        "back, before": "a, b= c d",
        "größe 🦀": "naïve 日本",
        "in \"quotes\"": "say \"hi",
        "line break": "one two  ",
    });
    let (Some(all), Json::Object(more)) = (tags.as_object_mut(), more) else {
        unreachable!("objects");
    };
    all.extend(more);
    tags
}

/// Text for a field, which keeps every letter.
const TEXT: &str = "a, b=c \"d\" \\ e\\, \\\"f\\\\\nnext\r\n\t'g' 日本 🦀 \\";

fn traces() -> ExportRequest {
    let mut attributes = awkward();
    attributes.extend([
        text("text", TEXT),
        json!({ "key": "int", "value": { "intValue": "9223372036854775807" } }),
        json!({ "key": "double", "value": { "doubleValue": 0.5 } }),
        json!({ "key": "bool", "value": { "boolValue": true } }),
        json!({ "key": "bytes", "value": { "bytesValue": "AAEC/w==" } }),
        json!({ "key": "list", "value": { "arrayValue": { "values": [
            { "intValue": "1" }, { "stringValue": "\"x\\" }] } } }),
        json!({ "key": "map", "value": { "kvlistValue": { "values": [text("k", "v")] } } }),
    ]);
    let message = json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "shop, \"west\"\\"), text("host.name", "h1") ] },
        "scopeSpans": [{ "spans": [{
            "traceId": TRACE, "spanId": "1112131415161718", "parentSpanId": "00f067aa0ba902b7",
            "name": TEXT, "kind": 3, "traceState": "a=b,c=d",
            "startTimeUnixNano": START.to_string(),
            "endTimeUnixNano": (START + 1_500_000).to_string(),
            "attributes": attributes,
            "events": [
                { "timeUnixNano": (START + 1_000).to_string(), "name": TEXT,
                  "attributes": [text("time", TEXT)], "droppedAttributesCount": 2 },
                { "timeUnixNano": (START + 1_000).to_string(), "name": "the same moment" },
            ],
            "links": [
                { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
                  "traceState": "x=\"y\"", "attributes": [text("_k", "v")] },
            ],
            "status": { "code": 2, "message": TEXT },
            "droppedAttributesCount": 3, "droppedEventsCount": 4, "droppedLinksCount": 5,
        }, {
            "traceId": TRACE, "spanId": "0000000000000002", "name": "small",
            "startTimeUnixNano": START.to_string(),
        }] }],
    }] });
    from_json(Signal::Traces, &message)
}

#[tokio::test]
async fn every_field_of_a_span_is_stored() {
    let influxdb = InfluxDb::start().await;
    let object = json!({
        "bool": true, "bytes": "AAEC/w==", "double": 0.5, "host.name": "h1",
        "int": 9_223_372_036_854_775_807_i64, "list": [1, "\"x\\"], "map": { "k": "v" },
        "text": TEXT,
    });
    let ids = json!({ "trace_id": TRACE, "span_id": "1112131415161718" });
    let expected = points([
        (
            "spans",
            tags(json!({ "service.name": "shop, \"west\"", "trace_id": TRACE,
                "span_id": "1112131415161718" })),
            START,
            json!({
                "attributes": ["string", object.to_string()],
                "dropped_attributes_count": ["integer", 3],
                "dropped_events_count": ["integer", 4],
                "dropped_links_count": ["integer", 5],
                "duration_nano": ["integer", 1_500_000],
                "end_time_unix_nano": ["integer", START + 1_500_000],
                "otel.status_code": ["string", "Error"],
                "otel.status_description": ["string", TEXT],
                "parent_span_id": ["string", "00f067aa0ba902b7"],
                "span.kind": ["string", "Client"],
                "span.name": ["string", TEXT],
                "trace_state": ["string", "a=b,c=d"],
            }),
        ),
        (
            "spans",
            json!({ "service.name": "shop, \"west\"", "trace_id": TRACE,
                "span_id": "0000000000000002" }),
            START,
            json!({
                "attributes": ["string", "{\"host.name\":\"h1\"}"],
                "span.name": ["string", "small"],
            }),
        ),
        (
            "logs",
            ids.clone(),
            START + 1_000,
            json!({
                "attributes": ["string", json!({ "time": TEXT }).to_string()],
                "dropped_attributes_count": ["integer", 2],
                "event.name": ["string", TEXT],
            }),
        ),
        (
            "logs",
            ids,
            START + 1_001,
            json!({ "event.name": ["string", "the same moment"] }),
        ),
        (
            "span-links",
            json!({ "trace_id": TRACE, "span_id": "1112131415161718",
                "linked_trace_id": "0af7651916cd43dd8448eb211c80319c",
                "linked_span_id": "b7ad6b7169203331" }),
            START,
            json!({
                "attributes": ["string", "{\"_k\":\"v\"}"],
                "dropped_attributes_count": ["integer", 0],
                "trace_state": ["string", "x=\"y\""],
            }),
        ),
    ]);
    for (database, compression) in [("plain", Compression::None), ("gzip", Compression::Gzip)] {
        let create = format!("CREATE DATABASE {database}");
        influxdb.execute(&create, None).await;
        let exporter = to(&influxdb, database)
            .line_protocol(dimensions())
            .compression(compression);
        deliver(exporter, &traces()).await;
        assert_same(&expected, &stored(&influxdb, database).await, database);
    }
}

#[tokio::test]
async fn every_field_of_a_log_record_is_stored() {
    let influxdb = InfluxDb::start().await;
    let mut attributes = awkward();
    attributes.push(text("text", TEXT));
    let message = json!({ "resourceLogs": [{
        "resource": { "attributes": [text("service.name", "\\"), text("host.name", "h1")] },
        "scopeLogs": [{ "scope": { "attributes": [text("of", "scope")] }, "logRecords": [{
            "traceId": TRACE, "spanId": "1112131415161718",
            "timeUnixNano": START.to_string(),
            "observedTimeUnixNano": (START + 5).to_string(),
            "severityNumber": 17, "severityText": "ERROR \"!\"", "eventName": "order, failed",
            "body": { "stringValue": TEXT },
            "attributes": attributes, "droppedAttributesCount": 4_294_967_295_u32,
        }, {
            "observedTimeUnixNano": (START + 5).to_string(),
            "body": { "kvlistValue": { "values": [
                text("k\"", TEXT), { "key": "n", "value": { "doubleValue": 1e300 } }] } },
        }, {
            "observedTimeUnixNano": (START + 5).to_string(),
        }] }],
    }] });
    let body = json!({ "k\"": TEXT, "n": 1e300 });
    let outer = json!({ "host.name": "h1", "of": "scope" }).to_string();
    let expected = points([
        (
            "logs",
            tags(json!({ "trace_id": TRACE, "span_id": "1112131415161718" })),
            START,
            json!({
                "attributes": ["string",
                    json!({ "host.name": "h1", "of": "scope", "text": TEXT }).to_string()],
                "body": ["string", TEXT],
                "dropped_attributes_count": ["integer", 4_294_967_295_u32],
                "event.name": ["string", "order, failed"],
                "observed_time_unix_nano": ["integer", START + 5],
                "severity_number": ["integer", 17],
                "severity_text": ["string", "ERROR \"!\""],
            }),
        ),
        (
            "logs",
            json!({}),
            START + 5,
            json!({
                "attributes": ["string", outer],
                "body": ["string", body.to_string()],
                "observed_time_unix_nano": ["integer", START + 5],
            }),
        ),
        (
            "logs",
            json!({}),
            START + 6,
            json!({
                "attributes": ["string", outer],
                "body": ["string", ""],
                "observed_time_unix_nano": ["integer", START + 5],
            }),
        ),
    ]);
    let exporter = to(&influxdb, DATABASE).line_protocol(dimensions());
    deliver(exporter, &from_json(Signal::Logs, &message)).await;
    assert_same(&expected, &stored(&influxdb, DATABASE).await, "logs");
}

/// As many points as records, links and events, in each precision.
#[tokio::test]
async fn records_of_one_moment_are_all_stored() {
    const EACH: u64 = 1_500;
    let influxdb = InfluxDb::start().await;
    let time = START.to_string();
    let records: Vec<Json> = (0..EACH)
        .map(|number| json!({ "timeUnixNano": time, "body": { "intValue": number.to_string() } }))
        .collect();
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    let logs = from_json(Signal::Logs, &logs);
    let events: Vec<Json> = (0..EACH)
        .map(|number| json!({ "timeUnixNano": time, "name": number.to_string() }))
        .collect();
    let links: Vec<Json> = (0..EACH)
        .map(|number| {
            json!({ "traceId": TRACE, "spanId": "0000000000000007",
                "traceState": format!("n={number}") })
        })
        .collect();
    let traces = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": TRACE, "spanId": "0000000000000001", "startTimeUnixNano": time,
        "events": events, "links": links,
    }] }] }] });
    let traces = from_json(Signal::Traces, &traces);
    for (database, precision, unit) in [
        ("ns", Precision::Nanoseconds, 1),
        ("us", Precision::Microseconds, 1_000),
        ("ms", Precision::Milliseconds, 1_000_000),
        ("s", Precision::Seconds, 1_000_000_000),
    ] {
        let create = format!("CREATE DATABASE {database}");
        influxdb.execute(&create, None).await;
        let exporter = to(&influxdb, database).precision(precision);
        deliver(exporter.clone(), &logs).await;
        deliver(exporter, &traces).await;
        let count = async |query: &str| {
            let series = influxdb.query_in(database, query).await;
            series[0]["values"].as_array().expect("rows").clone()
        };
        for (query, what) in [
            ("SELECT count(distinct(body)) FROM logs", "records"),
            ("SELECT count(distinct(\"event.name\")) FROM logs", "events"),
            (
                "SELECT count(distinct(trace_state)) FROM \"span-links\"",
                "links",
            ),
        ] {
            assert_eq!(count(query).await[0][1], EACH, "{what} by {database}");
        }
        let first = count("SELECT body FROM logs WHERE body = '0'").await;
        assert_eq!(first[0][0], START / unit * unit, "{database}");
    }
}
