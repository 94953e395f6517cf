//! Names, types, units, descriptions, and which of two counts.

use super::*;

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
