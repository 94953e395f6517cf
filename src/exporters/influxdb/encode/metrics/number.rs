//! Gauges and sums.

use super::{MetricsSchema, Series, Unfit, Writer};
use crate::otlp::views::{AggregationTemporality, Number, NumberDataPoint, Sum};

impl Writer<'_> {
    pub(super) fn gauge<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        point: &NumberDataPoint<'a>,
    ) -> Result<(), Unfit> {
        match series.schema {
            MetricsSchema::TelegrafPrometheusV1 => series.key.stem(b"gauge"),
            MetricsSchema::TelegrafPrometheusV2 => series.key.stem(series.metric.name().as_bytes()),
            MetricsSchema::OtelV1 => {
                return Err(Unfit("the schema otel-v1 has no form for gauges"));
            }
        }
        self.number(series, point)
    }

    pub(super) fn sum<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        sum: &Sum<'a>,
        point: &NumberDataPoint<'a>,
    ) -> Result<(), Unfit> {
        let is_cumulative = sum.temporality() == AggregationTemporality::CUMULATIVE;
        match series.schema {
            MetricsSchema::TelegrafPrometheusV1 if is_cumulative && sum.is_monotonic() => {
                series.key.stem(b"counter");
            }
            MetricsSchema::TelegrafPrometheusV1 => series.key.stem(b"gauge"),
            MetricsSchema::TelegrafPrometheusV2 => series.key.stem(series.metric.name().as_bytes()),
            MetricsSchema::OtelV1 => {
                series.otel_value(sum, point.value())?;
            }
        }
        self.number(series, point)
    }

    fn number<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        point: &NumberDataPoint<'a>,
    ) -> Result<(), Unfit> {
        let Some(value) = point.value().filter(|_| !point.no_recorded_value()) else {
            return Ok(());
        };
        series.enter(point.attributes())?;
        let time = self.time([point.time_unix_nano(), 0])?;
        self.begin(series, None);
        self.line.measured(series.key.with(b""), value);
        if self.line.has_no_field() {
            return Err(Unfit("line protocol has no form for NaN and infinities"));
        }
        let start = point.start_time_unix_nano();
        self.line.moment(b"start_time_unix_nano", start);
        self.end(time);
        self.exemplars(series, point.exemplars(), point.time_unix_nano())
    }
}

impl Series<'_, '_> {
    /// Sets the key to `value_cumulative_monotonic_int` and the like.
    fn otel_value(&mut self, sum: &Sum<'_>, value: Option<Number>) -> Result<(), Unfit> {
        let temporality = temporality(sum.temporality())?;
        let monotonic: &[u8] = if sum.is_monotonic() {
            b"_monotonic"
        } else {
            b"_nonmonotonic"
        };
        let kind: &[u8] = match value {
            Some(Number::Double(_)) => b"_double",
            _ => b"_int",
        };
        self.key.stem(b"value_");
        for part in [temporality, monotonic, kind] {
            self.key.extend(part);
        }
        Ok(())
    }
}

/// The name of a temporality.
pub(super) fn temporality(temporality: AggregationTemporality) -> Result<&'static [u8], Unfit> {
    match temporality {
        AggregationTemporality::CUMULATIVE => Ok(b"cumulative"),
        AggregationTemporality::DELTA => Ok(b"delta"),
        _ => Err(Unfit("it does not say whether it is cumulative or a delta")),
    }
}
