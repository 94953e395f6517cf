//! The body of a bulk request, with what became of each item.

use std::{fmt, ops::Range};

/// The most reasons of which the message tells; the others are counted.
const MAX_REASONS: usize = 4;

/// Documents as they stand in the body of a bulk request: for each a line that says what to do,
/// and a line that is the document.
///
/// Made by [`BulkFormat::encode`](super::BulkFormat::encode). [`clear`](Self::clear) keeps the
/// memory for the next request.
#[derive(Clone, Default)]
pub struct Bulk {
    pub(super) text: Vec<u8>,
    pub(super) documents: Vec<Entry>,
    /// Positions of the items of each document, one document behind the other.
    pub(super) items: Vec<u64>,
    pub(super) rejections: Rejections,
}

/// One document: where it ends, and where its items do. It starts where the one before it ends.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) items_end: usize,
    pub(super) own_id: bool,
}

/// One document of a [`Bulk`].
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// Where its two lines stand in the text.
    pub range: Range<usize>,
    /// The items in it, by their position in the request, from 0: one span or log record, or all
    /// data points that share the document.
    pub items: &'a [u64],
    /// Whether it has an `_id` of its own, so that a second one is not stored beside it.
    pub own_id: bool,
}

impl Bulk {
    /// The text: complete lines, or nothing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Takes the text out; the documents stay known.
    pub(in crate::exporters::elasticsearch) fn take_text(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// Number of documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// A document, by its position.
    #[must_use]
    pub fn document(&self, position: usize) -> Option<Document<'_>> {
        let entry = self.documents.get(position)?;
        let before = position
            .checked_sub(1)
            .and_then(|before| self.documents.get(before));
        let (start, items_start) = before.map_or((0, 0), |entry| (entry.end, entry.items_end));
        Some(Document {
            range: start..entry.end,
            items: self
                .items
                .get(items_start..entry.items_end)
                .unwrap_or_default(),
            own_id: entry.own_id,
        })
    }

    /// The documents.
    pub fn documents(&self) -> impl Iterator<Item = Document<'_>> {
        (0..self.len()).filter_map(|position| self.document(position))
    }

    /// The items that have no form in this mapping, by their position in the request.
    #[must_use]
    pub fn rejected(&self) -> &[u64] {
        &self.rejections.items
    }

    /// Why they have none, in words; empty if there are none.
    #[must_use]
    pub fn reason(&self) -> String {
        self.rejections.to_string()
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.documents.clear();
        self.items.clear();
        self.rejections.items.clear();
        self.rejections.reasons.clear();
    }

    /// Ends a document whose items are all noted.
    pub(super) fn close(&mut self, own_id: bool) {
        self.documents.push(Entry {
            end: self.text.len(),
            items_end: self.items.len(),
            own_id,
        });
    }
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk")
            .field("bytes", &self.text.len())
            .field("documents", &self.documents.len())
            .field("rejected", &self.rejections.items.len())
            .finish()
    }
}

/// Items that have no form, and why.
#[derive(Clone, Default)]
pub(super) struct Rejections {
    pub(super) items: Vec<u64>,
    reasons: Vec<(&'static str, String, u64)>,
}

impl Rejections {
    /// Counts an item. `name` is what people know it by.
    pub(super) fn add(&mut self, item: u64, reason: &'static str, name: &str) {
        self.items.push(item);
        let known = self
            .reasons
            .iter_mut()
            .find(|(known, _, _)| *known == reason);
        match known {
            Some((_, _, count)) => *count += 1,
            None => {
                let name = name.chars().take(100).collect();
                self.reasons.push((reason, name, 1));
            }
        }
    }
}

impl fmt::Display for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (reason, name, count)) in self.reasons.iter().take(MAX_REASONS).enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{reason}")?;
            match (name.as_str(), count) {
                ("", 1) => {}
                ("", count) => write!(f, " ({count})")?,
                (name, 1) => write!(f, " (`{name}`)")?,
                (name, count) => write!(f, " ({count}, the first in `{name}`)")?,
            }
        }
        if self.reasons.len() > MAX_REASONS {
            write!(f, "; and {} more reasons", self.reasons.len() - MAX_REASONS)?;
        }
        Ok(())
    }
}
