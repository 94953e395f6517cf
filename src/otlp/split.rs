//! Cuts a request into pieces, on its bytes.
//!
//! A cut is between two items. A message that is cut, a resource or a scope or a metric, is in
//! both pieces with all it says about its items, fields that this version does not know included;
//! what is not cut is copied as it stands. Nothing is decoded. A piece is one allocation.
//!
//! What holds no items (a resource without scopes, a metric without data points) stays with the
//! item in front of it, or with the first item if there is none.

mod piece;
mod walk;

use std::ops::Range;

use bytes::Bytes;

use super::{Limits, OtlpBytes};
use piece::Piece;
use walk::{Cut, Walk};
pub(super) use walk::{Frame, path, resources};

impl OtlpBytes {
    /// Cuts into pieces within these limits, from front to back, each as large as they allow. What
    /// is within them already is handed out as it is.
    ///
    /// The size of a piece is that of its protobuf form, with all that it repeats. An item that
    /// alone is larger than [`max_bytes`](Limits::max_bytes) is a piece of its own, larger than
    /// the limit. A limit of zero counts as 1.
    ///
    /// ```
    /// use tower_otlp::otlp::Limits;
    ///
    /// # let request = tower_otlp::ExportRequest::from_protobuf(
    /// #     tower_otlp::Signal::Logs, vec![0x0a, 8, 0x12, 6, 0x12, 0, 0x12, 0, 0x12, 0]).unwrap();
    /// let pieces = request.otlp().split(&Limits::default().max_items(2));
    /// let items: Vec<u64> = pieces.map(|piece| piece.items()).collect();
    /// assert_eq!(items, [2, 1]);
    /// ```
    #[must_use]
    pub fn split(&self, limits: &Limits) -> Pieces {
        let walk = Walk::new(self.signal(), self.bytes());
        Pieces {
            left: Some(walk.start()),
            source: self.clone(),
            limits: *limits,
            walk,
            waiting: false,
        }
    }

    /// Cuts in front of this item, counted from 0. `None` if one side would be empty.
    #[must_use]
    pub fn split_at(&self, item: u64) -> Option<(OtlpBytes, OtlpBytes)> {
        self.cut_in_two(|walk| walk.before() == item)
    }

    /// Cuts into two pieces of about the same number of bytes. `None` if there are fewer than two
    /// items.
    #[must_use]
    pub fn halve(&self) -> Option<(OtlpBytes, OtlpBytes)> {
        let middle = self.bytes().len() / 2;
        let last = self.items().checked_sub(1)?;
        self.cut_in_two(|walk| walk.position() >= middle || walk.before() >= last)
    }

    /// The items in this range, counted from 0. What of the range is beyond the end is left out.
    #[must_use]
    pub fn extract(&self, range: Range<u64>) -> OtlpBytes {
        let mut walk = Walk::new(self.signal(), self.bytes());
        let end = range.end.min(self.items());
        if range.start >= end {
            return self.piece_of(Bytes::new(), 0);
        }
        let mut left = walk.start();
        let mut right = walk.end(self.items());
        while walk.next(self.bytes()) {
            let before = walk.before();
            if before == range.start && before > 0 {
                left = walk.here();
            } else if before == end {
                right = walk.here();
                break;
            }
        }
        self.piece(&left, &right)
    }

    /// Cuts at the first place, with items on both sides, at which `here` says so.
    fn cut_in_two(&self, here: impl Fn(&Walk) -> bool) -> Option<(OtlpBytes, OtlpBytes)> {
        let mut walk = Walk::new(self.signal(), self.bytes());
        let start = walk.start();
        while walk.next(self.bytes()) {
            if walk.before() > 0 && here(&walk) {
                let (cut, end) = (walk.here(), walk.end(self.items()));
                return Some((self.piece(&start, &cut), self.piece(&cut, &end)));
            }
        }
        None
    }

    /// What stands between two cuts.
    fn piece(&self, left: &Cut, right: &Cut) -> OtlpBytes {
        let items = right.items - left.items;
        if items == self.items() {
            return self.clone();
        }
        let made = Piece::measure(left, right).write(self.bytes());
        self.piece_of(made.into(), items)
    }

    fn piece_of(&self, bytes: Bytes, items: u64) -> OtlpBytes {
        OtlpBytes::from_surgery(self.signal(), bytes, items)
    }
}

/// The pieces of a request, cut off one by one. Made by [`OtlpBytes::split`].
#[derive(Clone, Debug)]
pub struct Pieces {
    source: OtlpBytes,
    limits: Limits,
    walk: Walk,
    /// Where the next piece starts. `None` when all pieces are out.
    left: Option<Cut>,
    /// Whether the cut that the walk has found is still to be looked at.
    waiting: bool,
}

impl Pieces {
    /// Sets the limits for the pieces that are still to come.
    pub const fn set_limits(&mut self, limits: &Limits) {
        self.limits = *limits;
    }

    /// Number of items that are still to come.
    #[must_use]
    pub fn items_left(&self) -> u64 {
        self.left
            .as_ref()
            .map_or(0, |left| self.source.items() - left.items)
    }

    /// All that is still to come, in one piece. There is nothing after it.
    pub fn rest(&mut self) -> Option<OtlpBytes> {
        let left = self.left.take()?;
        let end = self.walk.end(self.source.items());
        Some(self.source.piece(&left, &end))
    }
}

impl Iterator for Pieces {
    type Item = OtlpBytes;

    fn next(&mut self) -> Option<OtlpBytes> {
        let left = self.left?;
        let max_items = self.limits.max_items.max(1);
        let max_bytes = self.limits.max_bytes;
        let total = self.source.items();
        let small = self.source.bytes().len() <= max_bytes;
        if left.items == 0 && total <= max_items && small {
            return self.rest();
        }
        let mut fits: Option<Cut> = None;
        loop {
            let found = std::mem::take(&mut self.waiting) || self.walk.next(self.source.bytes());
            let before = if found { self.walk.before() } else { total };
            let items = before - left.items;
            // No piece is larger than its source: if that is small, items alone are counted.
            if found && (items == 0 || (small && items < max_items)) {
                continue;
            }
            let cut = if found {
                self.walk.here()
            } else {
                self.walk.end(total)
            };
            let fits_now = small || Piece::measure(&left, &cut).size() <= max_bytes;
            // An item that does not fit alone is cut off alone.
            let right = match fits {
                Some(before) if !fits_now => {
                    self.waiting = found;
                    before
                }
                _ if fits_now && items < max_items && found => {
                    fits = Some(cut);
                    continue;
                }
                _ => cut,
            };
            let piece = self.source.piece(&left, &right);
            self.left = (right.items < total).then_some(right);
            return Some(piece);
        }
    }
}

impl std::iter::FusedIterator for Pieces {}
