//! Data points by schema: the rules, one by one.

use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{LineProtocol, MetricsSchema},
};

use super::{
    examples::{NOW, encode, metrics},
    parser::{Point, Value, parse},
};

fn by(schema: MetricsSchema) -> LineProtocol {
    LineProtocol::default().metrics_schema(schema)
}

fn points(schema: MetricsSchema, json: &str) -> Vec<Point> {
    parse(&encode(&by(schema), Signal::Metrics, &metrics(json)))
}

fn sum(temporality: u32, monotonic: bool, value: &str) -> String {
    format!(
        r#"{{"name":"s","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},
        "dataPoints":[{{"timeUnixNano":"7",{value}}}]}}}}"#
    )
}

const GAUGE: &str = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"7","asDouble":1.5}]}}"#;

#[test]
fn only_a_monotonic_cumulative_sum_is_a_counter() {
    for (temporality, monotonic, field) in [
        (2, true, "counter"),
        (2, false, "gauge"),
        (1, true, "gauge"),
        (1, false, "gauge"),
    ] {
        let json = sum(temporality, monotonic, r#""asInt":"5""#);
        let found = points(MetricsSchema::TelegrafPrometheusV1, &json);
        assert_eq!(found[0].fields, [(field.to_owned(), Value::Int(5))]);
    }
    let found = points(MetricsSchema::TelegrafPrometheusV1, GAUGE);
    assert_eq!(found[0].fields, [("gauge".to_owned(), Value::Float(1.5))]);
}

#[test]
fn fields_have_the_name_of_the_metric_in_telegraf_prometheus_v2() {
    let counter = sum(2, true, r#""asInt":"5""#);
    let found = points(
        MetricsSchema::TelegrafPrometheusV2,
        &format!("{GAUGE},{counter}"),
    );
    assert!(found.iter().all(|point| point.measurement == "prometheus"));
    assert_eq!(found[0].fields, [("g".to_owned(), Value::Float(1.5))]);
    assert_eq!(found[1].fields, [("s".to_owned(), Value::Int(5))]);
}

#[test]
fn fields_say_what_a_sum_is_in_otel_v1() {
    for (temporality, monotonic, value, field, written) in [
        (
            2,
            true,
            r#""asInt":"5""#,
            "value_cumulative_monotonic_int",
            Value::Int(5),
        ),
        (
            2,
            false,
            r#""asInt":"5""#,
            "value_cumulative_nonmonotonic_int",
            Value::Int(5),
        ),
        (
            1,
            true,
            r#""asDouble":5"#,
            "value_delta_monotonic_double",
            Value::Float(5.0),
        ),
        (
            1,
            false,
            r#""asDouble":5"#,
            "value_delta_nonmonotonic_double",
            Value::Float(5.0),
        ),
    ] {
        let found = points(MetricsSchema::OtelV1, &sum(temporality, monotonic, value));
        assert_eq!(found[0].measurement, "s__sum");
        assert_eq!(found[0].fields, [(field.to_owned(), written)]);
    }
}

#[test]
fn what_otel_v1_has_no_form_for_is_counted_and_its_neighbours_live() {
    let json = metrics(&format!(
        r#"{GAUGE},{},{{"name":"summary","summary":{{"dataPoints":[{{"count":"1"}}]}}}},
        {{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{}}]}}}},{}"#,
        sum(2, true, r#""asInt":"5""#),
        sum(0, true, r#""asInt":"5""#),
    ));
    let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
    let found = by(MetricsSchema::OtelV1).encode(&request, NOW);
    assert_eq!(found.skipped_items(), 4);
    let reason = found.reason().expect("a reason");
    assert!(
        reason.starts_with("metric `g`: ") && reason.contains("gauges"),
        "{reason}"
    );
    let found = parse(str::from_utf8(found.as_bytes()).expect("UTF-8"));
    assert_eq!(found.len(), 1);
}

const HISTOGRAM: &str = r#"{"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[
    {"timeUnixNano":"7","count":"6","max":2,"bucketCounts":["3","2","1"],"explicitBounds":[1,2.5]}]}}"#;

#[test]
fn bounds_are_shortest_decimals_and_what_is_not_known_is_left_out() {
    let fields = |schema| -> Vec<(String, Value)> { points(schema, HISTOGRAM).remove(0).fields };
    let float = |key: &str, value| (key.to_owned(), Value::Float(value));
    assert_eq!(
        fields(MetricsSchema::TelegrafPrometheusV1),
        [
            float("+Inf", 6.0),
            float("1", 3.0),
            float("2.5", 5.0),
            float("count", 6.0),
            float("max", 2.0)
        ]
    );
    let unsigned = |key: &str, value| (key.to_owned(), Value::Unsigned(value));
    // Buckets each for itself, none without a bound; `min` and `max` are there together or not.
    assert_eq!(
        fields(MetricsSchema::OtelV1),
        [
            unsigned("count", 6),
            unsigned("delta_1", 3),
            unsigned("delta_2.5", 2)
        ]
    );
}

#[test]
fn exemplars_are_points_of_their_own_in_the_other_schemas_too() {
    let ids = r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718""#;
    let exemplars = format!(
        r#""exemplars":[{{"timeUnixNano":"6","asDouble":0.5,{ids}}},
        {{"timeUnixNano":"6","asDouble":0.5,"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}}]"#
    );
    let json = sum(2, true, &format!(r#""asInt":"5",{exemplars}"#));
    for schema in MetricsSchema::ALL {
        let found = points(schema, &json);
        assert_eq!(found.len(), 2, "{schema:?}");
        assert_eq!((&*found[1].measurement, found[1].time), ("s_exemplar", 6));
        assert_eq!(found[1].field("gauge"), Some(&Value::Float(0.5)));
        assert_eq!(
            found[1].tag("trace_id"),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
    }
}

#[test]
fn of_tags_with_one_key_the_innermost_counts() {
    let pair = |key: &str, value: &str| {
        format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
    };
    let json = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{},{},{},{}]}},"scopeMetrics":[
        {{"scope":{{"name":"lib","attributes":[{},{}]}},"metrics":[{{"name":"g","gauge":{{
        "dataPoints":[{{"asInt":"1","attributes":[{},
        {{"key":"n","value":{{"intValue":"5"}}}},{{"key":"b","value":{{"boolValue":false}}}}]}}]}}}}]}}]}}]}}"#,
        pair("all", "resource"),
        pair("two", "resource"),
        pair("one", "resource"),
        pair("otel.library.name", "resource"),
        pair("all", "scope"),
        pair("two", "scope"),
        pair("all", "point"),
    );
    for schema in [
        MetricsSchema::TelegrafPrometheusV1,
        MetricsSchema::TelegrafPrometheusV2,
    ] {
        let point = parse(&encode(&by(schema), Signal::Metrics, &json)).remove(0);
        for (key, value) in [
            ("all", "point"),
            ("two", "scope"),
            ("one", "resource"),
            ("otel.library.name", "lib"),
            ("n", "5"),
            ("b", "false"),
        ] {
            assert_eq!(point.tag(key), Some(value), "{schema:?}");
        }
        // A point without a time has the present one, and no start is no field.
        assert_eq!(point.time, NOW.cast_signed());
        assert_eq!(point.field("start_time_unix_nano"), None);
    }
}

#[test]
fn nothing_is_written_of_a_point_without_a_value() {
    let json = metrics(
        r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"7"},
            {"timeUnixNano":"7","flags":1,"asInt":"5"}]}},
        {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"flags":1}]}},
        {"name":"s","summary":{"dataPoints":[{"flags":1}]}}"#,
    );
    for schema in [
        MetricsSchema::TelegrafPrometheusV1,
        MetricsSchema::TelegrafPrometheusV2,
    ] {
        assert_eq!(encode(&by(schema), Signal::Metrics, &json), "");
    }
}

#[test]
fn a_tag_with_the_name_of_its_field_is_counted_in_telegraf_prometheus_v2() {
    let json = metrics(
        r#"{"name":"g","gauge":{"dataPoints":[
        {"timeUnixNano":"7","asInt":"1","attributes":[{"key":"g","value":{"stringValue":"x"}}]},
        {"timeUnixNano":"7","asInt":"2"}]}}"#,
    );
    let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
    let found = by(MetricsSchema::TelegrafPrometheusV2).encode(&request, NOW);
    assert_eq!(found.skipped_items(), 1);
    assert_eq!(
        found.reason(),
        Some("metric `g`: an attribute has the name of its field")
    );
    let found = parse(str::from_utf8(found.as_bytes()).expect("UTF-8"));
    assert_eq!(found[0].fields, [("g".to_owned(), Value::Int(2))]);
}
