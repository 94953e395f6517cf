//! What has gone wrong elsewhere.

use serde_json::json;

use super::*;

#[test]
fn the_status_code_has_the_specifications_spelling() {
    for (code, spelling) in [(1, json!("OK")), (2, json!("ERROR")), (0, json!(null))] {
        let span = fields(&format!(r#""status":{{"code":{code}}}"#));
        let found = span.get("tags").map(|tags| &tags["otel.status_code"]);
        assert_eq!(found.unwrap_or(&json!(null)), &spelling);
    }
}

#[test]
fn a_failed_span_has_an_error_tag_and_no_other_has() {
    for (code, failed) in [(0, false), (1, false), (2, true)] {
        for user in [
            "",
            r#","attributes":[{"key":"error","value":{"boolValue":true}}]"#,
        ] {
            let span = fields(&format!(r#""status":{{"code":{code}}}{user}"#));
            let found = span.get("tags").and_then(|tags| tags.get("error"));
            assert_eq!(found, failed.then_some(&json!("")), "{code} {user}");
        }
    }
    // Nor from a resource or a scope.
    let otlp = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"error","value":{"boolValue":true}}]},"scopeSpans":[{"scope":{"attributes":[
        {"key":"error","value":{"boolValue":true}}]},"spans":[{
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}]}"#;
    assert!(span(otlp).get("tags").is_none());
}

#[test]
fn a_port_is_a_number() {
    let span = with(
        3,
        &[
            text("peer.service", "x"),
            text("server.port", "80"),
            text("server.address", "db"),
        ],
    );
    assert!(
        span["remoteEndpoint"].get("port").is_none(),
        "belongs to another name"
    );
    let span = with(
        3,
        &[text("server.port", "80"), text("server.address", "db")],
    );
    assert!(span["remoteEndpoint"]["port"].is_u64());
}

#[test]
fn a_span_needs_no_address() {
    assert_eq!(fields("")["localEndpoint"], json!({ "serviceName": "s" }));
}

#[test]
fn a_client_has_a_remote_endpoint_for_the_dependency_graph() {
    for key in ["peer.service", "server.address", "net.peer.name", "db.name"] {
        let span = with(3, &[text(key, "other")]);
        assert_eq!(
            span["remoteEndpoint"],
            json!({ "serviceName": "other" }),
            "{key}"
        );
    }
}

#[test]
fn a_root_span_has_no_parent() {
    for parent in [
        "",
        r#""parentSpanId":"0000000000000000""#,
        r#""parentSpanId":"""#,
    ] {
        assert!(fields(parent).get("parentId").is_none());
        // The id follows the trace id, without field 2 between them.
        assert_eq!(protobuf(&one(parent))[20], 0x1a);
    }
}

#[test]
fn protobuf_rounds_lowers_and_keeps_addresses_short() {
    let attributes = [
        text("peer.service", "x"),
        text("network.peer.address", "10.0.0.7"),
    ]
    .join(",");
    let body = protobuf(&one(&format!(
        r#""name":"UPPER","kind":3,"startTimeUnixNano":"1700000000000000500",
        "endTimeUnixNano":"1700000000000001400","attributes":[{attributes}]"#
    )));
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(has(b"\x2a\x05upper"));
    // 0.9 us are 1 us, and half a microsecond is rounded up.
    assert!(has(b"\x38\x01"));
    assert!(has(&1_700_000_000_000_001_u64.to_le_bytes()));
    assert!(has(b"\x12\x04\x0a\x00\x00\x07"));
}

#[test]
fn one_scope_does_not_leak_into_the_next() {
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[
        {"scope":{"name":"first","version":"1","attributes":[
            {"key":"k","value":{"stringValue":"v"}}]},
         "spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]},
        {"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161719"}]}]}]}"#;
    let list: Vec<serde_json::Value> = serde_json::from_str(&json(otlp)).expect("JSON");
    assert_eq!(list[0]["tags"].as_object().map(|tags| tags.len()), Some(3));
    assert!(list[1].get("tags").is_none(), "{}", list[1]);
}

#[test]
fn a_negative_duration_fails_nothing_and_is_told() {
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
         "startTimeUnixNano":"2000","endTimeUnixNano":"1000"},
        {"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161719",
         "startTimeUnixNano":"1000","endTimeUnixNano":"2000"}]}]}]}"#;
    let (encoded, body) = encoded(otlp, &ZipkinOptions::default());
    assert_eq!((encoded.spans(), encoded.rejected()), (2, 0));
    assert_eq!(encoded.without_duration(), 1);
    let list: Vec<serde_json::Value> = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(list[0]["timestamp"], json!(2));
    assert!(list[0].get("duration").is_none());
    assert_eq!(list[1]["duration"], json!(1));
}

#[test]
fn a_span_with_wrong_ids_is_left_out_and_its_neighbours_are_not() {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans, Span},
    };
    let span = |trace: &[u8], id: &[u8], parent: &[u8]| Span {
        trace_id: trace.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: parent.to_vec(),
        name: "GET /\u{1b}[1m".to_owned(),
        ..Span::default()
    };
    let good = || span(&[1; 16], &[2; 8], &[3; 8]);
    for (bad, why) in [
        (span(&[], &[2; 8], &[]), "its trace id"),
        (span(&[0; 16], &[2; 8], &[]), "its trace id"),
        (span(&[1; 8], &[2; 8], &[]), "its trace id"),
        (span(&[1; 17], &[2; 8], &[]), "its trace id"),
        (span(&[1; 16], &[], &[]), "its id"),
        (span(&[1; 16], &[0; 8], &[]), "its id"),
        (span(&[1; 16], &[2; 7], &[]), "its id"),
        (span(&[1; 16], &[2; 8], &[3; 9]), "the id of its parent"),
    ] {
        let request = ExportRequest::from(ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![good(), bad, good()],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        });
        let mut out = Vec::new();
        let traces = request.traces().expect("traces");
        let encoded = encode(traces, &ZipkinOptions::default(), &mut out).expect("no limit");
        assert_eq!((encoded.spans(), encoded.rejected()), (2, 1), "{why}");
        let reason = encoded.reason().expect("a reason");
        assert!(reason.starts_with("span \"GET /?[1m\" ("), "{reason}");
        assert!(reason.contains(&format!("): {why}")), "{reason}");
        let list: Vec<serde_json::Value> = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(list.len(), 2);
    }
}

#[test]
fn a_64_bit_trace_id_keeps_its_zeros() {
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"0000000000000000a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}]}"#;
    assert_eq!(
        span(otlp)["traceId"],
        json!("0000000000000000a3ce929d0e0e4736")
    );
}

#[test]
fn an_empty_list_is_not_written() {
    for otlp in [
        "{}",
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}"#,
    ] {
        for encoding in [ZipkinEncoding::Json, ZipkinEncoding::Protobuf] {
            let request = request(otlp);
            let mut out = b"before".to_vec();
            let options = ZipkinOptions::default().encoding(encoding);
            let encoded = encode(request.traces().expect("traces"), &options, &mut out);
            assert_eq!(encoded.expect("no limit").spans(), 0);
            assert_eq!(out, b"before");
        }
    }
}

/// A server takes a body with these bytes for the old format and refuses all of it.
#[test]
fn no_text_makes_a_body_look_like_the_old_format() {
    let odd = "yAnnotations";
    let otlp = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{},{}]}},"scopeSpans":[{{
        "scope":{{"name":"binar{odd}"}},"spans":[{{
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","kind":3,
        "name":"{odd}","traceState":"{odd}","status":{{"code":2,"message":"{odd}"}},
        "attributes":[{},{},{}],
        "events":[{{"timeUnixNano":"1000","name":"{odd}"}},
            {{"timeUnixNano":"1000","name":"{odd}","attributes":[{}]}}]}}]}}]}}]}}"#,
        text("service.name", odd),
        text(odd, odd),
        text("peer.service", odd),
        text(&format!("binar{odd}"), odd),
        text("quoted", &format!("{odd}\\\"")),
        text(odd, odd),
    );
    let body = json(&otlp);
    assert!(!body.contains("yAnnotations\""), "{body}");
    let span = span(&otlp);
    assert_eq!(span["localEndpoint"]["serviceName"], json!(odd));
    assert_eq!(span["remoteEndpoint"]["serviceName"], json!(odd));
    assert_eq!(span["annotations"][0]["value"], json!(odd));
    let tags = &span["tags"];
    for key in [odd, "binaryAnnotations", "error", "w3c.tracestate"] {
        assert_eq!(tags[key], json!(odd), "{key}");
    }
    assert_eq!(tags["otel.scope.name"], json!("binaryAnnotations"));
    assert_eq!(tags["quoted"], json!("yAnnotations\""));
}

#[test]
fn an_event_without_a_time_gets_that_of_its_span() {
    let event = r#""events":[{"name":"e"}]"#;
    let span = fields(&format!(r#""startTimeUnixNano":"5000",{event}"#));
    assert_eq!(span["annotations"][0]["timestamp"], json!(5));
    assert_eq!(fields(event)["annotations"][0]["timestamp"], json!(1));
}

#[test]
fn names_are_lowered_beyond_ascii_too_and_empty_ones_left_out() {
    assert_eq!(
        fields(r#""name":"GET \"ÄÖ\"\n""#)["name"],
        json!("get \"äö\"\n")
    );
    assert!(fields("").get("name").is_none());
}

#[test]
fn encoding_ends_at_the_limit() {
    let otlp = one(r#""name":"x""#);
    let request = request(&otlp);
    for encoding in [ZipkinEncoding::Json, ZipkinEncoding::Protobuf] {
        let options = ZipkinOptions::default().encoding(encoding);
        let traces = || request.traces().expect("traces");
        let mut whole = Vec::new();
        encode(traces(), &options, &mut whole).expect("no limit");
        let limited = |bytes| {
            let mut out = b"before".to_vec();
            let encoded = encode(traces(), &options.clone().max_bytes(bytes), &mut out);
            (encoded, out.len() - 6)
        };
        let (encoded, written) = limited(whole.len());
        assert_eq!(encoded.expect("fits").spans(), 1);
        assert_eq!(written, whole.len());
        let (encoded, written) = limited(whole.len() - 1);
        let error = encoded.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(written, 0);
    }
}
