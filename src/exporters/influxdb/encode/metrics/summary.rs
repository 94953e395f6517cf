//! Summaries.

use super::{MetricsSchema, Series, Unfit, Writer};
use crate::otlp::{json::double, views::SummaryDataPoint};

impl Writer<'_> {
    pub(super) fn summary<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        point: &SummaryDataPoint<'a>,
    ) -> Result<(), Unfit> {
        if series.schema == MetricsSchema::OtelV1 {
            return Err(Unfit("the schema otel-v1 has no form for summaries"));
        }
        if point.no_recorded_value() {
            return Ok(());
        }
        series.enter(point.attributes())?;
        let time = self.time([point.time_unix_nano(), 0])?;
        let quantiles = quantiles(point);
        self.begin(series, None);
        let count = itoa::Buffer::new().format(point.count()).to_owned();
        if series.schema == MetricsSchema::TelegrafPrometheusV1 {
            series.key.stem(b"");
            for (quantile, value) in quantiles {
                self.line.float(series.key.with_number(quantile), value);
            }
            let line = &mut self.line;
            line.key(b"count").extend_from_slice(count.as_bytes());
            line.moment(b"start_time_unix_nano", point.start_time_unix_nano());
            line.float(b"sum", point.sum());
            self.end(time);
            return Ok(());
        }
        series.key.stem(series.metric.name().as_bytes());
        let line = &mut self.line;
        let key = series.key.with(b"_count");
        line.key(key).extend_from_slice(count.as_bytes());
        line.float(series.key.with(b"_sum"), point.sum());
        line.moment(b"start_time_unix_nano", point.start_time_unix_nano());
        self.end(time);
        let mut text = Vec::new();
        for (quantile, value) in quantiles {
            text.clear();
            double::encode(&mut text, quantile);
            self.begin(series, Some(("quantile", &text)));
            self.line.float(series.key.with(b""), value);
            self.end(time);
        }
        Ok(())
    }
}

/// The quantiles that line protocol has numbers for, each once: a field may be there once.
fn quantiles(point: &SummaryDataPoint<'_>) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = point
        .quantile_values()
        .map(|each| (each.quantile(), each.value()))
        .filter(|(quantile, value)| quantile.is_finite() && value.is_finite())
        .collect();
    all.sort_by(|(one, _), (two, _)| one.total_cmp(two));
    all.dedup_by(|(one, _), (two, _)| one == two);
    all
}
