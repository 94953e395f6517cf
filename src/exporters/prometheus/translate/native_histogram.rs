//! Exponential histograms become native histograms.

use crate::otlp::views::{Buckets, ExponentialHistogramDataPoint};

/// The largest schema of a native histogram, and the smallest.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// What Prometheus takes for the width of the zero bucket where none is told.
const ZERO_THRESHOLD: f64 = 1e-128;

/// A native histogram with counts in whole numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NativeHistogram {
    /// Bucket bounds are powers of `2 ** (2 ** -schema)`.
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) positive: NativeBuckets,
    pub(crate) negative: NativeBuckets,
}

/// Buckets as runs of neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NativeBuckets {
    /// For each run the distance from the end of the one before, and its length. The first
    /// distance is the index of the first bucket.
    pub(crate) spans: Vec<(i32, u32)>,
    /// For each bucket the difference of its count to the one before.
    pub(crate) deltas: Vec<i64>,
}

/// Why an exponential histogram has no native form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnfitHistogram {
    /// Its buckets are wider than those of any schema.
    Scale(i32),
    /// It has no sum, which a native histogram must have.
    NoSum,
    /// A bucket's index is beyond 32 bits.
    Index,
}

impl UnfitHistogram {
    /// What is wrong, for people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Scale(_) => "its scale is below -4, the coarsest that Prometheus knows",
            Self::NoSum => "it has no sum, which a native histogram must have",
            Self::Index => "the index of a bucket is out of range",
        }
    }
}

impl NativeHistogram {
    /// The same histogram in native form. What is finer than the finest schema is merged.
    pub(crate) fn of(point: &ExponentialHistogramDataPoint<'_>) -> Result<Self, UnfitHistogram> {
        let sum = point.sum().ok_or(UnfitHistogram::NoSum)?;
        let scale = point.scale();
        if scale < *SCHEMAS.start() {
            return Err(UnfitHistogram::Scale(scale));
        }
        let schema = scale.min(*SCHEMAS.end());
        // Beyond 31 an index of 32 bits has no digit left, whichever it was.
        let shift = (scale - schema).min(31).unsigned_abs();
        let buckets = |buckets: Option<Buckets<'_>>| match buckets {
            Some(buckets) => NativeBuckets::of(&buckets, shift),
            None => Ok(NativeBuckets::default()),
        };
        let told = point.zero_threshold();
        Ok(Self {
            schema,
            zero_threshold: if told > 0.0 { told } else { ZERO_THRESHOLD },
            zero_count: point.zero_count(),
            count: point.count(),
            sum,
            positive: buckets(point.positive())?,
            negative: buckets(point.negative())?,
        })
    }
}

impl NativeBuckets {
    /// Merges each `2 ** shift` neighbours, and leaves out what is empty.
    fn of(buckets: &Buckets<'_>, shift: u32) -> Result<Self, UnfitHistogram> {
        Self::of_counts(buckets.offset(), buckets.bucket_counts(), shift)
    }

    /// The same, from the index of the first bucket and the counts of all.
    pub(crate) fn of_counts(
        offset: i32,
        counts: impl Iterator<Item = u64>,
        shift: u32,
    ) -> Result<Self, UnfitHistogram> {
        let mut out = Self::default();
        let mut open: Option<(i32, u64)> = None;
        let mut filled = Filled::default();
        for (position, count) in (0_i64..).zip(counts) {
            if count == 0 {
                continue;
            }
            // OTLP's bucket `i` begins where Prometheus' bucket `i + 1` does.
            let index = ((i64::from(offset) + position) >> shift) + 1;
            let index = i32::try_from(index).map_err(|_| UnfitHistogram::Index)?;
            match &mut open {
                Some((same, sum)) if *same == index => *sum = sum.saturating_add(count),
                _ => {
                    if let Some((index, count)) = open.replace((index, count)) {
                        out.push(&mut filled, index, count)?;
                    }
                }
            }
        }
        if let Some((index, count)) = open {
            out.push(&mut filled, index, count)?;
        }
        Ok(out)
    }

    fn push(&mut self, filled: &mut Filled, index: i32, count: u64) -> Result<(), UnfitHistogram> {
        let gap = match filled.next {
            Some(next) => index.checked_sub(next).ok_or(UnfitHistogram::Index)?,
            None => index,
        };
        match self.spans.last_mut() {
            // A new run costs about as much as two empty buckets.
            Some((_, length)) if gap <= 2 => {
                for _ in 0..gap {
                    self.deltas.push(-filled.last);
                    filled.last = 0;
                }
                *length = length.saturating_add(gap.unsigned_abs() + 1);
            }
            _ => self.spans.push((gap, 1)),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.deltas.push(count - filled.last);
        filled.last = count;
        filled.next = Some(index.checked_add(1).ok_or(UnfitHistogram::Index)?);
        Ok(())
    }
}

/// How far the buckets are written.
#[derive(Default)]
struct Filled {
    /// The index behind the last one.
    next: Option<i32>,
    /// The last count.
    last: i64,
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogramDataPoint as Point, exponential_histogram_data_point::Buckets as Sent,
    };
    use prost::Message as _;

    use super::*;
    use crate::otlp::views::View as _;

    fn native(point: &Point) -> Result<NativeHistogram, UnfitHistogram> {
        NativeHistogram::of(&ExponentialHistogramDataPoint::view(&point.encode_to_vec()))
    }

    fn point(scale: i32, offset: i32, counts: &[u64]) -> Point {
        Point {
            scale,
            sum: Some(12.5),
            count: counts.iter().sum(),
            positive: Some(Sent {
                offset,
                bucket_counts: counts.to_vec(),
            }),
            ..Point::default()
        }
    }

    fn positive(scale: i32, offset: i32, counts: &[u64]) -> NativeBuckets {
        native(&point(scale, offset, counts)).expect("fit").positive
    }

    #[test]
    fn short_gaps_are_filled() {
        let buckets = positive(1, 3, &[10, 0, 0, 20, 5, 2]);
        assert_eq!(buckets.spans, [(4, 6)]);
        assert_eq!(buckets.deltas, [10, -10, 0, 20, -15, -3]);
    }

    #[test]
    fn long_gaps_begin_a_new_span() {
        let buckets = positive(0, -5, &[1, 0, 0, 0, 2]);
        assert_eq!(buckets.spans, [(-4, 1), (3, 1)]);
        assert_eq!(buckets.deltas, [1, 1]);
    }

    /// Prometheus' own translator gives 4, 1, 1 here.
    #[test]
    fn merging_counts_empty_buckets_too() {
        let buckets = positive(9, -2, &[3, 1, 0, 0, 1, 1]);
        assert_eq!(buckets.spans, [(0, 3)]);
        assert_eq!(buckets.deltas, [4, -4, 2]);
    }

    #[test]
    fn merging_agrees_with_a_map_of_buckets() {
        let mut random = 7_u64;
        let mut draw = move |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..2_000 {
            let scale = 7 + i32::try_from(draw(6)).expect("small");
            let offset = i32::try_from(draw(200)).expect("small") - 100;
            let counts: Vec<u64> = (0..draw(40))
                .map(|_| draw(4).saturating_sub(1) * draw(9))
                .collect();
            let shift = (scale - 8).max(0);
            let mut expected = std::collections::BTreeMap::new();
            for (position, count) in (0_i32..).zip(&counts).filter(|(_, count)| **count > 0) {
                *expected
                    .entry(((offset + position) >> shift) + 1)
                    .or_insert(0) += count;
            }
            let buckets = positive(scale, offset, &counts);
            let mut found = std::collections::BTreeMap::new();
            let (mut index, mut count, mut deltas) = (0, 0_i64, buckets.deltas.iter());
            for (gap, length) in &buckets.spans {
                index += gap;
                for _ in 0..*length {
                    count += deltas.next().expect("a delta for each bucket");
                    if count != 0 {
                        found.insert(index, count.unsigned_abs());
                    }
                    index += 1;
                }
            }
            assert_eq!(deltas.next(), None);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_has_no_native_form_is_told() {
        assert_eq!(native(&point(-5, 0, &[1])), Err(UnfitHistogram::Scale(-5)));
        let no_sum = Point {
            sum: None,
            ..point(0, 0, &[1])
        };
        assert_eq!(native(&no_sum), Err(UnfitHistogram::NoSum));
        assert_eq!(
            native(&point(0, i32::MAX, &[1])),
            Err(UnfitHistogram::Index)
        );
        assert_eq!(
            native(&point(i32::MAX, 5, &[1, 2])).map(|native| native.schema),
            Ok(8)
        );
    }

    #[test]
    fn the_zero_bucket_has_a_width() {
        let told = Point {
            zero_threshold: 0.5,
            zero_count: 3,
            ..point(0, 0, &[])
        };
        let native_told = native(&told).expect("fit");
        assert_eq!(
            (native_told.zero_threshold, native_told.zero_count),
            (0.5, 3)
        );
        assert_eq!(
            native(&point(0, 0, &[])).expect("fit").zero_threshold,
            1e-128
        );
    }
}
