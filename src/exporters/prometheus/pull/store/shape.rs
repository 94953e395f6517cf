//! What the name and the type of a metric follow from.

use super::Kind;
use crate::{
    exporters::prometheus::{
        pull::options::Options,
        translate::{MetricKind, unit_words},
    },
    otlp::{
        AnyValue,
        views::{AggregationTemporality, Metric, MetricData},
    },
};

/// What the name and the type of a metric follow from.
pub(super) struct Shape {
    /// Tells metrics of one name apart that have different types.
    pub(super) code: u8,
    pub(super) kind: Kind,
    pub(super) name_kind: MetricKind,
    temporality: Option<AggregationTemporality>,
}

impl Shape {
    pub(super) fn of(data: &MetricData<'_>) -> (Self, AggregationTemporality) {
        let cumulative = AggregationTemporality::CUMULATIVE;
        let (code, kind, name_kind, temporality) = match data {
            MetricData::Gauge(_) => (0, Kind::Gauge, MetricKind::Gauge, None),
            MetricData::Sum(sum) if sum.is_monotonic() => (
                1,
                Kind::Counter,
                MetricKind::Counter,
                Some(sum.temporality()),
            ),
            MetricData::Sum(sum) => (2, Kind::Gauge, MetricKind::Other, Some(sum.temporality())),
            MetricData::Histogram(all) => (
                3,
                Kind::Histogram,
                MetricKind::Other,
                Some(all.temporality()),
            ),
            MetricData::ExponentialHistogram(all) => (
                4,
                Kind::Histogram,
                MetricKind::Other,
                Some(all.temporality()),
            ),
            MetricData::Summary(_) => (5, Kind::Summary, MetricKind::Other, None),
        };
        let told = match temporality {
            None => 0,
            Some(AggregationTemporality::CUMULATIVE) => 1,
            Some(AggregationTemporality::DELTA) => 2,
            Some(_) => 3,
        };
        let shape = Self {
            code: code * 4 + told,
            kind,
            name_kind,
            temporality,
        };
        (shape, temporality.unwrap_or(cumulative))
    }

    /// Why metrics like this cannot be shown.
    pub(super) fn refused(&self, options: &Options) -> Option<&'static str> {
        match self.temporality {
            None | Some(AggregationTemporality::CUMULATIVE) => None,
            Some(AggregationTemporality::DELTA) => {
                let goes_down = self.kind == Kind::Gauge;
                (goes_down && !options.delta_up_down).then_some(
                    "a sum of deltas that can go down; `delta_up_down_sums` adds them up",
                )
            }
            Some(_) => Some("its temporality is not specified"),
        }
    }
}

/// Whether the metric was of unknown type where it came from.
pub(super) fn is_unknown(metric: &Metric<'_>) -> bool {
    let told = metric.metadata().get("prometheus.type");
    told.and_then(AnyValue::as_str) == Some("unknown")
}

/// The unit in words, if the name ends with them: otherwise no server takes it.
pub(super) fn unit_text(name: &str, unit: &str) -> String {
    let (main, per) = unit_words(unit);
    let words = match (main.as_str(), per.as_str()) {
        (main, "") => main.to_owned(),
        ("", per) => per.to_owned(),
        (main, per) => format!("{main}_{per}"),
    };
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let ends = stem
        .strip_suffix(&words)
        .is_some_and(|stem| stem.ends_with('_'));
    if ends && !words.is_empty() {
        words
    } else {
        String::new()
    }
}
