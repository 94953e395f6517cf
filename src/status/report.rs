//! All that is known at one moment: what each of the pages is made from.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{BranchRole, history::Rate};
use crate::{
    DrainReport, Signal,
    layers::observe::{Amount, BreakerState, LastError, Role, Snapshot, Tally},
};

pub(super) struct Report {
    pub(super) name: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) now: Now,
    pub(super) started: Instant,
    pub(super) is_draining: bool,
    pub(super) items: DrainReport,
    pub(super) branches: Vec<BranchReport>,
}

impl Report {
    pub(super) fn uptime(&self) -> Duration {
        self.now.age(self.started)
    }

    pub(super) const fn state(&self) -> &'static str {
        if self.is_draining {
            "draining"
        } else {
            "serving"
        }
    }

    /// The branches, each followed by its others.
    pub(super) fn all_branches(&self) -> Vec<&BranchReport> {
        let mut all = Vec::new();
        for branch in &self.branches {
            branch.collect(&mut all);
        }
        all
    }
}

/// One moment on both clocks: people read the one, and the other one counts.
#[derive(Clone, Copy)]
pub(super) struct Now {
    instant: Instant,
    wall: Duration,
}

impl Now {
    pub(super) fn read() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    pub(super) fn age(&self, of: Instant) -> Duration {
        self.instant.saturating_duration_since(of)
    }

    /// Since 1970.
    pub(super) const fn wall(&self) -> Duration {
        self.wall
    }

    /// When that was, since 1970.
    pub(super) fn wall_of(&self, instant: Instant) -> Duration {
        self.wall.saturating_sub(self.age(instant))
    }
}

pub(super) struct BranchReport {
    pub(super) name: Arc<str>,
    pub(super) role: BranchRole,
    pub(super) snapshot: Snapshot,
    pub(super) rate: Rate,
    pub(super) history: Vec<f64>,
    pub(super) others: Vec<BranchReport>,
}

/// What became of the items of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Items {
    pub(super) delivered: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) dropped: u64,
    pub(super) in_flight: u64,
}

impl Items {
    /// In the order in which they are shown, with their names.
    pub(super) const fn fields(self) -> [(&'static str, u64); 6] {
        [
            ("delivered", self.delivered),
            ("rejected", self.rejected),
            ("failed", self.failed),
            ("cancelled", self.cancelled),
            ("dropped", self.dropped),
            ("in_flight", self.in_flight),
        ]
    }
}

/// What failed with one type of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorCount {
    pub(super) error_type: &'static str,
    pub(super) attempts: u64,
    pub(super) requests: u64,
    pub(super) items: u64,
}

/// How a branch does, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Idle,
    Delivering,
    Failing,
    HalfOpen,
    Open,
}

impl Health {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Health::Idle => "idle",
            Health::Delivering => "delivering",
            Health::Failing => "failing",
            Health::HalfOpen => "breaker_half_open",
            Health::Open => "breaker_open",
        }
    }
}

/// What items are counted by: requests, or attempts if requests are not observed.
pub(super) fn main_tally(snapshot: &Snapshot) -> Tally {
    let requests = snapshot.requests();
    if requests.started.requests > 0 {
        requests
    } else {
        snapshot.attempts()
    }
}

/// Requests or attempts, as they ended.
pub(super) fn ends(tally: &Tally) -> [(&'static str, u64); 6] {
    [
        ("started", tally.started.requests),
        ("delivered", tally.delivered.requests),
        ("rejected", tally.rejected.requests),
        ("failed", tally.failed.requests),
        ("cancelled", tally.cancelled.requests),
        ("in_flight", tally.in_flight().requests),
    ]
}

impl BranchReport {
    fn collect<'a>(&'a self, all: &mut Vec<&'a BranchReport>) {
        all.push(self);
        for other in &self.others {
            other.collect(all);
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.snapshot.breaker() {
            Some(BreakerState::Open) => return Health::Open,
            Some(BreakerState::HalfOpen) => return Health::HalfOpen,
            _ => {}
        }
        let attempts = self.snapshot.attempts().started.requests;
        let role = if attempts > 0 {
            Role::Attempt
        } else {
            Role::Request
        };
        if self.snapshot.failures_in_a_row(role) > 0 {
            Health::Failing
        } else if main_tally(&self.snapshot).started.requests == 0 {
            Health::Idle
        } else {
            Health::Delivering
        }
    }

    pub(super) fn items(&self, signal: Signal) -> Items {
        let snapshot = &self.snapshot;
        let tally = if snapshot.requests().started.requests > 0 {
            snapshot.requests_of(signal)
        } else {
            snapshot.attempts_of(signal)
        };
        let drops = snapshot.drops_of(signal).iter();
        Items {
            delivered: tally.delivered.items,
            rejected: tally.rejected.items,
            failed: tally.failed.items,
            cancelled: tally.cancelled.items,
            dropped: drops.map(|(_, amount)| amount.items).sum(),
            in_flight: tally.in_flight().items,
        }
    }

    /// Attempts less requests: `None` unless both are observed.
    pub(super) fn retries(&self) -> Option<u64> {
        let requests = self.snapshot.requests().started.requests;
        let attempts = self.snapshot.attempts().started.requests;
        (requests > 0 && attempts > 0).then(|| attempts.saturating_sub(requests))
    }

    pub(super) fn errors(&self) -> Vec<ErrorCount> {
        let mut errors: Vec<ErrorCount> = Vec::new();
        for failure in self.snapshot.failures() {
            let known = errors
                .iter()
                .position(|known| known.error_type == failure.error_type);
            let place = known.unwrap_or_else(|| {
                errors.push(ErrorCount {
                    error_type: failure.error_type,
                    attempts: 0,
                    requests: 0,
                    items: 0,
                });
                errors.len() - 1
            });
            if let Some(error) = errors.get_mut(place) {
                let Amount {
                    requests, items, ..
                } = failure.amount;
                match failure.role {
                    Role::Attempt => error.attempts += requests,
                    Role::Request => {
                        error.requests += requests;
                        error.items += items;
                    }
                }
            }
        }
        errors.sort_unstable_by_key(|error| error.error_type);
        errors
    }

    pub(super) fn last_error(&self) -> Option<&LastError> {
        self.snapshot.last_error()
    }
}
