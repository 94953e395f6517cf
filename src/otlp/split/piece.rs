//! Writes what stands between two cuts as a request of its own.

use super::walk::{Cut, Frame, LEVELS};
use crate::otlp::wire::{self, LEN};

/// How large each message of a piece is, known before the first byte is written.
///
/// The messages around both cuts are open on both sides. Of those around the left cut alone only
/// the tail is in the piece, of those around the right cut alone only the head. All in between is
/// whole and copied as it stands.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    left: &'a Cut,
    right: &'a Cut,
    /// Index of the innermost message that is around both cuts.
    shared: usize,
    /// Sizes of the bodies, by level: of the messages around both cuts, of tails, of heads.
    both: [usize; LEVELS],
    tails: [usize; LEVELS],
    heads: [usize; LEVELS],
}

impl<'a> Piece<'a> {
    pub(super) fn measure(left: &'a Cut, right: &'a Cut) -> Self {
        let outer = left.level.min(right.level);
        let same = |level: &usize| left.frames[*level].start == right.frames[*level].start;
        // The request itself is around every cut.
        let shared = (1..=outer).take_while(same).last().unwrap_or(0);

        let mut tails = [0; LEVELS];
        let mut tail = 0;
        for level in (shared + 1..=left.level).rev() {
            let frame = &left.frames[level];
            let from = reach(left, level);
            tails[level] = frame.header() + tail + frame.last - from;
            tail = field_size(frame, tails[level]);
        }
        let mut heads = [0; LEVELS];
        let mut head = 0;
        for level in (shared + 1..=right.level).rev() {
            let frame = &right.frames[level];
            let to = limit(right, level);
            heads[level] = frame.header() + to - frame.first + head;
            head = field_size(frame, heads[level]);
        }
        let mut both = [0; LEVELS];
        let mut inner = tail + limit(right, shared) - reach(left, shared) + head;
        for level in (0..=shared).rev() {
            let frame = &left.frames[level];
            both[level] = frame.header() + inner;
            inner = field_size(frame, both[level]);
        }
        Self {
            left,
            right,
            shared,
            both,
            tails,
            heads,
        }
    }

    /// Size of the piece, in bytes.
    pub(super) const fn size(&self) -> usize {
        self.both[0]
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Out {
            bytes,
            made: Vec::with_capacity(self.size()),
        };
        let (left, right, shared) = (self.left, self.right, self.shared);
        let common = &left.frames[..=shared];
        for (level, frame) in common.iter().enumerate() {
            out.open(frame, self.both[level]);
        }
        for level in shared + 1..=left.level {
            out.open(&left.frames[level], self.tails[level]);
        }
        for level in (shared + 1..=left.level).rev() {
            let frame = &left.frames[level];
            out.copy(reach(left, level), frame.last);
            out.close(frame);
        }
        out.copy(reach(left, shared), limit(right, shared));
        for level in shared + 1..=right.level {
            let frame = &right.frames[level];
            out.open(frame, self.heads[level]);
            out.copy(frame.first, limit(right, level));
        }
        for level in (shared + 1..=right.level).rev() {
            out.close(&right.frames[level]);
        }
        for frame in common.iter().rev() {
            out.close(frame);
        }
        debug_assert_eq!(out.made.len(), self.size(), "measured and written sizes");
        out.made
    }
}

/// From where on the children of the frame at this level are whole, behind the left cut.
const fn reach(left: &Cut, level: usize) -> usize {
    if level == left.level {
        left.at
    } else {
        left.frames[level + 1].end
    }
}

/// Up to where the children of the frame at this level are whole, in front of the right cut.
const fn limit(right: &Cut, level: usize) -> usize {
    if level == right.level {
        right.at
    } else {
        right.frames[level + 1].start
    }
}

/// Size of the field that this frame is, with a body of this size.
const fn field_size(frame: &Frame, body: usize) -> usize {
    let tag = (frame.number << 3 | LEN as u32) as u64;
    wire::varint_len(tag) + wire::varint_len(body as u64) + body
}

struct Out<'a> {
    bytes: &'a [u8],
    made: Vec<u8>,
}

impl Out<'_> {
    fn copy(&mut self, from: usize, to: usize) {
        // The cuts of checked bytes are in order and in bounds.
        self.made
            .extend_from_slice(self.bytes.get(from..to).unwrap_or_default());
    }

    /// Begins a message: its tag and length, and what it says in front of its children.
    fn open(&mut self, frame: &Frame, body: usize) {
        // The request has no tag.
        if frame.number != 0 {
            wire::put_tag(&mut self.made, frame.number, LEN);
            wire::put_varint(&mut self.made, body as u64);
        }
        self.copy(frame.body, frame.first);
    }

    /// Ends a message: what it says behind its children.
    fn close(&mut self, frame: &Frame) {
        self.copy(frame.last, frame.end);
    }
}
