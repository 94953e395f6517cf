//! What is wrong with a file, and where.

use std::{error::Error, fmt, io, path::Path, sync::Arc};

use crate::otlp::Malformed;

/// A record, or the rest of a file, that cannot be read. The reader goes on behind it.
#[derive(Debug)]
pub struct FileReadError {
    pub(super) path: Arc<Path>,
    pub(super) record: u64,
    pub(super) offset: u64,
    pub(super) problem: FileReadProblem,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileReadProblem {
    /// The file cannot be opened or read. The reader goes on with the next file.
    Io(io::Error),
    /// The record is not OTLP.
    Malformed(Malformed),
    /// The file ends within a record, as after a crash of who wrote it, or while it is written.
    Torn {
        /// How many bytes of the record are there.
        bytes: u64,
    },
    /// The record is larger than the limit.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// What is compressed cannot be decompressed. The reader goes on with the next member or
    /// frame, if there is one.
    Damaged(io::Error),
    /// A line of JSON without `resourceSpans`, `resourceMetrics` or `resourceLogs`.
    NoTelemetry,
    /// A protobuf record that may be of more than one signal: the reader must be told which.
    UnknownSignal,
}

impl FileReadError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the record, from 1. In a file of lines it is the number of the line.
    #[must_use]
    pub const fn record(&self) -> u64 {
        self.record
    }

    /// Where the record begins: bytes from the start of the uncompressed content.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> &FileReadProblem {
        &self.problem
    }
}

impl fmt::Display for FileReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, record, offset) = (self.path.display(), self.record, self.offset);
        if let FileReadProblem::Io(error) = &self.problem {
            return write!(f, "{path}: cannot be read: {error}");
        }
        write!(
            f,
            "{path}, record {record}, byte {offset}: {}",
            self.problem
        )
    }
}

impl fmt::Display for FileReadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileReadProblem::Io(error) => write!(f, "cannot be read: {error}"),
            FileReadProblem::Malformed(malformed) => write!(f, "invalid OTLP: {malformed}"),
            FileReadProblem::Torn { bytes } => {
                write!(
                    f,
                    "the file ends within a record, of which {bytes} bytes are there"
                )
            }
            FileReadProblem::TooLarge { limit } => {
                write!(f, "the record is larger than the limit of {limit} bytes")
            }
            FileReadProblem::Damaged(error) => write!(f, "cannot be decompressed: {error}"),
            FileReadProblem::NoTelemetry => f.write_str(
                "none of resourceSpans, resourceMetrics, resourceLogs is in the JSON object",
            ),
            FileReadProblem::UnknownSignal => f.write_str(
                "a protobuf record does not say of which signal it is: say which to read",
            ),
        }
    }
}

impl Error for FileReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            FileReadProblem::Io(error) | FileReadProblem::Damaged(error) => Some(error),
            FileReadProblem::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}
