//! Our Elasticsearch exporter to OpenSearch: every document read back as it was sent, and
//! conflicts, rejections and restarts with the books balanced by counting in the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tower::ServiceExt;
use tower_otlp::{
    BoxExporter, Compression, ErrorKind, ExportRequest, ExporterExt, Signal,
    exporters::elasticsearch::{
        BulkFormat, DocumentIds, ElasticsearchBuilder, ElasticsearchExporter, Product,
    },
    from_url,
};

use crate::{
    gate::Gate,
    outage::Load,
    servers::{opensearch::OpenSearch, until},
    workload::requests,
};

fn builder(url: &str) -> ElasticsearchBuilder {
    ElasticsearchExporter::builder()
        .endpoint(url)
        .product(Product::OpenSearch)
        .compression(Compression::Gzip)
        .document_ids(DocumentIds::Content)
}

fn exporter(url: &str) -> BoxExporter {
    builder(url).build().expect("options").boxed_exporter()
}

/// As OpenTelemetry's templates have it, where OpenSearch can: times of documents, and attributes
/// that are not taken apart.
fn mappings() -> Value {
    let whole = json!({ "type": "object", "enabled": false });
    json!({
        "properties": {
            "@timestamp": { "type": "date_nanos", "format": "epoch_millis" },
            "start_timestamp": { "type": "date", "format": "epoch_millis" },
            "observed_timestamp": { "type": "date_nanos", "format": "epoch_millis" },
            "attributes": whole, "resource": whole, "scope": whole, "links": whole,
            "body": whole, "metrics": whole,
            "order": { "type": "long" },
        },
    })
}

const SPAN: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"scope":{"name":"shop.http","version":"1.2.0"},"spans":[
{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","parentSpanId":"00f067aa0ba902b7","name":"GET /cart","kind":2,
 "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124956789",
 "attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}},{"key":"ratio","value":{"doubleValue":1}}],
 "events":[{"timeUnixNano":"1700000000124000005","name":"retry","attributes":[{"key":"n","value":{"intValue":"1"}}]}],
 "status":{"code":2,"message":"boom"}}]}]}]}"#;

const POINTS: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
{"name":"http.requests","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5"}]}},
{"name":"queue.size","unit":"1","gauge":{"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asDouble":2}]}}]}]}]}"#;

fn log(body: &str) -> String {
    format!(
        r#"{{"timeUnixNano":"1700000000123000005","observedTimeUnixNano":"1700000000200000000","severityText":"ERROR","severityNumber":17,"body":{body},"attributes":[{{"key":"data_stream.dataset","value":{{"stringValue":"My-App"}}}},{{"key":"order.id","value":{{"intValue":"42"}}}}]}}"#
    )
}

fn request(signal: Signal, json: &str) -> ExportRequest {
    ExportRequest::from_json(signal, json.as_bytes()).expect("valid")
}

fn logs(records: &[String]) -> ExportRequest {
    let records = records.join(",");
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#);
    request(Signal::Logs, &json)
}

/// The documents that a request becomes, by index.
fn expected(request: &ExportRequest, format: &BulkFormat) -> Vec<(String, Value)> {
    let bulk = format.encode(request.otlp());
    let text = String::from_utf8(bulk.as_bytes().to_vec()).expect("UTF-8");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (pairs, _) = lines.as_chunks::<2>();
    let pairs = pairs.iter().map(|[action, document]| {
        let index = action["create"]["_index"].as_str().expect("an index");
        (index.to_owned(), document.clone())
    });
    pairs.collect()
}

#[tokio::test]
async fn every_document_is_stored_as_it_was_sent() {
    let server = OpenSearch::start().await;
    server.data_streams("*-*.otel-*", mappings()).await;
    let url = server.url.strip_prefix("http://").expect("a URL");
    let from_url = from_url(&format!(
        "opensearch+http://{url}?document_ids=content&proxy=none"
    ));
    let exporters = [exporter(&server.url), from_url.expect("a URL")];
    let requests = [
        request(Signal::Traces, SPAN),
        request(Signal::Metrics, POINTS),
        logs(&[
            log(r#"{"stringValue":"payment failed"}"#),
            log(r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}"#),
        ]),
    ];
    let format = BulkFormat::default().product(Product::OpenSearch);
    let mut count = 0;
    for sent in requests {
        // The second exporter sends the same again: it is there once, and no error.
        for exporter in &exporters {
            let answer = exporter
                .clone()
                .oneshot(sent.clone())
                .await
                .expect("delivered");
            assert_eq!(answer.delivered_items(), sent.items(), "{answer:?}");
            assert_eq!(answer.rejected_items(), 0, "{answer:?}");
        }
        for (index, document) in expected(&sent, &format) {
            count += 1;
            let found = server.documents(&index).await;
            let found = found.iter().filter(|hit| hit["_source"] == document);
            assert_eq!(found.count(), 1, "{index}: {document}");
        }
    }
    assert_eq!(server.count("*-*.otel-*").await, count);
    // Nanoseconds are read as they were meant: the event is 5 ns behind the millisecond.
    let range = json!({ "query": { "range": { "@timestamp": { "gte": "1700000000124.000005", "lte": "1700000000124.000005", "format": "epoch_millis" } } } });
    let (status, answer) = server
        .send("POST", "logs-generic.otel-default/_search", &range)
        .await;
    assert_eq!(
        (status, &answer["hits"]["total"]["value"]),
        (200, &json!(1)),
        "{answer}"
    );
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_rejected_alone() {
    let server = OpenSearch::start().await;
    let settings = json!({ "mappings": { "properties": { "severity_text": { "type": "long" } } } });
    let (status, answer) = server.send("PUT", "shop-logs", &settings).await;
    assert_eq!(status, 200, "{answer}");
    let exporter = builder(&server.url)
        .index_prefix("shop")
        .build()
        .expect("options");
    let record = |text: &str| format!(r#"{{"timeUnixNano":"1","severityText":"{text}"}}"#);
    let request = logs(&[record("1"), record("s3cret"), record("3"), record("also")]);
    let answer = exporter
        .clone()
        .oneshot(request)
        .await
        .expect("the neighbours live");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (2, 2));
    let message = answer.message().expect("a reason");
    assert!(
        message.starts_with(
            "mapper_parsing_exception: failed to parse field [severity_text] of type [long]"
        ),
        "{message}"
    );
    assert!(
        message.contains("(2 documents)") && !message.contains("s3cret"),
        "{message}"
    );
    assert_eq!(server.count("shop-logs").await, 2);

    // A key that occurs twice, which the server refuses, is written once.
    let twice = r#"{"timeUnixNano":"2","attributes":[{"key":"a","value":{"intValue":"1"}},{"key":"a","value":{"intValue":"2"}}]}"#;
    let answer = exporter
        .oneshot(logs(&[twice.to_owned()]))
        .await
        .expect("delivered");
    assert_eq!(answer.delivered_items(), 1, "{answer:?}");

    // Without ids of ours a second request is a second document.
    let exporter = builder(&server.url)
        .document_ids(DocumentIds::Server)
        .index_prefix("twice")
        .build()
        .expect("options");
    for _ in 0..2 {
        exporter
            .clone()
            .oneshot(logs(&[record("1")]))
            .await
            .expect("delivered");
    }
    assert_eq!(server.count("twice-logs").await, 2);

    // What is larger than the server takes is an error for a split layer, and nothing is stored.
    let (status, answer) = server
        .send(
            "PUT",
            "closed-logs",
            &json!({ "settings": { "index.blocks.write": true } }),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    let exporter = builder(&server.url)
        .index_prefix("closed")
        .build()
        .expect("options");
    let answer = exporter
        .oneshot(logs(&[record("1")]))
        .await
        .expect("an answer");
    assert_eq!(answer.rejected_items(), 1, "{answer:?}");
    assert!(
        answer
            .message()
            .expect("a reason")
            .contains("cluster_block_exception"),
        "{answer:?}"
    );
}

/// Random telemetry of all shapes: whatever the server says, each item is accounted for.
#[tokio::test]
async fn every_shape_is_accounted_for() {
    let server = OpenSearch::start().await;
    server.data_streams("*-*.otel-*", mappings()).await;
    let exporter = exporter(&server.url);
    for signal in Signal::ALL {
        let (mut delivered, mut rejected) = (0, 0);
        for request in requests(signal, 40) {
            let items = request.items();
            match exporter.clone().oneshot(request).await {
                Ok(answer) => {
                    assert_eq!(answer.delivered_items() + answer.rejected_items(), items);
                    delivered += answer.delivered_items();
                    rejected += answer.rejected_items();
                    if let Some(message) = answer.message() {
                        eprintln!("{signal}: {message}");
                    }
                }
                Err(error) => panic!("{signal}: {error}"),
            }
        }
        eprintln!("{signal}: {delivered} delivered, {rejected} rejected");
        assert!(delivered > 0, "{signal}");
    }
}

#[tokio::test]
async fn a_wrong_path_is_not_tried_again() {
    let server = OpenSearch::start().await;
    let error = exporter(&format!("{}/nowhere/else/at/all", server.url))
        .oneshot(request(Signal::Traces, SPAN))
        .await
        .expect_err("refused");
    assert!(!error.is_retryable(), "{error}");
    assert!(
        matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Unsupported),
        "{error}"
    );
}

/// Cut off, stopped, killed, started again and frozen under load: nothing is lost, and with ids
/// nothing is there twice.
#[tokio::test]
async fn nothing_is_lost_while_opensearch_is_away() {
    let mut server = OpenSearch::start().await;
    server.data_streams("*-*.otel-*", mappings()).await;
    let gate = Gate::open_to(server.url.strip_prefix("http://").expect("a URL")).await;
    let load = Load::start(exporter(&format!("http://{}", gate.address)), 6_000);
    load.offer(2_000);
    load.delivered(200).await;
    gate.shut().await;
    load.noticed().await;
    gate.open().await;
    load.delivered(2_000).await;

    load.offer(2_000);
    load.delivered(2_200).await;
    server.server.kill().await;
    load.noticed().await;
    server.server.restart().await;
    load.delivered(4_000).await;

    load.offer(2_000);
    load.delivered(4_200).await;
    server.server.freeze();
    load.noticed().await;
    server.server.thaw();
    load.all_is_there(async || {
        let documents = server.documents("traces-*").await;
        documents
            .iter()
            .map(|hit| {
                let id = hit["_source"]["span_id"].as_str().expect("an id");
                u64::from_str_radix(id, 16).expect("hex")
            })
            .collect::<BTreeSet<u64>>()
    })
    .await;
    let counted = until("the server has counted", async || {
        Some(server.count("traces-*").await)
    });
    assert_eq!(counted.await, 6_000, "each once");
}
