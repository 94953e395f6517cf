//! Whatever comes in, what goes out keeps the rules of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{metric::Data, number_data_point::Value},
};
use proptest::prelude::*;
use tower_otlp::exporters::prometheus::{
    TranslationStrategy,
    remote_write::encode::{EncodeOptions, Encoder, HistogramForm, MessageLimits, Protocol},
};

use super::{Labels, Series, now, read};
use crate::support::generate::{Draw, Options};

fn options(draw: &mut Draw) -> EncodeOptions {
    let form = |classic: bool| {
        if classic {
            HistogramForm::Classic
        } else {
            HistogramForm::Native
        }
    };
    let mut options = EncodeOptions::default()
        .translation_strategy(draw.pick(&TranslationStrategy::ALL))
        .scope_labels(draw.one_in(2))
        .target_info(draw.one_in(2))
        .metadata(draw.one_in(2))
        .explicit_histograms(form(draw.one_in(2)))
        .exponential_histograms(form(draw.one_in(2)));
    if draw.one_in(2) {
        options = options
            .external_label("le", "external")
            .external_label("a", "b");
    }
    options.resource_labels(["service.name", "GET /", "http.request.method"])
}

/// Section "Labels", "Ordering" and so on of the protocol.
fn check(all: &[Series], last: &mut BTreeMap<(Labels, bool), i64>) -> u64 {
    let mut samples = 0;
    let mut seen = BTreeSet::new();
    for series in all {
        let names: Vec<&String> = series.labels.iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
        assert!(names.iter().any(|name| *name == "__name__"), "{names:?}");
        for (name, value) in &series.labels {
            assert!(!name.is_empty() && !value.is_empty(), "{:?}", series.labels);
        }
        let is_float = !series.samples.is_empty();
        assert_ne!(is_float, !series.histograms.is_empty(), "one of the two");
        assert!(seen.insert((&series.labels, is_float)), "each series once");
        let times = series.samples.iter().map(|sample| sample.1);
        let times = times.chain(
            series
                .histograms
                .iter()
                .map(|histogram| histogram.timestamp),
        );
        for time in times {
            samples += 1;
            let key = (series.labels.clone(), is_float);
            let before = last.insert(key, time);
            assert!(before.is_none_or(|before| before < time), "in order");
        }
        for histogram in &series.histograms {
            let length = |spans: &[crate::support::remote_write::BucketSpan]| -> usize {
                spans.iter().map(|span| span.length as usize).sum()
            };
            assert_eq!(
                length(&histogram.positive_spans),
                histogram.positive_deltas.len()
            );
            assert_eq!(
                length(&histogram.negative_spans),
                histogram.negative_deltas.len()
            );
            assert!(histogram.count.is_some() && histogram.zero_count.is_some());
        }
        for (labels, _, _) in &series.exemplars {
            assert!(
                labels.is_sorted_by(|one, other| one.0 < other.0),
                "{labels:?}"
            );
        }
    }
    samples
}

/// The points that can be carried, and have a series of their own for sure, are found again.
fn find_again(request: &ExportMetricsServiceRequest, all: &[Series]) {
    let values: BTreeSet<(u64, i64)> = all
        .iter()
        .flat_map(|series| series.samples.iter().map(|sample| (sample.0, sample.1)))
        .collect();
    let metrics = request
        .resource_metrics
        .iter()
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    for metric in metrics {
        let points = match &metric.data {
            Some(Data::Gauge(gauge)) => &gauge.data_points,
            Some(Data::Sum(sum)) if sum.aggregation_temporality == 2 => &sum.data_points,
            _ => continue,
        };
        let has_name = metric.name.chars().any(|c| c.is_ascii_alphanumeric());
        for point in points.iter().filter(|_| has_name) {
            let value = match point.value {
                _ if point.flags & 1 != 0 => 0x7ff0_0000_0000_0002,
                Some(Value::AsDouble(value)) => value.to_bits(),
                Some(Value::AsInt(value)) => (value as f64).to_bits(),
                None => continue,
            };
            let time = match point.time_unix_nano {
                0 => 1_700_000_001_000,
                time => (time / 1_000_000).cast_signed(),
            };
            assert!(values.contains(&(value, time)), "{metric:?}");
        }
    }
}

fn try_all(mut draw: Draw) {
    let options = options(&mut draw);
    let shards = 1 + draw.below(3);
    let limits = MessageLimits {
        samples: draw.pick(&[1, 5, usize::MAX]),
        bytes: draw.pick(&[200, 5_000, usize::MAX]),
    };
    let decoded = draw.metrics();
    let request = tower_otlp::ExportRequest::from(decoded.clone());
    let metrics = request.metrics().expect("metrics");
    let mut encoder = Encoder::new(options);
    for protocol in [Protocol::V1, Protocol::V2] {
        encoder.convert(metrics, protocol, shards, now());
        let mut everything = Vec::new();
        let mut last = BTreeMap::new();
        let rejected = encoder.rejected();
        for shard in 0..shards {
            let mut out = Vec::new();
            while let Some(message) = encoder.next_into(shard, limits, &mut out) {
                assert!(out.len() <= limits.bytes);
                assert!(message.points <= request.items());
                let all = read(protocol, &out);
                let samples = check(&all, &mut last);
                assert_eq!(samples, message.samples + message.histograms);
                assert!(samples <= limits.samples as u64);
                let exemplars: usize = all.iter().map(|series| series.exemplars.len()).sum();
                assert_eq!(exemplars as u64, message.exemplars);
                everything.extend(all);
                out.clear();
            }
        }
        assert!(encoder.rejected() <= request.items());
        assert_eq!(encoder.rejected() > 0, encoder.reason().is_some());
        // Unless something was too large, or two values were at one time.
        let is_whole = encoder.rejected() == rejected
            && encoder
                .reason()
                .is_none_or(|reason| !reason.contains("the same time"));
        if is_whole && rejected == 0 {
            find_again(&decoded, &everything);
        }
    }
}

#[test]
fn random_metrics_keep_the_rules() {
    for seed in 0..3_000 {
        try_all(Draw::seeded(seed, Options::default()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn drawn_metrics_keep_the_rules(tape in proptest::collection::vec(any::<u64>(), 0..400)) {
        try_all(Draw::replay(tape, Options::default()));
    }
}
