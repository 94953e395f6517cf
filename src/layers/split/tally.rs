//! What the answers to the pieces add up to: no I/O, no futures.

use std::sync::Arc;

use super::name::name;
use crate::{ExportError, ExportRequest, ExportResponse};

/// The most notes that a message holds; the others are counted.
const NOTES: u32 = 4;

/// What became of the pieces so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: u64,
    rejected: u64,
    retained: u64,
    destination: Option<Arc<str>>,
    notes: String,
    noted: u32,
    unnoted: u64,
}

impl Tally {
    /// Counts an answer, or the progress that came with an error.
    pub(super) fn add(&mut self, response: &ExportResponse) {
        self.delivered = self.delivered.saturating_add(response.delivered_items());
        self.rejected = self.rejected.saturating_add(response.rejected_items());
        self.retained = self.retained.saturating_add(response.retained_items());
        if let Some(message) = response.message() {
            self.note(message);
        }
        if self.destination.is_none() {
            self.destination = response.destination().map(Arc::from);
        }
    }

    /// Counts a piece that was refused for good; a single item is named.
    pub(super) fn refuse(&mut self, piece: &ExportRequest, error: &ExportError) {
        let items = piece.items();
        self.rejected = self.rejected.saturating_add(items);
        let (kind, why) = (error.kind(), error.message());
        if items == 1 {
            let (name, size) = (name(piece), piece.byte_size());
            tracing::warn!(item = %name, size, kind = kind.as_str(), "item rejected");
            self.note(&format!("{name}, {size} bytes: {kind}: {why}"));
        } else {
            let what = piece.signal().item_name();
            tracing::warn!(items, kind = kind.as_str(), "items rejected");
            self.note(&format!("{items} {what}: {kind}: {why}"));
        }
    }

    /// Backends repeat themselves: each text is said once.
    fn note(&mut self, text: &str) {
        if self.notes.contains(text) {
            return;
        }
        if self.noted == NOTES {
            self.unnoted += 1;
            return;
        }
        if self.noted > 0 {
            self.notes.push_str("; ");
        }
        self.noted += 1;
        self.notes.push_str(text);
    }

    /// Whether something was taken, by a backend or by a queue that answers early.
    pub(super) const fn has_taken(&self) -> bool {
        self.delivered > 0 || self.retained > 0
    }

    /// Items that need not be sent again.
    pub(super) const fn done(&self) -> u64 {
        self.delivered
            .saturating_add(self.rejected)
            .saturating_add(self.retained)
    }

    pub(super) fn into_response(mut self) -> ExportResponse {
        if self.unnoted > 0 {
            self.notes += &format!("; and {} more", self.unnoted);
        }
        let response = ExportResponse::delivered(self.delivered)
            .merge(&ExportResponse::retained(self.retained))
            .with_rejected(self.rejected, self.notes);
        match self.destination {
            Some(destination) => response.with_destination(destination),
            None => response,
        }
    }
}
