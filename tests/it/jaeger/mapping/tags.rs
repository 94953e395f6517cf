//! Attributes, and what else becomes a tag.

use super::*;

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
    for format in FORMATS {
        let (messages, _, _) = encode(&request, &EncodeOptions::default(), format, usize::MAX);
        let batch = read(format, &messages[0]);
        let tag = &tags(&batch.spans[0])[0];
        assert!(tag.v_double.expect("a double").is_nan(), "{format:?}");
    }
}

#[test]
fn doubles_are_little_endian_in_the_compact_protocol_alone() {
    let request = with_span(r#""attributes":[{"key":"k","value":{"doubleValue":0.25}}]"#);
    let bits = 0.25_f64.to_bits();
    for format in FORMATS {
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
    assert_eq!(tags(&only(&request)), expected);
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
    assert_eq!(tags(&only(&request)), [name.clone(), long("b", 2)]);
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
        for format in FORMATS {
            let (messages, rejected, _) =
                encode(&request, &EncodeOptions::default(), format, limit);
            assert_eq!(rejected, 0);
            let spans = messages
                .iter()
                .flat_map(|message| read(format, message).spans);
            for span in spans {
                let name = span.operation_name.as_str();
                let expected = (!name.is_empty()).then(|| vec![string("otel.scope.name", name)]);
                assert_eq!(span.tags, expected, "{format:?}");
            }
        }
    }
}
