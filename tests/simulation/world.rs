//! What is seen of a run: every call at every place, and what the backends have.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;
use tower_otlp::{ExportError, ExportResponse};

use super::{items, run::Detail};

pub type Answer = Result<ExportResponse, ExportError>;

/// Everything that is seen. Clones are the same world.
#[derive(Clone)]
pub struct World(Arc<Mutex<Seen>>);

pub struct Seen {
    start: Instant,
    /// In order: when, where, what, and which items.
    trail: Vec<(Duration, Arc<str>, String, Vec<u64>)>,
    /// Whether the trail is kept: most runs need none, and the others are run again.
    keeps_trail: bool,
    /// How often each backend has each item.
    pub delivered: Vec<HashMap<u64, u32>>,
    /// What each backend said it rejects: an answer only says how many.
    pub rejected: Vec<HashSet<u64>>,
    /// All calls at all taps. The number of a call is its place here.
    pub calls: Vec<Call>,
    /// Errors of readiness: at which tap, within which call.
    pub unready: Vec<(usize, Option<usize>)>,
    taps: usize,
}

/// A call that went past a tap.
pub struct Call {
    pub tap: usize,
    /// The call within which it was made. A worker's calls are made within none.
    pub parent: Option<usize>,
    /// The last call that a tap above a worker has marked it with.
    pub mark: Option<usize>,
    pub ids: Arc<[u64]>,
    pub begun: Duration,
    pub ended: Option<Duration>,
    /// `None` if it was cut off.
    pub told: Option<Told>,
    /// The whole answer.
    pub answer: Option<Answer>,
}

/// What an answer says, with everything that is left by its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub delivered: u64,
    pub rejected: u64,
    pub retained: u64,
    /// In order of their numbers.
    pub left: Vec<u64>,
    pub ok: bool,
    /// An error that says nothing of what was done.
    pub plain: bool,
}

impl Told {
    pub fn new(ids: &[u64], answer: &Answer) -> Self {
        let counts = |response: &ExportResponse, left: &[u64], ok| {
            let mut left = left.to_vec();
            left.sort_unstable();
            Self {
                delivered: response.delivered_items(),
                rejected: response.rejected_items(),
                retained: response.retained_items(),
                left,
                ok,
                plain: false,
            }
        };
        match answer {
            Ok(response) => counts(response, &[], true),
            Err(error) => match (error.progress(), error.remainder()) {
                (Some(progress), Some(left)) => counts(progress, &items::ids(left), false),
                _ => Self {
                    plain: true,
                    ..counts(&ExportResponse::default(), ids, false)
                },
            },
        }
    }

    pub fn counted(&self) -> u64 {
        self.delivered + self.rejected + self.retained
    }
}

impl World {
    pub fn new(detail: Detail) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            start: Instant::now(),
            trail: Vec::new(),
            keeps_trail: detail != Detail::Result,
            delivered: Vec::new(),
            rejected: Vec::new(),
            calls: Vec::new(),
            unready: Vec::new(),
            taps: 0,
        })))
    }

    pub fn see(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("nobody panics with the lock")
    }

    /// Something that happens from outside.
    pub fn note_at(&self, at: Duration, place: &Arc<str>, what: String) {
        self.see().trail.push((at, place.clone(), what, Vec::new()));
    }

    pub fn note(&self, place: &Arc<str>, ids: &[u64], what: impl FnOnce() -> String) {
        let mut seen = self.see();
        if seen.keeps_trail {
            let at = seen.now();
            seen.trail.push((at, place.clone(), what(), ids.to_vec()));
        }
    }

    /// Simulated time since the beginning.
    pub fn now(&self) -> Duration {
        self.see().now()
    }

    pub fn new_tap(&self) -> usize {
        let mut seen = self.see();
        seen.taps += 1;
        seen.taps - 1
    }

    pub fn new_backend(&self) -> usize {
        let mut seen = self.see();
        seen.delivered.push(HashMap::new());
        seen.rejected.push(HashSet::new());
        seen.delivered.len() - 1
    }

    pub fn begin(
        &self,
        tap: usize,
        parent: Option<usize>,
        mark: Option<usize>,
        ids: &Arc<[u64]>,
    ) -> usize {
        let mut seen = self.see();
        let begun = seen.now();
        seen.calls.push(Call {
            tap,
            parent,
            mark,
            ids: ids.clone(),
            begun,
            ended: None,
            told: None,
            answer: None,
        });
        seen.calls.len() - 1
    }

    /// The call has this answer, or was cut off.
    pub fn end(&self, call: usize, answer: Option<&Answer>) {
        let mut seen = self.see();
        let now = seen.now();
        let call = &mut seen.calls[call];
        call.ended = Some(now);
        call.told = answer.map(|answer| Told::new(&call.ids, answer));
        call.answer = answer.cloned();
    }

    pub fn deliver(&self, backend: usize, ids: &[u64]) {
        let mut seen = self.see();
        for id in ids {
            *seen.delivered[backend].entry(*id).or_default() += 1;
        }
    }

    pub fn reject(&self, backend: usize, ids: &[u64]) {
        self.see().rejected[backend].extend(ids);
    }
}

impl Seen {
    /// Simulated time since the beginning: of the network's simulation, if this is one.
    fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_else(|| self.start.elapsed())
    }

    /// What happened to an item, or to all.
    pub fn trail(&self, id: Option<u64>) -> String {
        let mut out = String::new();
        for (at, place, what, ids) in &self.trail {
            if id.is_none_or(|id| ids.contains(&id) || ids.is_empty()) {
                let at = at.as_secs_f64();
                let _ = writeln!(out, "  {at:>10.3}s {place}: {what} {ids:?}");
            }
        }
        out
    }
}
