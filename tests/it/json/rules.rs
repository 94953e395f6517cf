//! What the reader takes and what it refuses, rule by rule.

use tower_otlp::{
    Signal,
    otlp::{AnyValue, MetricData, Number, Problem, SpanKind},
};

use super::{log, metric, read, span, write};

/// Reads a span with these fields, and writes it again without what surrounds it.
fn spans(fields: &str) -> String {
    let otlp =
        read(Signal::Traces, span(fields)).unwrap_or_else(|error| panic!("{fields}: {error}"));
    assert_eq!(otlp.items(), 1);
    let text = write(&otlp);
    let start = text.find(r#""spans":[{"#).expect("spans") + 10;
    text[start..]
        .trim_end_matches(r#""status":{}}]}]}]}"#)
        .trim_end_matches(',')
        .to_owned()
}

/// Why a span with these fields is refused: the path below the span, and the problem.
fn refused(fields: &str) -> (String, String) {
    let error = read(Signal::Traces, span(fields)).expect_err(fields);
    let path = error.path();
    let below = path
        .strip_prefix("resource_spans[0].scope_spans[0].spans[0]")
        .unwrap_or_else(|| panic!("{fields}: {error}"));
    let below = below.trim_start_matches('.').to_owned();
    (below, error.problem().to_string())
}

#[test]
fn ids() {
    assert_eq!(
        spans(r#""traceId":"4BF92F3577B34DA6A3CE929D0E0E4736""#),
        r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736""#
    );
    assert_eq!(spans(r#""traceId":"","spanId":"""#), "");
    for (fields, path, problem) in [
        (
            r#""traceId":"S/kvNXezTaajzpKdDg5HNg==""#,
            "trace_id",
            "an id of 24 digits where 32 hex digits are expected",
        ),
        (
            r#""spanId":"1112""#,
            "span_id",
            "an id of 4 digits where 16 hex digits are expected",
        ),
        (
            r#""spanId":"111213141516171g""#,
            "span_id",
            "other text where an id of 16 hex digits is expected",
        ),
        (
            r#""links":[{},{"spanId":17}]"#,
            "links[1].span_id",
            "a number where an id of 16 hex digits is expected",
        ),
    ] {
        assert_eq!(refused(fields), (path.to_owned(), problem.to_owned()));
    }
}

#[test]
fn long_integers() {
    for given in [
        r#""startTimeUnixNano":1700000000123456789"#,
        r#""startTimeUnixNano":"1700000000123456789""#,
        r#""start_time_unix_nano":"1700000000123456789""#,
    ] {
        assert_eq!(spans(given), r#""startTimeUnixNano":"1700000000123456789""#);
    }
    assert_eq!(spans(r#""startTimeUnixNano":-0"#), "");
    for (given, found) in [
        ("1.7e18", "a floating-point number"),
        ("1.0", "a floating-point number"),
        ("18446744073709551616", "a floating-point number"),
        ("-1", "a negative number"),
        (r#""""#, "other text"),
        (r#""1.0""#, "other text"),
        (r#""1e3""#, "other text"),
        (r#"" 1""#, "other text"),
        (r#""18446744073709551616""#, "other text"),
        (r#""-1""#, "a negative number"),
        ("true", "a boolean"),
        ("{}", "an object"),
        ("[]", "an array"),
    ] {
        assert_eq!(
            refused(&format!(r#""startTimeUnixNano":{given}"#)),
            (
                "start_time_unix_nano".to_owned(),
                format!("{found} where a whole number from 0 to 2^64 - 1 is expected")
            )
        );
    }
}

#[test]
fn signed_integers() {
    for (given, expected) in [
        ("5", Some(5)),
        (r#""5""#, Some(5)),
        ("-5", Some(-5)),
        ("9223372036854775807", Some(i64::MAX)),
        (r#""-9223372036854775808""#, Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("5.0", None),
    ] {
        let result = read(Signal::Logs, log(&format!(r#"{{"intValue":{given}}}"#)));
        let Some(expected) = expected else {
            let error = result.expect_err(given);
            assert!(error.path().ends_with("body.int_value"), "{error}");
            continue;
        };
        let otlp = result.expect(given);
        let body = first_body(&otlp);
        assert!(
            matches!(body, AnyValue::Int(value) if value == expected),
            "{body:?}"
        );
    }
}

fn first_body(otlp: &tower_otlp::otlp::OtlpBytes) -> AnyValue<'_> {
    otlp.logs()
        .expect("logs")
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .next()
        .expect("a record")
        .body()
}

#[test]
fn short_integers() {
    assert_eq!(
        spans(r#""droppedAttributesCount":"7""#),
        r#""droppedAttributesCount":7"#
    );
    assert_eq!(spans(r#""flags":4294967295"#), r#""flags":4294967295"#);
    for fields in [
        r#""droppedAttributesCount":4294967296"#,
        r#""droppedAttributesCount":-1"#,
        r#""droppedAttributesCount":1.5"#,
        r#""flags":4294967296"#,
    ] {
        let (_, problem) = refused(fields);
        assert!(
            problem.ends_with("where a whole number from 0 to 2^32 - 1 is expected"),
            "{problem}"
        );
    }
    let scale = |scale: &str| {
        let point = format!(r#""exponentialHistogram":{{"dataPoints":[{{"scale":{scale}}}]}}"#);
        read(Signal::Metrics, metric(&point))
    };
    for (given, written) in [
        ("-2147483648", "-2147483648"),
        (r#""2147483647""#, "2147483647"),
    ] {
        let text = write(&scale(given).expect(given));
        assert!(text.contains(&format!(r#""scale":{written}"#)), "{text}");
    }
    for given in ["2147483648", "-2147483649", "0.5"] {
        scale(given).expect_err(given);
    }
}

#[test]
fn enumerations() {
    assert_eq!(spans(r#""kind":2"#), r#""kind":2"#);
    assert_eq!(spans(r#""kind":"SPAN_KIND_SERVER""#), r#""kind":2"#);
    assert_eq!(spans(r#""kind":"SPAN_KIND_UNSPECIFIED""#), "");
    assert_eq!(spans(r#""kind":99"#), r#""kind":99"#);
    assert_eq!(spans(r#""kind":-1"#), r#""kind":-1"#);
    for fields in [
        r#""kind":"2""#,
        r#""kind":"SERVER""#,
        r#""kind":"""#,
        r#""kind":2.5"#,
        r#""kind":2147483648"#,
        r#""kind":true"#,
    ] {
        assert_eq!(refused(fields).0, "kind");
    }
    let otlp = read(
        Signal::Traces,
        span(r#""kind":3,"status":{"code":"STATUS_CODE_ERROR"}"#),
    )
    .expect("names of enumerations");
    let span = otlp
        .traces()
        .expect("traces")
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .next()
        .expect("a span");
    assert_eq!(span.kind(), SpanKind::CLIENT);
    assert_eq!(span.status().code().0, 2);
}

#[test]
fn names() {
    assert_eq!(spans(r#""nope":{"a":[1]},"name":"n""#), r#""name":"n""#);
    assert_eq!(
        spans(r#""dropped_links_count":1,"trace_state":"t""#),
        r#""traceState":"t","droppedLinksCount":1"#
    );
    // Escapes in names count as what they stand for; case counts.
    assert_eq!(spans(r#""n\u0061me":"n""#), r#""name":"n""#);
    assert_eq!(spans(r#""Name":"n","NAME":1"#), "");
}

#[test]
fn null_is_absent() {
    assert_eq!(
        spans(
            r#""name":null,"kind":null,"attributes":null,"traceId":null,"status":null,"flags":null"#
        ),
        ""
    );
    let otlp = read(Signal::Traces, r#"{"resourceSpans":null}"#).expect("an empty request");
    assert_eq!(otlp.items(), 0);
    // A message in a list may be null, as in the Collector; nothing else may.
    assert_eq!(
        spans(r#""events":[null,{"name":"e"}]"#),
        r#""events":[{},{"name":"e"}]"#
    );
    let bounds = metric(r#""histogram":{"dataPoints":[{"explicitBounds":[1,null]}]}"#);
    let error = read(Signal::Metrics, bounds).expect_err("null among numbers");
    assert!(error.path().ends_with("explicit_bounds[1]"), "{error}");
}

#[test]
fn doubles() {
    for (given, expected) in [
        ("1.5", 1.5),
        (r#""1.5""#, 1.5),
        (r#""-1e3""#, -1000.0),
        ("3", 3.0),
        ("-3", -3.0),
        ("18446744073709551616", 18_446_744_073_709_551_616.0),
        ("1e-400", 0.0),
        (r#""Infinity""#, f64::INFINITY),
        (r#""-Infinity""#, f64::NEG_INFINITY),
    ] {
        let otlp = read(Signal::Logs, log(&format!(r#"{{"doubleValue":{given}}}"#))).expect(given);
        let body = first_body(&otlp);
        assert!(
            matches!(body, AnyValue::Double(value) if value == expected),
            "{body:?}"
        );
    }
    let otlp = read(Signal::Logs, log(r#"{"doubleValue":"NaN"}"#)).expect("NaN");
    assert!(matches!(first_body(&otlp), AnyValue::Double(value) if value.is_nan()));
    for given in [
        r#""nan""#,
        r#""inf""#,
        r#""+Infinity""#,
        r#""""#,
        r#""1.5x""#,
        r#""1e999""#,
        "1e999",
        "NaN",
        "true",
        "[1]",
    ] {
        read(Signal::Logs, log(&format!(r#"{{"doubleValue":{given}}}"#))).expect_err(given);
    }
}

#[test]
fn presence() {
    let point = |fields: &str| {
        let text = metric(&format!(r#""histogram":{{"dataPoints":[{{{fields}}}]}}"#));
        let otlp = read(Signal::Metrics, text).expect(fields);
        let point = otlp
            .metrics()
            .expect("metrics")
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items())
            .find_map(|metric| match metric.data() {
                Some(MetricData::Histogram(histogram)) => histogram.points().next(),
                _ => None,
            })
            .expect("a point");
        (point.sum(), point.min(), point.max())
    };
    assert_eq!(point(""), (None, None, None));
    assert_eq!(point(r#""sum":null"#), (None, None, None));
    assert_eq!(
        point(r#""sum":0,"min":"0","max":0.0"#),
        (Some(0.0), Some(0.0), Some(0.0))
    );

    let gauge = metric(r#""gauge":{"dataPoints":[{"asInt":0},{"asDouble":0},{}]}"#);
    let otlp = read(Signal::Metrics, gauge).expect("a gauge");
    let values = otlp
        .metrics()
        .expect("metrics")
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .filter_map(|metric| match metric.data() {
            Some(MetricData::Gauge(gauge)) => Some(gauge.points()),
            _ => None,
        })
        .flatten()
        .map(|point| point.value())
        .collect::<Vec<_>>();
    assert_eq!(
        values,
        [Some(Number::Int(0)), Some(Number::Double(0.0)), None]
    );
}

#[test]
fn values() {
    for (given, written) in [
        (r#"{"stringValue":""}"#, r#"{"stringValue":""}"#),
        (r#"{"boolValue":false}"#, r#"{"boolValue":false}"#),
        (r#"{"intValue":0}"#, r#"{"intValue":"0"}"#),
        (r#"{"doubleValue":0}"#, r#"{"doubleValue":0}"#),
        (r#"{"bytesValue":""}"#, r#"{"bytesValue":""}"#),
        (r#"{"bytesValue":"_-8"}"#, r#"{"bytesValue":"/+8="}"#),
        (r#"{"arrayValue":{}}"#, r#"{"arrayValue":{}}"#),
        (r#"{"arrayValue":{"values":[]}}"#, r#"{"arrayValue":{}}"#),
        (r#"{"kvlistValue":{"values":[]}}"#, r#"{"kvlistValue":{}}"#),
        (r#"{"kvlist_value":{}}"#, r#"{"kvlistValue":{}}"#),
        ("{}", "{}"),
        ("null", "{}"),
        (r#"{"unknownValue":1}"#, "{}"),
        // Of two members the last one counts.
        (
            r#"{"intValue":1,"stringValue":""}"#,
            r#"{"stringValue":""}"#,
        ),
    ] {
        let otlp = read(Signal::Logs, log(given)).expect(given);
        let text = write(&otlp);
        let expected = format!(r#""logRecords":[{{"body":{written}}}]"#);
        assert!(text.contains(&expected), "{given}: {text}");
    }
    for given in [
        r#"{"bytesValue":"A"}"#,
        r#"{"bytesValue":"AP8*"}"#,
        r#"{"boolValue":"true"}"#,
        r#"{"boolValue":1}"#,
        r#"{"stringValue":1}"#,
        r#"{"stringValue":{}}"#,
        r#"{"arrayValue":[]}"#,
        r#""text""#,
        "1",
        "[]",
    ] {
        read(Signal::Logs, log(given)).expect_err(given);
    }
}

/// JSON forbids a name that comes twice; if it does, it means what the same does in protobuf.
#[test]
fn doubled_names() {
    assert_eq!(spans(r#""name":"a","name":"b""#), r#""name":"b""#);
    assert_eq!(spans(r#""name":"a","name":"""#), "");
    assert_eq!(spans(r#""kind":1,"name":"n","kind":0"#), r#""name":"n""#);
    assert_eq!(
        spans(r#""traceId":"000102030405060708090a0b0c0d0e0f","trace_id":"""#),
        ""
    );
    let events = r#""events":[{"name":"a"}],"name":"n","events":[{"name":"b"}]"#;
    assert_eq!(
        spans(events),
        r#""name":"n","events":[{"name":"a"},{"name":"b"}]"#
    );
    let text = metric(
        r#""histogram":{"dataPoints":[{"bucketCounts":[1],"explicitBounds":[2],"bucketCounts":["3"]}]}"#,
    );
    let text = write(&read(Signal::Metrics, text).expect("doubled names"));
    assert!(
        text.contains(r#""bucketCounts":["1","3"],"explicitBounds":[2]"#),
        "{text}"
    );
}

#[test]
fn a_metric_given_data_twice_keeps_the_last() {
    let text =
        metric(r#""name":"m","gauge":{"dataPoints":[{},{}]},"sum":{"dataPoints":[{"asInt":"1"}]}"#);
    let otlp = read(Signal::Metrics, text).expect("two members of a oneof");
    assert_eq!(otlp.items(), 1);
    let text = write(&otlp);
    assert!(
        text.contains(r#"{"name":"m","sum":{"dataPoints":[{"asInt":"1"}]}}"#),
        "{text}"
    );
}

#[test]
fn white_space_and_order_do_not_matter() {
    let text = "\n{ \"resourceSpans\" : [ {\t\"schemaUrl\":\"s\", \"scopeSpans\":[\r\n{\"spans\":[ {\"name\":\"n\" , \"traceState\":\"t\"}]}]}]} \n";
    let otlp = read(Signal::Traces, text).expect("white space");
    assert_eq!(
        write(&otlp),
        r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceState":"t","name":"n","status":{}}]}],"schemaUrl":"s"}]}"#
    );
}

#[test]
fn text_is_kept_as_it_is() {
    let otlp = read(
        Signal::Traces,
        span(r#""name":"\"\\\/\b\f\n\r\t\u00e9\ud83e\udd80é🦀""#),
    )
    .expect("escapes");
    assert!(
        write(&otlp).contains("\"name\":\"\\\"\\\\/\\u0008\\u000c\\n\\r\\té🦀é🦀\""),
        "{}",
        write(&otlp)
    );
    for name in [r#""\ud83e""#, r#""\x41""#, "\"\u{1}\"", "\"\n\"", "'n'"] {
        let error = read(Signal::Traces, span(&format!(r#""name":{name}"#))).expect_err(name);
        assert!(matches!(error.problem(), Problem::Json(_)), "{error}");
        assert!(error.path().ends_with(".name"), "{error}");
    }
}
