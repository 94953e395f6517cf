//! Spans, their events, and log records.

use super::*;

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

/// The time of observation is always there, what is empty is not.
#[test]
fn a_log_record_of_nothing() {
    assert_eq!(
        log_document("{}"),
        r#"{"@timestamp":"0.000000","observed_timestamp":"0.000000","data_stream":{"type":"logs","dataset":"generic.otel","namespace":"default"},"resource":{},"scope":{}}"#
    );
}

/// A line ends at a line feed, wherever it comes from.
#[test]
fn no_text_breaks_a_line() {
    let odd = r"a\nb\r\u2028\u0000";
    let bulk = encode(
        Signal::Logs,
        &log(&format!(
            r#"{{"body":{{"stringValue":"{odd}"}},"severityText":"{odd}","eventName":"{odd}",
            "attributes":[{{"key":"{odd}","value":{{"stringValue":"{odd}"}}}}]}}"#
        )),
    );
    let written = lines(&bulk);
    assert_eq!(written.len(), 2);
    assert_eq!(written[1]["body"]["text"], "a\nb\r\u{2028}\u{0}");
}
