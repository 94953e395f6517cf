//! Streams: which family the points of a metric go to, or why none takes them.

use std::{collections::HashSet, sync::Arc};

use super::{
    Kind, Meta, Refusal, Store, Tally,
    family::Place,
    shape::{Shape, is_unknown, unit_text},
    table::Table,
    value::Bounds,
};
use crate::{
    exporters::prometheus::{pull::options::Options, translate::metric_name},
    otlp::views::Metric,
};

/// A metric of one scope: its points are those of one family.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) target: Target,
    pub(super) kind: Kind,
    pub(super) bounds: Option<Arc<Bounds>>,
    pub(super) known: Table<Known>,
}

/// A set of attributes that was seen before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) place: Place,
    pub(super) writer: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Family {
        index: usize,
        id: u64,
    },
    Refused {
        why: Refusal,
        by: Option<(usize, u64)>,
    },
}

impl Store {
    /// The stream of this metric, of which the family is there.
    pub(super) fn stream(
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
}
