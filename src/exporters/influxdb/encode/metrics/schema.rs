//! The names that the schemas have for fields.

use super::{MetricsSchema, field_key};
use crate::otlp::json::double;

/// Whether a schema has a field of this name: a tag must not have it then.
pub(super) const fn is_field(schema: MetricsSchema) -> fn(&[u8]) -> bool {
    match schema {
        MetricsSchema::TelegrafPrometheusV1 => is_telegraf_v1,
        MetricsSchema::TelegrafPrometheusV2 => is_telegraf_v2,
        MetricsSchema::OtelV1 => is_otel_v1,
    }
}

fn is_telegraf_v1(key: &[u8]) -> bool {
    match key {
        b"gauge" | b"counter" | b"count" | b"sum" | b"min" | b"max" | b"start_time_unix_nano" => {
            true
        }
        // The name of a bucket or a quantile.
        [b'0'..=b'9' | b'+' | b'-', ..] => {
            str::from_utf8(key).is_ok_and(|key| key.parse::<f64>().is_ok())
        }
        _ => false,
    }
}

fn is_telegraf_v2(key: &[u8]) -> bool {
    // The first two are tags that this schema sets.
    matches!(key, b"le" | b"quantile" | b"start_time_unix_nano")
}

fn is_otel_v1(key: &[u8]) -> bool {
    matches!(
        key,
        b"count" | b"sum" | b"min" | b"max" | b"start_time_unix_nano"
    ) || [&b"value_"[..], b"cumulative_", b"delta_"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

/// The key of a field, put together from a stem and a suffix.
#[derive(Debug, Default)]
pub(super) struct Key {
    text: Vec<u8>,
    stem: usize,
}

impl Key {
    /// Sets the stem: a name that may need escapes.
    pub(super) fn stem(&mut self, name: &[u8]) {
        self.text.clear();
        field_key(&mut self.text, name);
        self.stem = self.text.len();
    }

    /// Makes the stem longer.
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.text.truncate(self.stem);
        self.text.extend_from_slice(part);
        self.stem = self.text.len();
    }

    pub(super) fn with(&mut self, suffix: &[u8]) -> &[u8] {
        self.text.truncate(self.stem);
        self.text.extend_from_slice(suffix);
        &self.text
    }

    /// The stem with a number behind it.
    pub(super) fn with_number(&mut self, number: f64) -> &[u8] {
        self.text.truncate(self.stem);
        double::encode(&mut self.text, number);
        &self.text
    }
}
