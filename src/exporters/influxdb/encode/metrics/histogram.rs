//! Histograms with explicit bounds.

use super::{MetricsSchema, Series, Unfit, Writer, number::temporality as temporality_name};
use crate::otlp::{
    json::double,
    views::{AggregationTemporality, HistogramDataPoint},
};

impl Writer<'_> {
    pub(super) fn histogram<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        temporality: AggregationTemporality,
        point: &HistogramDataPoint<'a>,
    ) -> Result<(), Unfit> {
        if point.no_recorded_value() {
            return Ok(());
        }
        let (counts, bounds) = (
            point.bucket_counts().count(),
            point.explicit_bounds().count(),
        );
        if counts != 0 && counts != bounds + 1 {
            return Err(Unfit("it has not one bucket more than bounds"));
        }
        // Each bound is the name of a field, which may be there once.
        if !point.explicit_bounds().is_sorted_by(|one, two| one < two) {
            return Err(Unfit("its bounds do not ascend"));
        }
        series.enter(point.attributes())?;
        let time = self.time([point.time_unix_nano(), 0])?;
        match series.schema {
            MetricsSchema::TelegrafPrometheusV1 => self.histogram_v1(series, point, time),
            MetricsSchema::TelegrafPrometheusV2 => self.histogram_v2(series, point, time),
            MetricsSchema::OtelV1 => self.histogram_otel(series, temporality, point, time)?,
        }
        self.exemplars(series, point.exemplars(), point.time_unix_nano())
    }

    /// One point: a field for each bound, which counts all that is not above it.
    fn histogram_v1(
        &mut self,
        series: &mut Series<'_, '_>,
        point: &HistogramDataPoint<'_>,
        time: i64,
    ) {
        self.begin(series, None);
        series.key.stem(b"");
        let line = &mut self.line;
        if point.bucket_counts().next().is_some() {
            count(line.key(b"+Inf"), point.count());
            let mut below = 0_u64;
            for (bound, in_bucket) in point.explicit_bounds().zip(point.bucket_counts()) {
                below = below.saturating_add(in_bucket);
                if bound.is_finite() {
                    count(line.key(series.key.with_number(bound)), below);
                }
            }
        }
        self.totals(series, point);
        self.end(time);
    }

    /// One point for the totals, and one for each bucket, told by its tag.
    fn histogram_v2(
        &mut self,
        series: &mut Series<'_, '_>,
        point: &HistogramDataPoint<'_>,
        time: i64,
    ) {
        self.begin(series, None);
        series.key.stem(series.metric.name().as_bytes());
        self.totals(series, point);
        self.end(time);
        if point.bucket_counts().next().is_none() {
            return;
        }
        let mut below = 0_u64;
        let mut text = Vec::new();
        for (bound, in_bucket) in point.explicit_bounds().zip(point.bucket_counts()) {
            below = below.saturating_add(in_bucket);
            if bound.is_finite() {
                text.clear();
                double::encode(&mut text, bound);
                self.bucket(series, &text, below, time);
            }
        }
        self.bucket(series, b"+Inf", point.count(), time);
    }

    fn bucket(&mut self, series: &mut Series<'_, '_>, le: &[u8], below: u64, time: i64) {
        self.begin(series, Some(("le", le)));
        count(self.line.key(series.key.with(b"_bucket")), below);
        self.end(time);
    }

    /// The fields that both Telegraf schemas have.
    fn totals(&mut self, series: &mut Series<'_, '_>, point: &HistogramDataPoint<'_>) {
        let underscore: &[&[u8]; 4] = match series.schema {
            MetricsSchema::TelegrafPrometheusV2 => &[b"_count", b"_max", b"_min", b"_sum"],
            _ => &[b"count", b"max", b"min", b"sum"],
        };
        let [count_key, max_key, min_key, sum_key] = *underscore;
        let line = &mut self.line;
        count(line.key(series.key.with(count_key)), point.count());
        if let Some(max) = point.max() {
            line.float(series.key.with(max_key), max);
        }
        if let Some(min) = point.min() {
            line.float(series.key.with(min_key), min);
        }
        let start = point.start_time_unix_nano();
        if series.schema == MetricsSchema::TelegrafPrometheusV2 {
            if let Some(sum) = point.sum() {
                line.float(series.key.with(sum_key), sum);
            }
            line.moment(b"start_time_unix_nano", start);
        } else {
            line.moment(b"start_time_unix_nano", start);
            if let Some(sum) = point.sum() {
                line.float(series.key.with(sum_key), sum);
            }
        }
    }

    /// One point: a field for each bound, which counts what is in its bucket.
    fn histogram_otel(
        &mut self,
        series: &mut Series<'_, '_>,
        temporality: AggregationTemporality,
        point: &HistogramDataPoint<'_>,
        time: i64,
    ) -> Result<(), Unfit> {
        series.key.stem(temporality_name(temporality)?);
        series.key.extend(b"_");
        self.begin(series, None);
        let line = &mut self.line;
        line.unsigned(b"count", point.count());
        for (bound, in_bucket) in point.explicit_bounds().zip(point.bucket_counts()) {
            if bound.is_finite() {
                line.unsigned(series.key.with_number(bound), in_bucket);
            }
        }
        if let (Some(min), Some(max)) = (point.min(), point.max()) {
            line.float(b"max", max);
            line.float(b"min", min);
        }
        line.moment(b"start_time_unix_nano", point.start_time_unix_nano());
        if let Some(sum) = point.sum() {
            line.float(b"sum", sum);
        }
        // A count that does not fit may have been the only field.
        if line.has_no_field() {
            return Err(Unfit("its count does not fit into a signed integer"));
        }
        self.end(time);
        Ok(())
    }
}

/// Counts are floats in the Telegraf schemas.
fn count(out: &mut Vec<u8>, count: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}
