//! From OpenTelemetry's names, units and buckets to those of Prometheus.
//!
//! Source of the rules: [Prometheus and OpenMetrics compatibility](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)
//! of the OpenTelemetry specification; where it leaves a choice, what Prometheus' own OTLP
//! ingestion does, so that a metric has the same name whichever way it came.

mod label_name;
mod metric_name;
mod native_histogram;
mod unit;

pub(crate) use self::{
    label_name::label_name,
    metric_name::{MetricKind, metric_name},
    native_histogram::{NativeBuckets, NativeHistogram, UnfitHistogram},
    unit::unit_words,
};

/// How names of metrics and labels become Prometheus names.
///
/// The names are those of the configuration `translation_strategy` in the
/// [OpenTelemetry specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/prometheus/#configuration).
/// A counter `foo.bar` of unit `By` shows what each does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TranslationStrategy {
    /// `foo_bar_bytes_total`: the default.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `foo_bar`: two metrics that differ in their type or unit only have one name then.
    UnderscoreEscapingWithoutSuffixes,
    /// `foo.bar_bytes_total`: for Prometheus from version 3 on.
    NoUtf8EscapingWithSuffixes,
    /// `foo.bar`: for Prometheus from version 3 on.
    NoTranslation,
}

impl TranslationStrategy {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [
        Self::UnderscoreEscapingWithSuffixes,
        Self::UnderscoreEscapingWithoutSuffixes,
        Self::NoUtf8EscapingWithSuffixes,
        Self::NoTranslation,
    ];

    /// The name that the specification gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "UnderscoreEscapingWithSuffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "UnderscoreEscapingWithoutSuffixes",
            Self::NoUtf8EscapingWithSuffixes => "NoUTF8EscapingWithSuffixes",
            Self::NoTranslation => "NoTranslation",
        }
    }

    /// Whether characters outside of the classic set become underscores.
    pub(crate) const fn escapes(self) -> bool {
        matches!(
            self,
            Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes
        )
    }

    /// Whether units and types become suffixes.
    pub(crate) const fn adds_suffixes(self) -> bool {
        matches!(
            self,
            Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes
        )
    }
}
