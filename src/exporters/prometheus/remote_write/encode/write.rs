//! From series to messages: as many as their limits demand.

use std::ops::Range;

use super::{
    Encoder, Protocol,
    series::{Kind, NONE, Sample},
    writer::{SAMPLE, Writer},
};
use crate::otlp::wire;

/// How much a message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Samples and histograms.
    pub samples: usize,
    /// Bytes, before compression.
    pub bytes: usize,
}

/// What a message holds. The data points that it is made of are known to its [`Encoder`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Number of floating-point samples.
    pub samples: u64,
    /// Number of native histograms.
    pub histograms: u64,
    /// Number of exemplars.
    pub exemplars: u64,
    /// Number of data points of the request that have a part in it.
    pub points: u64,
    pub(crate) shard: usize,
    pub(super) range: Range<Cursor>,
}

/// A place before a series, or within its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    series: usize,
    /// The next of its samples; `None` for the first.
    sample: Option<u32>,
}

impl Cursor {
    const fn next_series(self) -> Self {
        Self {
            series: self.series + 1,
            sample: None,
        }
    }
}

/// How far a series was written.
enum Written {
    /// All of its samples from the cursor on.
    Whole,
    /// Those before this sample; the message is full.
    Part(u32),
    /// Nothing: the message is full.
    Nothing,
    /// Nothing: not even its first sample fits into a message of its own.
    TooLarge,
}

impl Encoder {
    /// Writes the next message of a shard behind what `out` holds; `None` when there is none.
    /// `shard` is below the number of [shards](Encoder::convert).
    ///
    /// A sample that does not fit into a message of its own is rejected, together with its data
    /// point, and its neighbours live.
    pub fn next_into(
        &mut self,
        shard: usize,
        limits: MessageLimits,
        out: &mut Vec<u8>,
    ) -> Option<Message> {
        let start = *self.cursors.get(shard)?;
        self.writer.begin(self.symbols.len());
        let mut message = Message {
            samples: 0,
            histograms: 0,
            exemplars: 0,
            points: 0,
            shard,
            range: start..start,
        };
        let mut at = start;
        while let Some(series) = self.table.series.get(at.series) {
            if series.shard as usize != shard {
                at = at.next_series();
                continue;
            }
            match self.put_series(at, limits, &mut message) {
                Written::Whole => at = at.next_series(),
                Written::Part(next) => {
                    at.sample = Some(next);
                    break;
                }
                Written::Nothing => break,
                Written::TooLarge => at = self.skip(at),
            }
        }
        message.range.end = at;
        if let Some(cursor) = self.cursors.get_mut(shard) {
            *cursor = at;
        }
        if message.samples + message.histograms == 0 {
            return None;
        }
        message.points = self.count_points(&message);
        self.writer.finish(self.protocol, out);
        Some(message)
    }

    fn put_series(&mut self, at: Cursor, limits: MessageLimits, message: &mut Message) -> Written {
        let Self {
            table,
            symbols,
            writer,
            protocol,
            options,
            ..
        } = self;
        let protocol = *protocol;
        let Some(series) = table.series.get(at.series) else {
            return Written::Whole;
        };
        let mut samples = table.samples_from(series, at.sample);
        let is_first = message.samples + message.histograms == 0;
        let written = message.samples + message.histograms;
        let left = limits
            .samples
            .max(1)
            .saturating_sub(usize::try_from(written).unwrap_or(usize::MAX));
        if left == 0 {
            return Written::Nothing;
        }
        let mark = writer.mark();
        // With the first symbol, and the length of this series.
        let fits = |writer: &Writer, more: usize| writer.size() + more + 8 <= limits.bytes;
        let body = wire::begin_len(
            &mut writer.series,
            match protocol {
                Protocol::V1 => 1,
                Protocol::V2 => 5,
            },
        );
        writer.put_labels(protocol, symbols, table.labels(series));
        if protocol == Protocol::V1 && options.metadata {
            writer.put_metadata(protocol, symbols, table, series);
        }
        // What 2.0 writes behind the samples must fit too.
        let family = match protocol {
            Protocol::V1 => 0,
            Protocol::V2 => table
                .families
                .get(series.family as usize)
                .map_or(0, |family| {
                    symbols.get(family.help).len() + symbols.get(family.unit).len() + 32
                }),
        };
        let mut count = 0;
        while let Some(sample) = samples.peek()
            && count < left
        {
            let (fields, custom) = match series.kind {
                Kind::Float => (&[][..], &[][..]),
                Kind::Histogram => table.histogram(sample),
            };
            if !fits(writer, SAMPLE + fields.len() + custom.len() + family) {
                break;
            }
            writer.put_sample(protocol, table, series.kind, sample);
            count += 1;
            samples.next();
        }
        if count == 0 {
            writer.back_to(&mark);
            return if is_first {
                Written::TooLarge
            } else {
                Written::Nothing
            };
        }
        let mut exemplars = 0;
        if at.sample.is_none() {
            for exemplar in table.exemplars(series) {
                let before = writer.mark();
                writer.put_exemplar(protocol, symbols, table, exemplar);
                // One that does not fit is no loss of a data point.
                if fits(writer, family) {
                    exemplars += 1;
                } else {
                    writer.back_to(&before);
                    break;
                }
            }
        }
        if protocol == Protocol::V2 {
            writer.put_metadata(protocol, symbols, table, series);
        }
        wire::end_len(&mut writer.series, body);
        message.exemplars += exemplars;
        let counted = match series.kind {
            Kind::Float => &mut message.samples,
            Kind::Histogram => &mut message.histograms,
        };
        *counted += count as u64;
        match samples.peek() {
            None => Written::Whole,
            Some(_) => Written::Part(samples.position()),
        }
    }

    /// Rejects the data point of a sample that is too large for any message, and goes on behind it.
    fn skip(&mut self, at: Cursor) -> Cursor {
        let Some(series) = self.table.series.get(at.series) else {
            return at.next_series();
        };
        let mut samples = self.table.samples_from(series, at.sample);
        if let Some(sample) = samples.next()
            && self.items.reject(sample.item)
        {
            let family = self.table.families.get(series.family as usize);
            let name = family.map_or(&[][..], |family| self.symbols.get(family.name));
            self.rejections.add(1, || {
                let name = String::from_utf8_lossy(name);
                format!("metric `{name}`: a sample is larger than a message may be")
            });
        }
        match samples.peek() {
            Some(_) => Cursor {
                series: at.series,
                sample: Some(samples.position()),
            },
            None => at.next_series(),
        }
    }

    /// The samples of a shard between two places.
    fn samples_between(&self, shard: usize, range: Range<Cursor>) -> impl Iterator<Item = &Sample> {
        let Range { start, end } = range;
        let all = self.table.series.iter().enumerate();
        let some = all.take(end.series + 1).skip(start.series);
        some.filter(move |(_, series)| series.shard as usize == shard)
            .flat_map(move |(number, series)| {
                let from = start.sample.filter(|_| number == start.series);
                let to = (number == end.series).then_some(end.sample);
                self.table.samples_from(series, from).until(match to {
                    // All of them.
                    None => NONE,
                    Some(Some(sample)) => sample,
                    // None of them.
                    Some(None) => self.table.samples(series).position(),
                })
            })
    }

    /// Notes that what is in a message did not arrive.
    pub(crate) fn lose(&mut self, message: &Message) {
        self.lose_between(message.shard, message.range.clone());
    }

    /// Notes that what was not written yet will not be sent.
    pub(crate) fn lose_rest(&mut self) {
        let end = Cursor {
            series: self.table.series.len(),
            sample: None,
        };
        for shard in 0..self.cursors.len() {
            let start = self.cursors.get(shard).copied().unwrap_or(end);
            self.lose_between(shard, start..end);
        }
    }

    fn lose_between(&mut self, shard: usize, range: Range<Cursor>) {
        let mut items = std::mem::take(&mut self.items);
        for sample in self.samples_between(shard, range) {
            items.lose(sample.item);
        }
        self.items = items;
    }

    fn count_points(&mut self, message: &Message) -> u64 {
        let mut items = std::mem::take(&mut self.items);
        items.begin_count();
        let count = self
            .samples_between(message.shard, message.range.clone())
            .filter(|sample| sample.item != NONE && items.count(sample.item))
            .count();
        self.items = items;
        count as u64
    }
}
