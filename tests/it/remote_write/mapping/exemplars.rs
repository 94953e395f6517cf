//! Exemplars and metadata.

use super::*;

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

#[test]
fn the_unit_of_metadata_is_the_word_of_the_name() {
    for (unit, word) in [
        ("1", ""),
        ("{request}", ""),
        ("", ""),
        ("s", "seconds"),
        ("By/s", "bytes_per_second"),
    ] {
        let point = point(r#","asInt":"1""#);
        let request = metrics(&format!(
            r#"{{"name":"x","unit":"{unit}","gauge":{{"dataPoints":[{point}]}}}}"#
        ));
        let all = series(&request);
        let (_, own) = all.iter().next().expect("one");
        assert_eq!(own.metadata.as_ref().expect("always").2, word, "{unit}");
    }
}
