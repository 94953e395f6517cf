//! Series and their samples, as they will be written: each series once, its samples in order.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::symbols::{Symbol, Symbols};

/// No further one.
pub(super) const NONE: u32 = u32::MAX;

/// A name and a value.
pub(super) type Label = (Symbol, Symbol);

/// The double that says that a series has ended. No arithmetic may touch it: it is a NaN like
/// others to the processor.
pub(super) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// What the values of a series are: the two kinds never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Histogram,
}

/// Type, help and unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: Symbol,
    pub(super) kind: u8,
    pub(super) help: Symbol,
    pub(super) unit: Symbol,
}

pub(super) struct Series {
    hash: u64,
    labels: (u32, u32),
    pub(super) kind: Kind,
    pub(super) family: u32,
    pub(super) shard: u32,
    samples: List,
    exemplars: List,
    is_in_order: bool,
}

/// A chain within a vector.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// A double, or the number of a histogram.
    pub(super) value: u64,
    /// Milliseconds.
    pub(super) time: i64,
    /// Milliseconds; 0 if it is not known.
    pub(super) start: i64,
    /// Which data point of the request it belongs to, or [`NONE`].
    pub(super) item: u32,
    next: u32,
}

impl Sample {
    pub(super) const fn new(value: u64, time: i64, start: i64, item: u32) -> Self {
        Self {
            value,
            time,
            start,
            item,
            next: NONE,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Exemplar {
    labels: (u32, u32),
    pub(super) value: f64,
    /// Milliseconds.
    pub(super) time: i64,
    next: u32,
}

/// A native histogram as bytes: the fields before its time, and those behind it.
#[derive(Clone, Copy)]
pub(super) struct Histogram {
    fields: (u32, u32),
    custom: (u32, u32),
}

/// All series of a request.
#[derive(Default)]
pub(super) struct Table {
    pub(super) series: Vec<Series>,
    pub(super) families: Vec<Family>,
    by_labels: HashTable<u32>,
    hasher: DefaultHashBuilder,
    labels: Vec<Label>,
    samples: Vec<Sample>,
    exemplars: Vec<Exemplar>,
    histograms: Vec<Histogram>,
    bytes: Vec<u8>,
    order: Vec<u32>,
}

fn range((start, end): (u32, u32)) -> std::ops::Range<usize> {
    start as usize..end as usize
}

impl Table {
    pub(super) fn clear(&mut self) {
        self.series.clear();
        self.families.clear();
        self.by_labels.clear();
        self.labels.clear();
        self.samples.clear();
        self.exemplars.clear();
        self.histograms.clear();
        self.bytes.clear();
    }

    /// About how much memory is kept, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.series.capacity() * (size_of::<Series>() + 8)
            + self.labels.capacity() * size_of::<Label>()
            + self.samples.capacity() * size_of::<Sample>()
            + self.exemplars.capacity() * size_of::<Exemplar>()
            + self.bytes.capacity()
    }

    /// Notes a metric; the series of it that follow are of this family.
    pub(super) fn add_family(&mut self, family: Family) -> u32 {
        if let Some(last) = self.families.last()
            && *last == family
        {
            return self.families.len() as u32 - 1;
        }
        self.families.push(family);
        self.families.len() as u32 - 1
    }

    /// The series of this kind with these labels, which are sorted.
    pub(super) fn series_of(&mut self, labels: &[Label], kind: Kind, family: u32) -> u32 {
        let hash = self.hasher.hash_one((labels, kind == Kind::Float));
        let Self {
            series,
            labels: arena,
            by_labels,
            ..
        } = self;
        let same = |number: &u32| {
            let series = &series[*number as usize];
            series.hash == hash
                && series.kind == kind
                && arena.get(range(series.labels)) == Some(labels)
        };
        if let Some(number) = by_labels.find(hash, same) {
            return *number;
        }
        let number = series.len() as u32;
        let start = arena.len() as u32;
        arena.extend_from_slice(labels);
        let none = List {
            first: NONE,
            last: NONE,
        };
        series.push(Series {
            hash,
            labels: (start, arena.len() as u32),
            kind,
            family,
            shard: 0,
            samples: none,
            exemplars: none,
            is_in_order: true,
        });
        by_labels.insert_unique(hash, number, |number| series[*number as usize].hash);
        number
    }

    pub(super) fn push_sample(&mut self, series: u32, sample: Sample) {
        let number = self.samples.len() as u32;
        let list = &mut self.series[series as usize];
        match self.samples.get_mut(list.samples.last as usize) {
            Some(last) => {
                last.next = number;
                list.is_in_order &= last.time < sample.time;
            }
            None => list.samples.first = number,
        }
        list.samples.last = number;
        self.samples.push(sample);
    }

    pub(super) fn push_exemplar(&mut self, series: u32, labels: &[Label], value: f64, time: i64) {
        let number = self.exemplars.len() as u32;
        let start = self.labels.len() as u32;
        self.labels.extend_from_slice(labels);
        let list = &mut self.series[series as usize].exemplars;
        match self.exemplars.get_mut(list.last as usize) {
            Some(last) => last.next = number,
            None => list.first = number,
        }
        list.last = number;
        self.exemplars.push(Exemplar {
            labels: (start, self.labels.len() as u32),
            value,
            time,
            next: NONE,
        });
    }

    /// Stores a histogram; `write` writes the fields before its time, then those behind it.
    pub(super) fn add_histogram(
        &mut self,
        fields: impl FnOnce(&mut Vec<u8>),
        custom: impl FnOnce(&mut Vec<u8>),
    ) -> u64 {
        let start = self.bytes.len() as u32;
        fields(&mut self.bytes);
        let middle = self.bytes.len() as u32;
        custom(&mut self.bytes);
        self.histograms.push(Histogram {
            fields: (start, middle),
            custom: (middle, self.bytes.len() as u32),
        });
        self.histograms.len() as u64 - 1
    }

    pub(super) fn histogram(&self, sample: &Sample) -> (&[u8], &[u8]) {
        let found = usize::try_from(sample.value)
            .ok()
            .and_then(|number| self.histograms.get(number));
        found.map_or((&[], &[]), |histogram| {
            let bytes = |part| self.bytes.get(range(part)).unwrap_or_default();
            (bytes(histogram.fields), bytes(histogram.custom))
        })
    }

    pub(super) fn labels(&self, series: &Series) -> &[Label] {
        self.labels.get(range(series.labels)).unwrap_or_default()
    }

    pub(super) fn exemplar_labels(&self, exemplar: &Exemplar) -> &[Label] {
        self.labels.get(range(exemplar.labels)).unwrap_or_default()
    }

    /// The samples of a series.
    pub(super) fn samples(&self, series: &Series) -> Chain<'_> {
        self.samples_from(series, None)
    }

    /// The samples of a series from this one on.
    pub(super) fn samples_from(&self, series: &Series, from: Option<u32>) -> Chain<'_> {
        Chain {
            samples: &self.samples,
            next: from.unwrap_or(series.samples.first),
            end: NONE,
        }
    }

    /// Hands the series out to this many shards, by their labels: a series is always in the same
    /// one.
    pub(super) fn assign_shards(&mut self, shards: u32, symbols: &Symbols) {
        if shards <= 1 {
            return;
        }
        let Self { series, labels, .. } = self;
        for series in series {
            // FNV-1a: the same in every request, which a hash with a random seed is not.
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            let labels = labels.get(range(series.labels)).unwrap_or_default();
            for symbol in labels.iter().flat_map(|(name, value)| [name, value]) {
                for byte in symbols.get(*symbol).iter().chain([&0xff]) {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
            // It alone leaves texts that differ little in the same shard: splitmix64's mixer.
            hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash ^= hash >> 31;
            // Lossless: below a number of 32 bits.
            series.shard = (hash % u64::from(shards)) as u32;
        }
    }

    /// The exemplars of a series.
    pub(super) fn exemplars(&self, series: &Series) -> impl Iterator<Item = &Exemplar> {
        let mut next = series.exemplars.first;
        std::iter::from_fn(move || {
            let found = self.exemplars.get(next as usize)?;
            next = found.next;
            Some(found)
        })
    }

    /// Puts the samples of each series in the order of time, which is what receivers demand. Of
    /// several at the same time the first stays; `conflict` is told the data points of those that
    /// differ from it, which a receiver would refuse together with their neighbours.
    pub(super) fn sort(&mut self, mut conflict: impl FnMut(u32)) {
        for number in 0..self.series.len() {
            self.sort_exemplars(number);
            if self.series[number].is_in_order {
                continue;
            }
            let mut order = std::mem::take(&mut self.order);
            order.clear();
            let mut next = self.series[number].samples.first;
            while let Some(sample) = self.samples.get(next as usize) {
                order.push(next);
                next = sample.next;
            }
            order.sort_by_key(|sample| self.samples[*sample as usize].time);
            let mut kept: Option<u32> = None;
            order.retain(|&sample| {
                let this = self.samples[sample as usize];
                if let Some(before) = kept.map(|kept| self.samples[kept as usize])
                    && before.time == this.time
                {
                    if !self.is_same(self.series[number].kind, &before, &this) {
                        conflict(this.item);
                    }
                    return false;
                }
                kept = Some(sample);
                true
            });
            self.series[number].samples = relink(&order, |at, next| {
                self.samples[at as usize].next = next;
            });
            self.series[number].is_in_order = true;
            self.order = order;
        }
    }

    fn is_same(&self, kind: Kind, one: &Sample, other: &Sample) -> bool {
        match kind {
            Kind::Float => one.value == other.value,
            Kind::Histogram => self.histogram(one) == self.histogram(other),
        }
    }

    fn sort_exemplars(&mut self, number: usize) {
        let list = self.series[number].exemplars;
        if list.first == list.last {
            return;
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let mut next = list.first;
        while let Some(exemplar) = self.exemplars.get(next as usize) {
            order.push(next);
            next = exemplar.next;
        }
        order.sort_by_key(|exemplar| self.exemplars[*exemplar as usize].time);
        self.series[number].exemplars = relink(&order, |at, next| {
            self.exemplars[at as usize].next = next;
        });
        self.order = order;
    }
}

/// Chains what stands at these places in this order.
fn relink(order: &[u32], mut link: impl FnMut(u32, u32)) -> List {
    let nexts = order.iter().skip(1).copied().chain([NONE]);
    for (at, next) in order.iter().zip(nexts) {
        link(*at, next);
    }
    List {
        first: order.first().copied().unwrap_or(NONE),
        last: order.last().copied().unwrap_or(NONE),
    }
}

/// The samples of a series, first to last.
#[derive(Clone)]
pub(super) struct Chain<'a> {
    samples: &'a [Sample],
    next: u32,
    end: u32,
}

impl<'a> Chain<'a> {
    /// The same up to this sample, which is left out.
    pub(super) const fn until(self, end: u32) -> Self {
        Self { end, ..self }
    }

    /// The number of the next sample.
    pub(super) const fn position(&self) -> u32 {
        self.next
    }

    pub(super) fn peek(&self) -> Option<&'a Sample> {
        if self.next == self.end {
            return None;
        }
        self.samples.get(self.next as usize)
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a Sample;

    fn next(&mut self) -> Option<&'a Sample> {
        let found = self.peek()?;
        self.next = found.next;
        Some(found)
    }
}
