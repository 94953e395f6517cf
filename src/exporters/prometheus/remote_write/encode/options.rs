//! Choices of the mapping.

use std::{collections::BTreeMap, time::Duration};

use crate::{InvalidConfig, exporters::prometheus::TranslationStrategy};

/// Which message of the protocol is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `prometheus.WriteRequest` of remote write 1.0.
    V1,
    /// `io.prometheus.write.v2.Request` of remote write 2.0: start times and metadata with each
    /// series, each string once.
    V2,
}

/// How a histogram is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistogramForm {
    /// As series `_bucket`, `_sum` and `_count`, which every receiver knows.
    Classic,
    /// As one native histogram: one series, which not every receiver takes.
    Native,
}

impl HistogramForm {
    /// The name in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Native => "native",
        }
    }
}

/// How metrics become series.
///
/// ```
/// use tower_otlp::exporters::prometheus::remote_write::encode::EncodeOptions;
///
/// let options = EncodeOptions::default()
///     .external_label("cluster", "eu-1")
///     .resource_labels(["k8s.namespace.name"])
///     .scope_labels(false);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    pub(super) strategy: TranslationStrategy,
    pub(super) namespace: String,
    pub(super) external_labels: BTreeMap<String, String>,
    pub(super) resource_labels: Vec<String>,
    pub(super) scope_labels: bool,
    pub(super) target_info: bool,
    pub(super) exemplars: bool,
    pub(super) metadata: bool,
    pub(super) explicit: HistogramForm,
    pub(super) exponential: HistogramForm,
    pub(super) info_interval: Duration,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            strategy: TranslationStrategy::default(),
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            resource_labels: Vec::new(),
            scope_labels: true,
            target_info: true,
            exemplars: true,
            metadata: false,
            explicit: HistogramForm::Classic,
            exponential: HistogramForm::Native,
            info_interval: Duration::from_secs(150),
        }
    }
}

impl EncodeOptions {
    /// Sets how names are translated. Default:
    /// [`UnderscoreEscapingWithSuffixes`](TranslationStrategy::UnderscoreEscapingWithSuffixes).
    #[must_use]
    pub const fn translation_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Puts this word, and an underscore, before the name of every metric. Default: none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Gives every series this label, unless it has one of this name already. Default: none.
    #[must_use]
    pub fn external_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.external_labels.insert(name.into(), value.into());
        self
    }

    /// Gives every series these attributes of its resource as labels, unless the point has one of
    /// that name. Default: none; `target_info` has them all.
    #[must_use]
    pub fn resource_labels<I>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.resource_labels
            .extend(keys.into_iter().map(Into::into));
        self
    }

    /// Sets whether series have the labels `otel_scope_name`, `otel_scope_version`,
    /// `otel_scope_schema_url` and `otel_scope_` with each attribute of the scope. Default: true.
    #[must_use]
    pub const fn scope_labels(mut self, write: bool) -> Self {
        self.scope_labels = write;
        self
    }

    /// Sets whether each resource has a series `target_info` with its attributes. Default: true.
    #[must_use]
    pub const fn target_info(mut self, write: bool) -> Self {
        self.target_info = write;
        self
    }

    /// Sets whether exemplars are written. Default: true.
    #[must_use]
    pub const fn exemplars(mut self, write: bool) -> Self {
        self.exemplars = write;
        self
    }

    /// Sets whether type, help and unit of each metric are written with 1.0, where they stand
    /// beside the series. Default: false. With 2.0 they are part of each series, always.
    #[must_use]
    pub const fn metadata(mut self, write: bool) -> Self {
        self.metadata = write;
        self
    }

    /// Sets how histograms with explicit bounds are written. Default:
    /// [`Classic`](HistogramForm::Classic). [`Native`](HistogramForm::Native) is a native histogram
    /// with custom buckets, of 2.0 only: with 1.0 they are classic all the same.
    #[must_use]
    pub const fn explicit_histograms(mut self, form: HistogramForm) -> Self {
        self.explicit = form;
        self
    }

    /// Sets how exponential histograms are written. Default: [`Native`](HistogramForm::Native).
    /// For a receiver that has no native histograms: [`Classic`](HistogramForm::Classic), with a
    /// bound for each bucket in use, at most 160 for the values of either sign; buckets are merged
    /// until they are that few.
    #[must_use]
    pub const fn exponential_histograms(mut self, form: HistogramForm) -> Self {
        self.exponential = form;
        self
    }

    /// Whether these can be the labels of a series.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        for name in self.external_labels.keys() {
            let classic = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let is_classic = !name.starts_with(|first: char| first.is_ascii_digit())
                && name.bytes().all(classic);
            if name.is_empty() || name == "__name__" || (self.strategy.escapes() && !is_classic) {
                return Err(InvalidConfig::new(format!(
                    "the external label `{name}` has no valid name: letters, digits and underscores"
                )));
            }
        }
        Ok(())
    }
}
