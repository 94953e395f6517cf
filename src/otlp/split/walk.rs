//! Finds the items of a request, and between them the places where it can be cut.

use crate::otlp::{
    Signal,
    wire::{self, LEN, MAX_DEPTH},
};

/// The most messages that hold an item: request, resource, scope, metric, data.
pub(super) const LEVELS: usize = 5;

/// Fields of the data of a metric: gauge, sum, histogram, exponential histogram, summary.
const DATA: u32 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 11;

/// For each message around an item, from the request inwards, the fields (as bits) in which the
/// next one stands. Canonical form has them side by side.
pub(in crate::otlp) const fn path(signal: Signal) -> &'static [u32] {
    match signal {
        Signal::Traces | Signal::Logs => &[1 << 1, 1 << 2, 1 << 2],
        Signal::Metrics => &[1 << 1, 1 << 2, 1 << 2, DATA, 1 << 1],
    }
}

/// The fields in which the resources of a request stand.
pub(in crate::otlp) const fn resources(signal: Signal) -> u32 {
    path(signal)[0]
}

/// One message around an item. All positions count from the start of the request.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::otlp) struct Frame {
    /// Number of the field that it is. The request is none.
    pub(super) number: u32,
    /// Where that field starts, tag included.
    pub(super) start: usize,
    /// Where its body starts.
    pub(in crate::otlp) body: usize,
    /// Where its children start: resources, scopes, metrics, items.
    pub(in crate::otlp) first: usize,
    /// Where its children end.
    pub(in crate::otlp) last: usize,
    /// Where it ends.
    pub(in crate::otlp) end: usize,
}

impl Frame {
    /// The request itself.
    pub(in crate::otlp) fn root(bytes: &[u8], children: u32) -> Self {
        let whole = Self {
            end: bytes.len(),
            ..Self::default()
        };
        whole.with_children(bytes, children)
    }

    /// A message inside, by the range of its body.
    pub(in crate::otlp) fn message(
        bytes: &[u8],
        body: std::ops::Range<usize>,
        children: u32,
    ) -> Self {
        let whole = Self {
            body: body.start,
            end: body.end,
            ..Self::default()
        };
        whole.with_children(bytes, children)
    }

    fn with_children(mut self, bytes: &[u8], children: u32) -> Self {
        let mut found = false;
        let mut at = self.body;
        (self.first, self.last) = (self.end, self.end);
        while at < self.end {
            let start = at;
            let Some(number) = skip(bytes, &mut at) else {
                break;
            };
            if is_in(children, number) {
                if !found {
                    self.first = start;
                }
                found = true;
                self.last = at;
            } else if found {
                break;
            }
        }
        self
    }

    /// Size of all that is not its children: what each part of it repeats.
    pub(in crate::otlp) const fn header(&self) -> usize {
        self.first - self.body + self.end - self.last
    }
}

const fn is_in(fields: u32, number: u32) -> bool {
    number < 32 && fields & (1 << number) != 0
}

/// Moves past a field and returns its number.
fn skip(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let (number, wire) = wire::tag(bytes, at).ok()?;
    wire::skip(bytes, at, number, wire, MAX_DEPTH).ok()?;
    Some(number)
}

/// A place to cut at: between two children of the last of these messages, around which the
/// others stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) frames: [Frame; LEVELS],
    /// Index of the last frame that counts.
    pub(super) level: usize,
    /// Where, between the children of that frame.
    pub(super) at: usize,
    /// Number of items in front of it.
    pub(super) items: u64,
}

/// Walks from item to item.
///
/// What holds no items (a resource without scopes, say) goes with the item in front of it; with
/// the first one if there is none.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    path: &'static [u32],
    frames: [Frame; LEVELS],
    /// How far each frame's children were read.
    read: [usize; LEVELS],
    level: usize,
    /// Number of items passed.
    items: u64,
    /// Where to cut in front of the last item passed: the level, and the position in it.
    cut: (usize, usize),
}

impl Walk {
    pub(super) fn new(signal: Signal, bytes: &[u8]) -> Self {
        let path = path(signal);
        let root = Frame::root(bytes, resources(signal));
        Self {
            path,
            frames: [root; LEVELS],
            read: [root.first; LEVELS],
            level: 0,
            items: 0,
            cut: (0, root.first),
        }
    }

    /// The cut in front of everything.
    pub(super) const fn start(&self) -> Cut {
        Cut {
            frames: self.frames,
            level: 0,
            at: self.frames[0].first,
            items: 0,
        }
    }

    /// The cut behind everything, when it is known how many items that are.
    pub(super) const fn end(&self, items: u64) -> Cut {
        Cut {
            frames: self.frames,
            level: 0,
            at: self.frames[0].last,
            items,
        }
    }

    /// The cut in front of the last item passed.
    pub(super) const fn here(&self) -> Cut {
        Cut {
            frames: self.frames,
            level: self.cut.0,
            at: self.cut.1,
            items: self.before(),
        }
    }

    /// Number of items in front of the last one passed.
    pub(super) const fn before(&self) -> u64 {
        self.items.saturating_sub(1)
    }

    /// Where [`here`](Self::here) is, counted from the start of the request.
    pub(super) const fn position(&self) -> usize {
        self.cut.1
    }

    /// Moves past the next item. `false` if there is none.
    pub(super) fn next(&mut self, bytes: &[u8]) -> bool {
        self.advance(bytes).is_some()
    }

    fn advance(&mut self, bytes: &[u8]) -> Option<()> {
        let leaf = self.path.len() - 1;
        // Of the messages entered since the last item, the outermost that holds the next one.
        let mut entered: Option<(usize, usize)> = None;
        loop {
            let level = self.level;
            let start = self.read[level];
            if start >= self.frames[level].last {
                self.level = level.checked_sub(1)?;
                continue;
            }
            let mut at = start;
            let (number, wire) = wire::tag(bytes, &mut at).ok()?;
            if wire != LEN {
                return None;
            }
            let body = wire::span(bytes, &mut at).ok()?;
            self.read[level] = at;
            if level == leaf {
                self.cut = entered.unwrap_or((leaf, start));
                self.items += 1;
                return Some(());
            }
            if entered.is_none_or(|(outermost, _)| level <= outermost) {
                entered = Some((level, start));
            }
            let child = Frame {
                number,
                start,
                body: body.start,
                end: body.end,
                ..Frame::default()
            };
            let child = child.with_children(bytes, self.path[level + 1]);
            self.level = level + 1;
            self.frames[self.level] = child;
            self.read[self.level] = child.first;
        }
    }
}
