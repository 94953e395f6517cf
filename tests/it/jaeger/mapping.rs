//! The rules of the mapping, one by one.

use tower_otlp::{
    ExportRequest,
    exporters::jaeger::encode::{EncodeOptions, Format},
};

use super::{
    batches, batches_with, binary, boolean, double, encode, long, span, string, traces, with_span,
};
use crate::support::jaeger_idl::{Log, Span, SpanRef, Tag};

fn tags(span: &Span) -> Vec<Tag> {
    span.tags.clone().unwrap_or_default()
}

fn logs(span: &Span) -> Vec<Log> {
    span.logs.clone().unwrap_or_default()
}

fn references(span: &Span) -> Vec<SpanRef> {
    span.references.clone().unwrap_or_default()
}

/// A resource with these attributes and one span.
fn with_resource(attributes: &str) -> ExportRequest {
    traces(&format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{attributes}]}},"scopeSpans":[{{"spans":[
        {{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001"}}]}}]}}]}}"#
    ))
}

fn text(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

#[test]
fn ids_are_signed_big_endian_halves() {
    for (id, number) in [
        ("ff00000000000000", -72_057_594_037_927_936),
        ("ff00000000000001", -72_057_594_037_927_935),
        ("00f067aa0ba902b7", 67_667_974_448_284_343),
    ] {
        let span = span(&format!(r#""parentSpanId":"{id}""#));
        assert_eq!(span.parent_span_id, number);
    }
    let span = span("");
    assert_eq!(span.trace_id_high, 72_623_859_790_382_856);
    assert_eq!(span.trace_id_low, 651_345_242_494_996_240);
}

#[test]
fn a_64_bit_trace_id_has_a_high_half_of_zero() {
    let request = traces(
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"0000000000000000090a0b0c0d0e0f10","spanId":"0000000000000001"}]}]}]}"#,
    );
    let span = super::only(&request);
    assert_eq!(span.trace_id_high, 0);
    assert_eq!(span.trace_id_low, 651_345_242_494_996_240);
}

#[test]
fn a_resource_without_a_usable_name_is_an_unknown_service() {
    let int = r#"{"key":"service.name","value":{"intValue":"5"}}"#.to_owned();
    for (attributes, left) in [
        (text("host.name", "h1"), vec![string("host.name", "h1")]),
        (String::new(), vec![]),
        (text("service.name", ""), vec![string("service.name", "")]),
        (int, vec![long("service.name", 5)]),
    ] {
        let batch = batches(&with_resource(&attributes)).remove(0);
        assert_eq!(batch.process.service_name, "unknown_service");
        assert_eq!(batch.process.tags.unwrap_or_default(), left);
    }
    let request = with_resource(&text("host.name", "h1"));
    for (name, written) in [("edge", "edge"), ("", "unknown_service")] {
        let options = EncodeOptions::default().unknown_service(name);
        let batch = batches_with(&request, &options).remove(0);
        assert_eq!(batch.process.service_name, written);
    }
}

#[test]
fn the_service_name_is_no_tag_and_the_others_keep_their_order() {
    let attributes = [
        text("b", "1"),
        text("service.name", "cart"),
        text("a", "2"),
        r#"{"key":"pid","value":{"intValue":"7"}}"#.to_owned(),
    ];
    let batch = batches(&with_resource(&attributes.join(","))).remove(0);
    assert_eq!(batch.process.service_name, "cart");
    let tags = vec![string("b", "1"), string("a", "2"), long("pid", 7)];
    assert_eq!(batch.process.tags, Some(tags));
}

#[test]
fn an_empty_service_name_is_never_sent() {
    for name in ["", "cart"] {
        let batch = batches(&with_resource(&text("service.name", name))).remove(0);
        assert!(!batch.process.service_name.is_empty());
    }
}

#[test]
fn the_duration_is_cut_off_after_the_subtraction() {
    for (start, end, start_time, duration) in [
        (
            "1700000000123456789",
            "1700000000124957788",
            1_700_000_000_123_456,
            1500,
        ),
        ("1999", "1999", 1, 0),
        ("1000", "1999", 1, 0),
        ("999", "2000", 0, 1),
        // No end; an end before the start.
        ("5000", "0", 5, 0),
        ("5000", "4000", 5, 0),
        ("0", "18446744073709551615", 0, 18_446_744_073_709_551),
        ("18446744073709551615", "0", 18_446_744_073_709_551, 0),
    ] {
        let span = span(&format!(
            r#""startTimeUnixNano":"{start}","endTimeUnixNano":"{end}""#
        ));
        assert_eq!(
            (span.start_time, span.duration),
            (start_time, duration),
            "{start} {end}"
        );
    }
}

#[test]
fn flags_are_masked_and_their_absence_means_sampled() {
    for (flags, written) in [
        (0, 1),
        (1, 1),
        (2, 0),
        (3, 1),
        (0x100, 0),
        (0x101, 1),
        (0x303, 1),
    ] {
        assert_eq!(
            span(&format!(r#""flags":{flags}"#)).flags,
            written,
            "{flags:#x}"
        );
    }
}

#[test]
fn values_of_every_type() {
    let attributes = [
        (r#"{"stringValue":""}"#, string("k", "")),
        (r#"{"stringValue":"naïve 🦀"}"#, string("k", "naïve 🦀")),
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            long("k", i64::MIN),
        ),
        (r#"{"boolValue":true}"#, boolean("k", true)),
        (r#"{"boolValue":false}"#, boolean("k", false)),
        (r#"{"doubleValue":-0.5}"#, double("k", -0.5)),
        (r#"{"doubleValue":"Infinity"}"#, double("k", f64::INFINITY)),
        (r#"{"bytesValue":"AP8="}"#, binary("k", &[0, 0xff])),
        (r#"{"bytesValue":""}"#, binary("k", &[])),
        ("{}", string("k", "")),
        (r#"{"arrayValue":{}}"#, string("k", "[]")),
        (r#"{"kvlistValue":{}}"#, string("k", "{}")),
    ];
    for (value, tag) in attributes {
        let span = span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#));
        assert_eq!(tags(&span), [tag], "{value}");
    }
    let span = span(r#""attributes":[{"key":"k"}]"#);
    assert_eq!(tags(&span), [string("k", "")]);
}

#[test]
fn nan_stays_nan() {
    let request = with_span(r#""attributes":[{"key":"k","value":{"doubleValue":"NaN"}}]"#);
    for format in super::FORMATS {
        let (messages, _, _) = encode(&request, &EncodeOptions::default(), format, usize::MAX);
        let batch = super::read(format, &messages[0]);
        let tag = &tags(&batch.spans[0])[0];
        assert!(tag.v_double.expect("a double").is_nan(), "{format:?}");
    }
}

#[test]
fn doubles_are_little_endian_in_the_compact_protocol_alone() {
    let request = with_span(r#""attributes":[{"key":"k","value":{"doubleValue":0.25}}]"#);
    let bits = 0.25_f64.to_bits();
    for format in super::FORMATS {
        let (messages, _, _) = encode(&request, &EncodeOptions::default(), format, usize::MAX);
        let expected = match format {
            Format::AgentCompact => bits.to_le_bytes(),
            _ => bits.to_be_bytes(),
        };
        assert!(
            messages[0].windows(8).any(|window| window == expected),
            "{format:?}"
        );
    }
}

#[test]
fn lists_and_maps_are_compact_json() {
    let map = r#"{"kvlistValue":{"values":[
        {"key":"z","value":{"arrayValue":{"values":[
            {"intValue":"9007199254740993"},{"doubleValue":0.1},{"doubleValue":"NaN"},
            {"doubleValue":"Infinity"},{"doubleValue":"-Infinity"},{"bytesValue":"AP8="},{},
            {"boolValue":true},{"stringValue":"a\"b\n"}]}}},
        {"key":"a","value":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"1"}}]}}}]}}"#;
    let span = span(&format!(r#""attributes":[{{"key":"k","value":{map}}}]"#));
    let json = r#"{"a":{"k":1},"z":[9007199254740993,0.1,"NaN","Infinity","-Infinity","AP8=",null,true,"a\"b\n"]}"#;
    assert_eq!(tags(&span), [string("k", json)]);
}

#[test]
fn kinds() {
    for (kind, tag) in [
        (0, None),
        (1, Some("internal")),
        (2, Some("server")),
        (3, Some("client")),
        (4, Some("producer")),
        (5, Some("consumer")),
        (99, None),
    ] {
        let expected: Vec<Tag> = tag.iter().map(|kind| string("span.kind", kind)).collect();
        assert_eq!(
            tags(&span(&format!(r#""kind":{kind}"#))),
            expected,
            "{kind}"
        );
    }
    let options = EncodeOptions::default().internal_kind(false);
    let batch = batches_with(&with_span(r#""kind":1"#), &options).remove(0);
    assert_eq!(batch.spans[0].tags, None);
}

#[test]
fn statuses() {
    let code = |code| string("otel.status_code", code);
    let described = |text| string("otel.status_description", text);
    for (status, expected) in [
        (r#"{"code":2}"#, vec![code("ERROR"), boolean("error", true)]),
        (
            r#"{"code":2,"message":"boom"}"#,
            vec![code("ERROR"), boolean("error", true), described("boom")],
        ),
        (r#"{"code":1}"#, vec![code("OK")]),
        (r#"{"message":"x"}"#, vec![described("x")]),
        ("{}", vec![]),
    ] {
        assert_eq!(
            tags(&span(&format!(r#""status":{status}"#))),
            expected,
            "{status}"
        );
    }
}

#[test]
fn tracestate_and_dropped_counts_are_tags() {
    let span = span(
        r#""traceState":"a=1,b=2","droppedAttributesCount":1,"droppedEventsCount":2,
        "droppedLinksCount":4294967295"#,
    );
    let expected = [
        string("w3c.tracestate", "a=1,b=2"),
        long("otel.dropped_attributes_count", 1),
        long("otel.dropped_events_count", 2),
        long("otel.dropped_links_count", 4_294_967_295),
    ];
    assert_eq!(tags(&span), expected);
}

#[test]
fn made_tags_win_over_attributes_of_the_same_name_if_they_are_made() {
    let keys = [
        "otel.scope.name",
        "otel.scope.version",
        "span.kind",
        "otel.status_code",
        "error",
        "otel.status_description",
        "w3c.tracestate",
        "otel.dropped_attributes_count",
        "otel.dropped_events_count",
        "otel.dropped_links_count",
        "errors",
        "",
    ];
    let attributes = keys.map(|key| text(key, "mine")).join(",");
    let plain = span(&format!(r#""attributes":[{attributes}]"#));
    assert_eq!(tags(&plain), keys.map(|key| string(key, "mine")));

    let request = traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"scope":{{"name":"s","version":"1"}},"spans":[{{
        "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001",
        "kind":3,"status":{{"code":2,"message":"m"}},"traceState":"t=1","droppedAttributesCount":1,
        "droppedEventsCount":1,"droppedLinksCount":1,"attributes":[{attributes}]}}]}}]}}]}}"#
    ));
    let expected = [
        string("otel.scope.name", "s"),
        string("otel.scope.version", "1"),
        string("errors", "mine"),
        string("", "mine"),
        string("span.kind", "client"),
        string("otel.status_code", "ERROR"),
        boolean("error", true),
        string("otel.status_description", "m"),
        string("w3c.tracestate", "t=1"),
        long("otel.dropped_attributes_count", 1),
        long("otel.dropped_events_count", 1),
        long("otel.dropped_links_count", 1),
    ];
    assert_eq!(tags(&super::only(&request)), expected);
}

#[test]
fn scope_attributes_are_written_if_asked_for() {
    let request = traces(
        r#"{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"s","attributes":[
        {"key":"a","value":{"intValue":"1"}},{"key":"otel.scope.name","value":{"stringValue":"x"}}]},
        "spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001",
        "attributes":[{"key":"b","value":{"intValue":"2"}}]}]}]}]}"#,
    );
    let name = string("otel.scope.name", "s");
    assert_eq!(tags(&super::only(&request)), [name.clone(), long("b", 2)]);
    let options = EncodeOptions::default().scope_attributes(true);
    let batch = batches_with(&request, &options).remove(0);
    assert_eq!(tags(&batch.spans[0]), [name, long("a", 1), long("b", 2)]);
}

#[test]
fn each_span_has_the_tags_of_its_own_scope() {
    let scope = |name: &str| {
        format!(
            r#"{{"scope":{{"name":"{name}"}},"spans":[{{"traceId":"0102030405060708090a0b0c0d0e0f10",
            "spanId":"ff00000000000001","name":"{name}"}}]}}"#
        )
    };
    let scopes = ["a", "", "b"].map(scope).join(",");
    let request = traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{scopes}]}}]}}"#
    ));
    // One message, and one for each span.
    for limit in [usize::MAX, 220] {
        for format in super::FORMATS {
            let (messages, rejected, _) =
                encode(&request, &EncodeOptions::default(), format, limit);
            assert_eq!(rejected, 0);
            let spans = messages
                .iter()
                .flat_map(|message| super::read(format, message).spans);
            for span in spans {
                let name = span.operation_name.as_str();
                let expected = (!name.is_empty()).then(|| vec![string("otel.scope.name", name)]);
                assert_eq!(span.tags, expected, "{format:?}");
            }
        }
    }
}

#[test]
fn events_are_logs() {
    let span = span(
        r#""events":[
        {"timeUnixNano":"1700000000124000999","name":"exception","attributes":[
            {"key":"event","value":{"stringValue":"e"}},{"key":"n","value":{"intValue":"1"}}]},
        {"timeUnixNano":"1000","name":"x","droppedAttributesCount":3,"attributes":[
            {"key":"otel.dropped_attributes_count","value":{"intValue":"9"}}]},
        {"timeUnixNano":"2000"}]"#,
    );
    let log = |timestamp, fields| Log { timestamp, fields };
    let expected = [
        // The name gives way to the attribute.
        log(
            1_700_000_000_124_000,
            vec![string("event", "e"), long("n", 1)],
        ),
        log(
            1,
            vec![
                string("event", "x"),
                long("otel.dropped_attributes_count", 3),
            ],
        ),
        log(2, vec![]),
    ];
    assert_eq!(logs(&span), expected);
}

const LINKS: &str = r#""parentSpanId":"00f067aa0ba902b7","startTimeUnixNano":"7000","links":[
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7"},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0000000000000001","attributes":[
        {"key":"opentracing.ref_type","value":{"stringValue":"child_of"}}]},
    {"traceId":"00000000000000010000000000000002","spanId":"00f067aa0ba902b7","attributes":[
        {"key":"opentracing.ref_type","value":{"stringValue":"follows_from"}}]}]"#;

#[test]
fn links_are_references_but_for_the_one_to_the_parent() {
    let reference = |ref_type, trace_id_high, trace_id_low, span_id| SpanRef {
        ref_type,
        trace_id_low,
        trace_id_high,
        span_id,
    };
    let expected = [
        reference(0, 72_623_859_790_382_856, 651_345_242_494_996_240, 1),
        reference(1, 1, 2, 67_667_974_448_284_343),
    ];
    let linked = span(LINKS);
    assert_eq!(references(&linked), expected);
    assert_eq!(linked.logs, None);
    // The parent is no reference either.
    assert_eq!(
        span(r#""parentSpanId":"00f067aa0ba902b7""#).references,
        None
    );
    let to_parent = r#""parentSpanId":"00f067aa0ba902b7","links":[
        {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7"}]"#;
    assert_eq!(span(to_parent).references, None);
}

#[test]
fn links_are_logs_too_if_asked_for() {
    let options = EncodeOptions::default().link_logs(true);
    let batch = batches_with(&with_span(LINKS), &options).remove(0);
    let logs = logs(&batch.spans[0]);
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|log| log.timestamp == 7));
    let expected = [
        string("event", "link"),
        string("trace_id", "0102030405060708090a0b0c0d0e0f10"),
        string("span_id", "0000000000000001"),
        string("opentracing.ref_type", "child_of"),
    ];
    assert_eq!(logs[1].fields, expected);
    assert_eq!(batch.spans[0].references.as_ref().map(Vec::len), Some(2));
}

/// A request of one span with these fields, by prost: JSON has no ids of a wrong length.
fn raw(span: opentelemetry_proto::tonic::trace::v1::Span) -> ExportRequest {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans},
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .into()
}

fn raw_span() -> opentelemetry_proto::tonic::trace::v1::Span {
    opentelemetry_proto::tonic::trace::v1::Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /".to_owned(),
        ..Default::default()
    }
}

#[test]
fn a_link_with_an_id_of_a_wrong_length_is_counted_as_dropped() {
    use opentelemetry_proto::tonic::trace::v1::span::Link;
    let link = |trace: usize, span: usize| Link {
        trace_id: vec![3; trace],
        span_id: vec![4; span],
        ..Link::default()
    };
    let mut span = raw_span();
    span.links = vec![link(16, 8), link(8, 8), link(16, 3), link(0, 0)];
    span.dropped_links_count = 5;
    let span = super::only(&raw(span));
    assert_eq!(references(&span).len(), 2);
    assert_eq!(
        references(&span)[1],
        SpanRef {
            ref_type: 1,
            ..SpanRef::default()
        }
    );
    assert_eq!(tags(&span), [long("otel.dropped_links_count", 7)]);
}

#[test]
fn a_span_without_valid_ids_is_rejected_by_name() {
    for (trace_id, span_id, parent, says) in [
        (vec![0; 16], vec![2; 8], vec![], "trace id"),
        (vec![], vec![2; 8], vec![], "trace id"),
        (vec![1; 8], vec![2; 8], vec![], "trace id"),
        (vec![1; 17], vec![2; 8], vec![], "trace id"),
        (vec![1; 16], vec![0; 8], vec![], "span id"),
        (vec![1; 16], vec![], vec![], "span id"),
        (vec![1; 16], vec![2; 16], vec![], "span id"),
        (vec![1; 16], vec![2; 8], vec![3; 7], "parent span id"),
    ] {
        let mut span = raw_span();
        (span.trace_id, span.span_id, span.parent_span_id) = (trace_id, span_id, parent);
        let request = raw(span);
        for format in super::FORMATS {
            let (messages, rejected, reasons) =
                encode(&request, &EncodeOptions::default(), format, usize::MAX);
            assert!(messages.is_empty());
            assert_eq!(rejected, 1);
            assert!(
                reasons[0].starts_with("span 0 (\"GET /\"): its "),
                "{reasons:?}"
            );
            assert!(reasons[0].contains(says), "{reasons:?}");
        }
    }
    let mut root = raw_span();
    root.parent_span_id = vec![0; 8];
    assert_eq!(super::only(&raw(root)).parent_span_id, 0);
}

#[test]
fn the_neighbours_of_a_rejected_span_live() {
    let span = |name: &str, id: &str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id}","name":"{name}"}}"#
        )
    };
    let spans = [
        span("a", "0000000000000000"),
        span("b", "0000000000000001"),
        span(&"long".repeat(100), "0000000000000002"),
        span("c", "0000000000000003"),
        span("d", ""),
    ];
    let request = traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    ));
    for format in super::FORMATS {
        let (messages, rejected, reasons) =
            encode(&request, &EncodeOptions::default(), format, 300);
        let names: Vec<String> = messages
            .iter()
            .flat_map(|message| super::read(format, message).spans)
            .map(|span| span.operation_name)
            .collect();
        assert_eq!(names, ["b", "c"], "{format:?}");
        assert_eq!(rejected, 3, "{format:?}");
        assert!(reasons.concat().contains("span 0 (\"a\")"), "{reasons:?}");
        assert!(messages.iter().all(|message| message.len() <= 300));
    }
}

#[test]
fn three_resources_are_three_messages_and_equal_neighbours_share_one() {
    let resource = |name: &str, spans: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}"#,
            text("service.name", name)
        )
    };
    let span = r#"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001"}"#;
    let request = |groups: &[String]| {
        let groups = groups.join(",");
        batches(&traces(&format!(r#"{{"resourceSpans":[{groups}]}}"#)))
            .iter()
            .map(|batch| (batch.process.service_name.clone(), batch.spans.len()))
            .collect::<Vec<_>>()
    };
    let one = |name: &str| resource(name, span);
    let row = |name: &str, spans| (name.to_owned(), spans);
    assert_eq!(
        request(&[one("a"), one("b"), one("c")]),
        [row("a", 1), row("b", 1), row("c", 1)]
    );
    assert_eq!(
        request(&[one("a"), one("a"), one("b"), one("a")]),
        [row("a", 2), row("b", 1), row("a", 1)]
    );
    // Without spans there is nothing to send.
    assert_eq!(
        request(&[resource("x", ""), one("a"), resource("y", ""), one("a")]),
        [row("a", 1), row("a", 1)]
    );
    assert_eq!(request(&[resource("x", "")]), []);
}

#[test]
fn a_thousand_attributes_and_empty_names() {
    let attributes: Vec<String> = (0..1000)
        .map(|number| format!(r#"{{"key":"k{number}","value":{{"intValue":"{number}"}}}}"#))
        .collect();
    let wide = span(&format!(
        r#""name":"","attributes":[{}]"#,
        attributes.join(",")
    ));
    assert_eq!(wide.operation_name, "");
    let expected: Vec<Tag> = (0..1000)
        .map(|number| long(&format!("k{number}"), number))
        .collect();
    assert_eq!(tags(&wide), expected);
    let unnamed =
        span(r#""attributes":[{"key":"","value":{"stringValue":""}}],"events":[{"name":""}]"#);
    assert_eq!(tags(&unnamed), [string("", "")]);
    assert_eq!(logs(&unnamed), [Log::default()]);
}
