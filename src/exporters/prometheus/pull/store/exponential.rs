//! Exponential histograms as state: buckets that can be added up.

use std::sync::Arc;

use super::{Refusal, exemplar::Exemplar};
use crate::{
    exporters::prometheus::translate::NativeBuckets,
    otlp::views::{Buckets, ExponentialHistogramDataPoint},
};

/// The finest scale that Prometheus knows, and the coarsest.
const FINEST: i32 = 8;
const COARSEST: i32 = -4;

/// Beyond this many buckets a sum of histograms becomes coarser.
const MOST_BUCKETS: i64 = 4096;

/// What Prometheus takes for the width of the zero bucket where none is told.
const ZERO_THRESHOLD: f64 = 1e-128;

/// The state of a series.
#[derive(Clone, Debug)]
pub(in super::super) struct Exponential {
    pub(in super::super) scale: i32,
    pub(in super::super) zero_threshold: f64,
    pub(in super::super) zero_count: u64,
    pub(in super::super) count: u64,
    pub(in super::super) sum: f64,
    pub(in super::super) positive: Dense,
    pub(in super::super) negative: Dense,
    pub(in super::super) exemplars: Vec<Arc<Exemplar>>,
}

/// Buckets side by side: bucket `offset + i` of OTLP has count `i`.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Dense {
    pub(in super::super) offset: i32,
    pub(in super::super) counts: Vec<u64>,
}

impl Exponential {
    /// Reads a point. What is finer than the finest scale is merged.
    pub(super) fn read(point: &ExponentialHistogramDataPoint<'_>) -> Result<Self, Refusal> {
        const NO_SUM: Refusal = Refusal::Invalid(
            "an exponential histogram without a sum, which a native histogram must have",
        );
        let sum = point.sum().ok_or(NO_SUM)?;
        let scale = point.scale();
        if scale < COARSEST {
            let why = "its scale is below -4, the coarsest that Prometheus knows";
            return Err(Refusal::Invalid(why));
        }
        // Beyond 31 an index of 32 bits has no digit left, whichever it was.
        let shift = (scale - scale.min(FINEST)).min(31).unsigned_abs();
        let read = |buckets: Option<Buckets<'_>>| match buckets {
            Some(buckets) => Dense::read(&buckets, shift),
            None => Ok(Dense::default()),
        };
        let told = point.zero_threshold();
        let this = Self {
            scale: scale.min(FINEST),
            zero_threshold: if told > 0.0 && told.is_finite() {
                told
            } else {
                ZERO_THRESHOLD
            },
            zero_count: point.zero_count(),
            count: point.count(),
            sum,
            positive: read(point.positive())?,
            negative: read(point.negative())?,
            exemplars: Vec::new(),
        };
        this.check()?;
        Ok(this)
    }

    /// A server refuses the whole page for a histogram that does not add up.
    fn check(&self) -> Result<(), Refusal> {
        let buckets = self.positive.counts.iter().chain(&self.negative.counts);
        let total = buckets.fold(u128::from(self.zero_count), |total, count| {
            total + u128::from(*count)
        });
        // Observations that are not numbers are in no bucket.
        let fits = match self.sum.is_nan() {
            true => total <= u128::from(self.count),
            false => total == u128::from(self.count),
        };
        // Counts are signed on their way into the server.
        match fits && i64::try_from(self.count).is_ok() {
            true => Ok(()),
            false => Err(Refusal::Invalid("its buckets do not add up to its count")),
        }
    }

    /// Adds what another histogram counted, at the coarser of the two scales.
    pub(super) fn add(&mut self, mut other: Self) -> Result<(), Refusal> {
        let mut sum = self.clone();
        sum.coarsen(other.scale);
        other.coarsen(sum.scale);
        let threshold = sum.zero_threshold.max(other.zero_threshold);
        sum.widen_zero(threshold);
        other.widen_zero(threshold);
        while sum.positive.span(&other.positive) > MOST_BUCKETS
            || sum.negative.span(&other.negative) > MOST_BUCKETS
        {
            if sum.scale <= COARSEST {
                return Err(Refusal::Invalid(
                    "its buckets are too far apart to be added up",
                ));
            }
            let scale = sum.scale - 1;
            sum.coarsen(scale);
            other.coarsen(scale);
        }
        sum.positive.add(&other.positive);
        sum.negative.add(&other.negative);
        sum.zero_count = sum.zero_count.saturating_add(other.zero_count);
        sum.count = sum.count.saturating_add(other.count);
        sum.sum += other.sum;
        sum.check()?;
        *self = sum;
        Ok(())
    }

    fn coarsen(&mut self, scale: i32) {
        if scale < self.scale {
            let shift = (self.scale - scale).unsigned_abs();
            self.positive.coarsen(shift);
            self.negative.coarsen(shift);
            self.scale = scale;
        }
    }

    /// Moves the buckets that a wider zero bucket covers into it.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        self.zero_threshold = threshold;
        let scale = self.scale;
        for buckets in [&mut self.positive, &mut self.negative] {
            let covered = (i64::from(buckets.offset)..)
                .zip(&buckets.counts)
                .take_while(|(index, _)| bound(scale, index + 1) <= threshold)
                .count();
            let moved: u64 = buckets.counts.drain(..covered).fold(0, u64::saturating_add);
            // There are fewer buckets than there are indices.
            buckets.offset = buckets.offset.saturating_add(covered as i32);
            self.zero_count = self.zero_count.saturating_add(moved);
        }
    }
}

/// The lower bound of a bucket, which is the upper one of that before it.
pub(in super::super) fn bound(scale: i32, index: i64) -> f64 {
    (index as f64 * f64::from(-scale).exp2()).exp2()
}

impl Dense {
    fn read(buckets: &Buckets<'_>, shift: u32) -> Result<Self, Refusal> {
        const RANGE: Refusal = Refusal::Invalid("the index of a bucket is out of range");
        let mut out = Self::default();
        for (position, count) in (0_i64..).zip(buckets.bucket_counts()) {
            if count == 0 {
                continue;
            }
            let index = (i64::from(buckets.offset()) + position) >> shift;
            // Prometheus' number of a bucket is one more.
            let index = i32::try_from(index).ok().filter(|index| *index < i32::MAX);
            let index = index.ok_or(RANGE)?;
            if out.counts.is_empty() {
                out.offset = index;
            }
            // Not below the first, and apart by no more than there are positions.
            let slot = (i64::from(index) - i64::from(out.offset)) as usize;
            if out.counts.len() <= slot {
                out.counts.resize(slot + 1, 0);
            }
            if let Some(sum) = out.counts.get_mut(slot) {
                *sum = sum.saturating_add(count);
            }
        }
        Ok(out)
    }

    /// The index behind the last bucket.
    fn end(&self) -> i64 {
        i64::from(self.offset) + self.counts.len() as i64
    }

    /// How many buckets both have together.
    fn span(&self, other: &Self) -> i64 {
        match (self.counts.is_empty(), other.counts.is_empty()) {
            (true, _) | (_, true) => 0,
            _ => self.end().max(other.end()) - i64::from(self.offset.min(other.offset)),
        }
    }

    fn add(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.offset < self.offset {
            let missing = (i64::from(self.offset) - i64::from(other.offset)) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = other.offset;
        }
        let shift = (i64::from(other.offset) - i64::from(self.offset)) as usize;
        if self.counts.len() < shift + other.counts.len() {
            self.counts.resize(shift + other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().skip(shift).zip(&other.counts) {
            *sum = sum.saturating_add(*count);
        }
    }

    fn coarsen(&mut self, shift: u32) {
        let offset = self.offset >> shift;
        let mut counts: Vec<u64> = Vec::new();
        for (index, count) in (i64::from(self.offset)..).zip(&self.counts) {
            let slot = ((index >> shift) - i64::from(offset)) as usize;
            if counts.len() <= slot {
                counts.resize(slot + 1, 0);
            }
            if let Some(sum) = counts.get_mut(slot) {
                *sum = sum.saturating_add(*count);
            }
        }
        *self = Self { offset, counts };
    }

    /// As the protobuf format has them.
    pub(in super::super) fn native(&self) -> NativeBuckets {
        // Indices were checked when they were read.
        NativeBuckets::of_counts(self.offset, self.counts.iter().copied(), 0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(scale: i32, offset: i32, counts: &[u64]) -> Exponential {
        Exponential {
            scale,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: 0,
            count: counts.iter().sum(),
            sum: 1.0,
            positive: Dense {
                offset,
                counts: counts.to_vec(),
            },
            negative: Dense::default(),
            exemplars: Vec::new(),
        }
    }

    #[test]
    fn sums_are_at_the_coarser_scale() {
        let mut sum = histogram(1, -3, &[1, 2, 3, 4]);
        sum.add(histogram(0, 0, &[10, 0, 5])).expect("fits");
        assert_eq!(sum.scale, 0);
        assert_eq!((sum.positive.offset, sum.count, sum.sum), (-2, 25, 2.0));
        assert_eq!(sum.positive.counts, [1, 5, 14, 0, 5]);
    }

    #[test]
    fn buckets_far_apart_become_coarser_and_do_not_fill_memory() {
        let mut sum = histogram(8, -100_000, &[1]);
        sum.add(histogram(8, 100_000, &[1])).expect("fits");
        assert!(
            sum.scale < 8 && sum.positive.counts.len() <= 4096,
            "{}",
            sum.scale
        );
        assert_eq!(sum.positive.counts.iter().sum::<u64>(), 2);

        let mut sum = histogram(0, -2_000_000_000, &[1]);
        let refused = sum.add(histogram(0, 2_000_000_000, &[1]));
        assert!(refused.is_err());
        assert_eq!(sum.count, 1, "untouched");
    }

    #[test]
    fn a_wider_zero_bucket_takes_what_it_covers() {
        let mut sum = histogram(0, 0, &[1, 2, 4]);
        let mut other = histogram(0, 4, &[8]);
        other.zero_threshold = 4.0;
        sum.add(other).expect("fits");
        assert_eq!((sum.zero_count, sum.zero_threshold), (3, 4.0));
        assert_eq!(sum.positive.offset, 2);
        assert_eq!(sum.positive.counts, [4, 0, 8]);
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        assert_eq!(bound(0, 3), 8.0);
        assert_eq!(bound(1, 2), 2.0);
        assert_eq!(bound(-1, 2), 16.0);
        assert_eq!(bound(0, -1), 0.5);
    }
}
