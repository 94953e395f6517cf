//! Data points: those with the same resource, scope, attributes, times and unit share a document.
//!
//! A time series data stream takes one document for each set of dimensions and millisecond, so
//! points are brought together wherever in the request they stand: merged requests repeat their
//! resources and scopes.

mod collect;
mod identity;
mod sample;

use self::{
    collect::{Collected, Point, Shared},
    sample::{Hints, Sample},
};
use super::{
    BulkFormat,
    bulk::Bulk,
    group::{careful_attributes, plain_attributes},
    hash::{Fnv32, hex_over},
    target::{Routing, Target},
    value::{Maps, integer},
};
use crate::{
    Signal,
    otlp::{
        json::write::{key, name, string, string_body, text_field},
        views::{Metrics, Str},
    },
};

pub(super) fn write(format: &BulkFormat, bulk: &mut Bulk, metrics: Metrics<'_>, points: usize) {
    let once = format.is_elasticsearch() && format.index_of(Signal::Metrics).is_none();
    let collected = Collected::of(metrics, points, once, &mut bulk.rejections);
    let mut own = Target::default();
    let mut names = Vec::new();
    let mut targets: Vec<Option<Target>> = vec![None; collected.contexts.len()];
    for shared in &collected.shared {
        let Some(context) = collected.contexts.get(shared.context) else {
            continue;
        };
        let target = match targets.get_mut(shared.context) {
            Some(target) => target.get_or_insert_with(|| {
                let mut target = Target::default();
                target.resolve(format, Signal::Metrics, context.routing, context.scope_name);
                target
            }),
            None => continue,
        };
        let mut document = Document {
            format,
            tail: collected.tail(context),
            shared,
            collected: &collected,
            names: &mut names,
        };
        let start = bulk.text.len();
        if document.write(bulk, target, None) {
            continue;
        }
        bulk.text.truncate(start);
        let routing = Routing::of(shared.attributes);
        let outer = routing.within(context.routing);
        own.resolve(format, Signal::Metrics, outer, context.scope_name);
        document.write(bulk, &own, Some(routing));
    }
}

struct Document<'a, 'b> {
    format: &'b BulkFormat,
    tail: &'b [u8],
    shared: &'b Shared<'a>,
    collected: &'b Collected<'a>,
    /// Names of the metrics, to be sorted.
    names: &'b mut Vec<Str<'a>>,
}

impl<'a> Document<'a, '_> {
    /// Writes both lines. `false` if the attributes need a second look: `own` then is what they
    /// say.
    fn write(&mut self, bulk: &mut Bulk, target: &Target, own: Option<Routing<'_>>) -> bool {
        let (format, shared) = (self.format, self.shared);
        let hints = match own {
            Some(_) => Hints::of(shared.attributes),
            None => Hints::default(),
        };
        let id = format.id(own.unwrap_or_default().document_id);
        let out = &mut bulk.text;
        let place = target.begin_action(out, format.action, id);
        if format.is_elasticsearch() {
            self.dynamic_templates(out, hints);
        }
        out.extend_from_slice(b"}}\n");
        let document = out.len();
        out.push(b'{');
        name(out, key!("@timestamp"));
        integer(out, shared.time_ms);
        if shared.start_ms != 0 {
            name(out, key!("start_timestamp"));
            integer(out, shared.start_ms);
        }
        text_field(out, key!("unit"), shared.unit);
        out.extend_from_slice(&target.data_stream);
        if own.is_some() {
            careful_attributes(out, shared.attributes, Maps::Text, |_| false);
        } else if !plain_attributes(out, shared.attributes, Maps::Text, |_| false) {
            return false;
        }
        out.extend_from_slice(self.tail);
        self.values(out, hints);
        self.names_hash(out);
        out.push(b'}');
        bulk.items.extend(self.points().map(|point| point.item));
        bulk.finish(id, place, target, document);
        true
    }

    fn points(&self) -> impl Iterator<Item = &Point<'a>> {
        self.collected.points_of(self.shared)
    }

    fn dynamic_templates(&self, out: &mut Vec<u8>, hints: Hints) {
        out.extend_from_slice(b",\"dynamic_templates\":{");
        for (position, point) in self.points().enumerate() {
            out.extend_from_slice(if position > 0 {
                b",\"metrics."
            } else {
                b"\"metrics."
            });
            string_body(out, point.name.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(point.sample.template(hints).as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn values(&self, out: &mut Vec<u8>, hints: Hints) {
        out.extend_from_slice(b",\"metrics\":{");
        let mut count = None;
        for (position, point) in self.points().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            string(out, point.name.as_bytes());
            out.push(b':');
            point.sample.write(out, hints);
            count = point.sample.count().or(count);
        }
        out.push(b'}');
        if let Some(count) = count
            && hints.doc_count
        {
            name(out, key!("_doc_count"));
            integer(out, count);
        }
    }

    /// A hash of the names: a dimension that keeps documents with other metrics apart.
    fn names_hash(&mut self, out: &mut Vec<u8>) {
        let mut hash = Fnv32::new();
        let Shared { first, last, .. } = self.shared;
        if first == last {
            self.points()
                .for_each(|point| hash.write(point.name.as_bytes()));
        } else {
            let mut names = std::mem::take(self.names);
            names.clear();
            names.extend(self.points().map(|point| point.name));
            names.sort_unstable();
            names.iter().for_each(|name| hash.write(name.as_bytes()));
            *self.names = names;
        }
        name(out, key!("_metric_names_hash"));
        let mut text = *b"\"00000000\"";
        if let Some(digits) = text.get_mut(1..9) {
            hex_over(digits, &hash.finish());
        }
        out.extend_from_slice(&text);
    }
}

impl Sample<'_> {
    /// The name of the dynamic template of the field.
    fn template(&self, hints: Hints) -> &'static str {
        match self {
            Sample::Gauge(number) => number.either("gauge_long", "gauge_double"),
            Sample::Counter(number) => number.either("counter_long", "counter_double"),
            Sample::Summary { .. } => "summary",
            Sample::Histogram(_) | Sample::Exponential(_) if hints.aggregate => "summary",
            Sample::Histogram(_) | Sample::Exponential(_) => "histogram",
        }
    }
}
