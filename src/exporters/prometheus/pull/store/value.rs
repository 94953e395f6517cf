//! The values of series, and how points change them.

use std::sync::Arc;

use super::{Kind, Refusal, exemplar::Exemplar, exponential::Exponential};
use crate::otlp::views::{
    Attributes, ExponentialHistogramDataPoint, HistogramDataPoint, Number, NumberDataPoint, Packed,
    SummaryDataPoint,
};

/// The value of a series. What is large is shared with the pages that are being written.
#[derive(Clone, Debug)]
pub(in super::super) enum Value {
    Number(Number, Option<Arc<Exemplar>>),
    Histogram(Arc<Histogram>),
    Exponential(Arc<Exponential>),
    Summary(Arc<Summary>),
}

/// A histogram with explicit bounds.
#[derive(Clone, Debug)]
pub(in super::super) struct Histogram {
    pub(in super::super) bounds: Arc<Bounds>,
    /// One a bucket; one more than there are bounds.
    pub(in super::super) counts: Vec<u64>,
    pub(in super::super) count: u64,
    pub(in super::super) sum: Option<f64>,
    /// The latest of each bucket; empty if there is none at all.
    pub(in super::super) exemplars: Vec<Option<Arc<Exemplar>>>,
}

/// The upper bounds of buckets, without the last one, which is infinite.
#[derive(Debug)]
pub(in super::super) struct Bounds {
    pub(in super::super) values: Vec<f64>,
    /// The same as text.
    pub(in super::super) text: Vec<Box<[u8]>>,
    /// Whether the infinite one was sent, too.
    with_infinity: bool,
}

/// Quantiles.
#[derive(Clone, Debug)]
pub(in super::super) struct Summary {
    pub(in super::super) count: u64,
    pub(in super::super) sum: f64,
    /// Ascending.
    pub(in super::super) quantiles: Vec<(f64, f64)>,
}

/// What reading a point needs to know.
pub(super) struct Reader<'a> {
    pub(super) kind: Kind,
    /// The bounds of the point before: nearly always those of this one, too.
    pub(super) bounds: &'a mut Option<Arc<Bounds>>,
}

/// A data point of any type.
pub(super) trait Point {
    fn attributes(&self) -> Attributes<'_>;
    fn start(&self) -> u64;
    fn time(&self) -> u64;
    fn is_gone(&self) -> bool;
    /// The value of a new series.
    fn make(&self, reader: &mut Reader<'_>) -> Result<Value, Refusal>;
    /// Replaces a value, and changes nothing if the point is refused.
    fn replace(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        *value = self.make(reader)?;
        Ok(())
    }
    /// Adds to a value, and changes nothing if the point is refused.
    fn add(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        self.replace(value, reader)
    }
}

macro_rules! common {
    () => {
        fn attributes(&self) -> Attributes<'_> {
            self.attributes()
        }
        fn start(&self) -> u64 {
            self.start_time_unix_nano()
        }
        fn time(&self) -> u64 {
            self.time_unix_nano()
        }
        fn is_gone(&self) -> bool {
            self.no_recorded_value()
        }
    };
}

impl Point for NumberDataPoint<'_> {
    common!();

    #[inline]
    fn make(&self, reader: &mut Reader<'_>) -> Result<Value, Refusal> {
        let number = self.value().ok_or(Refusal::Invalid("it has no value"))?;
        if reader.kind != Kind::Counter {
            return Ok(Value::Number(number, None));
        }
        let is_negative = match number {
            Number::Int(value) => value < 0,
            Number::Double(value) if value.is_nan() => {
                return Err(Refusal::Invalid("a counter that is not a number"));
            }
            Number::Double(value) => value < 0.0,
        };
        if is_negative {
            return Err(Refusal::Invalid("a counter below zero"));
        }
        Ok(Value::Number(number, Exemplar::latest(self.exemplars())))
    }

    #[inline]
    fn replace(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        let mut made = self.make(reader)?;
        if let (Value::Number(_, new @ None), Value::Number(_, old)) = (&mut made, &mut *value) {
            *new = old.take();
        }
        *value = made;
        Ok(())
    }

    fn add(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        let made = self.make(reader)?;
        match (&mut *value, made) {
            (Value::Number(old, old_exemplar), Value::Number(new, new_exemplar)) => {
                let whole = match (*old, new) {
                    (Number::Int(a), Number::Int(b)) => a.checked_add(b).map(Number::Int),
                    _ => None,
                };
                let sum = || Number::Double(old.as_f64() + new.as_f64());
                *old = whole.unwrap_or_else(sum);
                if new_exemplar.is_some() {
                    *old_exemplar = new_exemplar;
                }
            }
            (old, made) => *old = made,
        }
        Ok(())
    }
}

impl Bounds {
    fn read(all: Packed<'_, f64>) -> Result<Self, Refusal> {
        let mut values: Vec<f64> = all.collect();
        let is_ascending = values.is_sorted_by(|a, b| a < b);
        if !is_ascending || values.iter().any(|bound| bound.is_nan()) {
            return Err(Refusal::Invalid("its bounds do not ascend"));
        }
        let with_infinity = values.last() == Some(&f64::INFINITY);
        if with_infinity {
            values.pop();
        }
        let text = values.iter().map(|bound| {
            let mut text = Vec::new();
            super::super::page::float(&mut text, *bound);
            text.into()
        });
        Ok(Self {
            text: text.collect(),
            values,
            with_infinity,
        })
    }

    fn is(&self, other: Packed<'_, f64>) -> bool {
        let infinity = self.with_infinity.then_some(f64::INFINITY);
        let length = self.values.len() + usize::from(self.with_infinity);
        length == other.len() && self.values.iter().copied().chain(infinity).eq(other)
    }
}

impl Histogram {
    fn bounds(
        point: &HistogramDataPoint<'_>,
        known: &mut Option<Arc<Bounds>>,
    ) -> Result<Arc<Bounds>, Refusal> {
        let sent = match point.bucket_counts().len() {
            // No buckets: the bounds tell nothing.
            0 => Packed::new(&[]),
            _ => point.explicit_bounds(),
        };
        match known {
            Some(known) if known.is(sent) => Ok(Arc::clone(known)),
            _ => {
                let bounds = Arc::new(Bounds::read(sent)?);
                *known = Some(Arc::clone(&bounds));
                Ok(bounds)
            }
        }
    }

    /// Says whether the buckets of a point fit to its bounds and its count.
    fn check(point: &HistogramDataPoint<'_>) -> Result<(), Refusal> {
        let counts = point.bucket_counts();
        if counts.is_empty() {
            return Ok(());
        }
        if counts.len() != point.explicit_bounds().len() + 1 {
            let why = "its counts are not one more than its bounds";
            return Err(Refusal::Invalid(why));
        }
        let mut counts = counts;
        match counts.try_fold(0_u64, u64::checked_add) {
            Some(total) if total <= point.count() => Ok(()),
            _ => Err(Refusal::Invalid("its buckets hold more than its count")),
        }
    }

    fn fill(&mut self, point: &HistogramDataPoint<'_>, add: bool) {
        let buckets = self.bounds.values.len() + 1;
        let merged = |count: u64, old: u64| {
            if add {
                old.saturating_add(count)
            } else {
                count
            }
        };
        if point.bucket_counts().is_empty() {
            self.counts.resize(1, 0);
            if let Some(only) = self.counts.first_mut() {
                *only = merged(point.count(), *only);
            }
        } else {
            self.counts.resize(buckets, 0);
            let mut sent = point.bucket_counts();
            for (old, count) in self.counts.iter_mut().zip(&mut sent) {
                *old = merged(count, *old);
            }
            // Behind an infinite bound there is one bucket more, in which nothing can be.
            if let (Some(last), Some(more)) = (self.counts.last_mut(), sent.next()) {
                *last = last.saturating_add(more);
            }
        }
        self.count = merged(point.count(), self.count);
        self.sum = match (add, self.sum, point.sum()) {
            (true, Some(old), Some(new)) => Some(old + new),
            (true, ..) => None,
            (false, _, new) => new,
        };
        self.mark(point);
    }

    /// Keeps the latest exemplar of each bucket.
    fn mark(&mut self, point: &HistogramDataPoint<'_>) {
        for exemplar in Exemplar::read_all(point.exemplars()) {
            let bounds = &self.bounds.values;
            let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
            self.exemplars.resize(bounds.len() + 1, None);
            if let Some(slot) = self.exemplars.get_mut(bucket) {
                let is_newer = |old: &Arc<Exemplar>| old.time <= exemplar.time;
                if slot.as_ref().is_none_or(is_newer) {
                    *slot = Some(exemplar);
                }
            }
        }
    }
}

impl Point for HistogramDataPoint<'_> {
    common!();

    fn make(&self, reader: &mut Reader<'_>) -> Result<Value, Refusal> {
        Histogram::check(self)?;
        let mut made = Histogram {
            bounds: Histogram::bounds(self, reader.bounds)?,
            counts: Vec::new(),
            count: 0,
            sum: None,
            exemplars: Vec::new(),
        };
        made.fill(self, false);
        Ok(Value::Histogram(Arc::new(made)))
    }

    fn replace(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        self.merge(value, reader, false)
    }

    fn add(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        self.merge(value, reader, true)
    }
}

trait Merge {
    fn merge(&self, value: &mut Value, reader: &mut Reader<'_>, add: bool) -> Result<(), Refusal>;
}

impl Merge for HistogramDataPoint<'_> {
    fn merge(&self, value: &mut Value, reader: &mut Reader<'_>, add: bool) -> Result<(), Refusal> {
        let bounds = Histogram::bounds(self, reader.bounds)?;
        match value {
            Value::Histogram(old)
                if Arc::ptr_eq(&old.bounds, &bounds) || old.bounds.values == bounds.values =>
            {
                Histogram::check(self)?;
                Arc::make_mut(old).fill(self, add);
            }
            // With other bounds it is another histogram.
            other => *other = self.make(reader)?,
        }
        Ok(())
    }
}

/// How many exemplars of an exponential histogram are kept.
const MOST_EXEMPLARS: usize = 10;

impl Point for ExponentialHistogramDataPoint<'_> {
    common!();

    fn make(&self, _: &mut Reader<'_>) -> Result<Value, Refusal> {
        let mut made = Exponential::read(self)?;
        // The server takes none without a time.
        let exemplars = Exemplar::read_all(self.exemplars()).filter(|exemplar| exemplar.time > 0);
        made.exemplars = exemplars.take(MOST_EXEMPLARS).collect();
        made.exemplars.sort_by_key(|exemplar| exemplar.time);
        Ok(Value::Exponential(Arc::new(made)))
    }

    fn add(&self, value: &mut Value, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        let made = self.make(reader)?;
        match (value, made) {
            (Value::Exponential(old), Value::Exponential(new)) => {
                let mut new = Arc::unwrap_or_clone(new);
                let exemplars = std::mem::take(&mut new.exemplars);
                let old = Arc::make_mut(old);
                old.add(new)?;
                if !exemplars.is_empty() {
                    old.exemplars = exemplars;
                }
            }
            (old, made) => *old = made,
        }
        Ok(())
    }
}

impl Point for SummaryDataPoint<'_> {
    common!();

    fn make(&self, _: &mut Reader<'_>) -> Result<Value, Refusal> {
        let all = self.quantile_values();
        let mut quantiles: Vec<_> = all.map(|one| (one.quantile(), one.value())).collect();
        if quantiles.iter().any(|(q, _)| !(0.0..=1.0).contains(q)) {
            return Err(Refusal::Invalid("its quantiles are not between 0 and 1"));
        }
        quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
        if quantiles
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.0 == b.0))
        {
            return Err(Refusal::Invalid("it has a quantile twice"));
        }
        Ok(Value::Summary(Arc::new(Summary {
            count: self.count(),
            sum: self.sum(),
            quantiles,
        })))
    }
}
