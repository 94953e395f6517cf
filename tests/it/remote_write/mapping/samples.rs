//! Values and times of samples, and the end of a series.

use super::*;

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
    let all = read_v2(&messages[0]);
    assert_eq!((all.len(), all[0].value()), (1, 1.0));
    // The same value is the same sample.
    let same = metrics(&gauges(
        "x",
        &[point(r#","asInt":"1""#), point(r#","asInt":"1""#)],
    ));
    assert_eq!(series(&same)["x"].value(), 1.0);
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
    let all = read_v2(&messages[0]);
    assert_eq!(all.iter().map(Series::name).collect::<Vec<_>>(), ["good"]);
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
