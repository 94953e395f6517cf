//! What a file holds, and what is promised about it.

use std::time::Duration;

use crate::files::{Content, Inner};

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// A line of OTLP/JSON for each request: the form of OpenTelemetry's file exporter
    /// specification.
    #[default]
    Json,
    /// The protobuf form of each request, with its length in front: four bytes, big-endian, as the
    /// Collector's file exporter writes it. Such a record does not say of which signal it is: a
    /// file can hold only one.
    Protobuf,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip: a member for each write, one after the other. `zcat` reads the file. The path gets
    /// the ending `.gz`.
    Gzip,
    /// Zstandard: a frame for each write, one after the other. `zstd -dc` reads the file. The path
    /// gets the ending `.zst`.
    Zstd,
    /// Each record is a Zstandard frame of its own, with its length in front, in either format.
    /// The Collector's file exporter calls that `zstd`; no tool but a Collector reads the file,
    /// and our reader.
    ZstdRecords,
}

impl FileCompression {
    /// What the path ends with.
    pub(super) const fn ending(self) -> Option<&'static str> {
        match self {
            FileCompression::Gzip => Some(".gz"),
            FileCompression::Zstd => Some(".zst"),
            FileCompression::None | FileCompression::ZstdRecords => None,
        }
    }
}

/// When what was written is made safe from a crash of the machine. A crash of the process loses
/// nothing that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fsync {
    /// The operating system decides. A request is answered when it is written.
    Never,
    /// At most so long after a write. A request is answered when it is written: a crash of the
    /// machine may lose the last interval of what was answered.
    Interval(Duration),
    /// A request is answered when it is safe. Requests that come at the same time share a sync.
    EveryWrite,
}

impl Default for Fsync {
    /// Once a second.
    fn default() -> Self {
        Fsync::Interval(Duration::from_secs(1))
    }
}

/// What a file of this format and compression consists of.
pub(super) const fn content(format: FileFormat, compression: FileCompression) -> Content {
    match (compression, format) {
        (FileCompression::Gzip, _) => Content::Gzip,
        (FileCompression::Zstd, _) => Content::Zstd,
        (FileCompression::None, FileFormat::Json) => Content::Plain(Inner::Lines),
        (FileCompression::None, FileFormat::Protobuf) | (FileCompression::ZstdRecords, _) => {
            Content::Plain(Inner::Lengths)
        }
    }
}
