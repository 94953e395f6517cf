//! Telemetry from files: what the [file exporter](crate::exporters::file) wrote, and what the
//! Collector's writes.
//!
//! ```
//! use tower_otlp::receivers::FileReader;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("otel.jsonl");
//! # std::fs::write(&path, b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}\n{\"reso")?;
//! // All that was rotated away, the oldest first, and then the file itself.
//! let mut reader = FileReader::builder().rotated_set(&path).build()?;
//! let mut items = 0;
//! for record in &mut reader {
//!     match record {
//!         Ok(record) => items += record.request.items(),
//!         Err(error) => eprintln!("{error}"),   // and the reader goes on
//!     }
//! }
//! assert_eq!((items, reader.errors()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a file holds is told by its content, never by its name: lines of OTLP/JSON; records of
//! protobuf or JSON with their lengths in front, each perhaps a Zstandard frame of its own; either
//! of these in gzip or Zstandard as a whole. All that follows each other in a file is read.
//!
//! # What may be relied upon
//!
//! - What cannot be read is an error that names file, record and byte, and is counted. The reader
//!   goes on with the next line, with the next compressed member or frame, or with the next file.
//! - A file that ends within a record, as after a crash, is an error of its own
//!   ([`FileReadProblem::Torn`]). A last line that is whole but for its end is read.
//! - Memory: one record at a time, and no record above the [limit](FileReaderBuilder::limits).
//! - The reader follows nothing: it ends at the end of the last file.
//!
//! Reading blocks: in a runtime use [`FileReader::into_stream`], which reads in a thread.

mod builder;
mod checkpoint;
mod decode;
mod error;
mod input;
mod records;
mod stream;

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

pub use self::{
    builder::FileReaderBuilder,
    checkpoint::Checkpoint,
    error::{FileReadError, FileReadProblem},
    stream::FileStream,
};
use self::{
    input::Input,
    records::{Body, Record, Records},
};
use crate::{ExportRequest, Signal, otlp::Limits};

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePosition {
    /// The file.
    pub path: Arc<Path>,
    /// Number of the record, from 1. In a file of lines it is the number of the line.
    pub record: u64,
    /// Where the record begins: bytes from the start of the uncompressed content.
    pub offset: u64,
    /// By what the file is known, whatever its name.
    fingerprint: u64,
    /// Whether no other request of the same record comes behind it.
    ends_record: bool,
}

/// What a record holds, and where it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileRecord {
    /// The telemetry.
    pub request: ExportRequest,
    /// Where it stands.
    pub position: FilePosition,
}

/// Reads telemetry from files, record by record. See the [module](self).
pub struct FileReader {
    files: VecDeque<PathBuf>,
    current: Option<Current>,
    /// Read with a record, and not handed out yet.
    pending: VecDeque<FileRecord>,
    signal: Option<Signal>,
    limits: Limits,
    checkpoint: Checkpoint,
    errors: u64,
    resumed: u64,
    total: u64,
    read: Arc<AtomicU64>,
}

/// The file that is being read.
struct Current {
    path: Arc<Path>,
    records: Records,
    fingerprint: Option<u64>,
}

/// How far a [`FileReader`] has come, for those who watch it from elsewhere.
#[derive(Clone, Debug)]
pub struct FileProgress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl FileProgress {
    /// Bytes of the files that have been read, compressed as they are.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Size of all files when the reader was built, in bytes.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.total
    }
}

impl FileReader {
    /// Says which files to read.
    pub fn builder() -> FileReaderBuilder {
        FileReaderBuilder::default()
    }

    fn new(builder: FileReaderBuilder, files: VecDeque<PathBuf>, total: u64) -> Self {
        Self {
            files,
            current: None,
            pending: VecDeque::new(),
            signal: builder.signal,
            limits: builder.limits,
            checkpoint: builder.checkpoint,
            errors: 0,
            resumed: 0,
            total,
            read: Arc::default(),
        }
    }

    /// How many errors there were so far.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.errors
    }

    /// How many records were passed over so far, because a [checkpoint](Checkpoint) says that they
    /// are done.
    #[must_use]
    pub const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// How far the reader has come. The handle goes on telling when the reader is gone.
    #[must_use]
    pub fn progress(&self) -> FileProgress {
        FileProgress {
            read: self.read.clone(),
            total: self.total,
        }
    }

    /// Reads in a thread, a few records ahead, for use in a runtime.
    #[must_use]
    pub fn into_stream(self) -> FileStream {
        FileStream::new(self)
    }

    /// The file that is being read, or will be.
    fn path(&self) -> Arc<Path> {
        match &self.current {
            Some(current) => current.path.clone(),
            None => Arc::from(self.files.front().map_or(Path::new(""), PathBuf::as_path)),
        }
    }

    fn open(&mut self, path: &Path) -> Result<(), FileReadError> {
        let path: Arc<Path> = Arc::from(path);
        let input = File::open(&path).and_then(|file| Input::new(file, self.read.clone()));
        match input {
            Ok(input) => {
                self.current = Some(Current {
                    records: Records::new(input, self.limits.max_bytes),
                    path,
                    fingerprint: None,
                });
                Ok(())
            }
            Err(error) => Err(FileReadError {
                path,
                record: 0,
                offset: 0,
                problem: FileReadProblem::Io(error),
            }),
        }
    }

    /// The next record that is not done already.
    fn record(&mut self) -> Option<Result<(FilePosition, Body), FileReadError>> {
        loop {
            let Some(current) = &mut self.current else {
                let path = self.files.pop_front()?;
                match self.open(&path) {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            let Some(record) = current.records.next() else {
                self.current = None;
                continue;
            };
            let Record {
                number,
                offset,
                body,
            } = record;
            let path = current.path.clone();
            let body = match body {
                Ok(body) => body,
                Err(problem) => {
                    return Some(Err(FileReadError {
                        path,
                        record: number,
                        offset,
                        problem,
                    }));
                }
            };
            let fingerprint = *current
                .fingerprint
                .get_or_insert_with(|| checkpoint::fingerprint(body.bytes()));
            if number <= self.checkpoint.done(fingerprint) {
                self.resumed += 1;
                continue;
            }
            let position = FilePosition {
                path,
                record: number,
                offset,
                fingerprint,
                ends_record: true,
            };
            return Some(Ok((position, body)));
        }
    }

    fn read(&mut self) -> Option<Result<FileRecord, FileReadError>> {
        loop {
            if let Some(record) = self.pending.pop_front() {
                return Some(Ok(record));
            }
            let (position, body) = match self.record()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            match decode::requests(body, self.signal, &self.limits) {
                Ok(requests) => {
                    let last = requests.len().saturating_sub(1);
                    let records = requests.into_iter().enumerate();
                    let records = records.map(|(index, request)| FileRecord {
                        request,
                        position: FilePosition {
                            ends_record: index == last,
                            ..position.clone()
                        },
                    });
                    self.pending.extend(records);
                }
                Err(problem) => {
                    return Some(Err(FileReadError {
                        path: position.path,
                        record: position.record,
                        offset: position.offset,
                        problem,
                    }));
                }
            }
        }
    }
}

impl Iterator for FileReader {
    type Item = Result<FileRecord, FileReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read();
        self.errors += u64::from(matches!(next, Some(Err(_))));
        next
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader")
            .field(
                "current",
                &self.current.as_ref().map(|current| &current.path),
            )
            .field("waiting", &self.files)
            .field("errors", &self.errors)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
