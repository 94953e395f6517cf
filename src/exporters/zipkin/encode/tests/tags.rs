//! Tags: what becomes one, and which of two with the same key counts.

use serde_json::json;

use super::*;

#[test]
fn values_of_every_type_are_text() {
    for (value, expected) in [
        (r#"{"stringValue":"a\"b"}"#, "a\"b"),
        (r#"{"boolValue":true}"#, "true"),
        (r#"{"boolValue":false}"#, "false"),
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            "-9223372036854775808",
        ),
        (r#"{"doubleValue":1.5}"#, "1.5"),
        (r#"{"doubleValue":100}"#, "100"),
        (r#"{"doubleValue":0.000001}"#, "0.000001"),
        (r#"{"doubleValue":1e-7}"#, "1e-7"),
        (r#"{"doubleValue":-1.25e-7}"#, "-1.25e-7"),
        (r#"{"doubleValue":1e-10}"#, "1e-10"),
        (r#"{"doubleValue":1e21}"#, "1e+21"),
        (r#"{"doubleValue":"NaN"}"#, "NaN"),
        (r#"{"doubleValue":"Infinity"}"#, "Infinity"),
        (r#"{"doubleValue":"-Infinity"}"#, "-Infinity"),
        (r#"{"bytesValue":"AP8="}"#, "AP8="),
        ("{}", ""),
        (r#"{"arrayValue":{}}"#, "[]"),
        (r#"{"kvlistValue":{}}"#, "{}"),
        (
            r#"{"kvlistValue":{"values":[
                {"key":"b","value":{"doubleValue":1e-7}},
                {"key":"a","value":{"kvlistValue":{"values":[
                    {"key":"y","value":{"bytesValue":"AP8="}},
                    {"key":"x","value":{"doubleValue":"NaN"}}]}}},
                {"key":"c","value":{}}]}}"#,
            r#"{"a":{"x":"NaN","y":"AP8="},"b":1e-7,"c":null}"#,
        ),
        (
            r#"{"arrayValue":{"values":[{"stringValue":"\n\""},{"arrayValue":{}},{"boolValue":true}]}}"#,
            r#"["\n\"",[],true]"#,
        ),
    ] {
        let span = with(0, &[attribute("k", value)]);
        assert_eq!(span["tags"]["k"], json!(expected), "{value}");
        let body = protobuf(&one(&format!(
            r#""attributes":[{}]"#,
            attribute("k", value)
        )));
        assert!(body.ends_with(expected.as_bytes()), "{value}");
    }
}

#[test]
fn the_last_of_a_key_in_a_map_counts() {
    let map = r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}},
        {"key":"b","value":{"intValue":"2"}},{"key":"a","value":{"intValue":"3"}}]}}"#;
    let span = with(0, &[attribute("k", map)]);
    assert_eq!(span["tags"]["k"], json!(r#"{"a":3,"b":2}"#));
}

#[test]
fn later_sources_replace_earlier_ones() {
    let otlp = r#"{"resourceSpans":[{"resource":{"attributes":[
            {"key":"a","value":{"stringValue":"resource"}},
            {"key":"b","value":{"stringValue":"resource"}},
            {"key":"c","value":{"stringValue":"resource"}},
            {"key":"otel.status_code","value":{"stringValue":"resource"}},
            {"key":"otel.scope.name","value":{"stringValue":"resource"}}]},
        "scopeSpans":[{"scope":{"name":"lib","attributes":[
            {"key":"b","value":{"stringValue":"scope"}},
            {"key":"c","value":{"stringValue":"scope"}}]},
        "spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
            "traceState":"k=v","droppedAttributesCount":1,"droppedEventsCount":2,
            "droppedLinksCount":3,"status":{"code":2,"message":"own"},
            "links":[{}],
            "attributes":[
            {"key":"c","value":{"stringValue":"span"}},
            {"key":"d","value":{"stringValue":"first"}},
            {"key":"d","value":{"stringValue":"last"}},
            {"key":"error","value":{"stringValue":"user"}},
            {"key":"otel.dropped_events_count","value":{"stringValue":"user"}},
            {"key":"w3c.tracestate","value":{"stringValue":"user"}},
            {"key":"otlp.link.0","value":{"stringValue":"user"}}]}]}]}]}"#;
    let expected = json!({
        "a": "resource", "b": "scope", "c": "span", "d": "last", "error": "own",
        "otel.scope.name": "lib", "otel.status_code": "ERROR", "w3c.tracestate": "k=v",
        "otel.dropped_attributes_count": "1", "otel.dropped_events_count": "2",
        "otel.dropped_links_count": "3", "otlp.link.0": "|||{}|0",
    });
    assert_eq!(span(otlp)["tags"], expected);
}

#[test]
fn tags_are_sorted_by_key_whatever_they_come_from() {
    let links = ["{}"; 12].join(",");
    let attributes = [
        text("zeta", "1"),
        text("alpha", "2"),
        text("otlp.link.1x", "3"),
    ]
    .join(",");
    let otlp = one(&format!(
        r#""attributes":[{attributes}],"links":[{links}],"status":{{"code":1}}"#
    ));
    let body = json(&otlp);
    let tags = body.split_once(r#""tags":{"#).expect("tags").1;
    let quoted: Vec<&str> = tags.split('"').skip(1).step_by(4).collect();
    let mut sorted = quoted.clone();
    sorted.sort_unstable();
    assert_eq!(quoted, sorted);
    assert_eq!(quoted.len(), 16);
    assert_eq!(
        quoted[..4],
        ["alpha", "otel.status_code", "otlp.link.0", "otlp.link.1"]
    );
}

#[test]
fn options_of_tags() {
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"lib","version":"2"},
        "spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
        "kind":1,"links":[{}]}]}]}]}"#;
    let plain = json!({ "otel.scope.name": "lib", "otel.scope.version": "2" });
    let none = ZipkinOptions::default().link_tags(false);
    assert_eq!(span_with(otlp, &none)["tags"], plain);
    let all = none.library_tags(true).internal_kind_tag(true);
    let expected = json!({
        "otel.scope.name": "lib", "otel.scope.version": "2",
        "otel.library.name": "lib", "otel.library.version": "2", "span.kind": "internal",
    });
    assert_eq!(span_with(otlp, &all)["tags"], expected);
}

#[test]
fn a_thousand_attributes_all_arrive() {
    let attributes: Vec<String> = (0..1000).map(|n| int(&format!("k{n}"), n)).collect();
    let span = with(0, &attributes);
    let tags = span["tags"].as_object().expect("tags");
    assert_eq!(tags.len(), 1000);
    for number in 0..1000 {
        assert_eq!(tags[&format!("k{number}")], json!(number.to_string()));
    }
}

/// More shapes than templates are kept for, again and again, in two scopes.
#[test]
fn spans_of_many_shapes_keep_their_own_tags() {
    let spans = |scope: usize| -> String {
        let spans = (0..60).map(|number| {
            let keys = (0..number % 13).map(|n| int(&format!("k{}", (n * 7) % 13), number));
            let attributes = keys.collect::<Vec<_>>().join(",");
            let code = number % 3;
            format!(
                r#"{{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"{:016x}",
                "attributes":[{attributes}],"status":{{"code":{code}}}}}"#,
                number + 1
            )
        });
        let spans = spans.collect::<Vec<_>>().join(",");
        format!(r#"{{"scope":{{"name":"scope{scope}"}},"spans":[{spans}]}}"#)
    };
    let otlp = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{},{}]}}]}}"#,
        spans(0),
        spans(1)
    );
    let list: Vec<serde_json::Value> = serde_json::from_str(&json(&otlp)).expect("JSON");
    assert_eq!(list.len(), 120);
    for (position, span) in list.iter().enumerate() {
        let number = position % 60;
        let mut expected = serde_json::Map::new();
        let scope = format!("scope{}", position / 60);
        expected.insert("otel.scope.name".to_owned(), json!(scope));
        for n in 0..number % 13 {
            expected.insert(format!("k{}", (n * 7) % 13), json!(number.to_string()));
        }
        match number % 3 {
            1 => drop(expected.insert("otel.status_code".to_owned(), json!("OK"))),
            2 => {
                expected.insert("otel.status_code".to_owned(), json!("ERROR"));
                expected.insert("error".to_owned(), json!(""));
            }
            _ => {}
        }
        assert_eq!(span["tags"], json!(expected), "{position}");
    }
}
