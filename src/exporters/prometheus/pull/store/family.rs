//! The series of one metric.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use super::Value;

/// Series side by side that are copied together if they change while a page shows them.
const CHUNK: usize = 64;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl Kind {
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }

    /// The names of a family's samples.
    pub(in super::super) fn sample_names(self, name: &str, created: bool) -> Vec<String> {
        let with = |suffix: &str| format!("{name}{suffix}");
        let (mut names, stem) = match self {
            Self::Counter => (vec![with("")], name.strip_suffix("_total")),
            Self::Gauge | Self::Untyped => (vec![with("")], None),
            Self::Histogram => (
                vec![with(""), with("_bucket"), with("_sum"), with("_count")],
                Some(name),
            ),
            Self::Summary => (vec![with(""), with("_sum"), with("_count")], Some(name)),
        };
        if let (true, Some(stem)) = (created, stem) {
            names.push(format!("{stem}_created"));
        }
        names
    }
}

/// What stands above the series of a metric.
#[derive(Debug)]
pub(in super::super) struct Meta {
    /// With all suffixes; `_total` of a counter is one of them.
    pub(in super::super) name: String,
    pub(in super::super) help: String,
    /// The unit in words, if the name tells it.
    pub(in super::super) unit: String,
    pub(in super::super) kind: Kind,
}

/// One series.
#[derive(Clone, Debug)]
pub(in super::super) struct Series {
    /// `a="b",c="d"`.
    pub(in super::super) labels: Arc<[u8]>,
    /// Nanoseconds since the Unix epoch; 0 if it is not known.
    pub(in super::super) start: u64,
    pub(in super::super) time: u64,
    /// When it was last updated, on the clock of the store.
    pub(in super::super) seen: u64,
    pub(in super::super) value: Value,
    /// Tells it from others that had its slot.
    generation: u32,
    /// Who wrote it last.
    pub(super) writer: u32,
}

/// Slots for series; an empty one waits for the next series.
pub(in super::super) type Chunk = Vec<Option<Series>>;

/// Where a series is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    slot: u32,
    generation: u32,
}

/// All series of one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Unique in the store, for ever.
    pub(super) id: u64,
    pub(super) meta: Arc<Meta>,
    /// Whether the exporter itself fills it.
    pub(super) is_own: bool,
    /// Whether somebody was told already that others describe it differently.
    pub(super) is_disputed: bool,
    pub(super) live: usize,
    chunks: Vec<Arc<Chunk>>,
    hasher: RandomState,
    index: HashTable<u32>,
    free: Vec<u32>,
    generations: u32,
}

impl Family {
    pub(super) fn new(id: u64, meta: Meta) -> Self {
        Self {
            id,
            meta: Arc::new(meta),
            is_own: false,
            is_disputed: false,
            live: 0,
            chunks: Vec::new(),
            hasher: RandomState::new(),
            index: HashTable::new(),
            free: Vec::new(),
            generations: 0,
        }
    }

    /// The series as they are now, in O(chunks).
    pub(super) fn snapshot(&self) -> Vec<Arc<Chunk>> {
        self.chunks.clone()
    }

    /// The series, unless it is gone.
    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Series> {
        let chunk = self.chunks.get_mut(place.slot as usize / CHUNK)?;
        let series = Arc::make_mut(chunk).get_mut(place.slot as usize % CHUNK)?;
        series
            .as_mut()
            .filter(|series| series.generation == place.generation)
    }

    pub(super) fn contains(&self, place: Place) -> bool {
        let series = at(&self.chunks, place.slot);
        series.is_some_and(|series| series.generation == place.generation)
    }

    /// The series with these labels.
    pub(super) fn find(&self, labels: &[u8]) -> Option<Place> {
        let has_labels =
            |slot: &u32| at(&self.chunks, *slot).is_some_and(|series| *series.labels == *labels);
        let slot = *self.index.find(self.hasher.hash_one(labels), has_labels)?;
        Some(Place {
            slot,
            generation: at(&self.chunks, slot)?.generation,
        })
    }

    /// Adds a series whose labels are not there.
    pub(super) fn insert(
        &mut self,
        labels: Arc<[u8]>,
        (start, time, seen): (u64, u64, u64),
        value: Value,
        writer: u32,
    ) -> Place {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let hash = self.hasher.hash_one(&*labels);
        let series = Some(Series {
            labels,
            start,
            time,
            seen,
            value,
            generation,
            writer,
        });
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(chunk) = self.chunks.get_mut(slot as usize / CHUNK)
                    && let Some(place) = Arc::make_mut(chunk).get_mut(slot as usize % CHUNK)
                {
                    *place = series;
                }
                slot
            }
            None => {
                if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
                    self.chunks.push(Arc::new(Vec::new()));
                }
                let full = (self.chunks.len() - 1) * CHUNK;
                let mut within = 0;
                if let Some(last) = self.chunks.last_mut() {
                    let last = Arc::make_mut(last);
                    within = last.len();
                    last.push(series);
                }
                // The number of series is bounded far below.
                (full + within) as u32
            }
        };
        let Self {
            index,
            chunks,
            hasher,
            ..
        } = self;
        index.insert_unique(hash, slot, |slot| {
            at(chunks, *slot).map_or(0, |series| hasher.hash_one(&*series.labels))
        });
        self.live += 1;
        Place { slot, generation }
    }

    /// Removes a series; says whether it was there.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let Some(series) = self.get_mut(place) else {
            return false;
        };
        let hash = {
            let labels = Arc::clone(&series.labels);
            self.hasher.hash_one(&*labels)
        };
        if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == place.slot) {
            entry.remove();
        }
        if let Some(chunk) = self.chunks.get_mut(place.slot as usize / CHUNK)
            && let Some(series) = Arc::make_mut(chunk).get_mut(place.slot as usize % CHUNK)
        {
            *series = None;
        }
        self.free.push(place.slot);
        self.live -= 1;
        if self.live == 0 {
            self.chunks = Vec::new();
            self.free = Vec::new();
            self.index = HashTable::new();
        }
        true
    }

    /// Removes the series that were not seen since; says how many.
    pub(super) fn expire(&mut self, since: u64) -> usize {
        let mut old = Vec::new();
        for (number, chunk) in (0_u32..).zip(&self.chunks) {
            for (within, series) in (0_u32..).zip(chunk.iter()) {
                if let Some(series) = series
                    && series.seen < since
                {
                    old.push(Place {
                        slot: number * CHUNK as u32 + within,
                        generation: series.generation,
                    });
                }
            }
        }
        old.iter().for_each(|place| {
            self.remove(*place);
        });
        old.len()
    }
}

fn at(chunks: &[Arc<Chunk>], slot: u32) -> Option<&Series> {
    chunks
        .get(slot as usize / CHUNK)?
        .get(slot as usize % CHUNK)?
        .as_ref()
}
