//! Attributes and bodies.

use super::*;

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
