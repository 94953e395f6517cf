//! What is seen of a run: every call at every place, and what the backends have.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;

/// Everything that is seen. Clones are the same world.
#[derive(Clone)]
pub struct World(Arc<Mutex<Seen>>);

pub struct Seen {
    start: Instant,
    /// In order: when, where, what, and which items.
    trail: Vec<(Duration, Arc<str>, String, Vec<u64>)>,
    /// How often each backend has each item.
    pub delivered: Vec<HashMap<u64, u32>>,
    /// Items that came in below the lifecycle's layer.
    pub entered: Vec<u64>,
    /// Whether all was clean: no error, nothing cut off.
    pub clean: bool,
    pub calls: u64,
}

impl World {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Seen {
            start: Instant::now(),
            trail: Vec::new(),
            delivered: Vec::new(),
            entered: Vec::new(),
            clean: true,
            calls: 0,
        })))
    }

    pub fn see(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("nobody panics with the lock")
    }

    pub fn note(&self, place: &Arc<str>, what: impl Into<String>, ids: &[u64]) {
        let mut seen = self.see();
        let at = seen.start.elapsed();
        seen.trail
            .push((at, place.clone(), what.into(), ids.to_vec()));
    }

    pub fn unclean(&self) {
        self.see().clean = false;
    }

    pub fn deliver(&self, backend: usize, ids: &[u64]) {
        let mut seen = self.see();
        for id in ids {
            *seen.delivered[backend].entry(*id).or_default() += 1;
        }
    }
}

impl Seen {
    pub fn has(&self, backends: &[usize], id: u64) -> bool {
        backends
            .iter()
            .any(|backend| self.delivered[*backend].contains_key(&id))
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
