//! Pages: all series in one of the formats, written piece by piece.

mod number;
mod protobuf;
mod text;

use std::{collections::HashSet, sync::Arc};

pub(super) use self::number::float;
use super::{
    EscapingScheme, Format,
    escape::NameOf,
    store::{Chunk, Kind, Meta, Series, Snapshot, rename},
};

/// A page that is being written.
pub(super) struct Page {
    writer: Writer,
    scheme: EscapingScheme,
    /// Whether names of labels have to be looked at one by one.
    renames_labels: bool,
    /// What was last updated before this is not shown.
    since: u64,
    families: std::vec::IntoIter<Family>,
    current: Option<Current>,
    renamed: Vec<u8>,
    /// Families and series that were left out as their name is taken once it is escaped.
    pub(super) clashes: u64,
}

/// Writes in one of the formats.
enum Writer {
    Text(text::Text),
    Protobuf(protobuf::Protobuf),
}

/// A family under the name that it has on this page.
struct Family {
    name: String,
    meta: Arc<Meta>,
    chunks: Vec<Arc<Chunk>>,
    /// Whether OpenMetrics has the type only with another name: the type is not told.
    is_untold: bool,
}

struct Current {
    family: Family,
    next_chunk: usize,
    /// Whether what stands above the samples is written.
    is_begun: bool,
    /// Labels of the series so far, where two can become the same.
    seen: HashSet<Box<[u8]>>,
}

/// How a page is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) format: Format,
    pub(super) scheme: EscapingScheme,
    pub(super) created_lines: bool,
    /// Whether names may be outside of the classic set.
    pub(super) has_utf8: bool,
    pub(super) since: u64,
}

impl Page {
    pub(super) fn new(mut snapshot: Vec<Snapshot>, look: Look) -> Self {
        let Look {
            format,
            scheme,
            created_lines,
            has_utf8,
            since,
        } = look;
        snapshot.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        let renames =
            scheme != EscapingScheme::AllowUtf8 && (has_utf8 || scheme.changes_classic_names());
        let mut clashes = 0;
        let mut taken = HashSet::new();
        let mut families = Vec::with_capacity(snapshot.len());
        for Snapshot { meta, chunks } in snapshot {
            let name = scheme.escape(&meta.name, NameOf::Metric).into_owned();
            let names = meta.kind.sample_names(&name, created_lines);
            if renames && names.iter().any(|name| taken.contains(name)) {
                clashes += 1;
                continue;
            }
            taken.extend(names);
            families.push(Family {
                name,
                meta,
                chunks,
                is_untold: false,
            });
        }
        for family in &mut families {
            if family.meta.kind == Kind::Counter {
                // OpenMetrics cuts the suffix off: what is left may be the name of another.
                let stem = family.name.strip_suffix("_total");
                family.is_untold = stem.is_none_or(|stem| stem.is_empty() || taken.contains(stem));
            }
        }
        let writer = match format {
            Format::Protobuf => Writer::Protobuf(protobuf::Protobuf::default()),
            Format::Text => Writer::Text(text::Text::new(false, false)),
            Format::OpenMetrics0 | Format::OpenMetrics1 => {
                Writer::Text(text::Text::new(true, created_lines))
            }
        };
        Self {
            writer,
            scheme,
            renames_labels: renames,
            since,
            families: families.into_iter(),
            current: None,
            renamed: Vec::new(),
            clashes,
        }
    }

    /// Writes on behind what `out` holds, until that is at least this long, or the page is
    /// finished: then it says so.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, until: usize) -> bool {
        loop {
            if self.current.is_none() {
                self.current = self.families.next().map(|family| Current {
                    family,
                    next_chunk: 0,
                    is_begun: false,
                    seen: HashSet::new(),
                });
            }
            let Some(current) = &mut self.current else {
                if let Writer::Text(text) = &self.writer {
                    text.finish(out);
                }
                return true;
            };
            while let Some(chunk) = current.family.chunks.get(current.next_chunk) {
                for series in chunk.iter().flatten() {
                    if series.seen < self.since {
                        continue;
                    }
                    let mut labels = &*series.labels;
                    if self.renames_labels {
                        rename(labels, self.scheme, &mut self.renamed);
                        labels = &self.renamed;
                        if !current.seen.insert(labels.into()) {
                            self.clashes += 1;
                            continue;
                        }
                    }
                    if !current.is_begun {
                        current.is_begun = true;
                        match &mut self.writer {
                            Writer::Text(text) => text.begin(out, &current.family),
                            Writer::Protobuf(protobuf) => protobuf.begin(&current.family),
                        }
                    }
                    match &mut self.writer {
                        Writer::Text(text) => text.series(out, labels, series),
                        Writer::Protobuf(protobuf) => protobuf.series(labels, series),
                    }
                }
                current.next_chunk += 1;
                let pending = match &self.writer {
                    Writer::Text(_) => 0,
                    Writer::Protobuf(protobuf) => protobuf.pending(),
                };
                if out.len() + pending >= until && until_is_piece(until) {
                    return false;
                }
            }
            if current.is_begun
                && let Writer::Protobuf(protobuf) = &mut self.writer
            {
                protobuf.end(out);
            }
            self.current = None;
        }
    }
}

/// Whether a page is written in pieces at all.
const fn until_is_piece(until: usize) -> bool {
    until != usize::MAX
}

/// The value of a series, in a form that all formats can show.
#[inline]
fn created(series: &Series) -> Option<u64> {
    (series.start != 0).then_some(series.start)
}
