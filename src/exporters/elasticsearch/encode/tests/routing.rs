//! Where documents go, and under which id.

use super::*;

/// The `_index` and the document of a log record with these attributes.
fn routed(
    format: &BulkFormat,
    resource: &str,
    scope: &str,
    record: &str,
) -> (String, serde_json::Value) {
    let json = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{resource}]}},"scopeLogs":[{{"scope":{{"name":"github.com/x/receiver/hostmetricsreceiver","attributes":[{scope}]}},"logRecords":[{{"attributes":[{record}]}}]}}]}}]}}"#
    );
    let mut written = lines(&encode_with(format, Signal::Logs, &json));
    let document = written.pop().expect("a document");
    let index = written[0]["create"]["_index"].as_str().expect("an index");
    (index.to_owned(), document)
}

/// Section 3.
#[test]
fn the_innermost_attribute_says_where_a_document_goes() {
    let default = BulkFormat::default();
    let dataset = |value| attribute("data_stream.dataset", value);
    let namespace = |value| attribute("data_stream.namespace", value);
    let index = |value| attribute("elasticsearch.index", value);
    for (resource, scope, record, expected) in [
        ("", "", "", "logs-hostmetricsreceiver.otel-default"),
        (&*dataset("r"), "", "", "logs-r.otel-default"),
        (&*dataset("r"), &*dataset("s"), "", "logs-s.otel-default"),
        (
            &*dataset("r"),
            &*dataset("s"),
            &*dataset("l"),
            "logs-l.otel-default",
        ),
        (
            &*namespace("Prod-1"),
            "",
            &*dataset("l"),
            "logs-l.otel-prod-1",
        ),
        (&*index("Plain"), "", &*dataset("l"), "Plain"),
        (&*index("r"), &*index("s"), &*index("l"), "l"),
    ] {
        let (found, document) = routed(&default, resource, scope, record);
        assert_eq!(found, expected);
        for part in [
            &document["attributes"],
            &document["resource"]["attributes"],
            &document["scope"]["attributes"],
        ] {
            assert!(
                part.is_null(),
                "routing attributes are not written: {document}"
            );
        }
        let is_plain = expected == "Plain" || expected.len() == 1;
        assert_eq!(document["data_stream"].is_null(), is_plain);
        if !is_plain {
            let name = ["type", "dataset", "namespace"]
                .map(|part| document["data_stream"][part].as_str().expect("text"))
                .join("-");
            assert_eq!(name, expected);
        }
    }
    let prefixed = default.clone().index_prefix("shop");
    let (found, document) = routed(&prefixed, &index("r"), "", &dataset("l"));
    assert_eq!(found, "shop-logs");
    assert!(document["data_stream"].is_null());
    let named = default.dataset("Mine").namespace("Here");
    let plain = encode_with(&named, Signal::Logs, &log("{}"));
    assert_eq!(lines(&plain)[0]["create"]["_index"], "logs-mine.otel-here");
}

/// Section 3: of the event, not of its span.
#[test]
fn an_event_goes_where_its_own_attributes_say() {
    let json = span(&format!(
        r#""attributes":[{}],"events":[{{"attributes":[{}]}},{{}}]"#,
        attribute("data_stream.dataset", "of-span"),
        attribute("data_stream.dataset", "of-event"),
    ));
    let written = lines(&encode(Signal::Traces, &json));
    let indices: Vec<_> = written
        .iter()
        .step_by(2)
        .map(|line| &line["create"]["_index"])
        .collect();
    assert_eq!(
        indices,
        [
            "traces-of_span.otel-default",
            "logs-of_event.otel-default",
            "logs-generic.otel-default"
        ]
    );
}

/// Section 3: names that come from telemetry cannot add keys to the action line.
#[test]
fn names_from_attributes_are_escaped() {
    let json = log(&format!(
        r#"{{"attributes":[{},{}]}}"#,
        attribute("elasticsearch.index", r#"a\"}}\n{\"delete"#),
        attribute("elasticsearch.ingest_pipeline", r#"p\""#),
    ));
    let written = lines(&encode(Signal::Logs, &json));
    assert_eq!(written.len(), 2);
    assert_eq!(written[0]["create"]["_index"], "a\"}}\n{\"delete");
    assert_eq!(written[0]["create"]["pipeline"], "p\"");
}

#[test]
fn ids_come_first_and_depend_on_the_document_alone() {
    let content = BulkFormat::default().document_ids(DocumentIds::Content);
    let id = |format: &BulkFormat, json: &str| {
        let bulk = encode_with(format, Signal::Logs, json);
        assert!(bulk.documents().all(|document| document.own_id));
        assert!(text(&bulk).starts_with(r#"{"create":{"_id":""#));
        let id = lines(&bulk)[0]["create"]["_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        assert!(
            id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit()),
            "{id}"
        );
        id
    };
    let one = log(r#"{"body":{"stringValue":"x"}}"#);
    assert_eq!(id(&content, &one), id(&content, &one));
    assert_ne!(
        id(&content, &one),
        id(&content, &log(r#"{"body":{"stringValue":"y"}}"#))
    );
    assert_ne!(
        id(&content, &one),
        id(&content.clone().index_prefix("p"), &one)
    );

    let named = BulkFormat::default().document_ids(DocumentIds::Attribute);
    let with = log(&format!(
        r#"{{"attributes":[{}]}}"#,
        attribute("elasticsearch.document_id", "mine")
    ));
    let bulk = encode_with(&named, Signal::Logs, &with);
    assert_eq!(
        text(&bulk).lines().next(),
        Some(r#"{"create":{"_id":"mine","_index":"logs-generic.otel-default"}}"#)
    );
    assert!(bulk.document(0).expect("one").own_id);
    assert!(
        !encode_with(&named, Signal::Logs, &one)
            .document(0)
            .expect("one")
            .own_id
    );
    let bulk = encode(Signal::Logs, &with);
    assert!(!text(&bulk).contains("mine"));
}

#[test]
fn opensearch_gets_no_dynamic_templates() {
    let format = BulkFormat::default()
        .product(Product::OpenSearch)
        .action(BulkAction::Index);
    let bulk = encode_with(&format, Signal::Metrics, &metrics(TWO_POINTS));
    assert_eq!(
        text(&bulk).lines().next(),
        Some(r#"{"index":{"_index":"metrics-generic.otel-default"}}"#)
    );
}

/// A static index overrides what attributes say.
#[test]
fn an_index_that_is_set_counts_more_than_attributes() {
    let format = BulkFormat::default().index(Signal::Logs, "mine");
    let (found, document) = routed(
        &format,
        &attribute("elasticsearch.index", "r"),
        "",
        &attribute("data_stream.dataset", "l"),
    );
    assert_eq!(found, "mine");
    assert!(document["data_stream"].is_null(), "{document}");
    // Events of spans are documents of the kind logs, and spans are not.
    let json = span(r#""events":[{"name":"e"}]"#);
    let written = lines(&encode_with(&format, Signal::Traces, &json));
    let index = |line: usize| written[line]["create"]["_index"].as_str();
    assert_eq!(index(0), Some("traces-generic.otel-default"));
    assert_eq!(index(2), Some("mine"));
}

/// Attributes that say where a document goes are no part of it.
#[test]
fn attributes_that_are_used_up_are_not_written() {
    let keys = [
        "data_stream.type",
        "data_stream.dataset",
        "data_stream.namespace",
        "elasticsearch.index",
        "elasticsearch.mapping.mode",
        "elasticsearch.mapping.hints",
        "elasticsearch.document_id",
        "elasticsearch.ingest_pipeline",
    ];
    let all = keys.map(|key| attribute(key, "x")).join(",");
    let kept = attribute("data_stream.other", "x");
    let (_, document) = routed(&BulkFormat::default(), &all, &all, &format!("{all},{kept}"));
    let expected = serde_json::json!({ "data_stream.other": "x" });
    assert_eq!(document["attributes"], expected);
    for part in ["resource", "scope"] {
        assert!(document[part]["attributes"].is_null(), "{document}");
    }
}

/// 100 bytes each, the suffix counted.
#[test]
fn long_names_are_cut_before_their_suffix() {
    let long = "x".repeat(200);
    let (found, document) = routed(
        &BulkFormat::default(),
        &attribute("data_stream.namespace", &long),
        "",
        &attribute("data_stream.dataset", &long),
    );
    let (dataset, namespace) = (format!("{}.otel", "x".repeat(95)), "x".repeat(100));
    assert_eq!(found, format!("logs-{dataset}-{namespace}"));
    assert_eq!(document["data_stream"]["dataset"], dataset);
}
