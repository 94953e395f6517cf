//! Moments that tell records apart.
//!
//! InfluxDB knows a point by its measurement, its tags and its time: of two records that have
//! all of them in common one would overwrite the other.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// The moments that are taken, for the tags that have been seen.
#[derive(Debug, Default)]
pub(super) struct Moments {
    hasher: RandomState,
    /// By the hash of a point's identity: the next moment that may be free. That two identities
    /// share a hash does no harm: a record then is one unit of time later than it need be.
    taken: HashMap<u64, i64>,
}

impl Moments {
    /// The first moment from `time` on that no other record with these tags has.
    pub(super) fn free(&mut self, tags: &[u8], time: i64) -> i64 {
        let tags = self.hasher.hash_one(tags);
        let mut found = time;
        while let Some(next) = self.taken.get(&self.hasher.hash_one((tags, found))) {
            if *next == found {
                // The end of time.
                return found;
            }
            found = *next;
        }
        let next = found.saturating_add(1);
        self.taken.insert(self.hasher.hash_one((tags, found)), next);
        if found != time {
            // So that the next one of a long row has not to walk along it.
            self.taken.insert(self.hasher.hash_one((tags, time)), next);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_moments_are_moved_apart() {
        let mut moments = Moments::default();
        assert_eq!(moments.free(b"a", 5), 5);
        assert_eq!(moments.free(b"b", 5), 5);
        assert_eq!(moments.free(b"a", 6), 6);
        assert_eq!(moments.free(b"a", 5), 7);
        assert_eq!(moments.free(b"a", 5), 8);
        assert_eq!(moments.free(b"a", 6), 9);
        assert_eq!(moments.free(b"a", i64::MAX), i64::MAX);
        assert_eq!(moments.free(b"a", i64::MAX), i64::MAX);
    }

    #[test]
    fn many_equal_records_take_few_steps_each() {
        let mut moments = Moments::default();
        for expected in 0..100_000 {
            assert_eq!(moments.free(b"", 0), expected);
        }
    }
}
