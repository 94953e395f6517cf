//! Exemplars: which trace a value comes from.

use std::sync::Arc;

use super::labels::Labels;
use crate::{
    exporters::prometheus::{TranslationStrategy, translate::label_name},
    otlp::views::{self, Repeated},
};

/// OpenMetrics' limit on the names and values of an exemplar's labels, in code points.
const MOST_CODE_POINTS: usize = 128;

/// One exemplar.
#[derive(Debug)]
pub(in super::super) struct Exemplar {
    /// As those of a series.
    pub(in super::super) labels: Arc<[u8]>,
    pub(in super::super) value: f64,
    /// Nanoseconds since the Unix epoch; 0 if it is not known.
    pub(in super::super) time: u64,
}

impl Exemplar {
    fn read(exemplar: &views::Exemplar<'_>) -> Option<Arc<Self>> {
        let value = exemplar.value()?.as_f64();
        if value.is_nan() {
            return None;
        }
        let mut ids = Labels::default();
        let mut length = 0;
        if exemplar.trace_id().is_valid() {
            let id = exemplar.trace_id().to_string();
            length += "trace_id".len() + id.len();
            ids.fixed("trace_id", id.as_bytes());
        }
        if exemplar.span_id().is_valid() {
            let id = exemplar.span_id().to_string();
            length += "span_id".len() + id.len();
            ids.fixed("span_id", id.as_bytes());
        }
        let mut all = ids.clone();
        // No server reads quoted names here.
        let strategy = TranslationStrategy::default();
        for (key, value) in exemplar.filtered_attributes() {
            let name = label_name(strategy, key.as_str());
            if !matches!(name.as_deref(), None | Some("trace_id" | "span_id")) {
                all.attribute(strategy, key, value);
            }
        }
        length += all.code_points_beyond(&ids);
        let labels = if length <= MOST_CODE_POINTS { all } else { ids };
        Some(Arc::new(Self {
            labels: labels.text(),
            value,
            time: exemplar.time_unix_nano(),
        }))
    }

    /// All that are worth showing.
    pub(super) fn read_all<'a>(
        exemplars: Repeated<'a, views::Exemplar<'a>>,
    ) -> impl Iterator<Item = Arc<Self>> + use<'a> {
        exemplars.filter_map(|exemplar| Self::read(&exemplar))
    }

    /// The latest.
    pub(super) fn latest(exemplars: Repeated<'_, views::Exemplar<'_>>) -> Option<Arc<Self>> {
        Self::read_all(exemplars).max_by_key(|exemplar| exemplar.time)
    }
}
