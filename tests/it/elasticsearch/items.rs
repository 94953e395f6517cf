//! What a server says of single documents, and what of that is sent again.

use std::time::Duration;

use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, ServiceBuilderExt, Signal,
    exporters::elasticsearch::{DocumentIds, ElasticsearchBuilder, ElasticsearchExporter},
    layers::{
        retry::RetryPolicy,
        split::{SplitConfig, SplitLayer},
    },
};

use super::{bodies, logs, server::Server};

fn builder() -> ElasticsearchBuilder {
    ElasticsearchExporter::builder()
}

async fn export(server: &Server, request: ExportRequest) -> Result<ExportResponse, ExportError> {
    let exporter = builder().build_on(server.router()).expect("valid");
    exporter.oneshot(request).await
}

fn error(status: u16, kind: &str, reason: &str) -> Value {
    json!({"status": status, "error": {"type": kind, "reason": reason}})
}

/// Says of a document what its body asks for.
fn by_text(document: &Value) -> Option<Value> {
    Some(match document["body"]["text"].as_str()? {
        "busy" => error(429, "es_rejected_execution_exception", "queue full"),
        "down" => error(
            503,
            "unavailable_shards_exception",
            "primary shard is not active",
        ),
        "wrong" => error(
            400,
            "document_parsing_exception",
            "failed to parse field [n] of type [long] in document with id 'x1'. Preview of field's value: 's3cret'",
        ),
        "missing" => error(
            404,
            "index_not_found_exception",
            "no such index [logs-x] and [require_data_stream] is true",
        ),
        "conflict" => error(409, "version_conflict_engine_exception", "s3cret exists"),
        "failure" => json!({"status": 201, "failure_store": "used"}),
        _ => return None,
    })
}

/// Section 7.4.
#[tokio::test]
async fn one_done_one_again_one_rejected() {
    let server = Server::refusing(by_text);
    let result = export(&server, logs(&["a", "busy", "wrong"])).await;
    let error = result.expect_err("one is left");
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    assert_eq!(
        error.message(),
        "1 of 3 documents were not taken: es_rejected_execution_exception: queue full"
    );
    let progress = error.progress().expect("some");
    assert_eq!(
        (progress.delivered_items(), progress.rejected_items()),
        (1, 1)
    );
    assert_eq!(bodies(error.remainder().expect("one")), ["busy"]);
}

/// Section 2, the table of items, with `errors` and without.
#[tokio::test]
async fn every_fate_of_a_document() {
    for server in [
        Server::refusing(by_text),
        Server::refusing(by_text).verbose(),
    ] {
        for (text, kind) in [
            ("busy", ErrorKind::Throttled),
            ("down", ErrorKind::Unavailable),
        ] {
            let error = export(&server, logs(&["a", text])).await.expect_err(text);
            assert_eq!(error.kind(), kind);
            assert_eq!(bodies(error.remainder().expect("one")), [text]);
        }
        for (text, says) in [
            (
                "wrong",
                "document_parsing_exception: failed to parse field [n] of type [long]",
            ),
            (
                "missing",
                "index_not_found_exception: no such index [logs-x] and [require_data_stream] is true",
            ),
            (
                "conflict",
                "version_conflict_engine_exception: a document with the same id",
            ),
        ] {
            let response = export(&server, logs(&["a", text, "b"])).await.expect(text);
            assert_eq!(
                (response.delivered_items(), response.rejected_items()),
                (2, 1),
                "its neighbours live"
            );
            let message = response.message().expect("a reason");
            assert!(message.starts_with(says), "{message}");
            assert!(
                !message.contains("s3cret") && !message.contains("x1"),
                "{message}"
            );
        }
        let response = export(&server, logs(&["failure", "a"]))
            .await
            .expect("stored");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (2, 0)
        );
        assert_eq!(
            response.message(),
            Some("1 documents are in the failure store")
        );
    }
}

#[tokio::test]
async fn equal_reasons_are_told_once() {
    let server = Server::refusing(by_text);
    let response = export(&server, logs(&["wrong", "missing", "wrong", "wrong"])).await;
    let response = response.expect("an answer");
    assert_eq!(response.rejected_items(), 4);
    let message = response.message().expect("reasons");
    assert!(
        message.contains("(3 documents); index_not_found"),
        "{message}"
    );
}

/// Section 8: positions refer to the body that was sent.
#[tokio::test(start_paused = true)]
async fn a_retry_sends_only_what_is_left() {
    let server = Server::refusing(by_text);
    let exporter = builder().build_on(server.router()).expect("valid");
    let again = server.clone();
    let pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .concurrency_limit(2)
        .map_request(move |request: ExportRequest| {
            if again.requests() == 3 {
                again.stop_refusing();
            }
            request
        })
        .timeout(Duration::from_secs(600))
        .attempt_timeout(Duration::from_secs(30))
        .service(exporter);
    let texts = ["a", "busy", "b", "down", "wrong", "c", "busy"];
    let response = pipeline.oneshot(logs(&texts)).await.expect("in the end");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (6, 1)
    );
    assert_eq!(
        server.texts(),
        ["a", "b", "c", "busy", "down", "busy"],
        "each once"
    );
    let sizes: Vec<usize> = (0..server.requests())
        .map(|_| {
            server
                .request()
                .1
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                / 2
        })
        .collect();
    assert_eq!(sizes, [7, 3, 3, 3]);
}

fn spans() -> ExportRequest {
    let span = |id: u32, events: &str| {
        format!(
            r#"{{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"{id:016x}","name":"s{id}","events":[{events}]}}"#
        )
    };
    let event = |name: &str| format!(r#"{{"name":"{name}"}}"#);
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{},{},{}]}}]}}]}}"#,
        span(1, &event("fine")),
        span(2, &[event("fine"), event("busy")].join(",")),
        span(3, &[event("busy"), event("wrong")].join(",")),
    );
    ExportRequest::from_json(Signal::Traces, json.as_bytes()).expect("OTLP/JSON")
}

fn by_event(document: &Value) -> Option<Value> {
    match document["event_name"].as_str()? {
        "busy" => Some(error(429, "es_rejected_execution_exception", "queue full")),
        "wrong" => Some(error(400, "mapper_parsing_exception", "no")),
        _ => None,
    }
}

/// An item is done when all its documents are; with ids of their own none is stored twice.
#[tokio::test]
async fn a_span_is_sent_again_with_its_events_and_stored_once() {
    let server = Server::refusing(by_event);
    let exporter = builder()
        .document_ids(DocumentIds::Content)
        .build_on(server.router())
        .expect("valid");
    let error = exporter.clone().oneshot(spans()).await.expect_err("busy");
    let progress = error.progress().expect("one span is done");
    assert_eq!(
        (progress.delivered_items(), progress.rejected_items()),
        (1, 0)
    );
    let remainder = error.remainder().expect("two spans").clone();
    assert_eq!(remainder.items(), 2);
    server.stop_refusing();
    let response = exporter.oneshot(remainder).await.expect("now");
    assert_eq!(response.delivered_items(), 2);
    let mut names: Vec<String> = server
        .stored()
        .iter()
        .map(|(index, document)| {
            let name = document["name"]
                .as_str()
                .or(document["event_name"].as_str());
            format!("{} {}", &index[..4], name.expect("a name"))
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "logs busy",
            "logs busy",
            "logs fine",
            "logs fine",
            "logs wrong",
            "trac s1",
            "trac s2",
            "trac s3"
        ]
    );
}

/// Section 8: conflicts of an earlier attempt are no errors; those of others are.
#[tokio::test]
async fn a_request_that_is_sent_twice_is_there_once() {
    let server = Server::new();
    let exporter = builder()
        .document_ids(DocumentIds::Content)
        .build_on(server.router())
        .expect("valid");
    for _ in 0..2 {
        let response = exporter
            .clone()
            .oneshot(logs(&["a", "b"]))
            .await
            .expect("delivered");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (2, 0)
        );
        assert_eq!(response.message(), None);
    }
    assert_eq!(server.texts(), ["a", "b"]);
}

/// All data points of a document share its fate.
#[tokio::test]
async fn points_that_share_a_document_are_sent_again_together() {
    let busy = |document: &Value| {
        document["attributes"]["busy"]
            .is_boolean()
            .then(|| error(429, "es_rejected_execution_exception", "queue full"))
    };
    let server = Server::refusing(busy);
    let metric = |name: &str| {
        format!(
            r#"{{"name":"{name}","gauge":{{"dataPoints":[{{"timeUnixNano":"1","asInt":"1"}},{{"timeUnixNano":"1","asInt":"2","attributes":[{{"key":"busy","value":{{"boolValue":true}}}}]}}]}}}}"#
        )
    };
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{},{}]}}]}}]}}"#,
        metric("m"),
        metric("n")
    );
    let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
    let error = export(&server, request).await.expect_err("busy");
    assert_eq!(error.progress().expect("some").delivered_items(), 2);
    let remainder = error.remainder().expect("the others").clone();
    assert_eq!(remainder.items(), 2);
    server.stop_refusing();
    export(&server, remainder).await.expect("delivered");
    let stored = server.stored();
    assert_eq!(stored[1].1["metrics"], json!({"m": 2, "n": 2}));
}

#[tokio::test]
async fn a_large_request_is_several_bodies_in_order() {
    let server = Server::new();
    let exporter = builder()
        .max_request_bytes(700)
        .build_on(server.router())
        .expect("valid");
    let long = "x".repeat(800);
    let texts = ["a", "b", "c", &long, "d", "e"];
    let response = exporter.oneshot(logs(&texts)).await.expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (5, 1)
    );
    let message = response.message().expect("a reason");
    assert!(
        message.contains("is larger than the limit of 700"),
        "{message}"
    );
    assert_eq!(server.texts(), ["a", "b", "c", "d", "e"]);
    assert_eq!(server.requests(), 3);
    for _ in 0..3 {
        assert!(server.request().1.len() <= 700);
    }
}

#[tokio::test]
async fn a_body_that_fails_leaves_itself_and_those_behind_it() {
    let refused = Some((503, &[][..], String::new()));
    let server = Server::answering(vec![None, refused]);
    let exporter = builder()
        .max_request_bytes(700)
        .build_on(server.router())
        .expect("valid");
    let metadata = tower_otlp::Metadata::default().with_tenant("blue");
    let request = logs(&["a", "b", "c", "d", "e"]).with_metadata(metadata);
    let error = exporter.oneshot(request).await.expect_err("503");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests(), 2, "the third is not sent");
    assert_eq!(error.progress().expect("some").delivered_items(), 2);
    let remainder = error.remainder().expect("the rest");
    assert_eq!(bodies(remainder), ["c", "d", "e"]);
    assert_eq!(remainder.metadata().tenant(), Some("blue"));
}

/// Section 2: 413 is halved and sent again, and a document that is too large alone is dropped.
#[tokio::test]
async fn a_split_above_halves_what_is_too_large() {
    let server = Server::new();
    let router = server.router();
    let limited = tower::service_fn(
        move |request: http::Request<tower_otlp::exporters::http::RequestBody>| {
            let router = router.clone();
            async move {
                let size = request.body().clone().into_inner().expect("a body").len();
                if size > 700 {
                    let mut response = http::Response::new(axum::body::Body::empty());
                    *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
                    return Ok(response);
                }
                router.oneshot(request.map(axum::body::Body::new)).await
            }
        },
    );
    let pipeline = ServiceBuilder::new()
        .layer(SplitLayer::new(SplitConfig::default()).expect("valid"))
        .service(builder().build_on(limited).expect("valid"));
    let long = "x".repeat(800);
    let texts = ["a", "b", "c", "d", &long, "e", "f", "g"];
    let response = pipeline.oneshot(logs(&texts)).await.expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (7, 1)
    );
    assert_eq!(server.texts(), ["a", "b", "c", "d", "e", "f", "g"]);
}

/// What can be sent again comes first; the rest fails again for its own reason.
#[tokio::test]
async fn a_final_failure_does_not_end_what_can_be_sent_again() {
    let server = Server::refusing(by_text);
    server.with(|state| state.script(vec![None, Some((400, &[], String::new()))]));
    let exporter = builder()
        .max_request_bytes(700)
        .build_on(server.router())
        .expect("valid");
    let error = exporter
        .oneshot(logs(&["a", "busy", "c"]))
        .await
        .expect_err("busy");
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(bodies(error.remainder().expect("two")), ["busy", "c"]);
}
