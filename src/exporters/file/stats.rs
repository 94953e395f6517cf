//! What an exporter has done so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a [`FileExporter`](super::FileExporter) and its clones have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStats {
    /// Records written: one for each request.
    pub records: u64,
    /// Bytes written, after compression.
    pub bytes: u64,
    /// Calls that wrote: requests that come at the same time share one.
    pub writes: u64,
    /// Calls that made what was written safe from a crash of the machine.
    pub syncs: u64,
    /// Calls of that kind that failed, after the requests had been answered.
    pub failed_syncs: u64,
    /// Files that were rotated away.
    pub rotations: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    records: AtomicU64,
    bytes: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
    failed_syncs: AtomicU64,
    rotations: AtomicU64,
}

impl Counters {
    pub(super) fn wrote(&self, bytes: usize) {
        self.writes.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn recorded(&self, records: usize) {
        self.records.fetch_add(records as u64, Relaxed);
    }

    pub(super) fn synced(&self) {
        self.syncs.fetch_add(1, Relaxed);
    }

    pub(super) fn sync_failed(&self) {
        self.failed_syncs.fetch_add(1, Relaxed);
    }

    pub(super) fn rotated(&self) {
        self.rotations.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> FileStats {
        FileStats {
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            writes: self.writes.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            failed_syncs: self.failed_syncs.load(Relaxed),
            rotations: self.rotations.load(Relaxed),
        }
    }
}
