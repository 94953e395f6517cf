//! What the parts of an exporter have to know.

use std::time::Duration;

use super::{FileCompression, FileFormat, Fsync, options};
use crate::files::{self, Content};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) format: FileFormat,
    pub(super) compression: FileCompression,
    pub(super) rotate_bytes: Option<u64>,
    pub(super) rotate_after: Option<Duration>,
    pub(super) keep: Option<usize>,
    pub(super) keep_for: Option<Duration>,
    pub(super) fsync: Fsync,
    #[cfg_attr(not(unix), allow(dead_code))]
    pub(super) mode: Option<u32>,
    pub(super) create_directory: bool,
    pub(super) max_record_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: FileFormat::default(),
            compression: FileCompression::default(),
            rotate_bytes: None,
            rotate_after: None,
            keep: None,
            keep_for: None,
            fsync: Fsync::default(),
            mode: None,
            create_directory: false,
            max_record_bytes: files::MAX_RECORD_BYTES,
        }
    }
}

impl Settings {
    pub(super) const fn content(&self) -> Content {
        options::content(self.format, self.compression)
    }
}
