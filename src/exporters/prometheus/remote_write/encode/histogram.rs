//! Histograms: as classic series, and as native histograms.

use super::{
    Encoder, HistogramForm, Protocol,
    convert::{Current, Moment, Span, widen},
    native,
    series::{Kind, STALE},
};
use crate::{
    exporters::prometheus::translate::{NativeHistogram, UnfitHistogram},
    otlp::{Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Repeated},
};

impl Encoder {
    pub(super) fn histograms(
        &mut self,
        metric: Current<'_>,
        points: Repeated<'_, HistogramDataPoint<'_>>,
        span: &mut Span,
    ) {
        let is_native =
            self.protocol == Protocol::V2 && self.options.explicit == HistogramForm::Native;
        for point in points {
            let moment = self.moment(point.time_unix_nano(), point.start_time_unix_nano());
            let is_stale = point.no_recorded_value();
            if let Some(problem) = problem(&point, is_native && !is_stale) {
                self.reject(metric.source, moment.item, problem);
                continue;
            }
            widen(span, moment.time);
            let le = (!is_native).then_some(self.labels.known.le);
            let Self {
                symbols,
                labels,
                options,
                ..
            } = self;
            labels.point(symbols, options, point.attributes(), le);
            if is_native {
                let value = match point.sum() {
                    Some(sum) if !is_stale => self.table.add_histogram(
                        |out| native::put_custom(out, &point, sum),
                        |out| native::put_bounds(out, &point),
                    ),
                    _ => self.table.add_histogram(native::put_stale, |_| {}),
                };
                self.push_native(metric, value, moment, point.exemplars());
                continue;
            }
            let mut buckets = std::mem::take(&mut self.buckets);
            buckets.clear();
            let mut total = 0_u64;
            if is_stale {
                buckets.extend(point.explicit_bounds().map(|bound| (bound, 0)));
            } else {
                for (bound, count) in point.explicit_bounds().zip(point.bucket_counts()) {
                    total = total.saturating_add(count);
                    buckets.push((bound, total));
                }
            }
            // The last one is written always.
            buckets.retain(|(bound, _)| *bound < f64::INFINITY);
            self.buckets = buckets;
            self.classic(
                metric,
                moment,
                (point.count(), point.sum(), is_stale),
                point.exemplars(),
            );
        }
    }

    pub(super) fn exponentials(
        &mut self,
        metric: Current<'_>,
        points: Repeated<'_, ExponentialHistogramDataPoint<'_>>,
        span: &mut Span,
    ) {
        let is_native = self.options.exponential == HistogramForm::Native;
        for point in points {
            let moment = self.moment(point.time_unix_nano(), point.start_time_unix_nano());
            let is_stale = point.no_recorded_value();
            let converted: Result<NativeHistogram, UnfitHistogram> = NativeHistogram::of(&point);
            let histogram = match converted {
                _ if is_stale => None,
                Ok(histogram) => Some(histogram),
                Err(unfit) => {
                    self.reject(metric.source, moment.item, unfit.as_str());
                    continue;
                }
            };
            widen(span, moment.time);
            let le = (!is_native).then_some(self.labels.known.le);
            let Self {
                symbols,
                labels,
                options,
                ..
            } = self;
            labels.point(symbols, options, point.attributes(), le);
            if is_native {
                let value = match &histogram {
                    Some(histogram) => self
                        .table
                        .add_histogram(|out| native::put(out, histogram), |_| {}),
                    None => self.table.add_histogram(native::put_stale, |_| {}),
                };
                self.push_native(metric, value, moment, point.exemplars());
                continue;
            }
            self.buckets.clear();
            if let Some(histogram) = &histogram {
                let buckets = &mut self.buckets;
                native::classic(histogram, |bound, total| buckets.push((bound, total)));
            }
            self.classic(
                metric,
                moment,
                (point.count(), point.sum(), is_stale),
                point.exemplars(),
            );
        }
    }

    /// The series of a histogram whose buckets are those in `self.buckets`, the last one left out.
    fn classic(
        &mut self,
        metric: Current<'_>,
        moment: Moment,
        (count, sum, is_stale): (u64, Option<f64>, bool),
        exemplars: Repeated<'_, Exemplar<'_>>,
    ) {
        let value = |value: f64| if is_stale { STALE } else { value.to_bits() };
        if let Some(sum) = sum.or(is_stale.then_some(0.0)) {
            let name = self.suffixed(metric.name, "_sum");
            self.push(name, None, metric.family, value(sum), moment);
        }
        let name = self.suffixed(metric.name, "_count");
        self.push(name, None, metric.family, value(count as f64), moment);
        let name = self.suffixed(metric.name, "_bucket");
        let buckets = std::mem::take(&mut self.buckets);
        let mut bucket_series = std::mem::take(&mut self.bucket_series);
        bucket_series.clear();
        let last = (f64::INFINITY, count);
        for (position, (bound, total)) in buckets.iter().chain([&last]).enumerate() {
            let le = (self.labels.known.le, self.bound(position, *bound));
            let value = value(*total as f64);
            let series = self.push(name, Some(le), metric.family, value, moment);
            bucket_series.push(series);
        }
        for exemplar in exemplars {
            self.exemplar(&exemplar, moment.time, |value| {
                let at = buckets.partition_point(|(bound, _)| *bound < value || value.is_nan());
                bucket_series.get(at).copied()
            });
        }
        self.buckets = buckets;
        self.bucket_series = bucket_series;
    }

    fn push_native(
        &mut self,
        metric: Current<'_>,
        histogram: u64,
        moment: Moment,
        exemplars: Repeated<'_, Exemplar<'_>>,
    ) {
        let Self {
            symbols,
            labels,
            table,
            ..
        } = self;
        let labels = labels.series(symbols, metric.name, None);
        let series = table.series_of(labels, Kind::Histogram, metric.family);
        table.push_sample(series, moment.sample(histogram));
        for exemplar in exemplars {
            self.exemplar(&exemplar, moment.time, |_| Some(series));
        }
    }
}

/// Why a histogram of explicit bounds cannot be written, if it cannot.
fn problem(point: &HistogramDataPoint<'_>, is_native: bool) -> Option<&'static str> {
    let (counts, bounds) = (point.bucket_counts(), point.explicit_bounds());
    if !counts.is_empty() && counts.len() != bounds.len() + 1 {
        return Some("it must have one bucket more than bounds");
    }
    let mut last = f64::NEG_INFINITY;
    for (position, bound) in bounds.enumerate() {
        if bound.is_nan() || (position > 0 && bound <= last) {
            return Some("its bounds do not ascend");
        }
        last = bound;
    }
    if is_native && point.sum().is_none() {
        return Some("it has no sum, which a native histogram must have");
    }
    None
}
