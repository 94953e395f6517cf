//! Spans, their events and links, and log records: the rules, one by one.

use tower_otlp::{Signal, exporters::influxdb::LineProtocol};

use super::{
    examples::{NOW, encode, lines, records, spans},
    parser::{Point, Value, parse},
};

const IDS: &str = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001""#;

fn text(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

/// The points of one span with these fields.
fn span(fields: &str) -> Vec<Point> {
    parse(&lines(
        Signal::Traces,
        &spans(&format!("{{{IDS},{fields}}}")),
    ))
}

/// The point of one log record with these fields.
fn record(fields: &str) -> Point {
    parse(&lines(Signal::Logs, &records(&format!("{{{fields}}}")))).remove(0)
}

/// A group of this signal whose resource, scope and item all have the attribute `k`.
fn overridden(signal: Signal) -> String {
    let own = |value| format!(r#""attributes":[{}]"#, text("k", value));
    let [groups, scopes, items] = match signal {
        Signal::Traces => ["resourceSpans", "scopeSpans", "spans"],
        _ => ["resourceLogs", "scopeLogs", "logRecords"],
    };
    let only = |key| text(key, "<&>");
    format!(
        r#"{{"{groups}":[{{"resource":{{"attributes":[{},{}]}},"{scopes}":[
        {{"scope":{{"attributes":[{},{}]}},"{items}":[{{{}}},{{}}]}},{{"{items}":[{{}}]}}]}}]}}"#,
        text("k", "resource"),
        only("r"),
        text("k", "scope"),
        only("s"),
        own("item"),
    )
}

#[test]
fn the_innermost_attribute_counts_and_nothing_is_escaped_for_html() {
    for signal in [Signal::Traces, Signal::Logs] {
        let points = parse(&lines(signal, &overridden(signal)));
        let attributes: Vec<_> = points
            .iter()
            .map(|point| point.text("attributes"))
            .collect();
        let expected = [
            r#"{"k":"item","r":"<&>","s":"<&>"}"#,
            r#"{"k":"scope","r":"<&>","s":"<&>"}"#,
            r#"{"k":"resource","r":"<&>"}"#,
        ];
        assert_eq!(attributes, expected.map(Some), "{signal}");
    }
}

#[test]
fn dimensions_are_tags_and_the_innermost_counts() {
    let protocol = LineProtocol::default()
        .span_dimensions(["k", "absent"])
        .log_record_dimensions(["k", "absent"]);
    for signal in [Signal::Traces, Signal::Logs] {
        let points = parse(&encode(&protocol, signal, &overridden(signal)));
        let tags: Vec<_> = points.iter().map(|point| point.tag("k")).collect();
        assert_eq!(tags, [Some("item"), Some("scope"), Some("resource")]);
        for point in points {
            assert_eq!(point.tag("absent"), None);
            let attributes = point.text("attributes").expect("the others");
            assert!(!attributes.contains("\"k\""), "{attributes}");
        }
    }
}

#[test]
fn dimensions_with_the_names_of_fields_are_renamed() {
    let keys = [
        "attributes",
        "trace_id",
        "span.kind",
        "body",
        "severity_number",
    ];
    let attributes = keys.map(|key| text(key, "mine")).join(",");
    let protocol = LineProtocol::default()
        .span_dimensions(keys)
        .log_record_dimensions(keys);
    let json = spans(&format!(r#"{{{IDS},"attributes":[{attributes}]}}"#));
    let point = parse(&encode(&protocol, Signal::Traces, &json)).remove(0);
    for key in [
        "exported_attributes",
        "exported_trace_id",
        "exported_span.kind",
    ] {
        assert_eq!(point.tag(key), Some("mine"), "{key}");
    }
    assert_eq!(
        point.tag("trace_id"),
        Some("0102030405060708090a0b0c0d0e0f10")
    );
    let json = records(&format!(r#"{{"attributes":[{attributes}]}}"#));
    let point = parse(&encode(&protocol, Signal::Logs, &json)).remove(0);
    for key in [
        "exported_attributes",
        "exported_body",
        "exported_severity_number",
    ] {
        assert_eq!(point.tag(key), Some("mine"), "{key}");
    }
    // Of the name of a span the tag is kept: both together are refused.
    let name = text("span.name", "tag");
    let points = span(&format!(r#""name":"field","attributes":[{name}]"#));
    assert_eq!(points[0].tag("span.name"), Some("tag"));
    assert_eq!(points[0].field("span.name"), None);
}

#[test]
fn everything_else_a_span_may_have() {
    let points = span(
        r#""parentSpanId":"00f067aa0ba902b7","traceState":"a=1","name":"n","kind":5,
        "startTimeUnixNano":"5","endTimeUnixNano":"12","droppedAttributesCount":1,
        "droppedEventsCount":2,"droppedLinksCount":4294967295,"status":{"code":1,"message":"m"}"#,
    );
    assert_eq!(points.len(), 1);
    let point = &points[0];
    assert_eq!((&*point.measurement, point.time), ("spans", 5));
    for (key, value) in [
        ("parent_span_id", "00f067aa0ba902b7"),
        ("trace_state", "a=1"),
        ("span.name", "n"),
        ("span.kind", "Consumer"),
        ("otel.status_code", "Ok"),
        ("otel.status_description", "m"),
    ] {
        assert_eq!(point.text(key), Some(value), "{key}");
    }
    for (key, value) in [
        ("dropped_attributes_count", Value::Unsigned(1)),
        ("dropped_events_count", Value::Unsigned(2)),
        ("dropped_links_count", Value::Unsigned(4_294_967_295)),
        ("duration_nano", Value::Int(7)),
        ("end_time_unix_nano", Value::Int(12)),
    ] {
        assert_eq!(point.field(key), Some(&value), "{key}");
    }
}

#[test]
fn what_a_span_has_not_is_no_field() {
    let points = span(r#""name":"n","kind":0,"startTimeUnixNano":"5","status":{"code":0}"#);
    let fields: Vec<&str> = points[0].fields.iter().map(|(key, _)| &**key).collect();
    assert_eq!(fields, ["attributes", "span.name"]);
    let kinds = ["Internal", "Server", "Client", "Producer", "Consumer"];
    for (number, kind) in (1..).zip(kinds) {
        let points = span(&format!(r#""kind":{number}"#));
        assert_eq!(points[0].text("span.kind"), Some(kind));
    }
}

#[test]
fn an_event_has_its_own_attributes_alone() {
    let points = span(&format!(
        r#""startTimeUnixNano":"5","attributes":[{own}],"events":[
        {{"timeUnixNano":"7","name":"e","attributes":[{event}],"droppedAttributesCount":2}},
        {{"timeUnixNano":"8","name":"bare","droppedAttributesCount":2}},{{"name":"late"}}]"#,
        own = text("own", "1"),
        event = text("event", "1"),
    ));
    assert_eq!(points.len(), 4);
    assert!(points[..3].iter().all(|point| point.measurement == "logs"));
    let tags = ["span_id", "trace_id"];
    assert!(points[0].tags.iter().map(|(key, _)| &**key).eq(tags));
    assert_eq!(points[0].text("attributes"), Some(r#"{"event":"1"}"#));
    let dropped = |point: &Point| point.field("dropped_attributes_count").cloned();
    assert_eq!(dropped(&points[0]), Some(Value::Unsigned(2)));
    // Only together with attributes.
    assert_eq!(
        (points[1].text("attributes"), dropped(&points[1])),
        (None, None)
    );
    let times: Vec<i64> = points.iter().map(|point| point.time).collect();
    assert_eq!(
        times,
        [7, 8, 5, 5],
        "one without a time has that of its span"
    );
}

#[test]
fn a_link_has_what_it_says_and_the_time_of_its_span() {
    let points = span(&format!(
        r#""startTimeUnixNano":"5","links":[{{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId":"1112131415161718","traceState":"k=v","attributes":[{}],
        "droppedAttributesCount":3}}]"#,
        text("why", "retry")
    ));
    let link = &points[0];
    assert_eq!((&*link.measurement, link.time), ("span-links", 5));
    for (key, value) in [
        ("linked_span_id", "1112131415161718"),
        ("linked_trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("span_id", "ff00000000000001"),
        ("trace_id", "0102030405060708090a0b0c0d0e0f10"),
    ] {
        assert_eq!(link.tag(key), Some(value));
    }
    assert_eq!(link.text("trace_state"), Some("k=v"));
    assert_eq!(link.text("attributes"), Some(r#"{"why":"retry"}"#));
    let dropped = link.field("dropped_attributes_count");
    assert_eq!(dropped, Some(&Value::Unsigned(3)));
}

#[test]
fn events_and_links_with_one_identity_are_moved_apart() {
    let event = r#"{"timeUnixNano":"7","name":"e"}"#;
    let link = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}"#;
    let points = span(&format!(
        r#""startTimeUnixNano":"5","events":[{event},{event}],"links":[{link},{link}]"#
    ));
    let times: Vec<i64> = points.iter().map(|point| point.time).collect();
    assert_eq!(times, [7, 8, 5, 6, 5]);
}

#[test]
fn a_record_has_ids_if_it_has_both() {
    let trace = r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736""#;
    let span = r#""spanId":"1112131415161718""#;
    for (fields, has_ids) in [
        (format!("{trace},{span}"), true),
        (trace.to_owned(), false),
        (span.to_owned(), false),
    ] {
        let point = record(&fields);
        assert_eq!(point.tag("trace_id").is_some(), has_ids, "{fields}");
        assert_eq!(point.tag("span_id").is_some(), has_ids, "{fields}");
    }
}

#[test]
fn a_record_of_nothing_has_a_body_and_a_time() {
    let point = record("");
    assert_eq!(point.text("body"), Some(""));
    assert_eq!(point.time, NOW.cast_signed(), "not 1970");
    let fields: Vec<&str> = point.fields.iter().map(|(key, _)| &**key).collect();
    assert_eq!(fields, ["attributes", "body"]);
    let point = record(
        r#""body":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a\nb"}]}},
        "droppedAttributesCount":2,"eventName":"e","severityText":"WARN""#,
    );
    assert_eq!(point.text("body"), Some(r#"[1,"a\nb"]"#));
    let dropped = point.field("dropped_attributes_count");
    assert_eq!(dropped, Some(&Value::Unsigned(2)));
    assert_eq!(point.text("severity_text"), Some("WARN"));
    assert_eq!(point.field("severity_number"), None);
}
