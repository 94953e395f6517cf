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
