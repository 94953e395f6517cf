//! What the exporter tells of itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::store::Tally;

/// How many series a [`PrometheusExporter`](super::PrometheusExporter) holds, and what happened
/// since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrometheusStats {
    /// Series that are shown, `target_info` among them; a histogram is one.
    pub series: u64,
    /// Metric families that have series.
    pub families: u64,
    /// Points that were rejected, for whatever reason.
    pub rejected_points: u64,
    /// Points that would have made more series than there may be.
    pub overflowed_points: u64,
    /// Metrics that have the name of another, or describe it differently.
    pub conflicts: u64,
    /// Attributes that were left out as nothing is left of their name as a label.
    pub nameless_attributes: u64,
    /// Families and series that a page left out as escaping gave them the name of another.
    pub escaping_clashes: u64,
    /// Pages that were served over HTTP.
    pub scrapes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    rejected: AtomicU64,
    overflowed: AtomicU64,
    conflicts: AtomicU64,
    nameless: AtomicU64,
    clashes: AtomicU64,
    scrapes: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, tally: &Tally) {
        for (counter, more) in [
            (&self.rejected, tally.rejected),
            (&self.overflowed, tally.overflowed),
            (&self.conflicts, tally.conflicts),
            (&self.nameless, tally.nameless),
        ] {
            if more > 0 {
                counter.fetch_add(more, Relaxed);
            }
        }
    }

    pub(super) fn clashed(&self, clashes: u64) {
        self.clashes.fetch_add(clashes, Relaxed);
    }

    pub(super) fn scraped(&self) {
        self.scrapes.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self, series: u64, families: u64) -> PrometheusStats {
        PrometheusStats {
            series,
            families,
            rejected_points: self.rejected.load(Relaxed),
            overflowed_points: self.overflowed.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            nameless_attributes: self.nameless.load(Relaxed),
            escaping_clashes: self.clashes.load(Relaxed),
            scrapes: self.scrapes.load(Relaxed),
        }
    }
}
