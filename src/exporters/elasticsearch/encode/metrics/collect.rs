//! Brings data points together that share a document.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{
    super::{bulk::Rejections, group::Group, target::Routing},
    identity::{Mixer, same},
    sample::{Fault, Sample},
};
use crate::otlp::views::{Attributes, Metric, MetricData, Metrics, ResourceGroup, ScopeGroup, Str};

/// All data points of a request.
pub(super) struct Collected<'a> {
    pub(super) contexts: Vec<Context<'a>>,
    /// In the order of their first points.
    pub(super) shared: Vec<Shared<'a>>,
    points: Vec<Point<'a>>,
    /// What the documents of each context end with.
    tails: Vec<u8>,
}

/// A resource with a scope.
pub(super) struct Context<'a> {
    resource: (Attributes<'a>, Str<'a>, u32),
    scope: (Attributes<'a>, Str<'a>, Str<'a>, u32),
    pub(super) routing: Routing<'a>,
    pub(super) scope_name: Str<'a>,
    tail: (usize, usize),
    hash: u64,
}

/// What the points of one document have in common.
pub(super) struct Shared<'a> {
    pub(super) context: usize,
    pub(super) attributes: Attributes<'a>,
    pub(super) unit: Str<'a>,
    /// Milliseconds since the Unix epoch.
    pub(super) time_ms: u64,
    /// The same; 0 if it is not known.
    pub(super) start_ms: u64,
    /// Positions of the first and of the last point.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The next one whose hash is the same.
    next_alike: Option<usize>,
}

/// One data point.
pub(super) struct Point<'a> {
    pub(super) name: Str<'a>,
    pub(super) sample: Sample<'a>,
    pub(super) item: u64,
    /// The next one of its document.
    next: usize,
}

const NONE: usize = usize::MAX;

impl<'a> Collected<'a> {
    /// `once` says whether a series has one document for each millisecond, as it has in a time
    /// series data stream.
    pub(super) fn of(
        metrics: Metrics<'a>,
        points: usize,
        once: bool,
        rejections: &mut Rejections,
    ) -> Self {
        let mut collector = Collector {
            mixer: Mixer::new(),
            once,
            by_hash: HashMap::with_capacity_and_hasher(points, BuildHasherDefault::new()),
            names: HashMap::with_capacity_and_hasher(points, BuildHasherDefault::new()),
            rejections,
            item: 0,
            group: Group::default(),
            collected: Self {
                contexts: Vec::new(),
                shared: Vec::with_capacity(points),
                points: Vec::with_capacity(points),
                tails: Vec::new(),
            },
        };
        for resource in metrics.resources() {
            collector.group.enter_resource(&resource);
            for scope in resource.scopes() {
                collector.group.enter_scope(&scope);
                let context = collector.context(&resource, &scope);
                for metric in scope.items() {
                    collector.metric(context, &metric);
                }
            }
        }
        collector.collected
    }

    pub(super) fn tail(&self, context: &Context<'a>) -> &[u8] {
        let (start, end) = context.tail;
        self.tails.get(start..end).unwrap_or_default()
    }

    /// The points of one document, in their order.
    pub(super) fn points_of(&self, shared: &Shared<'a>) -> impl Iterator<Item = &Point<'a>> {
        std::iter::successors(self.points.get(shared.first), |point| {
            self.points.get(point.next)
        })
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type ByHash = HashMap<u64, usize, BuildHasherDefault<Ready>>;

struct Collector<'a, 'b> {
    mixer: Mixer,
    once: bool,
    /// The last document of each hash.
    by_hash: ByHash,
    /// The first point of each name in each document.
    names: ByHash,
    rejections: &'b mut Rejections,
    item: u64,
    group: Group<'a>,
    collected: Collected<'a>,
}

/// What a point says about itself, whatever its type.
struct Head<'a> {
    attributes: Attributes<'a>,
    time: u64,
    start: u64,
    is_left_out: bool,
}

macro_rules! head {
    ($point:expr) => {
        Head {
            attributes: $point.attributes(),
            time: $point.time_unix_nano(),
            start: $point.start_time_unix_nano(),
            is_left_out: $point.no_recorded_value(),
        }
    };
}

impl<'a> Collector<'a, '_> {
    /// The context of a scope: that of an equal one if there is one.
    fn context<T>(&mut self, resource: &ResourceGroup<'a, T>, scope: &ScopeGroup<'a, T>) -> usize {
        let (inner, outer) = (scope.scope(), resource.resource());
        let of_resource = (
            outer.attributes(),
            resource.schema_url(),
            outer.dropped_attributes_count(),
        );
        let of_scope = (
            inner.attributes(),
            scope.schema_url(),
            inner.version(),
            inner.dropped_attributes_count(),
        );
        let mixer = self.mixer;
        let mut hash = mixer.attributes(of_resource.0);
        hash = mixer.bytes(hash, of_resource.1.as_bytes());
        hash = mixer.number(hash, mixer.attributes(of_scope.0));
        hash = mixer.bytes(hash, of_scope.1.as_bytes());
        hash = mixer.bytes(hash, of_scope.2.as_bytes());
        hash = mixer.bytes(hash, inner.name().as_bytes());
        let contexts = &mut self.collected.contexts;
        // Few resources and scopes: most requests have one of each.
        let known = contexts.iter().position(|known| {
            known.hash == hash
                && known.scope_name == inner.name()
                && (known.resource.1, known.resource.2) == (of_resource.1, of_resource.2)
                && (known.scope.1, known.scope.2, known.scope.3)
                    == (of_scope.1, of_scope.2, of_scope.3)
                && same(known.resource.0, of_resource.0)
                && same(known.scope.0, of_scope.0)
        });
        if let Some(known) = known {
            return known;
        }
        let start = self.collected.tails.len();
        self.collected.tails.extend_from_slice(&self.group.tail);
        contexts.push(Context {
            resource: of_resource,
            scope: of_scope,
            routing: self.group.routing(),
            scope_name: inner.name(),
            tail: (start, self.collected.tails.len()),
            hash,
        });
        contexts.len() - 1
    }

    fn metric(&mut self, context: usize, metric: &Metric<'a>) {
        let base = self.mixer.number(7, context as u64);
        let base = self.mixer.bytes(base, metric.unit().as_bytes());
        let of = Of {
            context,
            base,
            name: metric.name(),
            name_hash: self.mixer.bytes(3, metric.name().as_bytes()),
            unit: metric.unit(),
        };
        match metric.data() {
            None => {}
            Some(MetricData::Gauge(gauge)) => {
                for point in gauge.points() {
                    self.add(&of, head!(point), || Sample::gauge(&point));
                }
            }
            Some(MetricData::Sum(sum)) => {
                for point in sum.points() {
                    self.add(&of, head!(point), || Sample::sum(&sum, &point));
                }
            }
            Some(MetricData::Histogram(histogram)) => {
                for point in histogram.points() {
                    self.add(&of, head!(point), || Sample::histogram(&histogram, &point));
                }
            }
            Some(MetricData::ExponentialHistogram(histogram)) => {
                for point in histogram.points() {
                    self.add(&of, head!(point), || {
                        Sample::exponential(&histogram, &point)
                    });
                }
            }
            Some(MetricData::Summary(summary)) => {
                for point in summary.points() {
                    self.add(&of, head!(point), || Sample::summary(&point));
                }
            }
        }
    }

    fn add(
        &mut self,
        of: &Of<'a>,
        head: Head<'a>,
        sample: impl FnOnce() -> Result<Sample<'a>, Fault>,
    ) {
        let item = self.item;
        self.item += 1;
        // A point that says that it has no value is the end of a series: there is nothing to store.
        if head.is_left_out {
            return;
        }
        let sample = match sample() {
            Ok(sample) => sample,
            Err(fault) => return self.rejections.add(item, fault, of.name.as_str()),
        };
        let (time_ms, start_ms) = (head.time / 1_000_000, head.start / 1_000_000);
        let mixer = self.mixer;
        let mut hash = mixer.number(of.base, time_ms);
        hash = mixer.number(hash, start_ms);
        hash = mixer.number(hash, mixer.attributes(head.attributes));

        let Collected { shared, points, .. } = &mut self.collected;
        let position = points.len();
        let first_alike = self.by_hash.get(&hash).copied();
        let mut alike = first_alike;
        let found = loop {
            let Some(candidate) = alike.and_then(|at| Some((at, shared.get(at)?))) else {
                break None;
            };
            let (at, candidate) = candidate;
            if candidate.context == of.context
                && (candidate.time_ms, candidate.start_ms) == (time_ms, start_ms)
                && candidate.unit == of.unit
                && same(candidate.attributes, head.attributes)
            {
                break Some(at);
            }
            alike = candidate.next_alike;
        };
        let mut found = found;
        if let Some(document) = found {
            let key = mixer.number(of.name_hash, document as u64);
            let known = *self.names.entry(key).or_insert(position);
            let is_second = points.get(known).is_some_and(|point| point.name == of.name);
            if is_second && self.once {
                let fault = "a second data point of the same metric, attributes and millisecond";
                return self.rejections.add(item, fault, of.name.as_str());
            }
            if is_second {
                found = None;
            }
        }
        let document = found.unwrap_or(shared.len());
        if found.is_none() {
            let key = mixer.number(of.name_hash, document as u64);
            self.names.insert(key, position);
        }
        match found.and_then(|at| shared.get_mut(at)) {
            Some(shared) => {
                if let Some(last) = points.get_mut(shared.last) {
                    last.next = position;
                }
                shared.last = position;
            }
            None => {
                self.by_hash.insert(hash, document);
                shared.push(Shared {
                    context: of.context,
                    attributes: head.attributes,
                    unit: of.unit,
                    time_ms,
                    start_ms,
                    first: position,
                    last: position,
                    next_alike: first_alike,
                });
            }
        }
        points.push(Point {
            name: of.name,
            sample,
            item,
            next: NONE,
        });
    }
}

/// What the points of a metric have in common.
struct Of<'a> {
    context: usize,
    base: u64,
    name: Str<'a>,
    name_hash: u64,
    unit: Str<'a>,
}
