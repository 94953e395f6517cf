//! What each format says of each type: exemplars, starts, and what OpenMetrics forbids.

use std::time::Duration;

use tower_otlp::exporters::prometheus::{EscapingScheme, Format, PrometheusExporter};

use super::*;

const IDS: &str = r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718""#;
const TIMES: &str = r#""startTimeUnixNano":"1000000007","timeUnixNano":"9000000000""#;

/// An exemplar at this second, with ids.
fn exemplar(value: &str, second: u64) -> String {
    format!(r#"{{"asDouble":{value},"timeUnixNano":"{second}000000000",{IDS}}}"#)
}

fn with_exemplars(fields: &str, exemplars: &[String]) -> String {
    format!(
        r#"{{{TIMES},{fields},"exemplars":[{}]}}"#,
        exemplars.join(",")
    )
}

fn sum(name: &str, monotonic: bool, point: &str) -> String {
    format!(
        r#"{{"name":"{name}","sum":{{"aggregationTemporality":2,"isMonotonic":{monotonic},"dataPoints":[{point}]}}}}"#
    )
}

fn histogram(point: &str) -> String {
    format!(r#"{{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{point}]}}}}"#)
}

fn exponential(point: &str) -> String {
    format!(
        r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{point}]}}}}"#
    )
}

fn summary(point: &str) -> String {
    format!(r#"{{"name":"s","summary":{{"dataPoints":[{point}]}}}}"#)
}

/// The values of the exemplars of a page, by the start of their lines.
fn exemplars_of(page: &str) -> Vec<(&str, &str)> {
    let of = |line| {
        let (sample, exemplar): (&str, &str) = str::split_once(line, " # ")?;
        let (_, value) = exemplar.split_once("} ")?;
        Some((sample, value))
    };
    page.lines().filter_map(of).collect()
}

fn families(exporter: &PrometheusExporter) -> Vec<model::MetricFamily> {
    model::read(&exporter.render(Format::Protobuf, EscapingScheme::AllowUtf8))
}

#[test]
fn the_latest_exemplar_of_each_bucket_is_kept() {
    let exporter = plain();
    let first = [
        exemplar("0.1", 5),
        exemplar("0.3", 7),
        exemplar("0.2", 6),
        exemplar("9", 1),
    ];
    let fields = r#""count":"6","sum":1.5,"bucketCounts":["3","2","1"],"explicitBounds":[0.1,0.5]"#;
    take(
        &exporter,
        &metrics(&histogram(&with_exemplars(fields, &first))),
    );
    // A value that is equal to a bound is in its bucket; of two the later one, not the last.
    assert_eq!(
        exemplars_of(&openmetrics(&exporter)),
        [
            ("h_bucket{le=\"0.1\"} 3", "0.1 5.0"),
            ("h_bucket{le=\"0.5\"} 5", "0.3 7.0"),
            ("h_bucket{le=\"+Inf\"} 6", "9.0 1.0")
        ]
    );
    assert!(exemplars_of(&text(&exporter)).is_empty());
}

#[test]
fn the_latest_exemplar_of_a_counter_is_kept() {
    let exporter = plain();
    let exemplars = [exemplar("1", 5), exemplar("2", 8), exemplar("3", 7)];
    let counter = sum("c", true, &with_exemplars(r#""asInt":"5""#, &exemplars));
    take(&exporter, &metrics(&counter));
    let page = openmetrics(&exporter);
    assert_eq!(exemplars_of(&page), [("c_total 5.0", "2.0 8.0")]);
}

#[test]
fn other_types_have_no_exemplars() {
    let exporter = plain();
    let point = with_exemplars(r#""asInt":"5""#, &[exemplar("1", 5)]);
    let gauge = format!(r#"{{"name":"g","gauge":{{"dataPoints":[{point}]}}}}"#);
    take(
        &exporter,
        &metrics(&[gauge, sum("u", false, &point)].join(",")),
    );
    let page = openmetrics(&exporter);
    assert_eq!(page.matches("\ng 5.0\n").count(), 1, "{page}");
    assert_eq!(page.matches("\nu 5.0\n").count(), 1, "{page}");
    assert!(exemplars_of(&page).is_empty());
}

#[test]
fn protobuf_has_starts_and_exemplars_of_every_type() {
    let exporter = plain();
    let all = [exemplar("0.3", 7)];
    let native = [
        exemplar("3", 8),
        exemplar("2", 7),
        // The server takes none without a time.
        format!(r#"{{"asDouble":4,{IDS}}}"#),
    ];
    let request = [
        sum("c", true, &with_exemplars(r#""asInt":"5""#, &all)),
        exponential(&with_exemplars(
            r#""count":"2","sum":3,"positive":{"bucketCounts":["2"]}"#,
            &native,
        )),
        gauge("g", "1.5"),
        histogram(&with_exemplars(
            r#""count":"6","sum":1.5,"bucketCounts":["3","2","1"],"explicitBounds":[0.1,0.5]"#,
            &all,
        )),
        summary(&format!(
            r#"{{{TIMES},"count":"4","sum":10,"quantileValues":[{{"quantile":0.99,"value":4.5}},{{"quantile":0.5,"value":2}}]}}"#
        )),
    ];
    take(&exporter, &metrics(&request.join(",")));
    let families = families(&exporter);
    let of = |name: &str| {
        let mut found = families.iter();
        let family = found.find(|family| family.name.as_deref() == Some(name));
        let family = family.unwrap_or_else(|| panic!("{name} of {families:?}"));
        (family.r#type, &family.metric[0])
    };
    let start = Some(model::Timestamp {
        seconds: 1,
        nanos: 7,
    });
    let at = |second| {
        Some(model::Timestamp {
            seconds: second,
            nanos: 0,
        })
    };
    let shown = |all: &[model::Exemplar]| -> Vec<_> {
        all.iter()
            .map(|one| (one.value, one.timestamp.clone()))
            .collect()
    };

    let (kind, counter) = of("c_total");
    let counter = counter.counter.as_ref().expect("a counter");
    assert_eq!((kind, counter.value), (Some(0), Some(5.0)));
    assert_eq!(counter.start_timestamp, start);
    let own = counter.exemplar.as_ref().expect("one");
    assert_eq!((own.value, own.timestamp.clone()), (Some(0.3), at(7)));
    let names: Vec<_> = own.label.iter().map(|pair| pair.name.as_deref()).collect();
    assert_eq!(names, [Some("span_id"), Some("trace_id")]);

    let (kind, metric) = of("g");
    let value = metric.gauge.as_ref().expect("a gauge").value;
    assert_eq!(
        (kind, value, metric.timestamp_ms),
        (Some(1), Some(1.5), None)
    );

    let (kind, summary) = of("s");
    let summary = summary.summary.as_ref().expect("a summary");
    assert_eq!(kind, Some(2));
    let totals = (summary.sample_count, summary.sample_sum);
    assert_eq!(totals, (Some(4), Some(10.0)));
    let quantiles = summary.quantile.iter().map(|one| (one.quantile, one.value));
    let expected = [(Some(0.5), Some(2.0)), (Some(0.99), Some(4.5))];
    assert!(quantiles.eq(expected), "{summary:?}");
    assert_eq!(summary.start_timestamp, start);

    let (kind, classic) = of("h");
    let classic = classic.histogram.as_ref().expect("a histogram");
    assert_eq!((kind, classic.schema), (Some(4), None));
    assert_eq!(classic.start_timestamp, start);
    let buckets: Vec<_> = classic
        .bucket
        .iter()
        .map(|bucket| (bucket.upper_bound, bucket.cumulative_count))
        .collect();
    let expected = [(Some(0.1), Some(3)), (Some(0.5), Some(5))];
    assert_eq!(buckets[..2], expected);
    assert_eq!(classic.sample_count, Some(6));
    let own = classic.bucket[1].exemplar.clone().expect("one");
    assert_eq!(shown(&[own]), [(Some(0.3), at(7))]);
    assert_eq!(classic.bucket[0].exemplar, None);

    let (kind, native) = of("e");
    let native = native.histogram.as_ref().expect("a histogram");
    assert_eq!((kind, native.schema), (Some(4), Some(0)));
    assert_eq!(native.start_timestamp, start);
    let expected = [(Some(2.0), at(7)), (Some(3.0), at(8))];
    assert_eq!(shown(&native.exemplars), expected);
}

#[test]
fn summaries_have_a_created_line_if_asked_for() {
    let exporter = built(PrometheusExporter::builder().created_lines(true));
    let point = format!(r#"{{{TIMES},"count":"4","sum":10}}"#);
    take(&exporter, &metrics(&summary(&point)));
    assert_eq!(
        openmetrics(&exporter),
        "# TYPE s summary\ns_sum 10.0\ns_count 4\ns_created 1.000000007\n# EOF\n"
    );
}

/// A strict reader refuses the whole page for one of these.
#[test]
fn openmetrics_has_no_totals_below_zero_and_none_that_are_no_numbers() {
    for (sum, shown) in [("-5", Some("-5")), ("\"NaN\"", None)] {
        let exporter = plain();
        let point =
            format!(r#"{{"count":"3","sum":{sum},"bucketCounts":["1","2"],"explicitBounds":[1]}}"#);
        let values = r#""quantileValues":[{"quantile":0.1,"value":-3},{"quantile":0.9,"value":2}]"#;
        let of_summary = format!(r#"{{"count":"3","sum":{sum},{values}}}"#);
        let request = [histogram(&point), summary(&of_summary)].join(",");
        take(&exporter, &metrics(&request));
        assert_eq!(
            openmetrics(&exporter),
            "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\n\
             # TYPE s summary\ns{quantile=\"0.9\"} 2.0\ns_count 3\n# EOF\n"
        );
        // The plain text says what there is to say.
        let of = |name: &str| shown.map_or(String::new(), |sum| format!("{name}_sum {sum}\n"));
        assert_eq!(
            text(&exporter),
            format!(
                "# TYPE h histogram\nh_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"+Inf\"}} 3\n{}h_count 3\n\
                 # TYPE s summary\ns{{quantile=\"0.1\"}} -3\ns{{quantile=\"0.9\"}} 2\n{}s_count 3\n",
                of("h"),
                of("s")
            )
        );
    }
}

/// Ages are differences of times: none may end up before the first.
#[tokio::test(start_paused = true)]
async fn an_expiration_longer_than_all_of_time_is_no_trap() {
    for expiration in [Duration::MAX, Duration::from_nanos(1)] {
        let exporter = built(PrometheusExporter::builder().metric_expiration(expiration));
        take(&exporter, &metrics(&gauge("x", "1")));
        tokio::time::advance(Duration::from_secs(1 << 30)).await;
        take(&exporter, &metrics(&gauge("x", "1")));
        assert!(text(&exporter).contains("x 1\n"));
    }
}
