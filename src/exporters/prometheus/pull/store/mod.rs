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
mod table;
mod value;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub(super) use self::{
    exemplar::Exemplar,
    exponential::{Dense, Exponential, bound},
    family::{Chunk, Kind, Meta, Series},
    labels::{LabelText, rename},
    value::{Histogram, Summary, Value},
};
use self::{
    family::{Family, Place},
    labels::Labels,
    table::Table,
    value::{Bounds, Point, Reader},
};
use super::options::Options;
use crate::{
    exporters::prometheus::translate::{MetricKind, metric_name, unit_words},
    otlp::{
        AnyValue,
        views::{
            AggregationTemporality, Attributes, Metric, MetricData, Metrics, ResourceGroup,
            ScopeGroup,
        },
    },
};

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

/// A resource that was seen before.
#[derive(Debug)]
struct Resource {
    /// Labels of each of its series.
    labels: Labels,
    /// Job and instance, as labels.
    identity: Arc<[u8]>,
    /// The labels of its description, if it has one.
    info: Option<Arc<[u8]>>,
}

#[derive(Debug)]
struct Scope {
    labels: Labels,
}

/// A metric of one scope: its points are those of one family.
#[derive(Debug)]
struct Stream {
    target: Target,
    kind: Kind,
    bounds: Option<Arc<Bounds>>,
    known: Table<Known>,
}

/// A set of attributes that was seen before.
#[derive(Clone, Copy, Debug)]
struct Known {
    place: Place,
    writer: u32,
}

#[derive(Clone, Debug)]
enum Target {
    Family {
        index: usize,
        id: u64,
    },
    Refused {
        why: Refusal,
        by: Option<(usize, u64)>,
    },
}

/// Why a point is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Invalid(&'static str),
    /// Another metric has the name.
    Conflict(&'static str),
    /// There are as many series as there may be.
    Full,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rejected: u64,
    pub(super) overflowed: u64,
    pub(super) conflicts: u64,
    pub(super) nameless: u64,
    /// About the first rejected point.
    pub(super) first: Option<String>,
    /// To be logged when no lock is held any more.
    pub(super) warnings: Vec<String>,
}

impl Tally {
    fn refuse(&mut self, metric: &Metric<'_>, why: Refusal, options: &Options) {
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

    fn resource(
        &mut self,
        group: &ResourceGroup<'_, Metric<'_>>,
        now: u64,
        options: &Options,
        tally: &mut Tally,
    ) -> usize {
        let bytes = group.resource();
        let found = match self.resources.find(bytes.as_bytes()) {
            Some(found) => found,
            None => {
                let made = Resource::new(group.attributes(), options, tally);
                // The newest of two resources with the same job and instance describes both.
                if made.info.is_some()
                    && let Some(place) = self.infos.remove(&made.identity)
                    && let Some(Some(own)) = self.families.first_mut()
                    && own.remove(place)
                {
                    self.live -= 1;
                    self.removed += 1;
                }
                self.resources.insert(bytes.as_bytes(), made)
            }
        };
        self.touch_info(found, now, options, tally);
        found
    }

    /// Keeps the description of a resource alive.
    fn touch_info(&mut self, resource: usize, now: u64, options: &Options, tally: &mut Tally) {
        let Some(Resource {
            identity,
            info: Some(labels),
            ..
        }) = self.resources.get(resource)
        else {
            return;
        };
        let Some(Some(own)) = self.families.first_mut() else {
            return;
        };
        if let Some(place) = self.infos.get(identity)
            && let Some(series) = own.get_mut(*place)
        {
            series.seen = now;
            return;
        }
        if self.live >= options.max_series {
            tally.overflowed += 1;
            return;
        }
        let value = Value::Number(crate::otlp::views::Number::Int(1), None);
        let place = own.insert(Arc::clone(labels), (0, 0, now), value, 0);
        self.infos.insert(Arc::clone(identity), place);
        self.live += 1;
    }

    fn scope(
        &mut self,
        resource: usize,
        group: &ScopeGroup<'_, Metric<'_>>,
        options: &Options,
        tally: &mut Tally,
    ) -> usize {
        let scope = group.scope();
        self.key.clear();
        self.key.extend_from_slice(&resource.to_le_bytes());
        let schema_url = group.schema_url().as_bytes();
        self.key.extend_from_slice(&schema_url.len().to_le_bytes());
        self.key.extend_from_slice(schema_url);
        self.key.extend_from_slice(scope.as_bytes());
        if let Some(found) = self.scopes.find(&self.key) {
            return found;
        }
        let resource = self.resources.get(resource);
        let mut labels = resource.map_or_else(Labels::default, |found| found.labels.clone());
        if options.scope_info {
            labels.fixed("otel_scope_name", scope.name().as_bytes());
            labels.fixed("otel_scope_version", scope.version().as_bytes());
            labels.fixed("otel_scope_schema_url", schema_url);
            for (key, value) in scope.attributes() {
                if !matches!(key.as_str(), "name" | "version" | "schema_url") {
                    let mut rendered = Vec::new();
                    crate::otlp::text::value(&mut rendered, value);
                    let key = format!("otel_scope_{}", key.as_str());
                    labels.translated(options.strategy, &key, rendered);
                }
            }
        }
        tally.nameless += std::mem::take(&mut labels.nameless);
        self.scopes.insert(&self.key, Scope { labels })
    }

    fn stream(
        &mut self,
        scope: usize,
        metric: &Metric<'_>,
        shape: &Shape,
        options: &Options,
        tally: &mut Tally,
    ) -> usize {
        self.key.clear();
        self.key.extend_from_slice(&scope.to_le_bytes());
        self.key.push(shape.code);
        let unit = metric.unit().as_bytes();
        self.key.extend_from_slice(&unit.len().to_le_bytes());
        self.key.extend_from_slice(unit);
        self.key.extend_from_slice(metric.name().as_bytes());
        if let Some(found) = self.streams.find(&self.key) {
            let is_there = |index: usize, id: u64| {
                let family = self.families.get(index).and_then(Option::as_ref);
                family.is_some_and(|family| family.id == id)
            };
            let target = self.streams.get(found).map(|stream| stream.target.clone());
            let holds = match target {
                Some(Target::Family { index, id }) => is_there(index, id),
                Some(Target::Refused { by, .. }) => {
                    by.is_none_or(|(index, id)| is_there(index, id))
                }
                None => false,
            };
            if !holds {
                // Its family is gone, or the one that was in its way is.
                let (target, kind) = self.resolve(metric, shape, options, tally);
                if let Some(stream) = self.streams.get_mut(found) {
                    (stream.target, stream.kind) = (target, kind);
                }
            }
            return found;
        }
        let (target, kind) = self.resolve(metric, shape, options, tally);
        let stream = Stream {
            target,
            kind,
            bounds: None,
            known: Table::default(),
        };
        self.streams.insert(&self.key, stream)
    }

    /// Finds the family of a metric, or makes it.
    fn resolve(
        &mut self,
        metric: &Metric<'_>,
        shape: &Shape,
        options: &Options,
        tally: &mut Tally,
    ) -> (Target, Kind) {
        let kind = match shape.kind {
            Kind::Gauge if is_unknown(metric) => Kind::Untyped,
            kind => kind,
        };
        let refused = |why, by| (Target::Refused { why, by }, kind);
        if let Some(why) = shape.refused(options) {
            return refused(Refusal::Invalid(why), None);
        }
        let unit = metric.unit().as_str();
        let name = metric_name(
            options.strategy,
            &options.namespace,
            metric.name().as_str(),
            unit,
            shape.name_kind,
        );
        let Some(name) = name else {
            return refused(Refusal::Invalid("nothing is left of its name"), None);
        };
        if name.bytes().any(|byte| byte.is_ascii_control()) {
            // Prometheus refuses the whole page, quotes or not.
            let why = "its name has a control character, which no server reads";
            return refused(Refusal::Invalid(why), None);
        }
        let names = kind.sample_names(&name, options.created_lines);
        let others: HashSet<usize> = names
            .iter()
            .filter_map(|name| self.names.get(name).copied())
            .collect();
        let mut conflict = None;
        for index in others {
            let Some(Some(family)) = self.families.get_mut(index) else {
                continue;
            };
            let meta = Arc::clone(&family.meta);
            if meta.name == name && meta.kind == kind && !family.is_own {
                let help = metric.description().as_str();
                if (meta.help != help || meta.unit != unit_text(&name, unit)) && !family.is_disputed
                {
                    family.is_disputed = true;
                    tally.conflicts += 1;
                    tally.warnings.push(format!(
                        "metric `{name}` is described in several ways; the first is shown"
                    ));
                }
                let id = family.id;
                return (Target::Family { index, id }, kind);
            }
            if family.live == 0 && !family.is_own {
                self.remove_family(index);
            } else {
                conflict = Some((index, family.id, meta));
            }
        }
        if let Some((index, id, other)) = conflict {
            tally.conflicts += 1;
            tally.warnings.push(format!(
                "metric `{}` is not shown: as {} `{name}` its name is that of the {} `{}`, which was there first",
                metric.name(),
                kind.as_str(),
                other.kind.as_str(),
                other.name
            ));
            let why = "another metric, or one of another type, has its name";
            return refused(Refusal::Conflict(why), Some((index, id)));
        }
        let meta = Meta {
            unit: unit_text(&name, unit),
            help: metric.description().as_str().to_owned(),
            name,
            kind,
        };
        let index = self.add_family(meta, options);
        let id = self.family_ids;
        (Target::Family { index, id }, kind)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "all of them go to each of five arms"
    )]
    fn points(
        &mut self,
        stream: usize,
        scope: usize,
        metric: &Metric<'_>,
        data: MetricData<'_>,
        temporality: AggregationTemporality,
        now: u64,
        options: &Options,
        tally: &mut Tally,
    ) {
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        let (family, refused) = match &stream.target {
            Target::Family { index, .. } => match self.families.get_mut(*index) {
                Some(Some(family)) => (Some(family), None),
                _ => (None, None),
            },
            Target::Refused { why, .. } => (None, Some(*why)),
        };
        let mut writer = Writer {
            family,
            refused,
            stream,
            scope: self.scopes.get(scope),
            live: &mut self.live,
            removed: &mut self.removed,
            remembered: &mut self.remembered,
            writers: &mut self.writers,
            is_delta: temporality == AggregationTemporality::DELTA,
            metric,
            now,
            options,
            tally,
        };
        match data {
            MetricData::Gauge(gauge) => gauge.points().for_each(|point| writer.write(&point)),
            MetricData::Sum(sum) => sum.points().for_each(|point| writer.write(&point)),
            MetricData::Histogram(all) => all.points().for_each(|point| writer.write(&point)),
            MetricData::ExponentialHistogram(all) => {
                all.points().for_each(|point| writer.write(&point));
            }
            MetricData::Summary(all) => all.points().for_each(|point| writer.write(&point)),
        }
    }
}

/// Writes the points of one metric.
struct Writer<'a, 'm> {
    family: Option<&'a mut Family>,
    refused: Option<Refusal>,
    stream: &'a mut Stream,
    scope: Option<&'a Scope>,
    live: &'a mut usize,
    removed: &'a mut usize,
    remembered: &'a mut usize,
    writers: &'a mut u32,
    is_delta: bool,
    metric: &'a Metric<'m>,
    now: u64,
    options: &'a Options,
    tally: &'a mut Tally,
}

impl Writer<'_, '_> {
    #[inline]
    fn write<P: Point>(&mut self, point: &P) {
        let written = match self.refused {
            None => self.try_write(point),
            Some(why) => Err(why),
        };
        if let Err(why) = written {
            self.tally.refuse(self.metric, why, self.options);
        }
    }

    #[inline]
    fn try_write<P: Point>(&mut self, point: &P) -> Result<(), Refusal> {
        let Some(family) = self.family.as_deref_mut() else {
            return Err(Refusal::Invalid("its family is gone"));
        };
        let raw = point.attributes().as_bytes();
        let known = self.stream.known.find(raw);
        if let Some(number) = known
            && let Some(known) = self.stream.known.get(number)
        {
            if point.is_gone() {
                let removed = family.remove(known.place);
                *self.live -= usize::from(removed);
                *self.removed += usize::from(removed);
                return Ok(());
            }
            if let Some(series) = family.get_mut(known.place) {
                let mut reader = Reader {
                    kind: self.stream.kind,
                    bounds: &mut self.stream.bounds,
                };
                return update(
                    series,
                    point,
                    self.is_delta,
                    known.writer,
                    self.now,
                    &mut reader,
                );
            }
        }
        self.find_or_make(point, known)
    }

    /// The long way: by the labels.
    #[cold]
    fn find_or_make<P: Point>(&mut self, point: &P, number: Option<usize>) -> Result<(), Refusal> {
        let Some(family) = self.family.as_deref_mut() else {
            return Ok(());
        };
        let mut labels = self
            .scope
            .map_or_else(Labels::default, |scope| scope.labels.clone());
        match self.stream.kind {
            Kind::Histogram => labels.reserve("le"),
            Kind::Summary => labels.reserve("quantile"),
            _ => {}
        }
        labels.attributes(self.options.strategy, point.attributes());
        let nameless = labels.nameless;
        let labels = labels.text();
        let mut reader = Reader {
            kind: self.stream.kind,
            bounds: &mut self.stream.bounds,
        };
        *self.writers = self.writers.wrapping_add(1);
        let writer = *self.writers;
        let place = match family.find(&labels) {
            Some(place) => {
                if point.is_gone() {
                    family.remove(place);
                    *self.live -= 1;
                    *self.removed += 1;
                    return Ok(());
                }
                if let Some(series) = family.get_mut(place) {
                    update(series, point, self.is_delta, writer, self.now, &mut reader)?;
                }
                place
            }
            None if point.is_gone() => return Ok(()),
            None if *self.live >= self.options.max_series => return Err(Refusal::Full),
            None => {
                let value = point.make(&mut reader)?;
                let times = (point.start(), point.time(), self.now);
                *self.live += 1;
                self.tally.nameless += nameless;
                family.insert(labels, times, value, writer)
            }
        };
        let known = Known { place, writer };
        match number.and_then(|number| self.stream.known.get_mut(number)) {
            Some(old) => *old = known,
            None => {
                self.stream
                    .known
                    .insert(point.attributes().as_bytes(), known);
                *self.remembered += 1;
            }
        }
        Ok(())
    }
}

/// Writes a point into its series.
#[inline]
fn update<P: Point>(
    series: &mut Series,
    point: &P,
    is_delta: bool,
    writer: u32,
    now: u64,
    reader: &mut Reader<'_>,
) -> Result<(), Refusal> {
    let (start, time) = (point.start(), point.time());
    if is_delta {
        if time <= series.time {
            return Err(Refusal::Invalid(
                "it is not newer than what was added before",
            ));
        }
        if start > series.time {
            // Something is missing in between: the series starts anew.
            point.replace(&mut series.value, reader)?;
            series.start = start;
        } else if start == series.time || start == 0 {
            point.add(&mut series.value, reader)?;
        } else {
            return Err(Refusal::Invalid(
                "its time overlaps with what was added before",
            ));
        }
    } else {
        if time < series.time {
            return Err(Refusal::Invalid("it is older than what is shown"));
        }
        if time == series.time && time != 0 && writer != series.writer {
            let why = "another point of the same time has the same labels";
            return Err(Refusal::Invalid(why));
        }
        point.replace(&mut series.value, reader)?;
        series.start = start;
    }
    series.time = time;
    series.seen = now;
    series.writer = writer;
    Ok(())
}

impl Resource {
    fn new(attributes: Attributes<'_>, options: &Options, tally: &mut Tally) -> Self {
        let mut job = Vec::new();
        for (key, separator) in [("service.namespace", &b"/"[..]), ("service.name", b"")] {
            if let Some(value) = attributes.get(key) {
                let start = job.len();
                crate::otlp::text::value(&mut job, value);
                if job.len() > start {
                    job.extend_from_slice(separator);
                }
            }
        }
        if attributes.get("service.name").is_none() {
            // A namespace alone names no service.
            job.clear();
        }
        let mut instance = Vec::new();
        if let Some(value) = attributes.get("service.instance.id") {
            crate::otlp::text::value(&mut instance, value);
        }
        let mut identity = Labels::default();
        identity.fixed("job", &job);
        identity.fixed("instance", &instance);
        let mut labels = identity.clone();
        for (name, value) in &options.constant_labels {
            labels.named(name.clone(), name, value.clone().into_bytes());
        }
        let mut info = labels.clone();
        let mut described = false;
        for (key, value) in attributes {
            if matches!(
                key.as_str(),
                "service.namespace" | "service.name" | "service.instance.id"
            ) {
                continue;
            }
            if !matches!(value, AnyValue::Empty) {
                described = true;
            }
            info.attribute(options.strategy, key, value);
        }
        for (key, value) in attributes {
            let key_text = key.as_str();
            if options
                .resource_labels
                .iter()
                .any(|pattern| pattern.matches(key_text))
            {
                labels.attribute(options.strategy, key, value);
            }
        }
        tally.nameless += std::mem::take(&mut info.nameless);
        labels.nameless = 0;
        Self {
            labels,
            identity: identity.text(),
            info: (options.target_info && described).then(|| info.text()),
        }
    }
}

/// What the name and the type of a metric follow from.
struct Shape {
    /// Tells metrics of one name apart that have different types.
    code: u8,
    kind: Kind,
    name_kind: MetricKind,
    temporality: Option<AggregationTemporality>,
}

impl Shape {
    fn of(data: &MetricData<'_>) -> (Self, AggregationTemporality) {
        let cumulative = AggregationTemporality::CUMULATIVE;
        let (code, kind, name_kind, temporality) = match data {
            MetricData::Gauge(_) => (0, Kind::Gauge, MetricKind::Gauge, None),
            MetricData::Sum(sum) if sum.is_monotonic() => (
                1,
                Kind::Counter,
                MetricKind::Counter,
                Some(sum.temporality()),
            ),
            MetricData::Sum(sum) => (2, Kind::Gauge, MetricKind::Other, Some(sum.temporality())),
            MetricData::Histogram(all) => (
                3,
                Kind::Histogram,
                MetricKind::Other,
                Some(all.temporality()),
            ),
            MetricData::ExponentialHistogram(all) => (
                4,
                Kind::Histogram,
                MetricKind::Other,
                Some(all.temporality()),
            ),
            MetricData::Summary(_) => (5, Kind::Summary, MetricKind::Other, None),
        };
        let told = match temporality {
            None => 0,
            Some(AggregationTemporality::CUMULATIVE) => 1,
            Some(AggregationTemporality::DELTA) => 2,
            Some(_) => 3,
        };
        let shape = Self {
            code: code * 4 + told,
            kind,
            name_kind,
            temporality,
        };
        (shape, temporality.unwrap_or(cumulative))
    }

    /// Why metrics like this cannot be shown.
    fn refused(&self, options: &Options) -> Option<&'static str> {
        match self.temporality {
            None | Some(AggregationTemporality::CUMULATIVE) => None,
            Some(AggregationTemporality::DELTA) => {
                let goes_down = self.kind == Kind::Gauge;
                (goes_down && !options.delta_up_down).then_some(
                    "a sum of deltas that can go down; `delta_up_down_sums` adds them up",
                )
            }
            Some(_) => Some("its temporality is not specified"),
        }
    }
}

/// Whether the metric was of unknown type where it came from.
fn is_unknown(metric: &Metric<'_>) -> bool {
    let told = metric.metadata().get("prometheus.type");
    told.and_then(AnyValue::as_str) == Some("unknown")
}

/// The unit in words, if the name ends with them: otherwise no server takes it.
fn unit_text(name: &str, unit: &str) -> String {
    let (main, per) = unit_words(unit);
    let words = match (main.as_str(), per.as_str()) {
        (main, "") => main.to_owned(),
        ("", per) => per.to_owned(),
        (main, per) => format!("{main}_{per}"),
    };
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let ends = stem
        .strip_suffix(&words)
        .is_some_and(|stem| stem.ends_with('_'));
    if ends && !words.is_empty() {
        words
    } else {
        String::new()
    }
}
