//! The current state of every series.
//!
//! A point finds its series in four steps, each a look-up by raw bytes: resource, scope, metric,
//! attributes. These tables are only a memory of where things were found: what has other bytes
//! goes the long way, by the rendered labels, which alone tell one series from another. They can
//! be thrown away at any time, and are when they grow too large.

mod exemplar;
mod exponential;
mod family;
mod labels;
mod resource;
mod scope;
mod shape;
mod stream;
mod table;
mod tally;
mod value;
mod writer;

use std::{collections::HashMap, sync::Arc};

pub(super) use self::{
    exemplar::Exemplar,
    exponential::{Dense, Exponential, bound},
    family::{Chunk, Kind, Meta, Series},
    labels::{LabelText, rename},
    tally::{Refusal, Tally},
    value::{Histogram, Summary, Value},
};
use self::{
    family::{Family, Place},
    resource::Resource,
    scope::Scope,
    shape::Shape,
    stream::Stream,
    table::Table,
};
use super::options::Options;
use crate::otlp::views::Metrics;

/// The name of the family that describes the resources.
const TARGET_INFO: &str = "target_info";

/// All series.
#[derive(Debug)]
pub(super) struct Store {
    families: Vec<Option<Family>>,
    /// Where there is none.
    free: Vec<usize>,
    /// Which family has samples of this name.
    names: HashMap<String, usize>,
    family_ids: u64,
    resources: Table<Resource>,
    scopes: Table<Scope>,
    streams: Table<Stream>,
    /// How many sets of attributes the streams remember.
    remembered: usize,
    writers: u32,
    /// The descriptions of resources by job and instance.
    infos: HashMap<Arc<[u8]>, Place>,
    live: usize,
    /// How many series were removed since the tables were last thrown away.
    removed: usize,
    swept: u64,
    key: Vec<u8>,
}

/// A family as a page shows it.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) meta: Arc<Meta>,
    pub(super) chunks: Vec<Arc<Chunk>>,
}

impl Store {
    pub(super) fn new(options: &Options) -> Self {
        let mut this = Self {
            families: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            family_ids: 0,
            resources: Table::default(),
            scopes: Table::default(),
            streams: Table::default(),
            remembered: 0,
            writers: 0,
            infos: HashMap::new(),
            live: 0,
            removed: 0,
            swept: 0,
            key: Vec::new(),
        };
        if options.target_info {
            // It has its place before any metric can take the name.
            let meta = Meta {
                name: TARGET_INFO.to_owned(),
                help: "Target metadata".to_owned(),
                unit: String::new(),
                kind: Kind::Gauge,
            };
            let index = this.add_family(meta, options);
            if let Some(Some(family)) = this.families.get_mut(index) {
                family.is_own = true;
            }
        }
        this
    }

    /// Number of series.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Number of families that have series.
    pub(super) fn families(&self) -> usize {
        let all = self.families.iter().flatten();
        all.filter(|family| family.live > 0).count()
    }

    /// What a page shows.
    pub(super) fn snapshot(&self) -> Vec<Snapshot> {
        let all = self.families.iter().flatten();
        all.filter(|family| family.live > 0)
            .map(|family| Snapshot {
                meta: Arc::clone(&family.meta),
                chunks: family.snapshot(),
            })
            .collect()
    }

    /// Takes the points of a request, at this time in milliseconds on the store's clock.
    pub(super) fn ingest(
        &mut self,
        metrics: Metrics<'_>,
        now: u64,
        options: &Options,
        tally: &mut Tally,
    ) {
        // Often enough that what is gone takes a small part of the memory only.
        let expiration = options.expiration.unwrap_or(u64::MAX);
        let is_due = now.saturating_sub(self.swept) > expiration / 4;
        let is_full = self.live >= options.max_series && now > self.swept;
        let families = self.families.len() - self.free.len();
        if is_due || is_full || families > self.live + 4096 {
            self.sweep(now, options);
        }
        self.forget(options);
        for group in metrics.resources() {
            let resource = self.resource(&group, now, options, tally);
            for part in group.scopes() {
                let scope = self.scope(resource, &part, options, tally);
                for metric in part.items() {
                    if let Some(data) = metric.data() {
                        let (shape, temporality) = Shape::of(&data);
                        let stream = self.stream(scope, &metric, &shape, options, tally);
                        self.points(
                            stream,
                            scope,
                            &metric,
                            data,
                            temporality,
                            now,
                            options,
                            tally,
                        );
                    }
                }
            }
        }
    }

    /// Removes what is expired.
    pub(super) fn sweep(&mut self, now: u64, options: &Options) {
        self.swept = now;
        let expiration = options.expiration.unwrap_or(u64::MAX);
        let since = now.saturating_sub(expiration);
        let mut empty = Vec::new();
        for (index, family) in self.families.iter_mut().enumerate() {
            if let Some(family) = family {
                let removed = family.expire(since);
                self.live -= removed;
                self.removed += removed;
                if family.live == 0 && !family.is_own {
                    empty.push(index);
                }
            }
        }
        for index in empty {
            self.remove_family(index);
        }
        if let Some(Some(own)) = self.families.first().filter(|_| options.target_info) {
            self.infos.retain(|_, place| own.contains(*place));
        }
    }

    /// Throws the tables away when most of what they remember may be gone.
    fn forget(&mut self, options: &Options) {
        let contexts = self.resources.len() + self.scopes.len() + self.streams.len();
        let most = options.max_series.saturating_mul(2).saturating_add(4096);
        if self.remembered > most || contexts > most || self.removed > self.live + 4096 {
            self.resources = Table::default();
            self.scopes = Table::default();
            self.streams = Table::default();
            self.remembered = 0;
            self.removed = 0;
        }
    }

    fn add_family(&mut self, meta: Meta, options: &Options) -> usize {
        self.family_ids += 1;
        let names = meta.kind.sample_names(&meta.name, options.created_lines);
        let family = Some(Family::new(self.family_ids, meta));
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.families.push(None);
                self.families.len() - 1
            }
        };
        if let Some(slot) = self.families.get_mut(index) {
            *slot = family;
        }
        for name in names {
            self.names.insert(name, index);
        }
        index
    }

    fn remove_family(&mut self, index: usize) {
        if let Some(Some(family)) = self.families.get_mut(index).map(Option::take) {
            self.free.push(index);
            let meta = &family.meta;
            for name in meta.kind.sample_names(&meta.name, true) {
                if self.names.get(&name) == Some(&index) {
                    self.names.remove(&name);
                }
            }
        }
    }
}
