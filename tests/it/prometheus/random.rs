//! Whatever comes in, every page is valid.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use proptest::prelude::*;
use tower_otlp::exporters::prometheus::{
    EscapingScheme, Format, PrometheusExporter, TranslationStrategy,
};

use super::*;
use crate::support::generate;

fn check_native(buckets: &[model::BucketSpan], deltas: &[i64]) -> u64 {
    let length: u32 = buckets
        .iter()
        .map(|span| span.length.expect("a length"))
        .sum();
    assert_eq!(length as usize, deltas.len());
    for span in buckets.iter().skip(1) {
        assert!(span.offset.expect("an offset") > 0);
    }
    let mut count = 0_i64;
    let counts = deltas.iter().map(|delta| {
        count += delta;
        assert!(count >= 0);
        count.unsigned_abs()
    });
    counts.fold(0, u64::saturating_add)
}

/// Checks a page of protobuf; returns the number of series.
fn check_protobuf(page: &[u8]) -> usize {
    let mut names = std::collections::BTreeSet::new();
    let mut series = 0;
    for family in model::read(page) {
        let name = family.name.expect("a name");
        assert!(names.insert(name.clone()), "{name} twice");
        let mut points = std::collections::BTreeSet::new();
        assert!(!family.metric.is_empty());
        for metric in family.metric {
            series += 1;
            let labels: Vec<_> = metric
                .label
                .iter()
                .map(|pair| (pair.name.clone().expect("a name"), pair.value.clone()))
                .collect();
            let by_name: BTreeMap<_, _> = labels.iter().cloned().collect();
            assert_eq!(by_name.len(), labels.len(), "{labels:?}");
            assert!(points.insert(labels), "{name} twice");
            let Some(histogram) = metric.histogram else {
                continue;
            };
            if let Some(_schema) = histogram.schema {
                let buckets = check_native(&histogram.positive_span, &histogram.positive_delta)
                    .saturating_add(check_native(
                        &histogram.negative_span,
                        &histogram.negative_delta,
                    ))
                    .saturating_add(histogram.zero_count.expect("a count"));
                if !histogram.sample_sum.expect("a sum").is_nan() {
                    assert_eq!(Some(buckets), histogram.sample_count);
                }
            } else {
                assert!(histogram.bucket.is_sorted_by(|a, b| {
                    a.upper_bound < b.upper_bound && a.cumulative_count <= b.cumulative_count
                }));
            }
        }
    }
    series
}

fn check(exporter: &PrometheusExporter) {
    for scheme in EscapingScheme::ALL {
        for format in Format::ALL {
            let page = exporter.render(format, scheme);
            match format {
                Format::Protobuf => {
                    let series = check_protobuf(&page);
                    if scheme == EscapingScheme::AllowUtf8 {
                        assert_eq!(series as u64, exporter.stats().series);
                    }
                }
                Format::Text => {
                    parser::text(std::str::from_utf8(&page).expect("UTF-8"));
                }
                _ => {
                    parser::openmetrics(std::str::from_utf8(&page).expect("UTF-8"));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(generate::config(60))]

    #[test]
    fn every_page_is_valid(
        requests in proptest::collection::vec(generate::metrics(generate::Options::default()), 1..4),
        strategy in 0..4_usize,
        created_lines: bool,
        copies: bool,
    ) {
        let mut builder = PrometheusExporter::builder()
            .translation_strategy(TranslationStrategy::ALL[strategy])
            .created_lines(created_lines)
            .delta_up_down_sums(true);
        if copies {
            builder = builder.resource_labels("*");
        }
        let exporter = built(builder);
        for request in requests {
            export(&exporter, &ExportRequest::from(request));
            check(&exporter);
        }
    }
}

/// Whatever the seed, no panic, and a page that is valid.
#[test]
fn seeded_requests_make_valid_pages() {
    let exporter = built(PrometheusExporter::builder().max_series(500));
    for seed in 0..150 {
        let mut draw = generate::Draw::seeded(seed, generate::Options::default());
        export(&exporter, &ExportRequest::from(draw.metrics()));
    }
    check(&exporter);
    assert!(exporter.stats().series > 20);
}

/// Plain gauges: each is found again with its labels and its value.
#[test]
fn what_goes_in_is_found_again() {
    let mut draw = generate::Draw::seeded(3, generate::Options::default());
    let exporter = built(
        PrometheusExporter::builder()
            .translation_strategy(TranslationStrategy::NoTranslation)
            .target_info(false),
    );
    let mut expected = BTreeMap::new();
    for number in 0..500 {
        let (value, text) = (draw.double(), draw.text());
        let shown = serde_json::to_string(&text).expect("JSON");
        let attribute = format!(r#"{{"key":"a.b","value":{{"stringValue":{shown}}}}}"#);
        let value_text = match value {
            value if value.is_nan() => "\"NaN\"".to_owned(),
            f64::INFINITY => "\"Infinity\"".to_owned(),
            f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
            value => format!("{value:?}"),
        };
        take(
            &exporter,
            &metrics(&format!(
                r#"{{"name":"g.{number}","gauge":{{"dataPoints":[{{"asDouble":{value_text},"attributes":[{attribute}]}}]}}}}"#
            )),
        );
        let labels: BTreeMap<String, String> = (!text.is_empty())
            .then(|| ("a.b".to_owned(), text))
            .into_iter()
            .collect();
        expected.insert((format!("g.{number}"), labels), value);
    }
    for format in [Format::Text, Format::OpenMetrics1] {
        let page = exporter.render(format, EscapingScheme::AllowUtf8);
        let page = std::str::from_utf8(&page).expect("UTF-8");
        let found = match format {
            Format::Text => parser::text(page),
            _ => parser::openmetrics(page),
        };
        assert_eq!(found.len(), expected.len());
        for ((key, found), (expected_key, expected)) in found.iter().zip(&expected) {
            assert_eq!(key, expected_key);
            assert!(
                found == expected || (found.is_nan() && expected.is_nan()),
                "{found} {expected}"
            );
        }
    }
}

/// Exports and scrapes at the same time: a page never shows half a request.
#[test]
fn a_scrape_sees_whole_requests() {
    let exporter = plain();
    let request = |value: u64| {
        let points = (0..300).map(|number| {
            format!(
                r#"{{"asInt":"{value}","timeUnixNano":"{value}","attributes":[{{"key":"n","value":{{"intValue":"{number}"}}}}]}}"#
            )
        });
        let points = points.collect::<Vec<_>>().join(",");
        metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{points}]}}}},{{"name":"y","gauge":{{"dataPoints":[{points}]}}}}"#
        ))
    };
    let requests: Vec<_> = (1..=100).map(request).collect();
    take(&exporter, &requests[0]);
    let is_done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (exporter, is_done) = (&exporter, &is_done);
        let reader = scope.spawn(move || {
            let mut last = 0.0;
            let mut pages = 0;
            while !is_done.load(Ordering::Acquire) || pages == 0 {
                let samples = parser::text(&text(exporter));
                assert_eq!(samples.len(), 600);
                let first = *samples.values().next().expect("a sample");
                assert!(
                    samples.values().all(|value| *value == first),
                    "half a request"
                );
                assert!(first >= last);
                last = first;
                pages += 1;
            }
        });
        for request in &requests {
            take(exporter, request);
        }
        is_done.store(true, Ordering::Release);
        reader.join().expect("valid pages");
    });
    assert!(text(&exporter).contains("x{n=\"299\"} 100\n"));
}
