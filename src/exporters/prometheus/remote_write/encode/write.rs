//! From series to messages: as many as their limits demand.

use std::ops::Range;

use super::{
    Encoder, Protocol,
    native::put_fixed64,
    series::{Exemplar, Kind, Label, NONE, Sample, Series, Table},
    symbols::{Symbol, Symbols},
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

/// Buffers of a message that is being written.
#[derive(Default)]
pub(super) struct Writer {
    /// Fields `symbols` of 2.0.
    symbols: Vec<u8>,
    /// Fields `timeseries`.
    series: Vec<u8>,
    /// Fields `metadata` of 1.0.
    metadata: Vec<u8>,
    /// For each symbol its number in this message; 0 if it has none yet.
    numbers: Vec<u32>,
    numbered: Vec<Symbol>,
    /// Families whose metadata stand in this message.
    families: Vec<u32>,
}

/// The lengths of the buffers at some moment, to go back to.
struct Mark {
    symbols: usize,
    series: usize,
    metadata: usize,
    numbered: usize,
    families: usize,
}

/// A sample and its tag, length, times and value, at most.
const SAMPLE: usize = 40;

impl Writer {
    fn begin(&mut self, symbols: usize) {
        for symbol in self.numbered.drain(..) {
            if let Some(number) = self.numbers.get_mut(symbol.at()) {
                *number = 0;
            }
        }
        self.numbers.resize(symbols, 0);
        self.symbols.clear();
        self.series.clear();
        self.metadata.clear();
        self.families.clear();
    }

    const fn size(&self) -> usize {
        self.symbols.len() + self.series.len() + self.metadata.len()
    }

    const fn mark(&self) -> Mark {
        Mark {
            symbols: self.symbols.len(),
            series: self.series.len(),
            metadata: self.metadata.len(),
            numbered: self.numbered.len(),
            families: self.families.len(),
        }
    }

    fn back_to(&mut self, mark: &Mark) {
        for symbol in self.numbered.drain(mark.numbered..) {
            if let Some(number) = self.numbers.get_mut(symbol.at()) {
                *number = 0;
            }
        }
        self.symbols.truncate(mark.symbols);
        self.series.truncate(mark.series);
        self.metadata.truncate(mark.metadata);
        self.families.truncate(mark.families);
    }

    /// The number of a string in this message, 2.0.
    #[inline]
    fn number(&mut self, symbols: &Symbols, symbol: Symbol) -> u64 {
        if symbol == Symbol::EMPTY {
            return 0;
        }
        let Some(number) = self.numbers.get_mut(symbol.at()) else {
            return 0;
        };
        if *number == 0 {
            self.numbered.push(symbol);
            *number = self.numbered.len() as u32;
            wire::put_len_field(&mut self.symbols, 4, symbols.get(symbol));
        }
        u64::from(*number)
    }

    fn put_labels(&mut self, protocol: Protocol, symbols: &Symbols, labels: &[Label]) {
        match protocol {
            Protocol::V1 => {
                for (name, value) in labels {
                    let out = &mut self.series;
                    let body = wire::begin_len(out, 1);
                    wire::put_len_field(out, 1, symbols.get(*name));
                    wire::put_len_field(out, 2, symbols.get(*value));
                    wire::end_len(out, body);
                }
            }
            Protocol::V2 => {
                if labels.is_empty() {
                    return;
                }
                let body = wire::begin_len(&mut self.series, 1);
                for (name, value) in labels {
                    for symbol in [name, value] {
                        let number = self.number(symbols, *symbol);
                        wire::put_varint(&mut self.series, number);
                    }
                }
                wire::end_len(&mut self.series, body);
            }
        }
    }

    fn put_sample(&mut self, protocol: Protocol, table: &Table, kind: Kind, sample: &Sample) {
        let out = &mut self.series;
        match kind {
            Kind::Float => {
                let body = wire::begin_len(out, 2);
                put_fixed64(out, 1, sample.value);
                put_varint(out, 2, sample.time.cast_unsigned());
                if protocol == Protocol::V2 {
                    put_varint(out, 3, sample.start.cast_unsigned());
                }
                wire::end_len(out, body);
            }
            Kind::Histogram => {
                let field = match protocol {
                    Protocol::V1 => 4,
                    Protocol::V2 => 3,
                };
                let (fields, custom) = table.histogram(sample);
                let body = wire::begin_len(out, field);
                out.extend_from_slice(fields);
                put_varint(out, 15, sample.time.cast_unsigned());
                out.extend_from_slice(custom);
                if protocol == Protocol::V2 {
                    put_varint(out, 17, sample.start.cast_unsigned());
                }
                wire::end_len(out, body);
            }
        }
    }

    fn put_exemplar(
        &mut self,
        protocol: Protocol,
        symbols: &Symbols,
        table: &Table,
        exemplar: &Exemplar,
    ) {
        let field = match protocol {
            Protocol::V1 => 3,
            Protocol::V2 => 4,
        };
        let body = wire::begin_len(&mut self.series, field);
        self.put_labels(protocol, symbols, table.exemplar_labels(exemplar));
        put_fixed64(&mut self.series, 2, exemplar.value.to_bits());
        put_varint(&mut self.series, 3, exemplar.time.cast_unsigned());
        wire::end_len(&mut self.series, body);
    }

    /// Type, help and unit: 2.0 within the series, 1.0 beside them.
    fn put_metadata(
        &mut self,
        protocol: Protocol,
        symbols: &Symbols,
        table: &Table,
        series: &Series,
    ) {
        let Some(family) = table.families.get(series.family as usize) else {
            return;
        };
        match protocol {
            Protocol::V1 => {
                if self.families.contains(&series.family) {
                    return;
                }
                self.families.push(series.family);
                let out = &mut self.metadata;
                let body = wire::begin_len(out, 3);
                put_varint(out, 1, u64::from(family.kind));
                for (field, symbol) in [(2, family.name), (4, family.help), (5, family.unit)] {
                    if symbol != Symbol::EMPTY {
                        wire::put_len_field(out, field, symbols.get(symbol));
                    }
                }
                wire::end_len(out, body);
            }
            Protocol::V2 => {
                let help = self.number(symbols, family.help);
                let unit = self.number(symbols, family.unit);
                let out = &mut self.series;
                let body = wire::begin_len(out, 5);
                put_varint(out, 1, u64::from(family.kind));
                put_varint(out, 3, help);
                put_varint(out, 4, unit);
                wire::end_len(out, body);
            }
        }
    }

    /// The whole message.
    fn finish(&self, protocol: Protocol, out: &mut Vec<u8>) {
        out.reserve(self.size() + 2);
        if protocol == Protocol::V2 {
            // The empty string, which stands first.
            out.extend_from_slice(&[0x22, 0]);
        }
        out.extend_from_slice(&self.symbols);
        out.extend_from_slice(&self.series);
        out.extend_from_slice(&self.metadata);
    }
}

/// A varint field, unless it is zero, which is the same as not written.
fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        wire::put_varint_field(out, number, value);
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
