//! The worked examples of the layout byte for byte, and what other exporters got wrong.

use super::*;
use crate::ExportRequest;

fn encode_with(format: &BulkFormat, signal: Signal, json: &str) -> Bulk {
    let request = ExportRequest::from_json(signal, json.as_bytes()).expect("OTLP/JSON");
    format.encode(request.otlp())
}

fn encode(signal: Signal, json: &str) -> Bulk {
    encode_with(&BulkFormat::default(), signal, json)
}

fn text(bulk: &Bulk) -> &str {
    std::str::from_utf8(bulk.as_bytes()).expect("UTF-8")
}

fn lines(bulk: &Bulk) -> Vec<serde_json::Value> {
    assert!(bulk.is_empty() || bulk.as_bytes().ends_with(b"\n"));
    text(bulk)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn log(record: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)
}

/// The document of a single log record.
fn log_document(record: &str) -> String {
    let bulk = encode(Signal::Logs, &log(record));
    assert_eq!(bulk.len(), 1);
    text(&bulk).lines().nth(1).expect("a document").to_owned()
}

/// The value of a field of a document, as it stands there up to the next of these.
fn attributes(list: &str) -> String {
    let document = log_document(&format!(r#"{{"attributes":[{list}]}}"#));
    match document.split_once(r#""attributes":"#) {
        Some((_, rest)) => {
            let end = rest.find(r#","resource""#).expect("a resource");
            rest[..end].to_owned()
        }
        None => String::new(),
    }
}

fn span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

fn metrics(metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#
    )
}

const EVENT_SPAN: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"scope":{"name":"shop.http","version":"1.2.0"},"spans":[
{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","parentSpanId":"00f067aa0ba902b7","name":"GET /cart","kind":2,
 "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124956789",
 "attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}},{"key":"ratio","value":{"doubleValue":1}}],
 "events":[{"timeUnixNano":"1700000000124000005","name":"retry","attributes":[{"key":"n","value":{"intValue":"1"}}]}],
 "status":{"code":2,"message":"boom"}}]}]}]}"#;

/// Section 7.1.
#[test]
fn example_of_a_span_with_one_event() {
    let bulk = encode(Signal::Traces, EVENT_SPAN);
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"traces-generic.otel-default"}}
{"@timestamp":"1700000000123.456789","data_stream":{"type":"traces","dataset":"generic.otel","namespace":"default"},"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","parent_span_id":"00f067aa0ba902b7","name":"GET /cart","kind":"Server","duration":1500000,"attributes":{"http.response.status_code":500,"ratio":1.0},"links":[],"status":{"message":"boom","code":"Error"},"resource":{"attributes":{"service.name":"cart"}},"scope":{"name":"shop.http","version":"1.2.0"}}
{"create":{"_index":"logs-generic.otel-default"}}
{"@timestamp":"1700000000124.000005","data_stream":{"type":"logs","dataset":"generic.otel","namespace":"default"},"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","event_name":"retry","attributes":{"n":1,"event.name":"retry"},"resource":{"attributes":{"service.name":"cart"}},"scope":{"name":"shop.http","version":"1.2.0"}}
"#
    );
    let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
    assert_eq!(items, [[0], [0]]);
}

/// Section 7.2.
#[test]
fn example_of_a_log_record() {
    let bulk = encode(
        Signal::Logs,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1700000000123456789","observedTimeUnixNano":"1700000000200000000","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"payment failed"},
        "attributes":[{"key":"order.id","value":{"intValue":"42"}},{"key":"data_stream.dataset","value":{"stringValue":"My-App"}}],
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}]}"#,
    );
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"logs-my_app.otel-default"}}
{"@timestamp":"1700000000123.456789","observed_timestamp":"1700000000200.000000","data_stream":{"type":"logs","dataset":"my_app.otel","namespace":"default"},"severity_text":"ERROR","severity_number":17,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","attributes":{"order.id":42},"resource":{"attributes":{"service.name":"cart"}},"scope":{},"body":{"text":"payment failed"}}
"#
    );
}

const TWO_POINTS: &str = r#"{"name":"http.requests","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5"}]}},
{"name":"queue.size","unit":"1","gauge":{"dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asDouble":2}]}}"#;

/// Section 7.3.
#[test]
fn example_of_two_points_in_one_document() {
    let bulk = encode(Signal::Metrics, &metrics(TWO_POINTS));
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"metrics-generic.otel-default","dynamic_templates":{"metrics.http.requests":"counter_long","metrics.queue.size":"gauge_double"}}}
{"@timestamp":1700000000123,"start_timestamp":1699999990000,"unit":"1","data_stream":{"type":"metrics","dataset":"generic.otel","namespace":"default"},"resource":{"attributes":{"service.name":"cart"}},"scope":{},"metrics":{"http.requests":5,"queue.size":2.0},"_metric_names_hash":"40e728e9"}
"#
    );
    let document = bulk.document(0).expect("one");
    assert_eq!(document.items, [0, 1]);
    assert_eq!(document.range, 0..bulk.as_bytes().len());
}

/// Section 7.3, the histogram.
#[test]
fn example_of_a_histogram() {
    let bulk = encode(
        Signal::Metrics,
        &metrics(
            r#"{"name":"latency","histogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1","count":"6","sum":1,"bucketCounts":["3","2","1"],"explicitBounds":[0.1,0.5]}]}}"#,
        ),
    );
    assert!(
        text(&bulk).contains(r#""metrics":{"latency":{"counts":[3,2,1],"values":[0.05,0.3,0.5]}}"#)
    );
    assert!(text(&bulk).contains(r#""dynamic_templates":{"metrics.latency":"histogram"}"#));
}

#[test]
fn values_of_attributes() {
    for (value, expected) in [
        (r#"{"stringValue":"x"}"#, r#""x""#),
        (r#"{"boolValue":true}"#, "true"),
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            "-9223372036854775808",
        ),
        (r#"{"doubleValue":0}"#, "0.0"),
        (r#"{"doubleValue":123456789012345}"#, "123456789012345.0"),
        (r#"{"doubleValue":1e21}"#, "1e+21"),
        (r#"{"doubleValue":0.25}"#, "0.25"),
        (r#"{"bytesValue":"AP8="}"#, r#""00ff""#),
        ("{}", "null"),
        (
            r#"{"arrayValue":{"values":[{"intValue":"1"},{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":false}}]}}]}}"#,
            r#"[1,{"a":false}]"#,
        ),
        (
            r#"{"kvlistValue":{"values":[{"key":"a.b","value":{"doubleValue":2}}]}}"#,
            r#"{"a.b":2.0}"#,
        ),
    ] {
        assert_eq!(
            attributes(&format!(r#"{{"key":"k","value":{value}}}"#)),
            format!(r#"{{"k":{expected}}}"#)
        );
    }
}

/// Section 8: JSON has no NaN, and a half-written object must not stay.
#[test]
fn a_number_that_is_not_finite_is_null_in_attributes() {
    for name in ["NaN", "Infinity", "-Infinity"] {
        let list = format!(
            r#"{{"key":"a","value":{{"doubleValue":"{name}"}}}},{{"key":"b","value":{{"intValue":"1"}}}}"#
        );
        assert_eq!(attributes(&list), r#"{"a":null,"b":1}"#);
    }
}

#[test]
fn of_equal_keys_the_last_is_kept() {
    let pair =
        |key: &str, value: u32| format!(r#"{{"key":"{key}","value":{{"intValue":"{value}"}}}}"#);
    let list = [pair("a", 1), pair("b", 2), pair("a", 3), pair("c", 4)].join(",");
    assert_eq!(attributes(&list), r#"{"b":2,"a":3,"c":4}"#);
    let many: Vec<String> = (0..500)
        .map(|n| pair(&format!("k{}", n % 250), n))
        .collect();
    let written: serde_json::Value =
        serde_json::from_str(&attributes(&many.join(","))).expect("JSON");
    assert_eq!(written.as_object().expect("an object").len(), 250);
    assert_eq!(written["k7"], 257);
    let nested = format!(r#"{{"key":"m","value":{{"kvlistValue":{{"values":[{list}]}}}}}}"#);
    assert_eq!(attributes(&nested), r#"{"m":{"b":2,"a":3,"c":4}}"#);
}

#[test]
fn two_doubles_become_a_position() {
    let double =
        |key: &str, value: f64| format!(r#"{{"key":"{key}","value":{{"doubleValue":{value}}}}}"#);
    for (list, expected) in [
        (
            vec![
                double("geo.location.lat", 1.5),
                double("geo.location.lon", 2.0),
            ],
            r#"{"geo.location":[2.0,1.5]}"#,
        ),
        (
            vec![
                double("client.geo.location.lon", 2.0),
                double("x", 3.0),
                double("client.geo.location.lat", 1.5),
            ],
            r#"{"client.geo.location":[2.0,1.5],"x":3.0}"#,
        ),
        (
            vec![double("geo.location.lat", 1.5)],
            r#"{"geo.location.lat":1.5}"#,
        ),
        (
            vec![
                double("a.geo.location.lat", 1.5),
                double("b.geo.location.lon", 2.0),
            ],
            r#"{"a.geo.location.lat":1.5,"b.geo.location.lon":2.0}"#,
        ),
        (
            vec![
                double("xgeo.location.lat", 1.5),
                double("xgeo.location.lon", 2.0),
            ],
            r#"{"xgeo.location.lat":1.5,"xgeo.location.lon":2.0}"#,
        ),
        (
            vec![
                double("geo.location.lat", 1.5),
                r#"{"key":"geo.location.lon","value":{"intValue":"2"}}"#.to_owned(),
            ],
            r#"{"geo.location.lat":1.5,"geo.location.lon":2}"#,
        ),
    ] {
        assert_eq!(attributes(&list.join(",")), expected);
    }
}

/// Section 8: the difference of two unsigned numbers wraps.
#[test]
fn a_span_that_ends_before_it_starts_has_no_duration() {
    for (end, duration) in [(5, 0), (0, 0), (10, 0), (17, 7)] {
        let json = span(&format!(
            r#""startTimeUnixNano":"10","endTimeUnixNano":"{end}""#
        ));
        let written = lines(&encode(Signal::Traces, &json));
        assert_eq!(written[1]["duration"], duration);
    }
}

/// Section 8: microseconds in the documentation, nanoseconds in the code.
#[test]
fn durations_are_nanoseconds() {
    let json = span(r#""startTimeUnixNano":"1000000000","endTimeUnixNano":"2000000000""#);
    assert_eq!(
        lines(&encode(Signal::Traces, &json))[1]["duration"],
        1_000_000_000
    );
}

/// Section 4: the Collector writes 5 ns as `.5`, which is read as half a millisecond.
#[test]
fn nanoseconds_have_six_digits() {
    for (nanos, expected) in [
        ("1700000000123000005", "1700000000123.000005"),
        ("1700000000123500000", "1700000000123.500000"),
        ("999999", "0.999999"),
        ("18446744073709551615", "18446744073709.551615"),
    ] {
        let json = log(&format!(r#"{{"timeUnixNano":"{nanos}"}}"#));
        assert_eq!(
            lines(&encode(Signal::Logs, &json))[1]["@timestamp"],
            expected
        );
    }
}

#[test]
fn a_record_without_a_time_has_that_of_its_observation() {
    let document = log_document(r#"{"observedTimeUnixNano":"1000000"}"#);
    assert!(document.starts_with(r#"{"@timestamp":"1.000000","observed_timestamp":"1.000000""#));
}

#[test]
fn zero_ids_and_empty_fields_are_left_out() {
    let json = span(r#""traceId":"00000000000000000000000000000000","spanId":"0000000000000000""#);
    assert_eq!(
        text(&encode(Signal::Traces, &json)).lines().nth(1),
        Some(
            r#"{"@timestamp":"0.000000","data_stream":{"type":"traces","dataset":"generic.otel","namespace":"default"},"kind":"Unspecified","duration":0,"links":[],"status":{"code":"Unset"},"resource":{},"scope":{}}"#
        )
    );
}

#[test]
fn everything_a_span_may_have() {
    let json = r#"{"resourceSpans":[{"schemaUrl":"r","resource":{"droppedAttributesCount":1},"scopeSpans":[{"schemaUrl":"s","scope":{"name":"n","version":"v","attributes":[{"key":"a","value":{"intValue":"1"}}],"droppedAttributesCount":2},"spans":[
        {"traceState":"a=b","kind":5,"status":{"code":1},"droppedAttributesCount":3,"droppedEventsCount":4,"droppedLinksCount":5,
        "links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","traceState":"c=d","attributes":[{"key":"l","value":{"boolValue":true}}],"droppedAttributesCount":6},{}]}]}]}]}"#;
    assert_eq!(
        text(&encode(Signal::Traces, json)).lines().nth(1),
        Some(
            r#"{"@timestamp":"0.000000","data_stream":{"type":"traces","dataset":"generic.otel","namespace":"default"},"trace_state":"a=b","kind":"Consumer","duration":0,"dropped_attributes_count":3,"dropped_events_count":4,"links":[{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","trace_state":"c=d","attributes":{"l":true},"dropped_attributes_count":6},{}],"dropped_links_count":5,"status":{"code":"Ok"},"resource":{"schema_url":"r","dropped_attributes_count":1},"scope":{"schema_url":"s","name":"n","version":"v","attributes":{"a":1},"dropped_attributes_count":2}}"#
        )
    );
}

#[test]
fn bodies_of_log_records() {
    for (body, expected) in [
        (
            r#"{"stringValue":"x"}"#,
            r#""scope":{},"body":{"text":"x"}}"#,
        ),
        (r#"{"intValue":"7"}"#, r#""scope":{},"body":{"text":7}}"#),
        (r#"{"doubleValue":7}"#, r#""scope":{},"body":{"text":7.0}}"#),
        (
            r#"{"bytesValue":"AP8="}"#,
            r#""scope":{},"body":{"text":"00ff"}}"#,
        ),
        (
            r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}"#,
            r#""scope":{},"body":{"structured":{"a":1}}}"#,
        ),
        (
            r#"{"arrayValue":{"values":[{"kvlistValue":{}},{"kvlistValue":{}}]}}"#,
            r#""scope":{},"body":{"structured":[{},{}]}}"#,
        ),
        (
            r#"{"arrayValue":{"values":[{"kvlistValue":{}},{"intValue":"1"}]}}"#,
            r#""scope":{},"body":{"structured":{"value":[{},1]}}}"#,
        ),
        ("{}", r#""scope":{}}"#),
    ] {
        let document = log_document(&format!(r#"{{"body":{body}}}"#));
        assert!(document.ends_with(expected), "{document}");
    }
}

#[test]
fn the_name_of_an_event_is_a_field_and_an_attribute() {
    let name = r#"{"key":"event.name","value":{"stringValue":"attribute"}}"#;
    for (record, expected) in [
        (
            format!(r#"{{"eventName":"field","attributes":[{name}]}}"#),
            "field",
        ),
        (format!(r#"{{"attributes":[{name}]}}"#), "attribute"),
        (
            format!(
                r#"{{"attributes":[{name},{{"key":"data_stream.dataset","value":{{"stringValue":"d"}}}}]}}"#
            ),
            "attribute",
        ),
    ] {
        let written = lines(&encode(Signal::Logs, &log(&record)));
        assert_eq!(written[1]["event_name"], expected);
        assert_eq!(written[1]["attributes"]["event.name"], "attribute");
    }
    // Of a span event, where the field alone says it, the attribute must not be there twice.
    let json = span(&format!(
        r#""events":[{{"name":"field","attributes":[{name}]}}]"#
    ));
    let bulk = encode(Signal::Traces, &json);
    assert!(
        text(&bulk)
            .contains(r#""event_name":"field","attributes":{"event.name":"field"},"resource""#)
    );
    let json = span(r#""events":[{"name":"only"},{}]"#);
    let bulk = encode(Signal::Traces, &json);
    assert!(
        text(&bulk)
            .contains(r#""event_name":"only","attributes":{"event.name":"only"},"resource""#)
    );
    assert_eq!(bulk.len(), 3);
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

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
fn a_map_as_a_document_is_nothing_but_the_map() {
    let format = BulkFormat::default().mapping(Mapping::BodyMap);
    let json = log(
        r#"{"body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}},"attributes":[{"key":"x","value":{"intValue":"1"}}]},{"body":{"stringValue":"no map"},"eventName":"e"}"#,
    );
    let bulk = encode_with(&format, Signal::Logs, &json);
    assert_eq!(
        text(&bulk),
        "{\"create\":{\"_index\":\"logs-generic-default\"}}\n{\"a\":1}\n"
    );
    assert_eq!(bulk.rejected(), [1]);
    assert!(bulk.reason().contains("`e`"), "{}", bulk.reason());
    let other = encode_with(&format, Signal::Traces, &span(""));
    assert_eq!((other.len(), other.rejected()), (0, &[0][..]));
    assert!(format.check(Signal::Metrics).is_err() && format.check(Signal::Logs).is_ok());
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

fn gauge(name: &str, point: &str) -> String {
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{point}]}}}}"#)
}

/// Section 8: points with the same dimensions and millisecond in two documents are a conflict.
#[test]
fn points_are_grouped_wherever_they_stand() {
    let a = r#"{"key":"a","value":{"stringValue":"1"}}"#;
    let b =
        r#"{"key":"b","value":{"kvlistValue":{"values":[{"key":"x","value":{"doubleValue":1}}]}}}"#;
    // The same attributes in another order, the same millisecond, and the same resource twice.
    let one = format!(
        r#"{{"resource":{{"attributes":[{a},{b}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{}]}}]}}"#,
        gauge(
            "m1",
            &format!(r#"{{"timeUnixNano":"5000001","asInt":"1","attributes":[{a},{b}]}}"#)
        ),
    );
    let two = format!(
        r#"{{"resource":{{"attributes":[{b},{a}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{}]}}]}}"#,
        gauge(
            "m2",
            &format!(r#"{{"timeUnixNano":"5999999","asInt":"2","attributes":[{b},{a}]}}"#)
        ),
    );
    let other = |time: &str, start: &str, attributes: &str, unit: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{a},{b}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{{"name":"m3","unit":"{unit}","gauge":{{"dataPoints":[{{"timeUnixNano":"{time}","startTimeUnixNano":"{start}","asInt":"3","attributes":[{attributes}]}}]}}}}]}}]}}"#
        )
    };
    let both = format!("{a},{b}");
    let parts = [
        one,
        two,
        other("6000000", "0", &both, ""),
        other("5000000", "1000000", &both, ""),
        other("5000000", "0", a, ""),
        other("5000000", "0", &both, "s"),
    ];
    let json = format!(r#"{{"resourceMetrics":[{}]}}"#, parts.join(","));
    let bulk = encode(Signal::Metrics, &json);
    let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
    assert_eq!(items, [&[0, 1][..], &[2], &[3], &[4], &[5]]);
    let written = lines(&bulk);
    assert_eq!(written[1]["metrics"], serde_json::json!({"m1": 1, "m2": 2}));
    assert_eq!(
        written[1]["attributes"]["b"], r#"{"x":1.0}"#,
        "a dimension is a single value"
    );
    assert_eq!(written[1]["resource"]["attributes"]["b"]["x"], 1.0);
}

#[test]
fn a_second_point_of_the_same_name_is_rejected_and_counted() {
    let point = |value: u32| format!(r#"{{"timeUnixNano":"5000000","asInt":"{value}"}}"#);
    let json = metrics(
        &[
            gauge("m", &format!("{},{}", point(1), point(2))),
            gauge("n", &point(3)),
            gauge("m", &point(4)),
        ]
        .join(","),
    );
    let bulk = encode(Signal::Metrics, &json);
    assert_eq!(
        lines(&bulk)[1]["metrics"],
        serde_json::json!({"m": 1, "n": 3})
    );
    assert_eq!(bulk.rejected(), [1, 3]);
    assert_eq!(bulk.document(0).expect("one").items, [0, 2]);
    assert_eq!(
        bulk.reason(),
        "a second data point of the same metric, attributes and millisecond (2, the first in `m`)"
    );
}

/// Other indices have no rule of one document for each series and millisecond.
#[test]
fn a_second_point_of_the_same_name_has_a_document_of_its_own_elsewhere() {
    let point = |value: u32| format!(r#"{{"timeUnixNano":"5000000","asInt":"{value}"}}"#);
    let m = gauge("m", &[point(1), point(2), point(3)].join(","));
    let json = metrics(&[m, gauge("n", &point(4))].join(","));
    let opensearch = BulkFormat::default().product(Product::OpenSearch);
    for format in [opensearch, BulkFormat::default().index_prefix("p")] {
        let bulk = encode_with(&format, Signal::Metrics, &json);
        assert!(bulk.rejected().is_empty());
        let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
        assert_eq!(items, [&[0][..], &[1], &[2, 3]]);
    }
}

/// Section 4.4: what has no form is rejected, and its neighbours are not.
#[test]
fn points_without_a_form_are_rejected_alone() {
    let good = r#"{"timeUnixNano":"1","asInt":"1"}"#;
    for (metric, reason) in [
        (gauge("m", r#"{"timeUnixNano":"1","asDouble":"NaN"}"#), "not finite"),
        (gauge("m", r#"{"timeUnixNano":"1","asDouble":"-Infinity"}"#), "not finite"),
        (gauge("m", r#"{"timeUnixNano":"1"}"#), "without a value"),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1","sum":1,"bucketCounts":["1"]}]}}"#.to_owned(),
            "cumulative",
        ),
        (
            r#"{"name":"m","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1"}]}}"#.to_owned(),
            "cumulative",
        ),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1","sum":1,"bucketCounts":["1"],"explicitBounds":[1,2]}]}}"#.to_owned(),
            "do not fit",
        ),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1"}]}}"#.to_owned(),
            "neither buckets nor a sum",
        ),
        (
            r#"{"name":"m","summary":{"dataPoints":[{"count":"1","sum":"NaN"}]}}"#.to_owned(),
            "not finite",
        ),
    ] {
        let bulk = encode(Signal::Metrics, &metrics(&format!("{},{metric}", gauge("good", good))));
        assert_eq!(bulk.rejected(), [1], "{metric}");
        assert!(bulk.reason().contains(reason) && bulk.reason().contains("`m`"), "{}", bulk.reason());
        assert_eq!(lines(&bulk)[1]["metrics"], serde_json::json!({"good": 1}));
    }
    let ended = encode(
        Signal::Metrics,
        &metrics(&gauge("m", r#"{"timeUnixNano":"1","flags":1}"#)),
    );
    assert!(
        ended.is_empty() && ended.rejected().is_empty(),
        "the end of a series"
    );
}

#[test]
fn every_type_has_its_value_and_its_template() {
    let sum = |temporality: u32, monotonic: bool, value: &str| {
        format!(
            r#"{{"name":"m","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},"dataPoints":[{{"timeUnixNano":"1",{value}}}]}}}}"#
        )
    };
    let exponential = |point: &str| {
        format!(
            r#"{{"name":"m","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{{point}}}]}}}}"#
        )
    };
    let histogram = |point: &str| {
        format!(
            r#"{{"name":"m","histogram":{{"aggregationTemporality":1,"dataPoints":[{{{point}}}]}}}}"#
        )
    };
    let hints = |hint: &str| {
        format!(
            r#""attributes":[{{"key":"elasticsearch.mapping.hints","value":{{"arrayValue":{{"values":[{{"stringValue":"{hint}"}}]}}}}}}]"#
        )
    };
    for (metric, template, value) in [
        (gauge("m", r#"{"asInt":"7"}"#), "gauge_long", "7"),
        (gauge("m", r#"{"asDouble":7}"#), "gauge_double", "7.0"),
        (sum(2, true, r#""asInt":"7""#), "counter_long", "7"),
        (sum(2, true, r#""asDouble":0.5"#), "counter_double", "0.5"),
        (sum(1, true, r#""asInt":"7""#), "gauge_long", "7"),
        (sum(2, false, r#""asDouble":7"#), "gauge_double", "7.0"),
        (
            r#"{"name":"m","summary":{"dataPoints":[{"count":"3","sum":1.5,"quantileValues":[{"quantile":0.5,"value":1}]}]}}"#.to_owned(),
            "summary",
            r#"{"sum":1.5,"value_count":3}"#,
        ),
        // Empty buckets are left out; the first bound is not above zero.
        (
            histogram(r#""count":"4","sum":1,"bucketCounts":["1","0","2","1"],"explicitBounds":[-1,0,1]"#),
            "histogram",
            r#"{"counts":[1,2,1],"values":[-1.0,0.5,1.0]}"#,
        ),
        (histogram(r#""count":"4","sum":10"#), "histogram", r#"{"counts":[4],"values":[2.5]}"#),
        (histogram(r#""count":"0""#), "histogram", r#"{"counts":[],"values":[]}"#),
        (
            exponential(r#""count":"7","scale":0,"zeroCount":"1","positive":{"offset":0,"bucketCounts":["2","0","1"]},"negative":{"offset":1,"bucketCounts":["1","2"]}"#),
            "histogram",
            r#"{"counts":[2,1,1,2,1],"values":[-6.0,-3.0,0.0,1.5,6.0]}"#,
        ),
        (
            exponential(&format!(r#""count":"7","sum":9,{}"#, hints("aggregate_metric_double"))),
            "summary",
            r#"{"sum":9.0,"value_count":7}"#,
        ),
        (
            histogram(&format!(r#""count":"4","sum":10,{}"#, hints("aggregate_metric_double"))),
            "summary",
            r#"{"sum":10.0,"value_count":4}"#,
        ),
    ] {
        let bulk = encode(Signal::Metrics, &metrics(&metric));
        let expected = format!(r#""dynamic_templates":{{"metrics.m":"{template}"}}"#);
        assert!(text(&bulk).contains(&expected), "{}", text(&bulk));
        let expected = format!(r#""metrics":{{"m":{value}}}"#);
        assert!(text(&bulk).contains(&expected), "{}", text(&bulk));
        assert!(!text(&bulk).contains("mapping.hints"));
    }
    let counted = histogram(&format!(r#""count":"4","sum":10,{}"#, hints("_doc_count")));
    let bulk = encode(Signal::Metrics, &metrics(&counted));
    assert!(
        text(&bulk).contains(r#"}},"_doc_count":4,"_metric_names_hash":""#),
        "{}",
        text(&bulk)
    );
}

/// Midpoints of buckets beyond what a double can say are still numbers.
#[test]
fn extreme_exponential_buckets_are_finite() {
    for (scale, offset) in [
        (-10, 2_000_000_000),
        (-10, -2_000_000_000),
        (i32::MIN, 0),
        (i32::MAX, 5),
        (20, i32::MAX),
    ] {
        let json = metrics(&format!(
            r#"{{"name":"m","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"count":"2","scale":{scale},"positive":{{"offset":{offset},"bucketCounts":["1","1"]}},"negative":{{"offset":{offset},"bucketCounts":["1"]}}}}]}}}}"#
        ));
        let written = lines(&encode(Signal::Metrics, &json));
        let values = written[1]["metrics"]["m"]["values"]
            .as_array()
            .expect("values");
        let values: Vec<f64> = values
            .iter()
            .map(|value| value.as_f64().expect("a number"))
            .collect();
        assert_eq!(values.len(), 3);
        assert!(
            values.windows(2).all(|pair| pair[0] <= pair[1]),
            "{values:?}"
        );
    }
}

#[test]
fn the_hash_of_names_does_not_depend_on_their_order() {
    let point = r#"{"timeUnixNano":"1","asInt":"1"}"#;
    let hash = |names: &[&str]| {
        let list: Vec<String> = names.iter().map(|name| gauge(name, point)).collect();
        lines(&encode(Signal::Metrics, &metrics(&list.join(","))))[1]["_metric_names_hash"].clone()
    };
    assert_eq!(hash(&["a", "b", "c"]), hash(&["c", "a", "b"]));
    assert_ne!(hash(&["a", "b"]), hash(&["a"]));
    // FNV-1a of `a`, with the zero of a shorter number.
    assert_eq!(hash(&["a"]), "e40c292c");
}

#[test]
fn a_bulk_is_cleared_and_filled_again() {
    let format = BulkFormat::default();
    let mut bulk = encode(
        Signal::Metrics,
        &metrics(&gauge("m", r#"{"asDouble":"NaN"}"#)),
    );
    assert_eq!(bulk.rejected().len(), 1);
    let request = ExportRequest::from_json(Signal::Traces, EVENT_SPAN.as_bytes()).expect("valid");
    format.encode_into(&mut bulk, request.otlp());
    assert_eq!(text(&bulk), text(&encode(Signal::Traces, EVENT_SPAN)));
    assert!(bulk.rejected().is_empty() && bulk.reason().is_empty());
}
