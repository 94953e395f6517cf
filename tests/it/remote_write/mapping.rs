//! The rules of the mapping, and what other implementations got wrong.

use tower_otlp::exporters::prometheus::{
    TranslationStrategy,
    remote_write::encode::{EncodeOptions, Encoder, HistogramForm, MessageLimits, Protocol},
};

use super::{
    NO_LIMITS, encode_with, gauge, json, message, metrics, metrics_of, names, now, read, read_v1,
    series, series_with,
};

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn point(fields: &str) -> String {
    format!(r#"{{"timeUnixNano":"1700000000123456789"{fields}}}"#)
}

fn gauges(name: &str, points: &[String]) -> String {
    let points = points.join(",");
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{points}]}}}}"#)
}

fn sum(name: &str, temporality: u8, monotonic: bool, points: &[String]) -> String {
    let points = points.join(",");
    format!(
        r#"{{"name":"{name}","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},"dataPoints":[{points}]}}}}"#
    )
}

fn histogram(fields: &str) -> String {
    let point = point(fields);
    format!(r#"{{"name":"d","histogram":{{"aggregationTemporality":2,"dataPoints":[{point}]}}}}"#)
}

fn rejection(request: &tower_otlp::ExportRequest) -> (u64, String) {
    let (_, rejected, reason) =
        encode_with(request, EncodeOptions::default(), Protocol::V2, NO_LIMITS);
    (rejected, reason.unwrap_or_default())
}

#[test]
fn labels_are_sorted_by_their_bytes() {
    let request = gauge(&[
        ("zone", "1"),
        ("Zone", "2"),
        ("a.b", "3"),
        ("_x", "4"),
        ("a", "5"),
    ]);
    for protocol in [Protocol::V1, Protocol::V2] {
        let all = read(
            protocol,
            &message(&request, EncodeOptions::default(), protocol),
        );
        let keys: Vec<&str> = all[0].labels.iter().map(|(name, _)| &**name).collect();
        // An upper-case letter stands before the underscore.
        assert_eq!(keys, ["Zone", "__name__", "_x", "a", "a_b", "zone"]);
    }
}

#[test]
fn attributes_that_become_one_label_are_joined_in_the_order_of_their_keys() {
    assert_eq!(
        names(&gauge(&[("a_b", "2"), ("a.b", "1"), ("a-b", "0")])),
        [r#"x{a_b="0;1;2"}"#]
    );
    // Of one key that was sent twice the last counts.
    assert_eq!(names(&gauge(&[("k", "1"), ("k", "2")])), [r#"x{k="2"}"#]);
}

#[test]
fn labels_without_a_value_and_reserved_ones_are_left_out() {
    assert_eq!(
        names(&gauge(&[("a", ""), ("__name__", "y"), ("é", "z")])),
        ["x"]
    );
}

#[test]
fn the_target_wins_over_attributes_of_the_point() {
    let request = metrics_of(
        &[("service.name", "cart")],
        &gauges(
            "x",
            &[point(
                r#","asInt":"1","attributes":[
            {"key":"job","value":{"stringValue":"other"}},
            {"key":"instance","value":{"stringValue":"i-9"}}]"#,
            )],
        ),
    );
    // The resource says nothing of the instance, so the point may.
    assert_eq!(names(&request), [r#"x{instance="i-9",job="cart"}"#]);
}

#[test]
fn external_and_resource_labels_give_way_to_the_points_own() {
    let request = metrics_of(
        &[
            ("service.name", "cart"),
            ("k8s.pod.name", "p-1"),
            ("region", "eu"),
        ],
        &gauges(
            "x",
            &[point(
                r#","asInt":"1","attributes":[{"key":"region","value":{"stringValue":"us"}}]"#,
            )],
        ),
    );
    let options = EncodeOptions::default()
        .target_info(false)
        .external_label("cluster", "c1")
        .external_label("k8s_pod_name", "external")
        .external_label("job", "external")
        .external_label("empty", "")
        .resource_labels(["k8s.pod.name", "region", "not.there"]);
    let all: Vec<String> = series_with(&request, options).into_keys().collect();
    assert_eq!(
        all,
        [r#"x{cluster="c1",job="cart",k8s_pod_name="p-1",region="us"}"#]
    );
}

#[test]
fn the_scope_is_in_the_labels_unless_switched_off() {
    let request = json(
        r#"{"resourceMetrics":[{"scopeMetrics":[{"schemaUrl":"https://s","scope":{"name":"lib","version":"1",
        "attributes":[{"key":"build.id","value":{"intValue":"7"}},{"key":"name","value":{"stringValue":"no"}}]},
        "metrics":[{"name":"x","gauge":{"dataPoints":[{"timeUnixNano":"1700000000123456789","asInt":"1",
        "attributes":[{"key":"otel.scope.name","value":{"stringValue":"mine"}}]}]}}]}]}]}"#,
    );
    assert_eq!(
        names(&request),
        [
            r#"x{otel_scope_build_id="7",otel_scope_name="lib",otel_scope_schema_url="https://s",otel_scope_version="1"}"#
        ]
    );
    let without = series_with(&request, EncodeOptions::default().scope_labels(false));
    assert_eq!(
        without.into_keys().collect::<Vec<_>>(),
        [r#"x{otel_scope_name="mine"}"#]
    );
}

#[test]
fn le_and_quantile_of_a_point_do_not_collide_with_those_of_its_series() {
    let request = metrics(&histogram(
        r#","count":"1","attributes":[{"key":"le","value":{"stringValue":"mine"}}]"#,
    ));
    assert_eq!(
        names(&request),
        [
            r#"d_bucket{exported_le="mine",le="+Inf"}"#,
            r#"d_count{exported_le="mine"}"#
        ]
    );
    let point = point(
        r#","count":"1","sum":2,"quantileValues":[{"quantile":1,"value":3}],"attributes":[{"key":"quantile","value":{"stringValue":"mine"}}]"#,
    );
    let request = metrics(&format!(
        r#"{{"name":"s","summary":{{"dataPoints":[{point}]}}}}"#
    ));
    assert_eq!(
        names(&request),
        [
            r#"s_count{exported_quantile="mine"}"#,
            r#"s_sum{exported_quantile="mine"}"#,
            r#"s{exported_quantile="mine",quantile="1"}"#,
        ]
    );
    // One of lower rank is replaced: a label stands once.
    let options = EncodeOptions::default().external_label("le", "x");
    let all = series_with(&metrics(&histogram(r#","count":"1""#)), options);
    assert!(all.contains_key(r#"d_bucket{le="+Inf"}"#), "{all:?}");
}

#[test]
fn bounds_are_written_without_an_exponent() {
    let request = metrics(&histogram(
        r#","count":"0","explicitBounds":[-0.0,0.1,5,1000000,1e22],"bucketCounts":[0,0,0,0,0,0]"#,
    ));
    let all = names(&request);
    let bounds: Vec<&str> = all
        .iter()
        .filter_map(|name| name.strip_prefix("d_bucket{le=\"")?.strip_suffix("\"}"))
        .collect();
    assert_eq!(
        bounds,
        [
            "+Inf",
            "0",
            "0.1",
            "1000000",
            "10000000000000000000000",
            "5"
        ]
    );
}

#[test]
fn samples_of_one_series_are_in_the_order_of_time() {
    let points: Vec<String> = [5_u64, 1, 4, 2, 3]
        .iter()
        .map(|second| format!(r#"{{"timeUnixNano":"{second}000000000","asInt":"{second}"}}"#))
        .collect();
    let all = series(&metrics(&gauges("x", &points)));
    let times: Vec<i64> = all["x"].samples.iter().map(|sample| sample.1).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000, 5000]);
    let values: Vec<f64> = all["x"]
        .samples
        .iter()
        .map(|sample| f64::from_bits(sample.0))
        .collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
}

/// One sample that a receiver refuses takes all others of its message with it.
#[test]
fn two_values_at_one_time_are_not_sent() {
    let twice = metrics(&gauges(
        "x",
        &[point(r#","asInt":"1""#), point(r#","asInt":"2""#)],
    ));
    let (rejected, reason) = rejection(&twice);
    assert_eq!(rejected, 1);
    assert!(reason.contains("the same time"), "{reason}");
    let (messages, _, _) = encode_with(&twice, EncodeOptions::default(), Protocol::V2, NO_LIMITS);
    let all = super::read_v2(&messages[0]);
    assert_eq!((all.len(), all[0].value()), (1, 1.0));
    // The same value is the same sample.
    let same = metrics(&gauges(
        "x",
        &[point(r#","asInt":"1""#), point(r#","asInt":"1""#)],
    ));
    assert_eq!(series(&same)["x"].value(), 1.0);
}

#[test]
fn target_info_of_several_resources_is_one_series_if_it_is_the_same() {
    let resource = |host: &str| {
        let attributes = super::attributes_json(&[("service.name", "cart"), ("host.name", host)]);
        let point = point(r#","asInt":"1""#);
        format!(
            r#"{{"resource":{{"attributes":[{attributes}]}},"scopeMetrics":[{{"metrics":[
            {{"name":"x_{host}","gauge":{{"dataPoints":[{point}]}}}}]}}]}}"#
        )
    };
    let request = json(&format!(
        r#"{{"resourceMetrics":[{},{},{}]}}"#,
        resource("a"),
        resource("b"),
        resource("a")
    ));
    let infos: Vec<String> = names(&request)
        .into_iter()
        .filter(|name| name.starts_with("target_info"))
        .collect();
    assert_eq!(
        infos,
        [
            r#"target_info{host_name="a",job="cart"}"#,
            r#"target_info{host_name="b",job="cart"}"#
        ]
    );
}

#[test]
fn target_info_needs_a_target_and_something_to_say() {
    let x = gauges("x", &[point(r#","asInt":"1""#)]);
    for (attributes, expected) in [
        (&[("service.name", "cart")][..], false),
        (&[("host.name", "h")], false),
        (&[("service.name", "cart"), ("host.name", "")], false),
        (&[("service.name", "cart"), ("host.name", "h")], true),
        (&[("service.instance.id", "i"), ("host.name", "h")], true),
    ] {
        let all = names(&metrics_of(attributes, &x));
        let found = all.iter().any(|name| name.starts_with("target_info"));
        assert_eq!(found, expected, "{attributes:?}: {all:?}");
    }
    let request = metrics_of(&[("service.name", "cart"), ("host.name", "h")], &x);
    let without = series_with(&request, EncodeOptions::default().target_info(false));
    assert_eq!(without.len(), 1);
}

#[test]
fn target_info_is_found_at_every_time_of_its_resource() {
    let at = |second: u64| format!(r#"{{"timeUnixNano":"{second}000000000","asInt":"{second}"}}"#);
    let info = |points: &[String]| {
        let attributes = [("service.name", "cart"), ("host.name", "h")];
        let mut all = series(&metrics_of(&attributes, &gauges("x", points)));
        let info = all
            .remove(r#"target_info{host_name="h",job="cart"}"#)
            .expect("there");
        info.samples
            .iter()
            .map(|sample| sample.1)
            .collect::<Vec<i64>>()
    };
    assert_eq!(
        info(&[at(1000), at(1400)]),
        [1_000_000, 1_150_000, 1_300_000, 1_400_000]
    );
    // Not for all of history.
    assert_eq!(info(&[at(1), at(1_700_000_000)]), [1_700_000_000_000]);
}

#[test]
fn the_namespace_alone_is_no_job() {
    let x = gauges("x", &[point(r#","asInt":"1""#)]);
    assert_eq!(
        names(&metrics_of(&[("service.namespace", "shop")], &x)),
        ["x"]
    );
    assert_eq!(
        names(&metrics_of(&[("service.name", "cart")], &x)),
        [r#"x{job="cart"}"#]
    );
}

#[test]
fn a_missing_instance_is_noticed() {
    let x = gauges("x", &[point(r#","asInt":"1""#)]);
    for (attributes, lacks) in [
        (&[("service.name", "cart")][..], true),
        (&[("service.instance.id", "")], true),
        (&[("service.instance.id", "i")], false),
    ] {
        let request = metrics_of(attributes, &x);
        let mut encoder = Encoder::new(EncodeOptions::default());
        encoder.convert(request.metrics().expect("metrics"), Protocol::V2, 1, now());
        assert_eq!(encoder.lacks_instance(), lacks);
    }
}

#[test]
fn temporality_must_be_cumulative() {
    for (temporality, rejected) in [(0, 2), (1, 2), (2, 0), (99, 2)] {
        let points = [
            point(r#","asInt":"1""#),
            point(r#","asInt":"2","attributes":[{"key":"a","value":{"stringValue":"b"}}]"#),
        ];
        let request = metrics(&sum("s", temporality, true, &points));
        let (count, reason) = rejection(&request);
        assert_eq!(count, rejected, "{temporality}");
        assert_eq!(reason.contains("metric `s`"), rejected > 0, "{reason}");
    }
}

#[test]
fn neighbours_of_what_cannot_be_carried_live() {
    let request = metrics(
        &[
            gauges("@#$%", &[point(r#","asInt":"1""#)]),
            gauges("none", &[point("")]),
            histogram(r#","count":"1","explicitBounds":[1,2],"bucketCounts":["1"]"#),
            histogram(r#","count":"1","explicitBounds":[2,1],"bucketCounts":["1","0","0"]"#),
            histogram(r#","count":"1","explicitBounds":["NaN"],"bucketCounts":["1","0"]"#),
            format!(
                r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{},{}]}}}}"#,
                point(r#","scale":-5,"sum":1"#),
                point(r#","scale":0"#),
            ),
            gauges("good", &[point(r#","asInt":"1""#)]),
        ]
        .join(","),
    );
    let (messages, rejected, reason) =
        encode_with(&request, EncodeOptions::default(), Protocol::V2, NO_LIMITS);
    assert_eq!(rejected, 7);
    assert_eq!(
        reason.as_deref(),
        Some("metric `@#$%`: nothing of its name is valid")
    );
    let all = super::read_v2(&messages[0]);
    assert_eq!(
        all.iter().map(super::Series::name).collect::<Vec<_>>(),
        ["good"]
    );
}

#[test]
fn a_histogram_may_lack_its_sum_and_its_buckets() {
    let all = series(&metrics(&histogram(r#","count":"4""#)));
    assert_eq!(
        all.keys().collect::<Vec<_>>(),
        [r#"d_bucket{le="+Inf"}"#, "d_count"]
    );
    // A last bound that is infinite is the last bucket.
    let all = series(&metrics(&histogram(
        r#","count":"4","explicitBounds":[1,"Infinity"],"bucketCounts":["1","3","0"]"#,
    )));
    assert_eq!(all[r#"d_bucket{le="+Inf"}"#].value(), 4.0);
    assert_eq!(all[r#"d_bucket{le="1"}"#].value(), 1.0);
}

#[test]
fn no_recorded_value_ends_each_series_of_the_point() {
    let request = metrics(&format!(
        r#"{},{},{{"name":"s","summary":{{"dataPoints":[{}]}}}}"#,
        histogram(r#","flags":1,"explicitBounds":[1]"#),
        sum("c", 2, true, &[point(r#","flags":1"#)]),
        point(r#","flags":1,"quantileValues":[{"quantile":0.5}]"#),
    ));
    let all = series(&request);
    let expected = [
        "c_total",
        r#"d_bucket{le="+Inf"}"#,
        r#"d_bucket{le="1"}"#,
        "d_count",
        "d_sum",
        "s_count",
        "s_sum",
        r#"s{quantile="0.5"}"#,
    ];
    assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    for (name, series) in &all {
        assert_eq!(series.samples[0].0, STALE, "{name}");
    }
}

/// The reference takes the bit pattern for a count.
#[test]
fn a_native_histogram_ends_with_a_stale_sum_and_no_count() {
    let request = metrics(&format!(
        r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{}]}}}}"#,
        point(r#","flags":1"#)
    ));
    for protocol in [Protocol::V1, Protocol::V2] {
        let all = read(
            protocol,
            &message(&request, EncodeOptions::default(), protocol),
        );
        let histogram = &all[0].histograms[0];
        assert_eq!(histogram.sum.to_bits(), STALE);
        assert_eq!(
            histogram.count,
            Some(crate::support::remote_write::Count::Int(0))
        );
        assert!(histogram.positive_spans.is_empty() && histogram.negative_spans.is_empty());
        assert_eq!(histogram.timestamp, 1_700_000_000_123);
    }
}

/// Through text or arithmetic a stale marker becomes another NaN.
#[test]
fn nan_and_infinity_are_sent_as_they_are() {
    let points = [("NaN", "a"), ("Infinity", "b"), ("-Infinity", "c")].map(|(value, key)| {
        point(&format!(
            r#","asDouble":"{value}","attributes":[{{"key":"k","value":{{"stringValue":"{key}"}}}}]"#
        ))
    });
    let all = series(&metrics(&gauges("x", &points)));
    assert!(all[r#"x{k="a"}"#].value().is_nan());
    assert_ne!(all[r#"x{k="a"}"#].samples[0].0, STALE);
    assert_eq!(all[r#"x{k="b"}"#].value(), f64::INFINITY);
    assert_eq!(all[r#"x{k="c"}"#].value(), f64::NEG_INFINITY);
}

#[test]
fn a_point_without_a_time_is_at_the_present() {
    let all = series(&metrics(&gauges("x", &[r#"{"asInt":"1"}"#.to_owned()])));
    assert_eq!(
        all["x"].samples,
        [(1.0_f64.to_bits(), 1_700_000_001_000, 0)]
    );
}

#[test]
fn times_are_cut_off_and_zero_is_kept_apart_from_unknown() {
    let at = r#"{"timeUnixNano":"1999999","startTimeUnixNano":"999","asInt":"1"}"#.to_owned();
    let all = series(&metrics(&sum("c", 2, true, &[at])));
    assert_eq!(all["c_total"].samples, [(1.0_f64.to_bits(), 1, 1)]);
}

#[test]
fn only_what_counts_has_a_start() {
    let at = [
        r#"{"timeUnixNano":"9000000000","startTimeUnixNano":"1000000000","asInt":"1"}"#.to_owned(),
    ];
    let all = series(&metrics(
        &[
            gauges("g", &at),
            sum("u", 2, false, &at),
            sum("c", 2, true, &at),
        ]
        .join(","),
    ));
    assert_eq!((all["g"].samples[0].2, all["u"].samples[0].2), (0, 0));
    assert_eq!(all["c_total"].samples[0].2, 1000);
    // 1.0 has no place for it.
    let request = metrics(&sum("c", 2, true, &at));
    let v1 = read_v1(&message(&request, EncodeOptions::default(), Protocol::V1));
    assert_eq!(v1[0].samples, [(1.0_f64.to_bits(), 9000, 0)]);
}

/// The reference takes exemplars for sorted: one of 0.05 behind one of 0.3 lands in the bucket of
/// the latter there.
#[test]
fn an_exemplar_goes_to_the_bucket_that_has_its_value() {
    let exemplars: Vec<String> = ["0.3", "0.05", "0.1", "7", "\"NaN\""]
        .iter()
        .map(|value| format!(r#"{{"timeUnixNano":"1700000000000000000","asDouble":{value}}}"#))
        .collect();
    let all = series(&metrics(&histogram(&format!(
        r#","count":"6","explicitBounds":[0.1,0.5],"bucketCounts":["3","2","1"],"exemplars":[{}]"#,
        exemplars.join(",")
    ))));
    let of = |bound: &str| -> Vec<String> {
        let series = &all[&format!("d_bucket{{le={bound:?}}}")];
        series
            .exemplars
            .iter()
            .map(|exemplar| exemplar.1.to_string())
            .collect()
    };
    assert_eq!(of("0.1"), ["0.05", "0.1"]);
    assert_eq!(of("0.5"), ["0.3"]);
    assert_eq!(of("+Inf"), ["7", "NaN"]);
}

#[test]
fn exemplars_are_of_counters_and_histograms_alone() {
    let exemplar = r#","asInt":"1","exemplars":[{"timeUnixNano":"2000000000","asInt":"1"},{"timeUnixNano":"1000000000","asInt":"1"},{"asInt":"9"},{"timeUnixNano":"1"}]"#;
    let all = series(&metrics(
        &[
            gauges("g", &[point(exemplar)]),
            sum("u", 2, false, &[point(exemplar)]),
            sum("c", 2, true, &[point(exemplar)]),
        ]
        .join(","),
    ));
    assert!(all["g"].exemplars.is_empty() && all["u"].exemplars.is_empty());
    // In order; without a time at that of the point; without a value not at all.
    let times: Vec<i64> = all["c_total"]
        .exemplars
        .iter()
        .map(|exemplar| exemplar.2)
        .collect();
    assert_eq!(times, [1000, 2000, 1_700_000_000_123]);
    let request = metrics(&sum("c", 2, true, &[point(exemplar)]));
    let without = series_with(&request, EncodeOptions::default().exemplars(false));
    assert!(without["c_total"].exemplars.is_empty());
}

#[test]
fn exemplar_attributes_are_left_out_unless_all_fit() {
    let with = |length: usize| {
        let value = "é".repeat(length);
        let request = metrics(&sum(
            "c",
            2,
            true,
            &[point(&format!(
                r#","asInt":"1","exemplars":[{{"timeUnixNano":"1","asInt":"1","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
            "filteredAttributes":[{{"key":"k","value":{{"stringValue":"{value}"}}}},{{"key":"trace_id","value":{{"stringValue":"mine"}}}}]}}]"#
            ))],
        ));
        let all = series(&request);
        let labels = &all["c_total"].exemplars[0].0;
        labels
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    // 8 + 32 + 7 + 16 for the ids, 1 for the key.
    assert_eq!(with(64), ["k", "span_id", "trace_id"]);
    assert_eq!(with(65), ["span_id", "trace_id"]);
}

#[test]
fn the_type_may_be_told_by_metadata() {
    for (value, kind) in [("unknown", 0), ("info", 6), ("stateset", 7), ("other", 2)] {
        let point = point(r#","asInt":"1""#);
        let request = metrics(&format!(
            r#"{{"name":"x","metadata":[{{"key":"prometheus.type","value":{{"stringValue":"{value}"}}}}],"gauge":{{"dataPoints":[{point}]}}}}"#
        ));
        let all = series(&request);
        assert_eq!(
            all["x"].metadata.as_ref().expect("always").0,
            kind,
            "{value}"
        );
    }
}

#[test]
fn metadata_of_1_0_stand_beside_the_series_if_asked_for() {
    use prost::Message as _;
    let request = metrics(
        r#"{"name":"d","unit":"By/s","description":"How fast.","histogram":{"aggregationTemporality":2,
        "dataPoints":[{"timeUnixNano":"1","count":"1","sum":1}]}}"#,
    );
    let read = |options| {
        let message = message(&request, options, Protocol::V1);
        crate::support::remote_write::v1::WriteRequest::decode(&*message)
            .expect("1.0")
            .metadata
    };
    assert!(read(EncodeOptions::default()).is_empty());
    let all = read(EncodeOptions::default().metadata(true));
    assert_eq!(all.len(), 1, "{all:?}");
    let own = &all[0];
    assert_eq!(
        (own.kind, &*own.metric_family_name, &*own.help, &*own.unit),
        (3, "d_bytes_per_second", "How fast.", "bytes_per_second")
    );
}

/// So that a decoder of 1.0 sees an empty message, not nonsense.
#[test]
fn a_message_of_2_0_is_empty_to_a_decoder_of_1_0() {
    let written = message(
        &gauge(&[("a", "b")]),
        EncodeOptions::default(),
        Protocol::V2,
    );
    assert!(read_v1(&written).is_empty());
}

#[test]
fn exponential_histograms_become_classic_if_asked_for() {
    let request = metrics(&format!(
        r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{}]}}}}"#,
        point(
            r#","scale":0,"count":"9","sum":12.5,"zeroCount":"1","zeroThreshold":0.25,"positive":{"offset":0,"bucketCounts":["3","0","2"]},"negative":{"offset":1,"bucketCounts":["3"]}"#
        )
    ));
    let options = EncodeOptions::default().exponential_histograms(HistogramForm::Classic);
    let all = series_with(&request, options);
    let expected = [
        (r#"e_bucket{le="+Inf"}"#, 9.0),
        (r#"e_bucket{le="-2"}"#, 3.0),
        (r#"e_bucket{le="-4"}"#, 0.0),
        (r#"e_bucket{le="0.25"}"#, 4.0),
        (r#"e_bucket{le="1"}"#, 4.0),
        (r#"e_bucket{le="2"}"#, 7.0),
        (r#"e_bucket{le="4"}"#, 7.0),
        (r#"e_bucket{le="8"}"#, 9.0),
        ("e_count", 9.0),
        ("e_sum", 12.5),
    ];
    let found: Vec<(&str, f64)> = all
        .iter()
        .map(|(name, series)| (&**name, series.value()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn custom_buckets_are_of_2_0_only_and_need_a_sum() {
    let options = EncodeOptions::default().explicit_histograms(HistogramForm::Native);
    let request = metrics(&histogram(r#","count":"1""#));
    let v1 = read_v1(&message(&request, options.clone(), Protocol::V1));
    assert_eq!(v1.len(), 2, "classic");
    let (messages, rejected, reason) = encode_with(&request, options, Protocol::V2, NO_LIMITS);
    assert_eq!((messages.len(), rejected), (0, 1));
    assert!(reason.expect("one").contains("no sum"));
}

#[test]
fn names_follow_the_strategy() {
    for (strategy, expected) in [
        (
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            r#"ns_foo_bar_bytes_total{a_b="c"}"#,
        ),
        (
            TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
            r#"ns_foo_bar{a_b="c"}"#,
        ),
        (
            TranslationStrategy::NoUtf8EscapingWithSuffixes,
            r#"ns_foo.bar_bytes_total{a.b="c"}"#,
        ),
        (TranslationStrategy::NoTranslation, r#"ns_foo.bar{a.b="c"}"#),
    ] {
        let point =
            point(r#","asInt":"1","attributes":[{"key":"a.b","value":{"stringValue":"c"}}]"#);
        let request = metrics(&format!(
            r#"{{"name":"foo.bar","unit":"By","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{point}]}}}}"#
        ));
        let options = EncodeOptions::default()
            .translation_strategy(strategy)
            .namespace("ns");
        let all: Vec<String> = series_with(&request, options).into_keys().collect();
        assert_eq!(all, [expected]);
    }
}

#[test]
fn messages_keep_their_limits_and_the_order_of_time() {
    let points: Vec<String> = (0..50_u64)
        .rev()
        .flat_map(|second| {
            ["a", "b", "c"].map(|key| {
                format!(
                    r#"{{"timeUnixNano":"{second}000000000","asInt":"{second}","attributes":[{{"key":"k","value":{{"stringValue":"{key}"}}}}]}}"#
                )
            })
        })
        .collect();
    let request = metrics(&gauges("x", &points));
    for protocol in [Protocol::V1, Protocol::V2] {
        for limits in [
            MessageLimits {
                samples: 7,
                bytes: usize::MAX,
            },
            MessageLimits {
                samples: usize::MAX,
                bytes: 400,
            },
            MessageLimits {
                samples: 1,
                bytes: 150,
            },
        ] {
            let (messages, rejected, _) =
                encode_with(&request, EncodeOptions::default(), protocol, limits);
            assert_eq!(rejected, 0);
            let mut last = std::collections::BTreeMap::new();
            let mut total = 0;
            for message in &messages {
                assert!(message.len() <= limits.bytes, "{} bytes", message.len());
                let all = read(protocol, message);
                let samples: usize = all.iter().map(|series| series.samples.len()).sum();
                assert!((1..=limits.samples).contains(&samples));
                total += samples;
                for series in &all {
                    for (_, time, _) in &series.samples {
                        let before = last.insert(series.name(), *time);
                        assert!(before.is_none_or(|before| before < *time));
                    }
                }
            }
            assert_eq!(total, 150);
        }
    }
}

#[test]
fn a_sample_that_is_too_large_is_rejected_alone() {
    let long = "v".repeat(2000);
    let points: Vec<String> = [("a", "1"), ("b", &*long), ("c", "2")]
        .iter()
        .map(|(key, value)| {
            point(&format!(
                r#","asInt":"1","attributes":[{{"key":"{key}","value":{{"stringValue":"{value}"}}}}]"#
            ))
        })
        .collect();
    let request = metrics(&gauges("x", &points));
    for protocol in [Protocol::V1, Protocol::V2] {
        let limits = MessageLimits {
            samples: 100,
            bytes: 1000,
        };
        let (messages, rejected, reason) =
            encode_with(&request, EncodeOptions::default(), protocol, limits);
        assert_eq!(rejected, 1);
        let reason = reason.expect("one");
        assert_eq!(
            reason,
            "metric `x`: a sample is larger than a message may be"
        );
        let all: Vec<String> = messages
            .iter()
            .flat_map(|message| read(protocol, message))
            .map(|series| series.name())
            .collect();
        assert_eq!(all, [r#"x{a="1"}"#, r#"x{c="2"}"#]);
    }
}

/// Parallel senders are the usual cause of "out of order sample".
#[test]
fn a_series_is_always_in_the_same_shard() {
    let points = |time: u64| -> String {
        let points: Vec<String> = (0..40)
            .map(|number| {
                format!(
                    r#"{{"timeUnixNano":"{time}","asInt":"1","attributes":[{{"key":"k","value":{{"stringValue":"{number}"}}}}]}}"#
                )
            })
            .collect();
        gauges("x", &points)
    };
    let mut home = std::collections::BTreeMap::new();
    for time in [1_000_000, 2_000_000] {
        let request = metrics(&points(time));
        // Another encoder each time, as in another process.
        let mut encoder = Encoder::new(EncodeOptions::default());
        encoder.convert(request.metrics().expect("metrics"), Protocol::V2, 4, now());
        for shard in 0..4 {
            let mut out = Vec::new();
            encoder
                .next_into(shard, NO_LIMITS, &mut out)
                .expect("something for each");
            for series in super::read_v2(&out) {
                let before = home.insert(series.name(), shard);
                assert!(before.is_none_or(|before| before == shard), "{home:?}");
            }
            assert!(encoder.next_into(shard, NO_LIMITS, &mut out).is_none());
        }
    }
    assert_eq!(home.len(), 40);
}

#[test]
fn an_encoder_forgets_the_request_before() {
    let mut encoder = Encoder::new(EncodeOptions::default());
    let request = gauge(&[("a", "b")]);
    let expected = message(&request, EncodeOptions::default(), Protocol::V2);
    let bad = metrics(&sum("s", 1, true, &[point(r#","asInt":"1""#)]));
    for _ in 0..3 {
        encoder.convert(bad.metrics().expect("metrics"), Protocol::V1, 3, now());
        assert_eq!(encoder.rejected(), 1);
        encoder.convert(request.metrics().expect("metrics"), Protocol::V2, 1, now());
        assert_eq!((encoder.rejected(), encoder.reason()), (0, None));
        let mut out = Vec::new();
        encoder.next_into(0, NO_LIMITS, &mut out).expect("one");
        assert_eq!(out, expected);
    }
}
