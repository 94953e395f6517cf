use std::sync::atomic::{AtomicUsize, Ordering};

/// What is known about the size that the inner service takes, in bytes.
///
/// Two numbers that are read and written apart: a stale one costs a piece that is cut once more.
#[derive(Debug)]
pub(super) struct Learned {
    /// The smallest size that was too large.
    refused: AtomicUsize,
    /// The largest size below it that was taken since.
    taken: AtomicUsize,
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            refused: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
        }
    }
}

impl Learned {
    pub(super) fn refused(&self, bytes: usize) {
        self.refused.fetch_min(bytes, Ordering::Relaxed);
        if self.taken.load(Ordering::Relaxed) >= bytes {
            self.taken.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn taken(&self, bytes: usize) {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused != usize::MAX && bytes < refused {
            self.taken.fetch_max(bytes, Ordering::Relaxed);
        }
    }

    /// The size to stay within: the largest that was taken, but no less than half of what was
    /// refused. Small requests alone must not make the pieces small.
    pub(super) fn limit(&self) -> Option<usize> {
        let refused = self.refused.load(Ordering::Relaxed);
        let taken = self.taken.load(Ordering::Relaxed);
        (refused != usize::MAX).then(|| taken.min(refused.saturating_sub(1)).max(refused / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_lies_between_what_was_taken_and_what_was_refused() {
        let learned = Learned::default();
        learned.taken(500);
        assert_eq!(learned.limit(), None, "nothing was refused");
        learned.refused(1000);
        assert_eq!(learned.limit(), Some(500));
        learned.taken(10);
        assert_eq!(learned.limit(), Some(500), "a small request says nothing");
        learned.taken(800);
        assert_eq!(learned.limit(), Some(800));
        learned.refused(2000);
        assert_eq!(learned.limit(), Some(800), "known before");
        learned.refused(600);
        assert_eq!(learned.limit(), Some(300), "the limit went down");
    }
}
