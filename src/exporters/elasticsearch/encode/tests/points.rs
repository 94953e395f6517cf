//! Data points: their documents, values and templates.

use super::*;

/// Section 8: points with the same dimensions and millisecond in two documents are a conflict.
#[test]
fn points_are_grouped_wherever_they_stand() {
    let a = r#"{"key":"a","value":{"stringValue":"1"}}"#;
    let b =
        r#"{"key":"b","value":{"kvlistValue":{"values":[{"key":"x","value":{"doubleValue":1}}]}}}"#;
    // The same attributes in another order, the same millisecond, and the same resource twice.
    let one = format!(
        r#"{{"resource":{{"attributes":[{a},{b}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{}]}}]}}"#,
        gauge(
            "m1",
            &format!(r#"{{"timeUnixNano":"5000001","asInt":"1","attributes":[{a},{b}]}}"#)
        ),
    );
    let two = format!(
        r#"{{"resource":{{"attributes":[{b},{a}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{}]}}]}}"#,
        gauge(
            "m2",
            &format!(r#"{{"timeUnixNano":"5999999","asInt":"2","attributes":[{b},{a}]}}"#)
        ),
    );
    let other = |time: &str, start: &str, attributes: &str, unit: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{a},{b}]}},"scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{{"name":"m3","unit":"{unit}","gauge":{{"dataPoints":[{{"timeUnixNano":"{time}","startTimeUnixNano":"{start}","asInt":"3","attributes":[{attributes}]}}]}}}}]}}]}}"#
        )
    };
    let both = format!("{a},{b}");
    let parts = [
        one,
        two,
        other("6000000", "0", &both, ""),
        other("5000000", "1000000", &both, ""),
        other("5000000", "0", a, ""),
        other("5000000", "0", &both, "s"),
    ];
    let json = format!(r#"{{"resourceMetrics":[{}]}}"#, parts.join(","));
    let bulk = encode(Signal::Metrics, &json);
    let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
    assert_eq!(items, [&[0, 1][..], &[2], &[3], &[4], &[5]]);
    let written = lines(&bulk);
    assert_eq!(written[1]["metrics"], serde_json::json!({"m1": 1, "m2": 2}));
    assert_eq!(
        written[1]["attributes"]["b"], r#"{"x":1.0}"#,
        "a dimension is a single value"
    );
    assert_eq!(written[1]["resource"]["attributes"]["b"]["x"], 1.0);
}

#[test]
fn a_second_point_of_the_same_name_is_rejected_and_counted() {
    let point = |value: u32| format!(r#"{{"timeUnixNano":"5000000","asInt":"{value}"}}"#);
    let json = metrics(
        &[
            gauge("m", &format!("{},{}", point(1), point(2))),
            gauge("n", &point(3)),
            gauge("m", &point(4)),
        ]
        .join(","),
    );
    let bulk = encode(Signal::Metrics, &json);
    assert_eq!(
        lines(&bulk)[1]["metrics"],
        serde_json::json!({"m": 1, "n": 3})
    );
    assert_eq!(bulk.rejected(), [1, 3]);
    assert_eq!(bulk.document(0).expect("one").items, [0, 2]);
    assert_eq!(
        bulk.reason(),
        "a second data point of the same metric, attributes and millisecond (2, the first in `m`)"
    );
}

/// Other indices have no rule of one document for each series and millisecond.
#[test]
fn a_second_point_of_the_same_name_has_a_document_of_its_own_elsewhere() {
    let point = |value: u32| format!(r#"{{"timeUnixNano":"5000000","asInt":"{value}"}}"#);
    let m = gauge("m", &[point(1), point(2), point(3)].join(","));
    let json = metrics(&[m, gauge("n", &point(4))].join(","));
    let opensearch = BulkFormat::default().product(Product::OpenSearch);
    for format in [opensearch, BulkFormat::default().index_prefix("p")] {
        let bulk = encode_with(&format, Signal::Metrics, &json);
        assert!(bulk.rejected().is_empty());
        let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
        assert_eq!(items, [&[0][..], &[1], &[2, 3]]);
    }
}

/// Section 4.4: what has no form is rejected, and its neighbours are not.
#[test]
fn points_without_a_form_are_rejected_alone() {
    let good = r#"{"timeUnixNano":"1","asInt":"1"}"#;
    for (metric, reason) in [
        (gauge("m", r#"{"timeUnixNano":"1","asDouble":"NaN"}"#), "not finite"),
        (gauge("m", r#"{"timeUnixNano":"1","asDouble":"-Infinity"}"#), "not finite"),
        (gauge("m", r#"{"timeUnixNano":"1"}"#), "without a value"),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1","sum":1,"bucketCounts":["1"]}]}}"#.to_owned(),
            "cumulative",
        ),
        (
            r#"{"name":"m","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1"}]}}"#.to_owned(),
            "cumulative",
        ),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1","sum":1,"bucketCounts":["1"],"explicitBounds":[1,2]}]}}"#.to_owned(),
            "do not fit",
        ),
        (
            r#"{"name":"m","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1"}]}}"#.to_owned(),
            "neither buckets nor a sum",
        ),
        (
            r#"{"name":"m","summary":{"dataPoints":[{"count":"1","sum":"NaN"}]}}"#.to_owned(),
            "not finite",
        ),
    ] {
        let bulk = encode(Signal::Metrics, &metrics(&format!("{},{metric}", gauge("good", good))));
        assert_eq!(bulk.rejected(), [1], "{metric}");
        assert!(bulk.reason().contains(reason) && bulk.reason().contains("`m`"), "{}", bulk.reason());
        assert_eq!(lines(&bulk)[1]["metrics"], serde_json::json!({"good": 1}));
    }
    let ended = encode(
        Signal::Metrics,
        &metrics(&gauge("m", r#"{"timeUnixNano":"1","flags":1}"#)),
    );
    assert!(
        ended.is_empty() && ended.rejected().is_empty(),
        "the end of a series"
    );
}

#[test]
fn every_type_has_its_value_and_its_template() {
    let sum = |temporality: u32, monotonic: bool, value: &str| {
        format!(
            r#"{{"name":"m","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},"dataPoints":[{{"timeUnixNano":"1",{value}}}]}}}}"#
        )
    };
    let exponential = |point: &str| {
        format!(
            r#"{{"name":"m","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{{point}}}]}}}}"#
        )
    };
    let histogram = |point: &str| {
        format!(
            r#"{{"name":"m","histogram":{{"aggregationTemporality":1,"dataPoints":[{{{point}}}]}}}}"#
        )
    };
    let hints = |hint: &str| {
        format!(
            r#""attributes":[{{"key":"elasticsearch.mapping.hints","value":{{"arrayValue":{{"values":[{{"stringValue":"{hint}"}}]}}}}}}]"#
        )
    };
    for (metric, template, value) in [
        (gauge("m", r#"{"asInt":"7"}"#), "gauge_long", "7"),
        (gauge("m", r#"{"asDouble":7}"#), "gauge_double", "7.0"),
        (sum(2, true, r#""asInt":"7""#), "counter_long", "7"),
        (sum(2, true, r#""asDouble":0.5"#), "counter_double", "0.5"),
        (sum(1, true, r#""asInt":"7""#), "gauge_long", "7"),
        (sum(2, false, r#""asDouble":7"#), "gauge_double", "7.0"),
        (
            r#"{"name":"m","summary":{"dataPoints":[{"count":"3","sum":1.5,"quantileValues":[{"quantile":0.5,"value":1}]}]}}"#.to_owned(),
            "summary",
            r#"{"sum":1.5,"value_count":3}"#,
        ),
        // Empty buckets are left out; the first bound is not above zero.
        (
            histogram(r#""count":"4","sum":1,"bucketCounts":["1","0","2","1"],"explicitBounds":[-1,0,1]"#),
            "histogram",
            r#"{"counts":[1,2,1],"values":[-1.0,0.5,1.0]}"#,
        ),
        (histogram(r#""count":"4","sum":10"#), "histogram", r#"{"counts":[4],"values":[2.5]}"#),
        (histogram(r#""count":"0""#), "histogram", r#"{"counts":[],"values":[]}"#),
        (
            exponential(r#""count":"7","scale":0,"zeroCount":"1","positive":{"offset":0,"bucketCounts":["2","0","1"]},"negative":{"offset":1,"bucketCounts":["1","2"]}"#),
            "histogram",
            r#"{"counts":[2,1,1,2,1],"values":[-6.0,-3.0,0.0,1.5,6.0]}"#,
        ),
        (
            exponential(&format!(r#""count":"7","sum":9,{}"#, hints("aggregate_metric_double"))),
            "summary",
            r#"{"sum":9.0,"value_count":7}"#,
        ),
        (
            histogram(&format!(r#""count":"4","sum":10,{}"#, hints("aggregate_metric_double"))),
            "summary",
            r#"{"sum":10.0,"value_count":4}"#,
        ),
    ] {
        let bulk = encode(Signal::Metrics, &metrics(&metric));
        let expected = format!(r#""dynamic_templates":{{"metrics.m":"{template}"}}"#);
        assert!(text(&bulk).contains(&expected), "{}", text(&bulk));
        let expected = format!(r#""metrics":{{"m":{value}}}"#);
        assert!(text(&bulk).contains(&expected), "{}", text(&bulk));
        assert!(!text(&bulk).contains("mapping.hints"));
    }
    let counted = histogram(&format!(r#""count":"4","sum":10,{}"#, hints("_doc_count")));
    let bulk = encode(Signal::Metrics, &metrics(&counted));
    assert!(
        text(&bulk).contains(r#"}},"_doc_count":4,"_metric_names_hash":""#),
        "{}",
        text(&bulk)
    );
}

/// Midpoints of buckets beyond what a double can say are still numbers.
#[test]
fn extreme_exponential_buckets_are_finite() {
    for (scale, offset) in [
        (-10, 2_000_000_000),
        (-10, -2_000_000_000),
        (i32::MIN, 0),
        (i32::MAX, 5),
        (20, i32::MAX),
    ] {
        let json = metrics(&format!(
            r#"{{"name":"m","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"count":"2","scale":{scale},"positive":{{"offset":{offset},"bucketCounts":["1","1"]}},"negative":{{"offset":{offset},"bucketCounts":["1"]}}}}]}}}}"#
        ));
        let written = lines(&encode(Signal::Metrics, &json));
        let values = written[1]["metrics"]["m"]["values"]
            .as_array()
            .expect("values");
        let values: Vec<f64> = values
            .iter()
            .map(|value| value.as_f64().expect("a number"))
            .collect();
        assert_eq!(values.len(), 3);
        assert!(
            values.windows(2).all(|pair| pair[0] <= pair[1]),
            "{values:?}"
        );
    }
}

#[test]
fn the_hash_of_names_does_not_depend_on_their_order() {
    let point = r#"{"timeUnixNano":"1","asInt":"1"}"#;
    let hash = |names: &[&str]| {
        let list: Vec<String> = names.iter().map(|name| gauge(name, point)).collect();
        lines(&encode(Signal::Metrics, &metrics(&list.join(","))))[1]["_metric_names_hash"].clone()
    };
    assert_eq!(hash(&["a", "b", "c"]), hash(&["c", "a", "b"]));
    assert_ne!(hash(&["a", "b"]), hash(&["a"]));
    // FNV-1a of `a`, with the zero of a shorter number.
    assert_eq!(hash(&["a"]), "e40c292c");
}
