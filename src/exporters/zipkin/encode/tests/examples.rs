//! Worked examples, to the byte.

use serde_json::json;

use super::*;

const CLIENT: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"cart"}},
  {"key":"host.name","value":{"stringValue":"h1"}}]},
 "scopeSpans":[{"scope":{"name":"shop.http","version":"1.2.0"},"spans":[{
  "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","parentSpanId":"00f067aa0ba902b7",
  "name":"GET /cart","kind":3,
  "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124956789",
  "attributes":[
   {"key":"peer.service","value":{"stringValue":"redis"}},
   {"key":"network.peer.address","value":{"stringValue":"10.0.0.7"}},
   {"key":"network.peer.port","value":{"intValue":"6379"}},
   {"key":"retries","value":{"intValue":"2"}}],
  "events":[{"timeUnixNano":"1700000000124000000","name":"retry",
             "attributes":[{"key":"n","value":{"intValue":"1"}}]}],
  "status":{"code":2,"message":"boom"}}]}]}]}"#;

#[test]
fn a_client_span_in_json() {
    let expected = concat!(
        r#"[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","parentId":"00f067aa0ba902b7","id":"1112131415161718","#,
        r#""kind":"CLIENT","name":"get /cart","timestamp":1700000000123457,"duration":1500,"#,
        r#""localEndpoint":{"serviceName":"cart"},"#,
        r#""remoteEndpoint":{"serviceName":"redis","ipv4":"10.0.0.7","port":6379},"#,
        r#""annotations":[{"timestamp":1700000000124000,"value":"\"retry\":{\"n\":1}"}],"#,
        r#""tags":{"error":"boom","host.name":"h1","network.peer.address":"10.0.0.7","network.peer.port":"6379","otel.scope.name":"shop.http","otel.scope.version":"1.2.0","otel.status_code":"ERROR","peer.service":"redis","retries":"2"}}]"#,
    );
    assert_eq!(json(CLIENT), expected);
}

#[test]
fn a_client_span_in_protobuf() {
    let expected = concat!(
        "0acd020a104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba902b71a",
        "08111213141516171820012a09676574202f636172743141222018240a060038",
        "dc0b42060a04636172744a100a05726564697312040a00000720eb31521a0960",
        "242018240a0600120f227265747279223a7b226e223a317d5a0d0a056572726f",
        "721204626f6f6d5a0f0a09686f73742e6e616d65120268315a200a146e657477",
        "6f726b2e706565722e61646472657373120831302e302e302e375a190a116e65",
        "74776f726b2e706565722e706f72741204363337395a1c0a0f6f74656c2e7363",
        "6f70652e6e616d65120973686f702e687474705a1b0a126f74656c2e73636f70",
        "652e76657273696f6e1205312e322e305a190a106f74656c2e7374617475735f",
        "636f646512054552524f525a150a0c706565722e736572766963651205726564",
        "69735a0c0a0772657472696573120132",
    );
    assert_eq!(hex_text(&protobuf(CLIENT)), expected);
}

#[test]
fn the_smallest_protobuf_span() {
    let otlp = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[{
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"0000000000000002","name":"x",
        "startTimeUnixNano":"1000","endTimeUnixNano":"2000"}]}]}]}"#;
    let expected = concat!(
        "0a2f0a104bf92f3577b34da6a3ce929d0e0e47361a0800000000000000022a01",
        "78310100000000000000380142030a0161",
    );
    assert_eq!(hex_text(&protobuf(otlp)), expected);
}

#[test]
fn a_link_is_a_tag_in_both_encodings() {
    let otlp = one(
        r#""links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]"#,
    );
    let value = "4bf92f3577b34da6a3ce929d0e0e4736|1112131415161718||{}|0";
    assert_eq!(span(&otlp)["tags"], json!({ "otlp.link.0": value }));
    let body = protobuf(&otlp);
    assert!(body.ends_with(value.as_bytes()), "{}", hex_text(&body));
}

fn duration_of(start: u64, end: u64) -> serde_json::Value {
    let times = format!(r#""startTimeUnixNano":"{start}","endTimeUnixNano":"{end}""#);
    fields(&times)["duration"].clone()
}

#[test]
fn durations_are_rounded_half_up_and_at_least_1() {
    const START: u64 = 1_700_000_000_123_456_789;
    for (nanos, expected) in [
        (1, json!(1)),
        (400, json!(1)),
        (1234, json!(1)),
        (1499, json!(1)),
        (1500, json!(2)),
        (1_000_000_000, json!(1_000_000)),
        (0, json!(null)),
    ] {
        assert_eq!(duration_of(START, START + nanos), expected, "{nanos}");
    }
    assert_eq!(duration_of(1, u64::MAX), json!(18_446_744_073_709_552_u64));
}

#[test]
fn times_that_are_not_known_are_left_out() {
    let span = fields(r#""endTimeUnixNano":"1700000000124956789""#);
    assert!(span.get("timestamp").is_none() && span.get("duration").is_none());
    let span = fields(r#""startTimeUnixNano":"1700000000124956789""#);
    assert_eq!(span["timestamp"], json!(1_700_000_000_124_957_u64));
    assert!(span.get("duration").is_none());
    assert!(fields("").get("timestamp").is_none());
    assert!(
        fields(r#""startTimeUnixNano":"499""#)
            .get("timestamp")
            .is_none()
    );
    assert_eq!(
        fields(r#""startTimeUnixNano":"500""#)["timestamp"],
        json!(1)
    );
}

#[test]
fn an_internal_span_that_went_well() {
    let span = fields(r#""kind":1,"status":{"code":1}"#);
    assert!(span.get("kind").is_none());
    assert_eq!(span["tags"], json!({ "otel.status_code": "OK" }));
}

#[test]
fn an_error_attribute_that_is_false_is_left_out() {
    let error = attribute("error", r#"{"boolValue":false}"#);
    let span = fields(&format!(r#""attributes":[{error}]"#));
    assert!(span.get("tags").is_none(), "{span}");
}

#[test]
fn an_error_without_a_message() {
    let span = fields(r#""status":{"code":2}"#);
    let expected = json!({ "error": "", "otel.status_code": "ERROR" });
    assert_eq!(span["tags"], expected);
    let body = protobuf(&one(r#""status":{"code":2}"#));
    // A map entry has both fields, an empty value too.
    let entry = b"\x5a\x09\x0a\x05error\x12\x00";
    assert!(body.windows(entry.len()).any(|window| window == entry));
}

#[test]
fn a_client_of_a_named_server() {
    let span = with(
        3,
        &[
            text("server.address", "db.internal"),
            int("server.port", 5432),
        ],
    );
    assert_eq!(
        span["remoteEndpoint"],
        json!({ "serviceName": "db.internal", "port": 5432 })
    );
}

#[test]
fn a_client_of_an_ipv6_address() {
    let span = with(3, &[text("server.address", "::1")]);
    assert_eq!(span["remoteEndpoint"], json!({ "ipv6": "::1" }));
}

#[test]
fn an_array_is_json() {
    let list = r#"{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}"#;
    let span = with(0, &[attribute("ids", list)]);
    assert_eq!(span["tags"]["ids"], json!(r#"[1,"a"]"#));
}

#[test]
fn an_event_without_attributes_is_its_name() {
    let span = fields(r#""events":[{"timeUnixNano":"1500","name":"done"}]"#);
    assert_eq!(
        span["annotations"],
        json!([{ "timestamp": 2, "value": "done" }])
    );
}

#[test]
fn the_collectors_form_of_events_is_an_option() {
    let options = ZipkinOptions::default().annotations(AnnotationFormat::Collector);
    let otlp = one(r#""events":[
        {"timeUnixNano":"1000","name":"a","attributes":[
            {"key":"z","value":{"intValue":"1"}},{"key":"b","value":{"stringValue":"x"}}]},
        {"timeUnixNano":"1000","name":"b","droppedAttributesCount":3},
        {"timeUnixNano":"1000","name":"c"}]"#);
    let values: Vec<_> = span_with(&otlp, &options)["annotations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|annotation| annotation["value"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(values, [r#"a|{"b":"x","z":1}|0"#, "b|{}|3", "c"]);
}

#[test]
fn kinds_by_name_and_by_number() {
    for (kind, name, number) in [
        (0, None, None),
        (1, None, None),
        (2, Some("SERVER"), Some(2)),
        (3, Some("CLIENT"), Some(1)),
        (4, Some("PRODUCER"), Some(3)),
        (5, Some("CONSUMER"), Some(4)),
        (99, None, None),
    ] {
        let otlp = one(&format!(r#""kind":{kind},"name":"x""#));
        assert_eq!(
            span(&otlp).get("kind"),
            name.map(|name| json!(name)).as_ref()
        );
        // Behind the ids, in front of the name.
        let expected = match number {
            Some(number) => [0x20, number, 0x2a].to_vec(),
            None => vec![0x2a],
        };
        assert!(
            protobuf(&one(&format!(r#""kind":{kind},"name":"x""#)))[30..].starts_with(&expected),
            "{kind}"
        );
    }
}

#[test]
fn fields_stand_in_the_order_of_the_java_writer() {
    let attributes = [
        text("peer.service", "redis"),
        text("b", "1"),
        text("a", "2"),
    ]
    .join(",");
    let body = json(&one(&format!(
        r#""parentSpanId":"00f067aa0ba902b7","kind":3,"name":"x","startTimeUnixNano":"1000",
        "endTimeUnixNano":"2000","attributes":[{attributes}],
        "events":[{{"timeUnixNano":"1000","name":"e"}}]"#
    )));
    let fields = [
        "traceId",
        "parentId",
        "id",
        "kind",
        "name",
        "timestamp",
        "duration",
        "localEndpoint",
        "remoteEndpoint",
        "annotations",
        "tags",
    ];
    let places = fields.map(|name| body.find(&format!("\"{name}\":")).expect(name));
    assert!(places.is_sorted(), "{body}");
    assert!(
        body.ends_with(r#""tags":{"a":"2","b":"1","peer.service":"redis"}}]"#),
        "{body}"
    );
}
