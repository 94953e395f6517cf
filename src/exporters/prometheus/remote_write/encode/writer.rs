//! The bytes of one message.

use super::{
    Protocol,
    native::put_fixed64,
    series::{Exemplar, Kind, Label, Sample, Series, Table},
    symbols::{Symbol, Symbols},
};
use crate::otlp::wire;

/// Buffers of a message that is being written.
#[derive(Default)]
pub(super) struct Writer {
    /// Fields `symbols` of 2.0.
    symbols: Vec<u8>,
    /// Fields `timeseries`.
    pub(super) series: Vec<u8>,
    /// Fields `metadata` of 1.0.
    metadata: Vec<u8>,
    /// For each symbol its number in this message; 0 if it has none yet.
    numbers: Vec<u32>,
    numbered: Vec<Symbol>,
    /// Families whose metadata stand in this message.
    families: Vec<u32>,
}

/// The lengths of the buffers at some moment, to go back to.
pub(super) struct Mark {
    symbols: usize,
    series: usize,
    metadata: usize,
    numbered: usize,
    families: usize,
}

/// A sample and its tag, length, times and value, at most.
pub(super) const SAMPLE: usize = 40;

impl Writer {
    pub(super) fn begin(&mut self, symbols: usize) {
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

    pub(super) const fn size(&self) -> usize {
        self.symbols.len() + self.series.len() + self.metadata.len()
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark {
            symbols: self.symbols.len(),
            series: self.series.len(),
            metadata: self.metadata.len(),
            numbered: self.numbered.len(),
            families: self.families.len(),
        }
    }

    pub(super) fn back_to(&mut self, mark: &Mark) {
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

    pub(super) fn put_labels(&mut self, protocol: Protocol, symbols: &Symbols, labels: &[Label]) {
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

    pub(super) fn put_sample(
        &mut self,
        protocol: Protocol,
        table: &Table,
        kind: Kind,
        sample: &Sample,
    ) {
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

    pub(super) fn put_exemplar(
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
    pub(super) fn put_metadata(
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
    pub(super) fn finish(&self, protocol: Protocol, out: &mut Vec<u8>) {
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
