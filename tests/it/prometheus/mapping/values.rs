//! Values: what is rejected, and what a histogram becomes.

use super::*;

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
