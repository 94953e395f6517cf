//! Labels: of the target, the scope, the point.

use super::*;

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
            r#""service.namespace":"","service.name":"n""#,
            r#"x{job="n"} 1"#,
        ),
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

/// A label without a value is no label, and neither is one of which no name is left.
#[test]
fn target_info_needs_something_to_say() {
    for (attributes, expected) in [
        (r#""service.name":"cart""#, false),
        (r#""service.name":"cart","host.name":"""#, false),
        (r#""service.name":"cart","é":"x""#, false),
        (r#""service.name":"cart","host.name":"h""#, true),
        (r#""host.name":"h""#, true),
    ] {
        let exporter = plain();
        take(&exporter, &with_resource(attributes, &gauge("x", "1")));
        let page = text(&exporter);
        assert_eq!(page.contains("target_info{"), expected, "{page}");
    }
}
