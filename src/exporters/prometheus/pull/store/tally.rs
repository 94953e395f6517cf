//! What became of a request, and why.

use crate::{exporters::prometheus::pull::options::Options, otlp::views::Metric};

/// Why a point is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    Invalid(&'static str),
    /// Another metric has the name.
    Conflict(&'static str),
    /// There are as many series as there may be.
    Full,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(in super::super) struct Tally {
    pub(in super::super) rejected: u64,
    pub(in super::super) overflowed: u64,
    pub(in super::super) conflicts: u64,
    pub(in super::super) nameless: u64,
    /// About the first rejected point.
    pub(in super::super) first: Option<String>,
    /// To be logged when no lock is held any more.
    pub(in super::super) warnings: Vec<String>,
}

impl Tally {
    pub(super) fn refuse(&mut self, metric: &Metric<'_>, why: Refusal, options: &Options) {
        self.rejected += 1;
        self.overflowed += u64::from(why == Refusal::Full);
        if self.first.is_none() {
            let name = metric.name();
            self.first = Some(match why {
                Refusal::Invalid(why) | Refusal::Conflict(why) => {
                    format!("metric `{name}`: {why}")
                }
                Refusal::Full => format!(
                    "metric `{name}`: there are {} series already, which is max_series",
                    options.max_series
                ),
            });
        }
    }
}
