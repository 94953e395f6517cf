//! Native histograms as fields of a message, and as classic buckets.

use super::series::STALE;
use crate::{
    exporters::prometheus::translate::{NativeBuckets, NativeHistogram},
    otlp::{
        HistogramDataPoint,
        wire::{self, FIXED64},
    },
};

/// The schema of custom buckets.
const CUSTOM: i32 = -53;

/// The most buckets, for values of either sign, that a histogram has when it is made classic.
const MOST_BUCKETS: usize = 160;

/// Writes the fields before the timestamp.
pub(super) fn put(out: &mut Vec<u8>, histogram: &NativeHistogram) {
    put_head(
        out,
        histogram.count,
        histogram.sum.to_bits(),
        histogram.schema,
        histogram.zero_threshold,
        histogram.zero_count,
    );
    put_buckets(out, &histogram.negative, [8, 9]);
    put_buckets(out, &histogram.positive, [11, 12]);
}

/// The end of a series of native histograms: receivers look at the sum.
pub(super) fn put_stale(out: &mut Vec<u8>) {
    put_head(out, 0, STALE, 0, 0.0, 0);
}

/// Writes a histogram of explicit bounds: its buckets have the numbers of its bounds.
pub(super) fn put_custom(out: &mut Vec<u8>, point: &HistogramDataPoint<'_>, sum: f64) {
    put_head(out, point.count(), sum.to_bits(), CUSTOM, 0.0, 0);
    let mut buckets = NativeBuckets::default();
    let (mut last, mut skipped) = (0_i64, 0_i32);
    for count in point.bucket_counts() {
        if count == 0 {
            skipped = skipped.saturating_add(1);
            continue;
        }
        match buckets.spans.last_mut() {
            Some((_, length)) if skipped == 0 => *length += 1,
            _ => buckets.spans.push((skipped, 1)),
        }
        skipped = 0;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        buckets.deltas.push(count - last);
        last = count;
    }
    put_buckets(out, &buckets, [11, 12]);
}

/// Writes the field behind the timestamp.
pub(super) fn put_bounds(out: &mut Vec<u8>, point: &HistogramDataPoint<'_>) {
    let bounds = point.explicit_bounds().filter(|bound| bound.is_finite());
    let start = wire::begin_len(out, 16);
    for bound in bounds {
        out.extend_from_slice(&bound.to_le_bytes());
    }
    if start == out.len() {
        // Nothing to say: the tag of two bytes and the length go.
        out.truncate(start - 3);
    } else {
        wire::end_len(out, start);
    }
}

fn put_head(out: &mut Vec<u8>, count: u64, sum: u64, schema: i32, threshold: f64, zeros: u64) {
    // Members of a oneof are written even when they are zero: they say that counts are integers.
    wire::put_varint_field(out, 1, count);
    put_fixed64(out, 3, sum);
    if schema != 0 {
        wire::put_varint_field(out, 4, zigzag(i64::from(schema)));
    }
    put_fixed64(out, 5, threshold.to_bits());
    wire::put_varint_field(out, 6, zeros);
}

fn put_buckets(out: &mut Vec<u8>, buckets: &NativeBuckets, [spans, deltas]: [u32; 2]) {
    for (offset, length) in &buckets.spans {
        let body = wire::begin_len(out, spans);
        if *offset != 0 {
            wire::put_varint_field(out, 1, zigzag(i64::from(*offset)));
        }
        wire::put_varint_field(out, 2, u64::from(*length));
        wire::end_len(out, body);
    }
    if !buckets.deltas.is_empty() {
        let body = wire::begin_len(out, deltas);
        for delta in &buckets.deltas {
            wire::put_varint(out, zigzag(*delta));
        }
        wire::end_len(out, body);
    }
}

/// A double or fixed64 field, unless it is zero, which is the same as not written.
pub(super) fn put_fixed64(out: &mut Vec<u8>, number: u32, bits: u64) {
    if bits != 0 {
        wire::put_tag(out, number, FIXED64);
        out.extend_from_slice(&bits.to_le_bytes());
    }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The upper bounds of classic buckets, ascending, with how many values are at or below each.
pub(super) fn classic(histogram: &NativeHistogram, mut bucket: impl FnMut(f64, u64)) {
    let mut total = 0_u64;
    let (mut schema, negative) = merged(histogram.schema, &histogram.negative);
    let bound = |schema: i32, index: i64| (index as f64 * (-f64::from(schema)).exp2()).exp2();
    let mut last = f64::NEG_INFINITY;
    let mut put = |upper: f64, total: u64| {
        // Beyond the range of a double bounds fall together: the last one has all.
        if upper > last && upper < f64::INFINITY {
            last = upper;
            bucket(upper, total);
        }
    };
    for (position, (index, count)) in negative.iter().enumerate().rev() {
        // A native bucket holds its outer bound; a classic one its upper bound, which is the
        // inner one here.
        let is_first = negative
            .get(position + 1)
            .is_none_or(|next| next.0 != index + 1);
        if is_first {
            put(-bound(schema, *index), total);
        }
        total = total.saturating_add(*count);
        put(-bound(schema, index - 1), total);
    }
    total = total.saturating_add(histogram.zero_count);
    if histogram.zero_count > 0 {
        put(histogram.zero_threshold, total);
    }
    let positive;
    (schema, positive) = merged(histogram.schema, &histogram.positive);
    for (position, (index, count)) in positive.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|at| positive.get(at));
        if before.is_none_or(|before| before.0 != index - 1) {
            put(bound(schema, index - 1), total);
        }
        total = total.saturating_add(*count);
        put(bound(schema, *index), total);
    }
}

/// The buckets in use, of a schema in which they are few enough.
fn merged(schema: i32, buckets: &NativeBuckets) -> (i32, Vec<(i64, u64)>) {
    let (mut index, mut count) = (0_i64, 0_i64);
    let mut deltas = buckets.deltas.iter();
    let mut out: Vec<(i64, u64)> = Vec::new();
    for (gap, length) in &buckets.spans {
        index += i64::from(*gap);
        for delta in deltas.by_ref().take(*length as usize) {
            count += delta;
            if count > 0 {
                out.push((index, count.unsigned_abs()));
            }
            index += 1;
        }
    }
    let mut schema = schema;
    while out.len() > MOST_BUCKETS {
        schema -= 1;
        out.dedup_by(|this, before| {
            let half = |index: i64| (index - 1).div_euclid(2);
            let is_same = half(this.0) == half(before.0);
            if is_same {
                before.1 = before.1.saturating_add(this.1);
            }
            is_same
        });
        for (index, _) in &mut out {
            *index = (*index - 1).div_euclid(2) + 1;
        }
    }
    (schema, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(histogram: &NativeHistogram) -> Vec<(f64, u64)> {
        let mut out = Vec::new();
        classic(histogram, |bound, count| out.push((bound, count)));
        out
    }

    #[test]
    fn classic_buckets_ascend() {
        let histogram = NativeHistogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 3,
            count: 17,
            positive: NativeBuckets {
                spans: vec![(1, 2), (3, 1)],
                deltas: vec![2, 1, 1],
            },
            negative: NativeBuckets {
                spans: vec![(2, 1)],
                deltas: vec![5],
            },
            ..NativeHistogram::default()
        };
        assert_eq!(
            buckets(&histogram),
            [
                (-4.0, 0),
                (-2.0, 5),
                (0.001, 8),
                (1.0, 8),
                (2.0, 10),
                (4.0, 13),
                (32.0, 13),
                (64.0, 17),
            ]
        );
    }

    #[test]
    fn many_buckets_are_merged() {
        let histogram = NativeHistogram {
            schema: 8,
            positive: NativeBuckets {
                spans: vec![(-499, 1000)],
                deltas: [1].into_iter().chain([0; 999]).collect(),
            },
            ..NativeHistogram::default()
        };
        let buckets = buckets(&histogram);
        assert!(buckets.len() <= MOST_BUCKETS + 1, "{}", buckets.len());
        assert_eq!(buckets.last().map(|bucket| bucket.1), Some(1000));
        assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
        let below_one = buckets.iter().find(|bucket| bucket.0 == 1.0);
        assert_eq!(below_one.map(|bucket| bucket.1), Some(500));
    }
}
