//! Our Zipkin exporter to Zipkin's server and to the Collector's zipkin receiver, in JSON and in
//! protobuf: what they have is what the mapping says, field by field.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tower::ServiceExt;
use tower_otlp::{
    BoxExporter, Compression, ErrorKind, ExportError, ExportRequest, ExporterExt, RetryAdvice,
    Signal,
    exporters::zipkin::{ZipkinEncoding, ZipkinExporter},
};

use crate::{
    gate::Gate,
    outage::Load,
    servers::{sink::Legacy, until, zipkin::Zipkin},
    workload::TRACE,
};

fn exporter(url: &str, encoding: ZipkinEncoding, compression: Compression) -> BoxExporter {
    ZipkinExporter::builder()
        .endpoint(url)
        .encoding(encoding)
        .compression(compression)
        .build()
        .expect("options")
        .boxed_exporter()
}

const WAYS: [(ZipkinEncoding, Compression); 3] = [
    (ZipkinEncoding::Json, Compression::None),
    (ZipkinEncoding::Json, Compression::Gzip),
    (ZipkinEncoding::Protobuf, Compression::None),
];

/// Microseconds of the epoch.
fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(now.as_micros()).expect("before 2500")
}

const FULL: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A client's span with everything, which starts 789 ns after `start`, and its server's.
fn request(start: u64) -> ExportRequest {
    let nanos = |after: u64| (start * 1_000 + after).to_string();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let message = json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "Cart"), text("host.name", "h\u{e9}")] },
        "scopeSpans": [{
            "scope": { "name": "shop.http", "version": "1.2.0" },
            "spans": [{
                "traceId": FULL, "spanId": "1112131415161718", "parentSpanId": "00f067aa0ba902b7",
                "name": "GET /cart", "kind": 3, "traceState": "a=b,c=d",
                "startTimeUnixNano": nanos(789), "endTimeUnixNano": nanos(1_500_788),
                "attributes": [
                    text("peer.service", "redis"),
                    text("network.peer.address", "10.0.0.7"),
                    { "key": "network.peer.port", "value": { "intValue": "6379" } },
                    text("text", "a \"b\""),
                    { "key": "double", "value": { "doubleValue": 0.5 } },
                    { "key": "bool", "value": { "boolValue": true } },
                    { "key": "bytes", "value": { "bytesValue": "AAEC/w==" } },
                    { "key": "list", "value": { "arrayValue": { "values": [
                        { "intValue": "1" }, { "stringValue": "x" }] } } },
                    { "key": "map", "value": { "kvlistValue": { "values": [text("k", "v")] } } },
                ],
                "events": [
                    { "timeUnixNano": nanos(1_000_400), "name": "retry", "attributes": [
                        { "key": "n", "value": { "intValue": "1" } }] },
                    { "timeUnixNano": nanos(1_100_000), "name": "done" },
                ],
                "links": [
                    { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331" },
                ],
                "status": { "code": 2, "message": "boom" },
                "droppedAttributesCount": 3,
            }],
        }],
    }, {
        "resource": { "attributes": [text("service.name", "redis")] },
        "scopeSpans": [{ "spans": [{
            "traceId": FULL, "spanId": "0000000000000002", "parentSpanId": "1112131415161718",
            "name": "get", "kind": 2,
            "startTimeUnixNano": nanos(100_000), "endTimeUnixNano": nanos(100_400),
            "status": { "code": 1 },
        }] }],
    }] });
    ExportRequest::from_json(Signal::Traces, message.to_string().as_bytes()).expect("valid")
}

/// The spans as the mapping gives them, after what Zipkin does to every span.
fn expected(start: u64) -> [Value; 2] {
    let full = json!({
        "traceId": FULL,
        "parentId": "00f067aa0ba902b7",
        "id": "1112131415161718",
        "kind": "CLIENT",
        "name": "get /cart",
        "timestamp": start + 1,
        "duration": 1_500,
        "localEndpoint": { "serviceName": "cart" },
        "remoteEndpoint": { "serviceName": "redis", "ipv4": "10.0.0.7", "port": 6379 },
        "annotations": [
            { "timestamp": start + 1_000, "value": "\"retry\":{\"n\":1}" },
            { "timestamp": start + 1_100, "value": "done" },
        ],
        "tags": {
            "bool": "true",
            "bytes": "AAEC/w==",
            "double": "0.5",
            "error": "boom",
            "host.name": "h\u{e9}",
            "list": "[1,\"x\"]",
            "map": "{\"k\":\"v\"}",
            "network.peer.address": "10.0.0.7",
            "network.peer.port": "6379",
            "otel.dropped_attributes_count": "3",
            "otel.scope.name": "shop.http",
            "otel.scope.version": "1.2.0",
            "otel.status_code": "ERROR",
            "otlp.link.0": "0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331||{}|0",
            "peer.service": "redis",
            "text": "a \"b\"",
            "w3c.tracestate": "a=b,c=d",
        },
    });
    let server = json!({
        "traceId": FULL,
        "parentId": "1112131415161718",
        "id": "0000000000000002",
        "kind": "SERVER",
        "name": "get",
        "timestamp": start + 100,
        "duration": 1,
        "localEndpoint": { "serviceName": "redis" },
        "tags": { "otel.status_code": "OK" },
    });
    [full, server]
}

#[tokio::test]
async fn zipkin_stores_every_field() {
    let zipkin = Zipkin::start().await;
    for (number, (encoding, compression)) in WAYS.into_iter().enumerate() {
        // Each way has a trace of its own in the one server.
        let trace = format!("{number}{}", &FULL[1..]);
        let start = now();
        let message = tower_otlp::otlp::json::write(request(start).otlp());
        let message = String::from_utf8(message)
            .expect("JSON")
            .replace(FULL, &trace);
        let request = ExportRequest::from_json(Signal::Traces, message.as_bytes()).expect("valid");
        let answer = exporter(&zipkin.url, encoding, compression)
            .oneshot(request)
            .await;
        assert_eq!(answer.expect("delivered").delivered_items(), 2);
        let spans = until("both spans are there", async || {
            let spans = zipkin.trace(&trace).await;
            (spans.len() == 2).then_some(spans)
        })
        .await;
        for mut expected in expected(start) {
            expected["traceId"] = json!(trace);
            let found = spans.iter().find(|span| span["id"] == expected["id"]);
            assert_eq!(found, Some(&expected), "{encoding:?}, {compression:?}");
        }
    }
    let links = until("the dependency is there", async || {
        let links = zipkin.dependencies(now() / 1_000 + 1_000).await?;
        links
            .as_array()
            .is_some_and(|links| !links.is_empty())
            .then_some(links)
    })
    .await;
    assert_eq!(
        (&links[0]["parent"], &links[0]["child"]),
        (&json!("cart"), &json!("redis"))
    );
}

#[tokio::test]
async fn the_receiver_of_the_otel_collector_reads_every_field() {
    for (encoding, compression) in WAYS {
        let legacy = Legacy::start().await;
        let start = now();
        let answer = exporter(&legacy.zipkin, encoding, compression)
            .oneshot(request(start))
            .await;
        assert_eq!(answer.expect("delivered").delivered_items(), 2);
        let received = legacy.sink.wait_for(Signal::Traces, 2).await;
        let spans = crate::jaeger::spans(&received);
        let find = |id: &str| {
            spans
                .iter()
                .find(|span| span["spanId"] == id)
                .expect("there")
        };
        let nanos = |micros: u64| ((start + micros) * 1_000).to_string();
        let text =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });

        let full = find("1112131415161718");
        assert_eq!(full["traceId"], FULL);
        assert_eq!(full["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(full["name"], "get /cart");
        assert_eq!(full["kind"], 3);
        assert_eq!(full["startTimeUnixNano"], nanos(1));
        assert_eq!(full["endTimeUnixNano"], nanos(1_501));
        assert_eq!(full["status"]["code"], 2);
        assert_eq!(full["events"][0]["name"], "\"retry\":{\"n\":1}");
        assert_eq!(full["events"][0]["timeUnixNano"], nanos(1_000));
        assert_eq!(full["events"][1]["name"], "done");
        assert_eq!(
            full["links"][0]["traceId"],
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(full["links"][0]["spanId"], "b7ad6b7169203331");
        let resource = full["resource"].as_array().expect("attributes");
        assert!(
            resource.contains(&text("service.name", "Cart")),
            "{resource:#?}"
        );
        let attributes = full["attributes"].as_array().expect("attributes");
        for expected in [
            text("text", "a \"b\""),
            text("list", "[1,\"x\"]"),
            text("map", "{\"k\":\"v\"}"),
            text("bytes", "AAEC/w=="),
            text("error", "boom"),
        ] {
            assert!(
                attributes.contains(&expected),
                "{expected}: {attributes:#?}"
            );
        }

        let server = find("0000000000000002");
        assert_eq!(server["kind"], 2);
        // It knows the specification's `OK` only as `STATUS_CODE_OK`, and forgets it.
        assert_eq!(server["status"]["code"], Value::Null);
        assert_eq!(server["endTimeUnixNano"], nanos(101));
    }
}

#[tokio::test]
async fn a_wrong_path_is_not_tried_again() {
    let zipkin = Zipkin::start().await;
    let wrong_path = format!("{}/api/v9/spans", zipkin.url);
    let exporter = exporter(&wrong_path, ZipkinEncoding::Json, Compression::None);
    let error: ExportError = exporter.oneshot(request(now())).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(error.retry(), RetryAdvice::Never, "{error}");
    assert!(error.to_string().contains("404"), "{error}");
}

/// Cut off, stopped, started again and frozen: nothing is lost. Zipkin's store is in memory, so
/// what it has is read before it is stopped, behind a shut gate.
#[tokio::test]
async fn nothing_is_lost_while_zipkin_is_away() {
    let mut zipkin = Zipkin::start().await;
    let gate = Gate::open_to(zipkin.url.strip_prefix("http://").expect("a URL")).await;
    let url = format!("http://{}", gate.address);
    let load = Load::start(
        exporter(&url, ZipkinEncoding::Json, Compression::Gzip),
        9_000,
    );
    load.offer(3_000);
    load.delivered(200).await;
    gate.shut().await;
    load.noticed().await;
    let delivered = usize::try_from(load.delivered_so_far()).expect("few");
    let before = until("Zipkin has stored what it took", async || {
        let before = numbers(&zipkin).await;
        (before.len() >= delivered).then_some(before)
    })
    .await;
    zipkin.server.stop().await;
    zipkin.server.restart().await;
    gate.open().await;
    load.delivered(3_000).await;

    load.offer(6_000);
    load.delivered(3_200).await;
    zipkin.server.freeze();
    load.noticed().await;
    zipkin.server.thaw();
    load.all_is_there(async || {
        let after = numbers(&zipkin).await;
        before.union(&after).copied().collect()
    })
    .await;
}

async fn numbers(zipkin: &Zipkin) -> BTreeSet<u64> {
    let spans = zipkin.trace(TRACE).await;
    let ids = spans.iter().filter_map(|span| span["id"].as_str());
    ids.map(|id| u64::from_str_radix(id, 16).expect("an id"))
        .collect()
}
