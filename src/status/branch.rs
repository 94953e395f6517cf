use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    Names,
    history::History,
    redact::without_secrets,
    report::{BranchReport, main_tally},
};
use crate::{
    ExportError, ExportResponse,
    layers::observe::{Event, Observer, Recorder, Role, SharedObserver},
};

/// One destination of the telemetry: an observer for everything on the way there. Clones are
/// the same.
///
/// ```
/// use tower_otlp::{Lifecycle, layers::queue::QueueConfig, status::Status};
///
/// let status = Status::new("gateway", &Lifecycle::new());
/// let branch = status.branch("otlp+grpc://user:secret@eu:4317?compression=gzip");
/// assert_eq!(branch.name(), "otlp+grpc://eu:4317");
/// let queue = QueueConfig::new().observer(&branch);
/// # let _ = queue;
/// ```
#[derive(Clone)]
pub struct Branch {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    role: BranchRole,
    recorder: Recorder,
    /// Of who reads: no request comes by here.
    history: Mutex<History>,
    names: Names,
    others: Mutex<Vec<Branch>>,
}

/// What a [`Branch`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BranchRole {
    /// Telemetry goes there.
    Destination,
    /// Telemetry goes there while its destination fails.
    Fallback,
    /// Telemetry goes there that its destination did not take in the end.
    DeadLetter,
}

impl BranchRole {
    /// `"destination"`, `"fallback"` or `"dead_letter"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            BranchRole::Destination => "destination",
            BranchRole::Fallback => "fallback",
            BranchRole::DeadLetter => "dead_letter",
        }
    }
}

impl fmt::Display for BranchRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Branch {
    pub(super) fn new(name: &str, role: BranchRole, names: &Names) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: unique(without_secrets(name), names),
                role,
                recorder: Recorder::new(),
                history: Mutex::new(History::new(Instant::now())),
                names: Arc::clone(names),
                others: Mutex::default(),
            }),
        }
    }

    /// Adds what takes the telemetry while this fails, named like a
    /// [branch](super::Status::branch). It is shown within this one.
    #[must_use]
    pub fn fallback(&self, name: &str) -> Branch {
        self.other(name, BranchRole::Fallback)
    }

    /// Adds what takes the telemetry that this does not take in the end, named like a
    /// [branch](super::Status::branch). It is shown within this one.
    #[must_use]
    pub fn dead_letter(&self, name: &str) -> Branch {
        self.other(name, BranchRole::DeadLetter)
    }

    fn other(&self, name: &str, role: BranchRole) -> Branch {
        let other = Branch::new(name, role, &self.inner.names);
        lock(&self.inner.others).push(other.clone());
        other
    }

    /// Its name, which no other branch of its status has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it is for.
    #[must_use]
    pub fn role(&self) -> BranchRole {
        self.inner.role
    }

    /// What it counts.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }

    fn others(&self) -> Vec<Branch> {
        lock(&self.inner.others).clone()
    }

    pub(super) fn sample(&self) {
        let snapshot = self.inner.recorder.snapshot();
        let delivered = main_tally(&snapshot).delivered;
        lock(&self.inner.history).sample(Instant::now(), delivered);
        for other in self.others() {
            other.sample();
        }
    }

    pub(super) fn report(&self) -> BranchReport {
        let snapshot = self.inner.recorder.snapshot();
        let delivered = main_tally(&snapshot).delivered;
        let now = Instant::now();
        let mut history = lock(&self.inner.history);
        history.sample(now, delivered);
        let (rate, items_per_second) = (history.rate(now, delivered), history.items_per_second());
        drop(history);
        BranchReport {
            name: Arc::clone(&self.inner.name),
            role: self.inner.role,
            snapshot,
            rate,
            history: items_per_second,
            others: self.others().iter().map(Branch::report).collect(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Metrics of two branches must not have the same attributes.
fn unique(name: String, names: &Names) -> Arc<str> {
    let mut names = lock(names);
    let mut unique: Arc<str> = name.as_str().into();
    let mut number = 1;
    while names.contains(&unique) {
        number += 1;
        unique = format!("{name} #{number}").into();
    }
    names.insert(Arc::clone(&unique));
    unique
}

impl Observer for Branch {
    fn observe(&self, event: Event) {
        self.inner.recorder.observe(event);
    }

    fn failed(&self, role: Role, error: &ExportError) {
        self.inner.recorder.failed(role, error);
    }

    fn rejected(&self, role: Role, answer: &ExportResponse) {
        self.inner.recorder.rejected(role, answer);
    }
}

impl From<&Branch> for SharedObserver {
    fn from(branch: &Branch) -> Self {
        Self::new(branch.clone())
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch")
            .field("name", &self.inner.name)
            .field("role", &self.inner.role)
            .field("others", &self.others())
            .finish_non_exhaustive()
    }
}
