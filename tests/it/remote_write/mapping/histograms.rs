//! Histograms in each form.

use super::*;

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
