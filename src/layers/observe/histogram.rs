//! How durations and sizes are spread.

use std::time::Duration;

/// Upper bounds of buckets of durations, in seconds. The semantic conventions set none for
/// exports, and the default bounds of SDKs are meant for milliseconds.
pub(crate) const SECONDS: [f64; 16] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];

/// Upper bounds of buckets of sizes, in bytes.
pub(crate) const BYTES: [f64; 9] = {
    const KIB: f64 = 1024.0;
    const MIB: f64 = KIB * KIB;
    [
        KIB,
        4.0 * KIB,
        16.0 * KIB,
        64.0 * KIB,
        256.0 * KIB,
        MIB,
        4.0 * MIB,
        16.0 * MIB,
        64.0 * MIB,
    ]
};

/// How many values lie between fixed bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Histogram<const N: usize> {
    /// Up to each bound, from the one before.
    counts: [u64; N],
    /// Beyond the last bound.
    above: u64,
    sum: f64,
}

/// Of durations.
pub(crate) type Durations = Histogram<{ SECONDS.len() }>;
/// Of sizes.
pub(crate) type Sizes = Histogram<{ BYTES.len() }>;

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            counts: [0; N],
            above: 0,
            sum: 0.0,
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn record(&mut self, bounds: &[f64; N], value: f64) {
        // A bound belongs to the bucket below it, as in OTLP.
        let place = bounds.partition_point(|bound| *bound < value);
        *self.counts.get_mut(place).unwrap_or(&mut self.above) += 1;
        self.sum += value;
    }

    /// Both together.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.above += other.above;
        self.sum += other.sum;
        self
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// All values together.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// How many there are in each bucket, the one beyond the last bound at the end.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().copied().chain([self.above])
    }
}

impl Durations {
    pub(super) fn record_duration(&mut self, duration: Duration) {
        self.record(&SECONDS, duration.as_secs_f64());
    }
}

impl Sizes {
    pub(super) fn record_size(&mut self, bytes: u64) {
        // Exact up to 2^53.
        self.record(&BYTES, bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_one_bucket_and_a_bound_in_the_one_below_it() {
        let mut sizes = Sizes::default();
        for bytes in [0, 1024, 1025, 64 << 20, (64 << 20) + 1] {
            sizes.record_size(bytes);
        }
        let buckets: Vec<u64> = sizes.buckets().collect();
        assert_eq!(buckets, [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sizes.count(), 5);
        let twice = sizes.plus(&sizes);
        assert_eq!(twice.count(), 10);
        assert_eq!(twice.sum(), 2.0 * sizes.sum());
    }
}
