//! Strings by number: each is stored once, and found by its bytes.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A string of [`Symbols`]. The empty one is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Symbol(pub(super) u32);

impl Symbol {
    pub(super) const EMPTY: Self = Self(0);

    /// As an index.
    pub(super) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// One after the other in one buffer, which a next request uses again.
#[derive(Default)]
pub(super) struct Symbols {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    by_bytes: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

struct Entry {
    start: u32,
    end: u32,
    hash: u64,
}

impl Symbols {
    /// Forgets everything but the empty string.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.by_bytes.clear();
        self.intern(b"");
    }

    /// Number of strings, the empty one included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how much memory is kept, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * (size_of::<Entry>() + 8)
    }

    pub(super) fn get(&self, symbol: Symbol) -> &[u8] {
        match self.entries.get(symbol.at()) {
            Some(entry) => span(&self.bytes, entry),
            None => &[],
        }
    }

    #[inline]
    pub(super) fn intern(&mut self, text: &[u8]) -> Symbol {
        let hash = self.hasher.hash_one(text);
        let Self {
            bytes,
            entries,
            by_bytes,
            ..
        } = self;
        let same = |number: &u32| {
            let entry = &entries[*number as usize];
            entry.hash == hash && span(bytes, entry) == text
        };
        if let Some(number) = by_bytes.find(hash, same) {
            return Symbol(*number);
        }
        // A request is at most 4 GiB, and its strings are fewer and shorter than that.
        let number = entries.len() as u32;
        let start = bytes.len() as u32;
        bytes.extend_from_slice(text);
        entries.push(Entry {
            start,
            end: bytes.len() as u32,
            hash,
        });
        by_bytes.insert_unique(hash, number, |number| entries[*number as usize].hash);
        Symbol(number)
    }
}

fn span<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    bytes
        .get(entry.start as usize..entry.end as usize)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_has_one_number() {
        let mut symbols = Symbols::default();
        symbols.clear();
        assert_eq!(symbols.intern(b""), Symbol::EMPTY);
        let numbers: Vec<Symbol> = (0..5000_u32)
            .map(|number| symbols.intern(number.to_string().as_bytes()))
            .collect();
        for (number, symbol) in (0..5000_u32).zip(numbers) {
            let text = number.to_string();
            assert_eq!(symbols.intern(text.as_bytes()), symbol);
            assert_eq!(symbols.get(symbol), text.as_bytes());
        }
        assert_eq!(symbols.len(), 5001);
        symbols.clear();
        assert_eq!(symbols.len(), 1);
        assert_eq!(symbols.get(Symbol(7)), b"");
    }
}
