//! What the file exporter and the reader of its files have in common: how files are named, and by
//! what their content is known.

mod content;
mod names;

pub(crate) use self::{
    content::{Content, GZIP, Inner, ZSTD, is_skippable},
    names::{RotatedName, backups, free_stamp, read_stamp},
};

/// The largest record unless somebody says otherwise, in bytes of its text or its protobuf form:
/// the limit that OTLP recommends for requests.
pub(crate) const MAX_RECORD_BYTES: usize = 64 << 20;

/// Size of the length in front of a record, in bytes: big-endian, as the Collector writes it.
pub(crate) const LENGTH: usize = 4;
