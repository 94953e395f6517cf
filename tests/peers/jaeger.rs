//! Our Jaeger exporters to Jaeger, over HTTP and over both kinds of datagrams, and to the
//! Collector's jaeger receiver: what they have is what the mapping says, field by field.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tower::ServiceExt;
use tower_otlp::{
    BoxExporter, ExportRequest, ExporterExt, Signal,
    exporters::jaeger::{AgentProtocol, JaegerHttpExporter, JaegerUdpExporter},
};

use crate::{
    outage::Load,
    servers::{jaeger::Jaeger, sink::Legacy, until},
    workload::TRACE,
};

fn over_http(url: &str) -> BoxExporter {
    let builder = JaegerHttpExporter::builder().endpoint(url);
    builder.build().expect("options").boxed_exporter()
}

fn over_udp(address: &str, protocol: AgentProtocol) -> BoxExporter {
    let (host, port) = address.split_once(':').expect("host:port");
    JaegerUdpExporter::builder()
        .host(host)
        .port(port.parse().expect("a port"))
        .protocol(protocol)
        .build()
        .expect("options")
        .boxed_exporter()
}

/// Microseconds of the epoch: Jaeger forgets what is old.
fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(now.as_micros()).expect("before 2500")
}

const FULL: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// One span with everything, its child in another scope, and a span of another service with an id
/// of 64 bits; the first starts 789 ns after `start`.
fn request(start: u64) -> ExportRequest {
    let nanos = |after: u64| (start * 1_000 + after).to_string();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let message = json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "cart"), text("host.name", "h\u{e9}")] },
        "scopeSpans": [{
            "scope": { "name": "shop.http", "version": "1.2.0" },
            "spans": [{
                "traceId": FULL, "spanId": "ff00000000000001", "parentSpanId": "00f067aa0ba902b7",
                "name": "GET /cart", "kind": 3, "flags": 257, "traceState": "a=b,c=d",
                "startTimeUnixNano": nanos(789), "endTimeUnixNano": nanos(1_500_788),
                "attributes": [
                    text("text", "a \"b\""),
                    { "key": "int", "value": { "intValue": "-7" } },
                    { "key": "double", "value": { "doubleValue": 0.5 } },
                    { "key": "bool", "value": { "boolValue": true } },
                    { "key": "bytes", "value": { "bytesValue": "AAEC/w==" } },
                    { "key": "list", "value": { "arrayValue": { "values": [
                        { "intValue": "1" }, { "stringValue": "x" }] } } },
                    { "key": "map", "value": { "kvlistValue": { "values": [text("k", "v")] } } },
                    { "key": "nothing", "value": {} },
                ],
                "events": [
                    { "timeUnixNano": nanos(1_000_999), "name": "retry", "attributes": [
                        { "key": "n", "value": { "intValue": "1" } }] },
                    { "timeUnixNano": nanos(1_100_000), "name": "done" },
                ],
                "links": [
                    { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331" },
                ],
                "status": { "code": 2, "message": "boom" },
                "droppedAttributesCount": 3, "droppedEventsCount": 4, "droppedLinksCount": 5,
            }],
        }, {
            "scope": { "name": "shop.db" },
            "spans": [{
                "traceId": FULL, "spanId": "0000000000000002", "parentSpanId": "ff00000000000001",
                "name": "", "kind": 1,
                "startTimeUnixNano": nanos(1_000), "endTimeUnixNano": nanos(3_999),
                "status": { "code": 1 },
            }],
        }],
    }, {
        "scopeSpans": [{ "spans": [{
            "traceId": "00000000000000000000000000000064", "spanId": "0000000000000003",
            "name": "small",
            "startTimeUnixNano": nanos(0), "endTimeUnixNano": nanos(2_000),
        }] }],
    }] });
    ExportRequest::from_json(Signal::Traces, message.to_string().as_bytes()).expect("valid")
}

/// What Jaeger has of a span, in an order that does not depend on Jaeger.
fn stored(trace: &Value, span: &str) -> Value {
    let spans = trace["spans"].as_array().expect("spans");
    let span = spans.iter().find(|each| each["spanID"] == span);
    let span = span.unwrap_or_else(|| panic!("no such span: {trace:#}"));
    let process = &trace["processes"][span["processID"].as_str().expect("a process")];
    let pairs = |list: &Value| -> Value {
        let list = list.as_array().into_iter().flatten();
        // Jaeger's own tag: how the span came in.
        let list = list.filter(|tag| tag["key"] != "internal.span.format");
        list.map(|tag| json!([tag["key"], tag["type"], tag["value"]]))
            .collect()
    };
    let logs = span["logs"].as_array().into_iter().flatten();
    let logs: Value = logs
        .map(|log| json!([log["timestamp"], pairs(&log["fields"])]))
        .collect();
    json!({
        "trace": span["traceID"],
        "name": span["operationName"],
        "start": span["startTime"],
        "duration": span["duration"],
        "references": span["references"],
        "tags": pairs(&span["tags"]),
        "logs": logs,
        "service": process["serviceName"],
        "process": pairs(&process["tags"]),
        "warnings": span["warnings"],
    })
}

/// Compares part by part, for a difference that can be read.
fn assert_stored(found: &Value, expected: &Value) {
    for (part, expected) in expected.as_object().expect("an object") {
        assert_eq!(&found[part], expected, "{part}");
    }
}

async fn jaeger_stores_every_field(jaeger: &Jaeger, exporter: BoxExporter) {
    let start = now();
    let answer = exporter.oneshot(request(start)).await.expect("delivered");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (3, 0));
    let trace = until("both spans are there", async || {
        let trace = jaeger.trace(FULL).await?;
        (trace["spans"].as_array()?.len() == 2).then_some(trace)
    })
    .await;
    assert_stored(
        &stored(&trace, "ff00000000000001"),
        &json!({
            "trace": FULL,
            "name": "GET /cart",
            "start": start,
            "duration": 1_499,
            "references": [
                { "refType": "CHILD_OF", "traceID": FULL, "spanID": "00f067aa0ba902b7" },
                { "refType": "FOLLOWS_FROM", "traceID": "0af7651916cd43dd8448eb211c80319c",
                  "spanID": "b7ad6b7169203331" },
            ],
            "tags": [
                ["otel.scope.name", "string", "shop.http"],
                ["otel.scope.version", "string", "1.2.0"],
                ["text", "string", "a \"b\""],
                ["int", "int64", -7],
                ["double", "float64", 0.5],
                ["bool", "bool", true],
                ["bytes", "binary", "AAEC/w=="],
                ["list", "string", "[1,\"x\"]"],
                ["map", "string", "{\"k\":\"v\"}"],
                ["nothing", "string", ""],
                ["span.kind", "string", "client"],
                ["otel.status_code", "string", "ERROR"],
                ["error", "bool", true],
                ["otel.status_description", "string", "boom"],
                ["w3c.tracestate", "string", "a=b,c=d"],
                ["otel.dropped_attributes_count", "int64", 3],
                ["otel.dropped_events_count", "int64", 4],
                ["otel.dropped_links_count", "int64", 5],
            ],
            "logs": [
                [start + 1_000, [["event", "string", "retry"], ["n", "int64", 1]]],
                [start + 1_100, [["event", "string", "done"]]],
            ],
            "service": "cart",
            "process": [["host.name", "string", "h\u{e9}"]],
            "warnings": null,
        }),
    );
    assert_stored(
        &stored(&trace, "0000000000000002"),
        &json!({
            "name": "",
            "start": start + 1,
            "duration": 2,
            "references": [{ "refType": "CHILD_OF", "traceID": FULL, "spanID": "ff00000000000001" }],
            "tags": [
                ["otel.scope.name", "string", "shop.db"],
                ["span.kind", "string", "internal"],
                ["otel.status_code", "string", "OK"],
            ],
            "logs": [],
            "service": "cart",
        }),
    );
    let trace = until("the third span is there", async || jaeger.trace("64").await).await;
    assert_stored(
        &stored(&trace, "0000000000000003"),
        &json!({
            "trace": "0000000000000064",
            "name": "small",
            "duration": 2,
            "references": [],
            "tags": [],
            "service": "unknown_service",
            "process": [],
        }),
    );
}

#[tokio::test]
async fn the_collector_of_jaeger_stores_every_field() {
    let jaeger = Jaeger::start().await;
    jaeger_stores_every_field(&jaeger, over_http(&jaeger.collector)).await;
}

#[tokio::test]
async fn the_agent_stores_every_field_of_compact_datagrams() {
    let jaeger = Jaeger::start().await;
    let exporter = over_udp(&jaeger.compact, AgentProtocol::Compact);
    jaeger_stores_every_field(&jaeger, exporter).await;
}

#[tokio::test]
async fn the_agent_stores_every_field_of_binary_datagrams() {
    let jaeger = Jaeger::start().await;
    let exporter = over_udp(&jaeger.binary, AgentProtocol::Binary);
    jaeger_stores_every_field(&jaeger, exporter).await;
}

/// The spans that a Collector wrote down, each as JSON with its resource's attributes.
pub fn spans(received: &[ExportRequest]) -> Vec<Value> {
    let mut spans = Vec::new();
    for request in received {
        let text = tower_otlp::otlp::json::write(request.otlp());
        let message: Value = serde_json::from_slice(&text).expect("JSON");
        let groups =
            |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        for resource in groups(&message, "resourceSpans") {
            for scope in groups(&resource, "scopeSpans") {
                for mut span in groups(&scope, "spans") {
                    span["resource"] = resource["resource"]["attributes"].clone();
                    span["scope"] = scope["scope"].clone();
                    spans.push(span);
                }
            }
        }
    }
    spans
}

async fn the_receiver_reads_every_field(legacy: &Legacy, exporter: BoxExporter) {
    let start = now();
    let answer = exporter.oneshot(request(start)).await.expect("delivered");
    assert_eq!(answer.delivered_items(), 3);
    let received = legacy.sink.wait_for(Signal::Traces, 3).await;
    let spans = spans(&received);
    assert_eq!(spans.len(), 3);
    let find = |id: &str| {
        spans
            .iter()
            .find(|span| span["spanId"] == id)
            .expect("there")
    };
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let nanos = |micros: u64| ((start + micros) * 1_000).to_string();

    let full = find("ff00000000000001");
    assert_stored(
        full,
        &json!({
            "traceId": FULL,
            "parentSpanId": "00f067aa0ba902b7",
            "name": "GET /cart",
            "kind": 3,
            "startTimeUnixNano": nanos(0),
            "endTimeUnixNano": nanos(1_499),
            "status": { "code": 2, "message": "boom" },
            "resource": [text("service.name", "cart"), text("host.name", "h\u{e9}")],
        }),
    );
    let attributes = full["attributes"].as_array().expect("attributes");
    for expected in [
        text("otel.scope.name", "shop.http"),
        text("otel.scope.version", "1.2.0"),
        text("text", "a \"b\""),
        json!({ "key": "int", "value": { "intValue": "-7" } }),
        json!({ "key": "double", "value": { "doubleValue": 0.5 } }),
        json!({ "key": "bool", "value": { "boolValue": true } }),
        json!({ "key": "bytes", "value": { "bytesValue": "AAEC/w==" } }),
        text("list", "[1,\"x\"]"),
        text("map", "{\"k\":\"v\"}"),
        text("nothing", ""),
        // It reads this tag back only in Jaeger's protobuf.
        text("w3c.tracestate", "a=b,c=d"),
        json!({ "key": "otel.dropped_attributes_count", "value": { "intValue": "3" } }),
    ] {
        assert!(
            attributes.contains(&expected),
            "{expected}: {attributes:#?}"
        );
    }
    let events = full["events"].as_array().expect("events");
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["name"], "retry");
    assert_eq!(events[0]["timeUnixNano"], nanos(1_000));
    assert_eq!(
        events[0]["attributes"],
        json!([{ "key": "n", "value": { "intValue": "1" } }])
    );
    assert_eq!(
        (&events[1]["name"], &events[1]["timeUnixNano"]),
        (&json!("done"), &json!(nanos(1_100)))
    );
    let links = full["links"].as_array().expect("links");
    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(links[0]["spanId"], "b7ad6b7169203331");

    let child = find("0000000000000002");
    assert_stored(
        child,
        &json!({ "parentSpanId": "ff00000000000001", "kind": 1, "status": { "code": 1 } }),
    );
    let small = find("0000000000000003");
    assert_stored(
        small,
        &json!({
            "traceId": "00000000000000000000000000000064",
            "name": "small",
            "resource": [text("service.name", "unknown_service")],
        }),
    );
}

#[tokio::test]
async fn the_receiver_of_the_otel_collector_reads_every_field() {
    let legacy = Legacy::start().await;
    the_receiver_reads_every_field(&legacy, over_http(&legacy.jaeger_http)).await;
}

#[tokio::test]
async fn the_receiver_of_the_otel_collector_reads_datagrams() {
    for protocol in AgentProtocol::ALL {
        let legacy = Legacy::start().await;
        let address = match protocol {
            AgentProtocol::Binary => &legacy.jaeger_binary,
            _ => &legacy.jaeger_compact,
        };
        the_receiver_reads_every_field(&legacy, over_udp(address, protocol)).await;
    }
}

/// Stopped while spans come, frozen, and started again: nothing is lost.
#[tokio::test]
async fn nothing_is_lost_while_jaeger_is_away() {
    let mut jaeger = Jaeger::start().await;
    let load = Load::start(over_http(&jaeger.collector), 9_000);
    load.offer(3_000);
    load.delivered(200).await;
    jaeger.server.stop().await;
    load.noticed().await;
    jaeger.server.restart().await;
    load.delivered(3_000).await;

    load.offer(6_000);
    load.delivered(3_200).await;
    jaeger.server.freeze();
    load.noticed().await;
    jaeger.server.thaw();
    load.all_is_there(async || {
        let trace = jaeger.trace(TRACE).await.unwrap_or_default();
        let spans = trace["spans"].as_array().cloned().unwrap_or_default();
        let ids = spans.iter().filter_map(|span| span["spanID"].as_str());
        ids.map(|id| u64::from_str_radix(id, 16).expect("an id"))
            .collect::<BTreeSet<u64>>()
    })
    .await;
}
