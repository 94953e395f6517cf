//! What was seen before, found again by its bytes.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

/// Values under keys of bytes, numbered in the order in which they came.
///
/// The hash is keyed, as the bytes come from outside; what it finds is compared in full.
#[derive(Debug)]
pub(super) struct Table<T> {
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Vec<(Box<[u8]>, T)>,
    /// The entry behind the one that was found last: telemetry comes in the same order again
    /// and again.
    next: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            index: HashTable::new(),
            entries: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Table<T> {
    /// The number of this key.
    #[inline]
    pub(super) fn find(&mut self, key: &[u8]) -> Option<usize> {
        let found = match self.entries.get(self.next) {
            Some((known, _)) if **known == *key => self.next,
            _ => self.search(key)?,
        };
        self.next = if found + 1 < self.entries.len() {
            found + 1
        } else {
            0
        };
        Some(found)
    }

    fn search(&self, key: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let is_key = |number: &u32| {
            let entry = self.entries.get(*number as usize);
            entry.is_some_and(|(known, _)| **known == *key)
        };
        let found = self.index.find(hash, is_key)?;
        Some(*found as usize)
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: &[u8], value: T) -> usize {
        let Self {
            hasher,
            index,
            entries,
            ..
        } = self;
        let number = entries.len();
        // There are never as many: each takes tens of bytes.
        let short = u32::try_from(number).unwrap_or(u32::MAX);
        index.insert_unique(hasher.hash_one(key), short, |number| {
            let entry = entries.get(*number as usize);
            entry.map_or(0, |(key, _)| hasher.hash_one(&**key))
        });
        entries.push((key.into(), value));
        number
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number).map(|(_, value)| value)
    }

    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.entries.get(number).map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order() {
        let mut table = Table::default();
        let keys: Vec<String> = (0..1000).map(|number| format!("key {number}")).collect();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(table.find(key.as_bytes()), None);
            assert_eq!(table.insert(key.as_bytes(), number), number);
        }
        for order in [1, 7, 999] {
            for step in 0..1000 {
                let number = step * order % 1000;
                assert_eq!(table.find(keys[number].as_bytes()), Some(number));
                assert_eq!(table.get(number), Some(&number));
            }
        }
        assert_eq!(table.len(), 1000);
    }
}
