//! Events as annotations, and links as tags.

use serde_json::json;

use super::*;

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn attributes_of_an_event_keep_their_order_behind_its_quoted_name() {
    let map = r#"{"kvlistValue":{"values":[{"key":"y","value":{"doubleValue":"NaN"}},
        {"key":"x","value":{"bytesValue":"AP8="}}]}}"#;
    let attributes = [
        int("z", 1),
        text("a", "x y"),
        attribute("m", map),
        attribute("u", "{}"),
    ];
    let otlp = one(&format!(
        r#""events":[{{"timeUnixNano":"1000","name":"say \"hi\"","attributes":[{}]}}]"#,
        attributes.join(",")
    ));
    let value = r#""say \"hi\"":{"z":1,"a":"x y","m":{"x":"AP8=","y":"NaN"},"u":null}"#;
    assert_eq!(span(&otlp)["annotations"][0]["value"], json!(value));
    assert!(contains(&protobuf(&otlp), value.as_bytes()));
}

#[test]
fn times_of_events_are_rounded_half_up_in_both_encodings() {
    for (nanos, micros) in [(1499_u64, 1_u64), (1500, 2), (1_000_499, 1000)] {
        let otlp = one(&format!(
            r#""events":[{{"timeUnixNano":"{nanos}","name":"e"}}]"#
        ));
        let annotation = json!([{ "timestamp": micros, "value": "e" }]);
        assert_eq!(span(&otlp)["annotations"], annotation, "{nanos}");
        let annotation = [&b"\x52\x0c\x09"[..], &micros.to_le_bytes(), b"\x12\x01e"].concat();
        assert!(contains(&protobuf(&otlp), &annotation), "{nanos}");
    }
}

#[test]
fn a_link_keeps_all_it_says_and_its_attributes_are_sorted() {
    let attributes = [text("z", "1"), int("a", 2)].join(",");
    let otlp = one(&format!(
        r#""links":[{{}},{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0000000000000001",
        "traceState":"k=v","attributes":[{attributes}],"droppedAttributesCount":3}}]"#
    ));
    let value = r#"0102030405060708090a0b0c0d0e0f10|0000000000000001|k=v|{"a":2,"z":"1"}|3"#;
    let tags = json!({ "otlp.link.0": "|||{}|0", "otlp.link.1": value });
    assert_eq!(span(&otlp)["tags"], tags);
    assert!(contains(&protobuf(&otlp), value.as_bytes()));
}

#[test]
fn events_that_are_the_same_all_arrive() {
    let event = r#"{"timeUnixNano":"1000","name":"e"}"#;
    let span = fields(&format!(r#""events":[{event},{event},{event}]"#));
    assert_eq!(span["annotations"].as_array().map(Vec::len), Some(3));
}
