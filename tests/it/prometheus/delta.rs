//! Deltas are added up, cumulative points replace each other.

use tower_otlp::exporters::prometheus::{EscapingScheme, Format, PrometheusExporter};

use super::*;

/// A point of a monotonic sum `x` from one second to another.
fn delta(start: u64, time: u64, value: &str) -> ExportRequest {
    sum(1, start, time, value)
}

fn sum(temporality: u8, start: u64, time: u64, value: &str) -> ExportRequest {
    metrics(&format!(
        r#"{{"name":"x","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[{{{value},"startTimeUnixNano":"{start}000000000","timeUnixNano":"{time}000000000"}}]}}}}"#
    ))
}

fn state(exporter: &PrometheusExporter) -> (f64, i64) {
    let page = exporter.render(Format::Protobuf, EscapingScheme::Underscores);
    let families = model::read(&page);
    let counter = families[0].metric[0].counter.as_ref().expect("a counter");
    let start = counter.start_timestamp.as_ref().expect("a start");
    (counter.value.expect("a value"), start.seconds)
}

/// Each row of the table of cases.
#[test]
fn deltas_are_added_up() {
    let exporter = plain();
    // No state.
    take(&exporter, &delta(10, 20, r#""asInt":"5""#));
    assert_eq!(state(&exporter), (5.0, 10));
    // It follows on what is there.
    take(&exporter, &delta(20, 30, r#""asInt":"2""#));
    assert_eq!(state(&exporter), (7.0, 10));
    // A gap: something was lost or restarted in between.
    take(&exporter, &delta(35, 40, r#""asInt":"1""#));
    assert_eq!(state(&exporter), (1.0, 35));
    // It overlaps.
    refuse(&exporter, &delta(38, 50, r#""asInt":"9""#), "overlaps");
    // The same again, or older.
    refuse(&exporter, &delta(35, 40, r#""asInt":"1""#), "not newer");
    refuse(&exporter, &delta(10, 20, r#""asInt":"5""#), "not newer");
    assert_eq!(state(&exporter), (1.0, 35));
    // Whole numbers and others.
    take(&exporter, &delta(40, 50, r#""asDouble":0.5"#));
    take(&exporter, &delta(50, 60, r#""asInt":"2""#));
    assert_eq!(state(&exporter), (3.5, 35));
    assert_eq!(exporter.stats().rejected_points, 3);
}

#[test]
fn a_delta_without_a_start_follows_on() {
    let exporter = plain();
    take(&exporter, &delta(10, 20, r#""asInt":"5""#));
    take(&exporter, &delta(0, 30, r#""asInt":"5""#));
    assert_eq!(state(&exporter), (10.0, 10));
}

#[test]
fn sums_beyond_whole_numbers_become_doubles() {
    let exporter = plain();
    let most = format!(r#""asInt":"{}""#, i64::MAX);
    take(&exporter, &delta(10, 20, &most));
    take(&exporter, &delta(20, 30, &most));
    assert_eq!(state(&exporter).0, 2.0_f64.powi(64));
}

#[test]
fn cumulative_points_replace_each_other() {
    let exporter = plain();
    take(&exporter, &sum(2, 10, 20, r#""asInt":"5""#));
    take(&exporter, &sum(2, 10, 30, r#""asInt":"8""#));
    assert_eq!(state(&exporter), (8.0, 10));
    refuse(&exporter, &sum(2, 10, 25, r#""asInt":"6""#), "older");
    // The same again does no harm.
    take(&exporter, &sum(2, 10, 30, r#""asInt":"8""#));
    // A restart is stored as it is.
    take(&exporter, &sum(2, 31, 40, r#""asInt":"1""#));
    assert_eq!(state(&exporter), (1.0, 31));
}

#[test]
fn deltas_and_cumulative_points_end_alike() {
    let both = plain();
    for second in 1..=10_u64 {
        let point = |temporality, name: &str, value: u64, start: u64| {
            format!(
                r#"{{"name":"{name}","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[{{"asInt":"{value}","startTimeUnixNano":"{start}000000000","timeUnixNano":"{}000000000"}}]}}}}"#,
                second + 1
            )
        };
        let total = second * (second + 1) / 2;
        let request = [point(1, "a", second, second), point(2, "b", total, 1)].join(",");
        take(&both, &metrics(&request));
    }
    let page = text(&both);
    assert!(
        page.contains("a_total 55\n") && page.contains("b_total 55\n"),
        "{page}"
    );
}

fn histogram(start: u64, time: u64, counts: &str, bounds: &str, sum: &str) -> ExportRequest {
    let total: u64 = counts
        .split(',')
        .map(|count| count.trim_matches('"').parse::<u64>().expect("a count"))
        .sum();
    metrics(&format!(
        r#"{{"name":"h","histogram":{{"aggregationTemporality":1,"dataPoints":[{{"count":"{total}"{sum},"bucketCounts":[{counts}],"explicitBounds":[{bounds}],"startTimeUnixNano":"{start}000000000","timeUnixNano":"{time}000000000"}}]}}}}"#
    ))
}

#[test]
fn delta_histograms_are_added_up() {
    let exporter = plain();
    take(
        &exporter,
        &histogram(1, 2, r#""1","2""#, "0.5", r#","sum":2.5"#),
    );
    take(
        &exporter,
        &histogram(2, 3, r#""3","4""#, "0.5", r#","sum":1"#),
    );
    let page = text(&exporter);
    assert!(
        page.ends_with("h_bucket{le=\"0.5\"} 4\nh_bucket{le=\"+Inf\"} 10\nh_sum 3.5\nh_count 10\n"),
        "{page}"
    );
    // Other bounds: another histogram, which begins anew.
    take(
        &exporter,
        &histogram(3, 4, r#""1","1""#, "2", r#","sum":1"#),
    );
    let page = text(&exporter);
    assert!(
        page.contains("h_bucket{le=\"2\"} 1\n") && !page.contains("0.5"),
        "{page}"
    );
    // A sum that is missing once is missing from then on.
    take(&exporter, &histogram(4, 5, r#""1","1""#, "2", ""));
    take(
        &exporter,
        &histogram(5, 6, r#""1","1""#, "2", r#","sum":1"#),
    );
    let page = text(&exporter);
    assert!(
        !page.contains("h_sum") && page.contains("h_count 6\n"),
        "{page}"
    );
}

#[test]
fn delta_exponential_histograms_are_added_up() {
    let exporter = plain();
    let point = |start: u64, scale: i32, offset: i32, counts: &str, total: u64| {
        metrics(&format!(
            r#"{{"name":"h","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"count":"{total}","sum":1,"scale":{scale},"positive":{{"offset":{offset},"bucketCounts":[{counts}]}},"startTimeUnixNano":"{start}000000000","timeUnixNano":"{}000000000"}}]}}}}"#,
            start + 1
        ))
    };
    take(&exporter, &point(1, 1, -2, r#""1","2","3""#, 6));
    take(&exporter, &point(2, 0, 0, r#""10""#, 10));
    // Indices -2, -1, 0 at scale 1 are -1, -1, 0 at scale 0: up to 1 there are 3, up to 2 are 16.
    let page = text(&exporter);
    assert!(
        page.ends_with("h_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 16\nh_bucket{le=\"+Inf\"} 16\nh_sum 2\nh_count 16\n"),
        "{page}"
    );
}

#[test]
fn deltas_that_can_go_down_are_added_up_only_if_asked_for() {
    let point = |start: u64, value: i64| {
        metrics(&format!(
            r#"{{"name":"x","sum":{{"aggregationTemporality":1,"dataPoints":[{{"asInt":"{value}","startTimeUnixNano":"{start}000000000","timeUnixNano":"{}000000000"}}]}}}}"#,
            start + 1
        ))
    };
    refuse(&plain(), &point(1, 3), "delta_up_down_sums");
    let exporter = built(PrometheusExporter::builder().delta_up_down_sums(true));
    take(&exporter, &point(1, 3));
    take(&exporter, &point(2, -5));
    assert_eq!(text(&exporter), "# TYPE x gauge\nx -2\n");
}
