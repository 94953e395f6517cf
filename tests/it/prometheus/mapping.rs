//! Each rule and each pitfall of the mapping.

use std::time::Duration;

use tower_otlp::exporters::prometheus::{
    EscapingScheme, Format, PrometheusExporter, TranslationStrategy,
};

use super::*;

fn without_info() -> PrometheusExporter {
    built(PrometheusExporter::builder().target_info(false))
}

/// A gauge `x` with these attributes.
fn labelled(attributes: &str, value: u32) -> String {
    let attributes = attributes_of(attributes);
    format!(
        r#"{{"name":"x","gauge":{{"dataPoints":[{{"asInt":"{value}","attributes":[{attributes}]}}]}}}}"#
    )
}

#[test]
fn two_resources_with_the_same_labels_do_not_fail_the_scrape() {
    let exporter = plain();
    let a = r#""service.name":"cart","host.name":"a""#;
    let b = r#""service.name":"cart","host.name":"b""#;
    let of = |second| counter("jobs", 3, second);
    let both = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{}]}}]}},{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{}]}}]}}]}}"#,
        attributes_of(a),
        of(1),
        attributes_of(b),
        of(1)
    );
    let answer = export(&exporter, &json(&both));
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (1, 1));
    let message = answer.message().expect("a message");
    assert!(
        message.contains("`jobs`") && message.contains("same labels"),
        "{message}"
    );
    for format in [Format::Text, Format::OpenMetrics1] {
        let page = page(&exporter, format);
        assert_eq!(page.matches("jobs_total{").count(), 1, "{page}");
        assert_eq!(page.matches("target_info{").count(), 1, "{page}");
        assert!(
            page.contains(r#"target_info{host_name="b",job="cart"}"#),
            "{page}"
        );
    }
    // The newest wins: the one that was started again takes over.
    take(&exporter, &with_resource(b, &counter("jobs", 1, 2)));
    assert!(text(&exporter).contains("jobs_total{job=\"cart\"} 1\n"));
}

#[test]
fn resource_attributes_never_make_a_label_twice() {
    let builder = PrometheusExporter::builder()
        .resource_labels("*")
        .target_info(false);
    let exporter = built(builder);
    let resource =
        r#""service.name":"cart","job":"mine","instance":"here","host.name":"h","host_name":"g""#;
    take(
        &exporter,
        &with_resource(resource, &labelled(r#""host.name":"point","job":"p""#, 1)),
    );
    let page = text(&exporter);
    assert_eq!(
        page.lines().last(),
        Some(
            r#"x{exported_job="mine;p",host_name="h;point;g",instance="here",job="cart",service_name="cart"} 1"#
        )
    );
}

#[test]
fn resource_labels_follow_patterns() {
    let builder = PrometheusExporter::builder()
        .resource_labels("k8s.*")
        .resource_labels("host.name")
        .target_info(false);
    let exporter = built(builder);
    let resource = r#""k8s.pod.name":"p","host.name":"h","host.id":"i""#;
    take(&exporter, &with_resource(resource, &gauge("x", "1")));
    assert!(text(&exporter).ends_with("x{host_name=\"h\",k8s_pod_name=\"p\"} 1\n"));
}

#[test]
fn target_info_is_there_once_for_each_target() {
    let exporter = plain();
    for host in ["a", "b", "a"] {
        let resource = format!(r#""service.name":"cart","host.name":"{host}""#);
        take(&exporter, &with_resource(&resource, &gauge("x", "1")));
        assert_eq!(text(&exporter).matches("target_info{").count(), 1);
    }
    // Nothing to tell but the identity: nothing is told.
    let exporter = plain();
    let identity = r#""service.name":"cart","service.instance.id":"1""#;
    take(&exporter, &with_resource(identity, &gauge("x", "1")));
    assert!(!text(&exporter).contains("target_info"));
    // A metric of that name does not get in between.
    refuse(
        &exporter,
        &metrics(&gauge("target_info", "5")),
        "has its name",
    );
    take(&without_info(), &metrics(&gauge("target_info", "5")));
}

#[test]
fn job_and_instance() {
    for (resource, expected) in [
        (r#""service.name":"n""#, r#"x{job="n"} 1"#),
        (
            r#""service.namespace":"s","service.name":"n""#,
            r#"x{job="s/n"} 1"#,
        ),
        (r#""service.namespace":"s""#, "x 1"),
        (
            r#""service.name":"n","service.instance.id":"i""#,
            r#"x{instance="i",job="n"} 1"#,
        ),
    ] {
        let exporter = without_info();
        take(&exporter, &with_resource(resource, &gauge("x", "1")));
        assert_eq!(text(&exporter).lines().last(), Some(expected));
    }
}

#[test]
fn labels_of_a_scope() {
    let request = json(
        r#"{"resourceMetrics":[{"scopeMetrics":[{"schemaUrl":"https://s","scope":{"name":"n","version":"1","attributes":[
        {"key":"name","value":{"stringValue":"dropped"}},{"key":"a.b","value":{"intValue":"7"}}]},
        "metrics":[{"name":"x","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#,
    );
    let exporter = plain();
    take(&exporter, &request);
    assert_eq!(
        text(&exporter).lines().last(),
        Some(
            r#"x{otel_scope_a_b="7",otel_scope_name="n",otel_scope_schema_url="https://s",otel_scope_version="1"} 1"#
        )
    );
    let exporter = built(PrometheusExporter::builder().scope_info(false));
    take(&exporter, &request);
    assert_eq!(text(&exporter).lines().last(), Some("x 1"));
}

#[test]
fn values_of_labels() {
    let attributes = [
        r#"{"key":"bool","value":{"boolValue":true}}"#,
        r#"{"key":"bytes","value":{"bytesValue":"AP8="}}"#,
        r#"{"key":"double","value":{"doubleValue":0.5}}"#,
        r#"{"key":"empty","value":{"stringValue":""}}"#,
        r#"{"key":"int","value":{"intValue":"-3"}}"#,
        r#"{"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}}"#,
        r#"{"key":"nothing"}"#,
        r#"{"key":"__name__","value":{"stringValue":"y"}}"#,
        r#"{"key":"__","value":{"stringValue":"y"}}"#,
    ];
    let exporter = plain();
    take(
        &exporter,
        &metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{{"asInt":"1","attributes":[{}]}}]}}}}"#,
            attributes.join(",")
        )),
    );
    assert_eq!(
        text(&exporter).lines().last(),
        Some(r#"x{bool="true",bytes="AP8=",double="0.5",int="-3",list="[1,\"a\"]"} 1"#)
    );
    assert_eq!(exporter.stats().nameless_attributes, 2);
}

#[test]
fn attributes_of_one_name_are_joined() {
    let exporter = plain();
    take(
        &exporter,
        &metrics(&labelled(r#""a_b":"3","a.b":"1","a-b":"2""#, 1)),
    );
    assert_eq!(text(&exporter).lines().last(), Some(r#"x{a_b="2;1;3"} 1"#));
}

#[test]
fn bounds_and_quantiles_keep_their_labels() {
    let exporter = plain();
    let attribute = |key: &str| attributes_of(&format!(r#""{key}":"mine""#));
    take(
        &exporter,
        &metrics(&format!(
            r#"{{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{"count":"1","sum":1,"attributes":[{}]}}]}}}},
        {{"name":"s","summary":{{"dataPoints":[{{"count":"1","sum":1,"quantileValues":[{{"quantile":0.5,"value":1}}],"attributes":[{}]}}]}}}}"#,
            attribute("le"),
            attribute("quantile")
        )),
    );
    let page = text(&exporter);
    assert!(
        page.contains(r#"h_bucket{exported_le="mine",le="+Inf"} 1"#),
        "{page}"
    );
    assert!(
        page.contains(r#"s{exported_quantile="mine",quantile="0.5"} 1"#),
        "{page}"
    );
}

#[test]
fn the_order_of_attributes_does_not_matter() {
    let exporter = plain();
    take(&exporter, &metrics(&labelled(r#""a":"1","b":"2""#, 1)));
    // serde_json's maps are sorted: write the other order out.
    let other = r#"{"name":"x","gauge":{"dataPoints":[{"asInt":"7","timeUnixNano":"1","attributes":[{"key":"b","value":{"stringValue":"2"}},{"key":"a","value":{"stringValue":"1"}}]}]}}"#;
    take(&exporter, &metrics(other));
    assert_eq!(text(&exporter), "# TYPE x gauge\nx{a=\"1\",b=\"2\"} 7\n");
    assert_eq!(exporter.stats().series, 1);
}

#[test]
fn types_in_conflict_drop_the_later_metric() {
    let exporter = plain();
    let histogram = r#"{"name":"x","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1","sum":1}]}}"#;
    let request = metrics(&[gauge("x", "1"), histogram.to_owned(), gauge("x", "2")].join(","));
    let answer = export(&exporter, &request);
    assert_eq!(answer.rejected_items(), 1);
    assert_eq!(text(&exporter), "# TYPE x gauge\nx 2\n");
    assert_eq!(exporter.stats().conflicts, 1);
    // The samples of a histogram have names, too.
    take(&exporter, &metrics(&histogram.replace("\"x\"", "\"h\"")));
    refuse(&exporter, &metrics(&gauge("h.count", "1")), "has its name");
}

#[test]
fn of_two_descriptions_the_first_is_kept() {
    let exporter = plain();
    let described = |help: &str, unit: &str| {
        format!(
            r#"{{"name":"x_seconds","unit":"{unit}","description":"{help}","gauge":{{"dataPoints":[{{"asInt":"1"}}]}}}}"#
        )
    };
    take(&exporter, &metrics(&described("first", "s")));
    take(&exporter, &metrics(&described("second", "")));
    take(&exporter, &metrics(&described("third", "s")));
    let page = openmetrics(&exporter);
    assert!(page.starts_with(
        "# TYPE x_seconds gauge\n# UNIT x_seconds seconds\n# HELP x_seconds first\nx_seconds "
    ));
    assert_eq!(exporter.stats().conflicts, 1);
}

#[test]
fn a_unit_that_the_name_does_not_end_with_is_not_told() {
    let exporter = built(
        PrometheusExporter::builder()
            .translation_strategy(TranslationStrategy::UnderscoreEscapingWithoutSuffixes),
    );
    let bytes = r#"{"name":"x","unit":"By","gauge":{"dataPoints":[{"asInt":"1"}]}}"#;
    take(&exporter, &metrics(bytes));
    assert_eq!(openmetrics(&exporter), "# TYPE x gauge\nx 1.0\n# EOF\n");
    let families = model::read(&exporter.render(Format::Protobuf, EscapingScheme::Underscores));
    assert_eq!(families[0].unit, None);
}

#[test]
fn counters_that_are_no_numbers_are_rejected() {
    let exporter = plain();
    for value in [r#""asDouble":"NaN""#, r#""asDouble":-1"#, r#""asInt":"-1""#] {
        let request = metrics(&format!(
            r#"{{"name":"x","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{{{value}}}]}}}}"#
        ));
        refuse(&exporter, &request, "metric `x`: a counter");
    }
    assert_eq!(text(&exporter), "");
}

#[test]
fn what_has_no_temporality_is_rejected() {
    for data in [
        r#""sum":{"isMonotonic":true,"dataPoints":[{"asInt":"1"}]}"#,
        r#""histogram":{"dataPoints":[{"count":"1","sum":1}]}"#,
        r#""exponentialHistogram":{"dataPoints":[{"count":"0","sum":1}]}"#,
    ] {
        refuse(
            &plain(),
            &metrics(&format!(r#"{{"name":"x",{data}}}"#)),
            "temporality",
        );
    }
}

#[test]
fn names_of_which_nothing_is_left_are_rejected() {
    refuse(&plain(), &metrics(&gauge("@#$%", "1")), "nothing is left");
}

/// Prometheus refuses a page with one, even between quotes.
#[test]
fn names_with_control_characters_are_rejected() {
    let strategy = TranslationStrategy::NoTranslation;
    let exporter = built(PrometheusExporter::builder().translation_strategy(strategy));
    refuse(
        &exporter,
        &metrics(&gauge("a\\u0000b", "1")),
        "control character",
    );
    take(
        &exporter,
        &metrics(&labelled("\"a\\u0001\":\"b\",\"c\":\"d\"", 1)),
    );
    assert_eq!(text(&exporter), "# TYPE x gauge\nx{c=\"d\"} 1\n");
    assert_eq!(exporter.stats().nameless_attributes, 1);
}

#[test]
fn histograms_that_do_not_add_up_are_rejected() {
    for (point, why) in [
        (
            r#""count":"3","bucketCounts":["1","2"],"explicitBounds":[1,2]"#,
            "one more",
        ),
        (
            r#""count":"3","bucketCounts":["1","1","1"],"explicitBounds":[2,1]"#,
            "ascend",
        ),
        (
            r#""count":"3","bucketCounts":["1","1","1"],"explicitBounds":[1,"NaN"]"#,
            "ascend",
        ),
        (
            r#""count":"2","bucketCounts":["1","2"],"explicitBounds":[1]"#,
            "more than its count",
        ),
    ] {
        let request = metrics(&format!(
            r#"{{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{{point}}}]}}}}"#
        ));
        refuse(&plain(), &request, why);
    }
    for (point, why) in [
        (
            r#""count":"3","sum":1,"positive":{"bucketCounts":["1"]}"#,
            "add up",
        ),
        (
            r#""count":"1","positive":{"bucketCounts":["1"]}"#,
            "without a sum",
        ),
        (
            r#""count":"1","sum":1,"scale":-5,"positive":{"bucketCounts":["1"]}"#,
            "scale",
        ),
        (
            r#""count":"1","sum":1,"positive":{"offset":2147483647,"bucketCounts":["1"]}"#,
            "range",
        ),
    ] {
        let request = metrics(&format!(
            r#"{{"name":"h","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{{point}}}]}}}}"#
        ));
        refuse(&plain(), &request, why);
    }
}

fn histogram(point: &str) -> ExportRequest {
    metrics(&format!(
        r#"{{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{{point}}}]}}}}"#
    ))
}

#[test]
fn histograms_without_sum_or_buckets() {
    let exporter = plain();
    take(&exporter, &histogram(r#""count":"3","sum":6"#));
    let all = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 6\nh_count 3\n";
    assert_eq!(text(&exporter), all);

    // No sum: OpenMetrics has no count then.
    let exporter = plain();
    take(
        &exporter,
        &histogram(r#""count":"3","bucketCounts":["1","2"],"explicitBounds":[-1]"#),
    );
    let buckets = "h_bucket{le=\"-1\"} 1\nh_bucket{le=\"+Inf\"} 3\n";
    assert_eq!(
        text(&exporter),
        format!("# TYPE h histogram\n{buckets}h_count 3\n")
    );
    assert_eq!(
        openmetrics(&exporter),
        format!(
            "# TYPE h histogram\n{}# EOF\n",
            buckets.replace("-1", "-1.0")
        )
    );
    let families = model::read(&exporter.render(Format::Protobuf, EscapingScheme::Underscores));
    let read = families[0].metric[0]
        .histogram
        .as_ref()
        .expect("a histogram");
    assert_eq!((read.sample_sum, read.sample_count), (None, Some(3)));

    // A bound below zero with a sum.
    let exporter = plain();
    take(
        &exporter,
        &histogram(r#""count":"3","sum":1,"bucketCounts":["1","2"],"explicitBounds":[-1]"#),
    );
    assert!(text(&exporter).contains("h_sum 1\n"));
    assert!(!openmetrics(&exporter).contains("h_count"));

    // The infinite bound, sent as one.
    let exporter = plain();
    take(
        &exporter,
        &histogram(
            r#""count":"3","sum":1,"bucketCounts":["1","2","0"],"explicitBounds":[1,"Infinity"]"#,
        ),
    );
    assert!(text(&exporter).contains("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\n"));
}

#[test]
fn exponential_histograms_have_bounds_that_are_powers_of_their_base() {
    let exporter = plain();
    let point = r#"{"name":"h","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"9","sum":1,"scale":-1,"zeroCount":"1","zeroThreshold":0.25,
        "positive":{"offset":0,"bucketCounts":["2","0","3"]},"negative":{"offset":1,"bucketCounts":["1","2"]}}]}}"#;
    take(&exporter, &metrics(point));
    // Base 4: above zero (1, 4] and (16, 64]; below [-16, -4) and [-64, -16).
    assert_eq!(
        text(&exporter),
        "# TYPE h histogram\nh_bucket{le=\"-16\"} 2\nh_bucket{le=\"-4\"} 3\nh_bucket{le=\"0.25\"} 4\n\
         h_bucket{le=\"4\"} 6\nh_bucket{le=\"64\"} 9\nh_bucket{le=\"+Inf\"} 9\nh_sum 1\nh_count 9\n"
    );
    openmetrics(&exporter);
}

#[test]
fn unknown_types_stay_unknown() {
    let exporter = plain();
    let request = r#"{"name":"x","metadata":[{"key":"prometheus.type","value":{"stringValue":"unknown"}}],"gauge":{"dataPoints":[{"asInt":"1"}]}}"#;
    take(&exporter, &metrics(request));
    assert_eq!(text(&exporter), "# TYPE x untyped\nx 1\n");
    assert_eq!(openmetrics(&exporter), "# TYPE x unknown\nx 1.0\n# EOF\n");
    let families = model::read(&exporter.render(Format::Protobuf, EscapingScheme::Underscores));
    assert!(families[0].metric[0].untyped.is_some());
}

/// OpenMetrics knows a counter by its name without `_total`, which another may have.
#[test]
fn a_counter_and_a_gauge_of_one_stem() {
    let exporter = plain();
    take(
        &exporter,
        &metrics(&[gauge("x", "1"), counter("x", 2, 1)].join(",")),
    );
    assert_eq!(
        openmetrics(&exporter),
        "# TYPE x gauge\nx 1.0\n# TYPE x_total unknown\nx_total 2.0\n# EOF\n"
    );
    assert!(text(&exporter).contains("# TYPE x_total counter\n"));
}

#[test]
fn points_without_a_value_end_their_series() {
    let exporter = plain();
    let two = |flags: u8| {
        format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{{"flags":{flags},"asInt":"1","attributes":[{}]}},{{"flags":{flags},"asInt":"1","attributes":[{}]}},{{"asInt":"1"}}]}}}}"#,
            attributes_of(r#""a":"1""#),
            attributes_of(r#""a":"2""#)
        )
    };
    take(&exporter, &metrics(&two(0)));
    assert_eq!(exporter.stats().series, 3);
    // Not only the first point of the metric.
    take(&exporter, &metrics(&two(1)));
    assert_eq!(text(&exporter), "# TYPE x gauge\nx 1\n");
    take(&exporter, &metrics(&two(1)));
    take(&exporter, &metrics(&two(0)));
    assert_eq!(exporter.stats().series, 3);
}

#[tokio::test(start_paused = true)]
async fn series_expire() {
    let builder = PrometheusExporter::builder().metric_expiration(Duration::from_secs(60));
    let exporter = built(builder);
    let resource = r#""service.name":"cart","host.name":"a""#;
    take(&exporter, &with_resource(resource, &gauge("old", "1")));
    tokio::time::advance(Duration::from_secs(40)).await;
    take(&exporter, &with_resource(resource, &gauge("new", "1")));
    assert!(text(&exporter).contains("old"));
    tokio::time::advance(Duration::from_secs(21)).await;
    let page = text(&exporter);
    assert!(
        !page.contains("old") && page.contains("new") && page.contains("target_info"),
        "{page}"
    );
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(text(&exporter), "");
    assert_eq!(exporter.stats().series, 0);
    // They come back, also as something else.
    take(&exporter, &with_resource(resource, &counter("old", 1, 1)));
    take(&exporter, &with_resource(resource, &counter("new", 1, 1)));
    assert!(text(&exporter).contains("target_info"));
    assert_eq!(exporter.stats().series, 3);
}

#[tokio::test(start_paused = true)]
async fn zero_means_that_nothing_expires() {
    let exporter = built(PrometheusExporter::builder().metric_expiration(Duration::ZERO));
    take(&exporter, &metrics(&gauge("x", "1")));
    tokio::time::advance(Duration::from_secs(1 << 30)).await;
    take(&exporter, &metrics(&gauge("y", "1")));
    assert_eq!(exporter.stats().series, 2);
    assert!(text(&exporter).contains("x 1"));
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_metric_expired_is_free() {
    let builder = PrometheusExporter::builder().metric_expiration(Duration::from_secs(60));
    let exporter = built(builder);
    take(&exporter, &metrics(&gauge("x", "1")));
    let summary = metrics(r#"{"name":"x","summary":{"dataPoints":[{"count":"1","sum":1}]}}"#);
    refuse(&exporter, &summary, "has its name");
    tokio::time::advance(Duration::from_secs(61)).await;
    take(&exporter, &summary);
    assert!(text(&exporter).contains("# TYPE x summary"));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_series_is_bounded() {
    let exporter = built(PrometheusExporter::builder().max_series(10));
    let many: Vec<String> = (0..25)
        .map(|number| labelled(&format!(r#""n":"{number}""#), 1))
        .collect();
    let request = metrics(&many.join(","));
    let answer = export(&exporter, &request);
    assert_eq!(
        (answer.delivered_items(), answer.rejected_items()),
        (10, 15)
    );
    let message = answer.message().expect("a message");
    assert!(
        message.contains("max_series") && message.contains("`x`"),
        "{message}"
    );
    let stats = exporter.stats();
    assert_eq!((stats.series, stats.overflowed_points), (10, 15));
    assert_eq!(text(&exporter).lines().count(), 11);
    // Those that are there go on; others take the place of those that expire.
    take(&exporter, &metrics(&many[..10].join(",")));
    tokio::time::advance(Duration::from_secs(301)).await;
    take(&exporter, &metrics(&many[15..].join(",")));
}

#[test]
fn exemplars_fit_into_their_limit() {
    let exemplar = |attributes: &str| {
        metrics(&format!(
            r#"{{"name":"x","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{{"asInt":"1","exemplars":[{{"asDouble":0.5,"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","filteredAttributes":[{}]}}]}}]}}}}"#,
            attributes_of(attributes)
        ))
    };
    // `trace_id` and `span_id` with their values are 63 code points.
    let fits = format!(r#""user.id":"{}","trace_id":"not this""#, "é".repeat(40));
    let exporter = plain();
    take(&exporter, &exemplar(&fits));
    let page = openmetrics(&exporter);
    let all =
        r#"span_id="1112131415161718",trace_id="4bf92f3577b34da6a3ce929d0e0e4736",user_id="é"#;
    assert!(page.contains(all) && !page.contains("not this"), "{page}");
    let exporter = plain();
    take(
        &exporter,
        &exemplar(&format!(r#""user.id":"{}""#, "é".repeat(60))),
    );
    let page = openmetrics(&exporter);
    assert!(
        page.contains("trace_id") && !page.contains("user_id"),
        "{page}"
    );
    // The plain text has none.
    assert!(!text(&exporter).contains("trace_id"));
}

#[test]
fn constant_labels_and_a_namespace() {
    let builder = PrometheusExporter::builder()
        .namespace("shop")
        .constant_label("region", "eu \"west\"");
    let exporter = built(builder);
    take(&exporter, &metrics(&gauge("x", "1")));
    assert_eq!(
        text(&exporter),
        "# TYPE shop_x gauge\nshop_x{region=\"eu \\\"west\\\"\"} 1\n"
    );
    for bad in [
        PrometheusExporter::builder().namespace("a b"),
        PrometheusExporter::builder().constant_label("a.b", "c"),
        PrometheusExporter::builder().constant_label("__name__", "c"),
        PrometheusExporter::builder().max_series(0),
    ] {
        let error = bad.build().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
}

#[test]
fn names_that_are_one_once_they_are_escaped() {
    let builder =
        PrometheusExporter::builder().translation_strategy(TranslationStrategy::NoTranslation);
    let exporter = built(builder);
    let twice = r#"{"name":"c","gauge":{"dataPoints":[
        {"asInt":"1","attributes":[{"key":"l.m","value":{"stringValue":"v"}}]},
        {"asInt":"2","attributes":[{"key":"l_m","value":{"stringValue":"v"}}]},
        {"asInt":"3","attributes":[{"key":"l.m","value":{"stringValue":"v"}},{"key":"l_m","value":{"stringValue":"w"}}]}]}}"#;
    let request = metrics(&[&gauge("a.b", "1"), &gauge("a_b", "2"), twice].join(","));
    take(&exporter, &request);
    // The reader refuses whatever is there twice.
    let page = text(&exporter);
    assert_eq!(page.lines().count(), 5, "{page}");
    assert!(page.contains("c{l_m=\"v;w\"} 3\n"), "{page}");
    assert_eq!(exporter.stats().escaping_clashes, 2);
    let page = page_in(&exporter, Format::Text, EscapingScheme::AllowUtf8);
    assert_eq!(page.lines().count(), 8, "{page}");
}

#[test]
fn a_random_hash_never_decides_alone() {
    // Tens of thousands of series, each found again by its content.
    let exporter = built(PrometheusExporter::builder().target_info(false));
    let points = |value: u32| {
        let points = (0..20_000).map(|number| {
            format!(r#"{{"asInt":"{}","attributes":[{{"key":"n","value":{{"intValue":"{number}"}}}}]}}"#, number * value)
        });
        metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{}]}}}}"#,
            points.collect::<Vec<_>>().join(",")
        ))
    };
    take(&exporter, &points(1));
    take(&exporter, &points(3));
    assert_eq!(exporter.stats().series, 20_000);
    let page = String::from_utf8(exporter.render(Format::OpenMetrics1, EscapingScheme::AllowUtf8))
        .expect("UTF-8");
    for number in [0, 1, 77, 19_999] {
        assert!(page.contains(&format!("x{{n=\"{number}\"}} {}.0\n", number * 3)));
    }
}
