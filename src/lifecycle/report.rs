//! What became of the telemetry that a pipeline accepted.

use std::fmt;

use crate::ErrorKind;

/// What became of the telemetry that a pipeline accepted. All counts are items since the
/// pipeline was built.
///
/// `accepted = delivered + rejected + refused + cancelled + retained + dropped + in_flight`.
/// Requests that were turned away while draining were never accepted and are not counted. An
/// item that goes into several queues which answer early (the branches of a fan-out) counts once
/// for each. So does one of which the pipeline itself lost sight: a timeout or a fallback gave up
/// on the answer, a worker below still has the item, and nobody is there to hear what becomes of
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Items of all requests that were let in.
    pub accepted: u64,
    /// Items that reached a backend.
    pub delivered: u64,
    /// Items that a backend refused for good, in an answer that says so.
    pub rejected: u64,
    /// Items handed back to the caller in an error: the caller still has them.
    pub refused: u64,
    /// Items whose caller went away before the answer, and was never told that they are safe.
    pub cancelled: u64,
    /// Items that were answered for and are kept, to be delivered later.
    pub retained: u64,
    /// Items that are lost: what [`drops`](Self::drops) tells by reason, in all.
    pub dropped: u64,
    /// Items still without an answer. Zero after a shutdown.
    pub in_flight: u64,
    /// Whether the wait ended with an answer to every request and not with the deadline.
    pub complete: bool,
    pub(super) drops: Vec<(DropReason, u64)>,
}

impl DrainReport {
    /// Dropped items by reason.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.drops.iter().copied()
    }

    fn fmt_all(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            delivered,
            rejected,
            refused,
            cancelled,
            retained,
            dropped,
            in_flight,
            complete,
            drops,
        } = self;
        write!(
            f,
            "accepted={accepted} delivered={delivered} rejected={rejected} refused={refused} \
             cancelled={cancelled} retained={retained} dropped={dropped}"
        )?;
        for (position, (reason, items)) in drops.iter().enumerate() {
            let separator = if position == 0 { " (" } else { ", " };
            write!(f, "{separator}{reason}={items}")?;
        }
        if !drops.is_empty() {
            f.write_str(")")?;
        }
        write!(f, " in_flight={in_flight} complete={complete}")
    }
}

/// What was delivered, retained and dropped, on one line. The alternate form, `{:#}`, has every
/// count, and the reasons of the drops.
impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.fmt_all(f);
        }
        let Self {
            delivered,
            retained,
            dropped,
            ..
        } = self;
        write!(
            f,
            "delivered={delivered} retained={retained} dropped={dropped}"
        )
    }
}

/// Why items that a pipeline had answered for, or had in hand at the end, were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// They were not delivered by the deadline of a shutdown.
    Shutdown,
    /// A full queue made room for newer ones.
    Overflow,
    /// Their delivery failed in the end with an error of this kind.
    Failed(ErrorKind),
    /// The task that held them ended before it was done with them.
    Abandoned,
}

impl DropReason {
    /// A stable lower-case name, fit for a metric attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::Shutdown => "shutdown",
            // What the semantic conventions call it for the queues of SDKs.
            DropReason::Overflow => "queue_full",
            DropReason::Failed(kind) => kind.as_str(),
            DropReason::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_form_names_every_reason() {
        let report = DrainReport {
            accepted: 9,
            delivered: 3,
            dropped: 6,
            complete: true,
            drops: vec![
                (DropReason::Failed(ErrorKind::Unavailable), 2),
                (DropReason::Overflow, 4),
            ],
            ..DrainReport::default()
        };
        assert_eq!(report.to_string(), "delivered=3 retained=0 dropped=6");
        assert_eq!(
            format!("{report:#}"),
            "accepted=9 delivered=3 rejected=0 refused=0 cancelled=0 retained=0 \
             dropped=6 (unavailable=2, queue_full=4) in_flight=0 complete=true"
        );
        let nothing = DrainReport::default();
        assert!(format!("{nothing:#}").contains("dropped=0 in_flight=0"));
    }
}
