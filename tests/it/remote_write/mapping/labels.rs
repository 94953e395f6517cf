//! Names and labels, and which of two counts.

use super::*;

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
    let empty = [("service.namespace", ""), ("service.name", "cart")];
    assert_eq!(names(&metrics_of(&empty, &x)), [r#"x{job="cart"}"#]);
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

/// The whole chain: external, resource, point, target, scope, type.
#[test]
fn of_labels_with_one_name_the_highest_rank_counts() {
    let attributes = attributes_json(&[
        ("service.name", "cart"),
        ("service.instance.id", "i-1"),
        ("a", "resource"),
        ("b", "resource"),
    ]);
    let own = ["b", "job", "instance", "otel_scope_name", "le"]
        .map(|key| format!(r#"{{"key":"{key}","value":{{"stringValue":"point"}}}}"#))
        .join(",");
    let point = point(&format!(r#","count":"1","attributes":[{own}]"#));
    let request = json(&format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{attributes}]}},"scopeMetrics":[
        {{"scope":{{"name":"lib"}},"metrics":[{{"name":"d","histogram":{{"aggregationTemporality":2,
        "dataPoints":[{point}]}}}}]}}]}}]}}"#
    ));
    let external = |options: EncodeOptions, name: &str| options.external_label(name, "external");
    let keys = ["a", "b", "c", "job", "instance", "otel_scope_name", "le"];
    let options = EncodeOptions::default()
        .target_info(false)
        .resource_labels(["a", "b"]);
    let options = keys.into_iter().fold(options, external);
    let all: Vec<String> = series_with(&request, options).into_keys().collect();
    let labels =
        r#"a="resource",b="point",c="external",exported_le="point",instance="i-1",job="cart""#;
    assert_eq!(
        all,
        [
            format!(r#"d_bucket{{{labels},le="+Inf",otel_scope_name="lib"}}"#),
            format!(r#"d_count{{{labels},le="external",otel_scope_name="lib"}}"#),
        ]
    );
}
