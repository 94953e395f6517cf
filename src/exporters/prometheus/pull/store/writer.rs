//! The points of one metric, each written into its series.

use super::{
    Kind, Refusal, Series, Store, Tally,
    family::Family,
    labels::Labels,
    scope::Scope,
    stream::{Known, Stream, Target},
    value::{Point, Reader},
};
use crate::{
    exporters::prometheus::pull::options::Options,
    otlp::views::{AggregationTemporality, Metric, MetricData},
};

impl Store {
    /// Takes the points of a metric.
    #[allow(
        clippy::too_many_arguments,
        reason = "all of them go to each of five arms"
    )]
    pub(super) fn points(
        &mut self,
        stream: usize,
        scope: usize,
        metric: &Metric<'_>,
        data: MetricData<'_>,
        temporality: AggregationTemporality,
        now: u64,
        options: &Options,
        tally: &mut Tally,
    ) {
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        let (family, refused) = match &stream.target {
            Target::Family { index, .. } => match self.families.get_mut(*index) {
                Some(Some(family)) => (Some(family), None),
                _ => (None, None),
            },
            Target::Refused { why, .. } => (None, Some(*why)),
        };
        let mut writer = Writer {
            family,
            refused,
            stream,
            scope: self.scopes.get(scope),
            live: &mut self.live,
            removed: &mut self.removed,
            remembered: &mut self.remembered,
            writers: &mut self.writers,
            is_delta: temporality == AggregationTemporality::DELTA,
            metric,
            now,
            options,
            tally,
        };
        match data {
            MetricData::Gauge(gauge) => gauge.points().for_each(|point| writer.write(&point)),
            MetricData::Sum(sum) => sum.points().for_each(|point| writer.write(&point)),
            MetricData::Histogram(all) => all.points().for_each(|point| writer.write(&point)),
            MetricData::ExponentialHistogram(all) => {
                all.points().for_each(|point| writer.write(&point));
            }
            MetricData::Summary(all) => all.points().for_each(|point| writer.write(&point)),
        }
    }
}

/// Writes the points of one metric.
struct Writer<'a, 'm> {
    family: Option<&'a mut Family>,
    refused: Option<Refusal>,
    stream: &'a mut Stream,
    scope: Option<&'a Scope>,
    live: &'a mut usize,
    removed: &'a mut usize,
    remembered: &'a mut usize,
    writers: &'a mut u32,
    is_delta: bool,
    metric: &'a Metric<'m>,
    now: u64,
    options: &'a Options,
    tally: &'a mut Tally,
}

impl Writer<'_, '_> {
    #[inline]
    fn write<P: Point>(&mut self, point: &P) {
        let written = match self.refused {
            None => self.try_write(point),
            Some(why) => Err(why),
        };
        if let Err(why) = written {
            self.tally.refuse(self.metric, why, self.options);
        }
    }

    #[inline]
    fn try_write<P: Point>(&mut self, point: &P) -> Result<(), Refusal> {
        let Some(family) = self.family.as_deref_mut() else {
            return Err(Refusal::Invalid("its family is gone"));
        };
        let raw = point.attributes().as_bytes();
        let known = self.stream.known.find(raw);
        if let Some(number) = known
            && let Some(known) = self.stream.known.get(number)
        {
            if point.is_gone() {
                let removed = family.remove(known.place);
                *self.live -= usize::from(removed);
                *self.removed += usize::from(removed);
                return Ok(());
            }
            if let Some(series) = family.get_mut(known.place) {
                let mut reader = Reader {
                    kind: self.stream.kind,
                    bounds: &mut self.stream.bounds,
                };
                return update(
                    series,
                    point,
                    self.is_delta,
                    known.writer,
                    self.now,
                    &mut reader,
                );
            }
        }
        self.find_or_make(point, known)
    }

    /// The long way: by the labels.
    #[cold]
    fn find_or_make<P: Point>(&mut self, point: &P, number: Option<usize>) -> Result<(), Refusal> {
        let Some(family) = self.family.as_deref_mut() else {
            return Ok(());
        };
        let mut labels = self
            .scope
            .map_or_else(Labels::default, |scope| scope.labels.clone());
        match self.stream.kind {
            Kind::Histogram => labels.reserve("le"),
            Kind::Summary => labels.reserve("quantile"),
            _ => {}
        }
        labels.attributes(self.options.strategy, point.attributes());
        let nameless = labels.nameless;
        let labels = labels.text();
        let mut reader = Reader {
            kind: self.stream.kind,
            bounds: &mut self.stream.bounds,
        };
        *self.writers = self.writers.wrapping_add(1);
        let writer = *self.writers;
        let place = match family.find(&labels) {
            Some(place) => {
                if point.is_gone() {
                    family.remove(place);
                    *self.live -= 1;
                    *self.removed += 1;
                    return Ok(());
                }
                if let Some(series) = family.get_mut(place) {
                    update(series, point, self.is_delta, writer, self.now, &mut reader)?;
                }
                place
            }
            None if point.is_gone() => return Ok(()),
            None if *self.live >= self.options.max_series => return Err(Refusal::Full),
            None => {
                let value = point.make(&mut reader)?;
                let times = (point.start(), point.time(), self.now);
                *self.live += 1;
                self.tally.nameless += nameless;
                family.insert(labels, times, value, writer)
            }
        };
        let known = Known { place, writer };
        match number.and_then(|number| self.stream.known.get_mut(number)) {
            Some(old) => *old = known,
            None => {
                self.stream
                    .known
                    .insert(point.attributes().as_bytes(), known);
                *self.remembered += 1;
            }
        }
        Ok(())
    }
}

/// Writes a point into its series.
#[inline]
fn update<P: Point>(
    series: &mut Series,
    point: &P,
    is_delta: bool,
    writer: u32,
    now: u64,
    reader: &mut Reader<'_>,
) -> Result<(), Refusal> {
    let (start, time) = (point.start(), point.time());
    if is_delta {
        if time <= series.time {
            return Err(Refusal::Invalid(
                "it is not newer than what was added before",
            ));
        }
        if start > series.time {
            // Something is missing in between: the series starts anew.
            point.replace(&mut series.value, reader)?;
            series.start = start;
        } else if start == series.time || start == 0 {
            point.add(&mut series.value, reader)?;
        } else {
            return Err(Refusal::Invalid(
                "its time overlaps with what was added before",
            ));
        }
    } else {
        if time < series.time {
            return Err(Refusal::Invalid("it is older than what is shown"));
        }
        if time == series.time && time != 0 && writer != series.writer {
            let why = "another point of the same time has the same labels";
            return Err(Refusal::Invalid(why));
        }
        point.replace(&mut series.value, reader)?;
        series.start = start;
    }
    series.time = time;
    series.seen = now;
    series.writer = writer;
    Ok(())
}
