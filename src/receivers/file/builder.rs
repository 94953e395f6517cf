//! Which files are read, and how.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Checkpoint, FileReadError, FileReadProblem, FileReader};
use crate::{
    Signal,
    files::{self, RotatedName},
    otlp::Limits,
};

/// Options of a [`FileReader`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FileReaderBuilder {
    paths: Vec<Paths>,
    pub(super) signal: Option<Signal>,
    pub(super) limits: Limits,
    pub(super) checkpoint: Checkpoint,
}

#[derive(Clone, Debug)]
enum Paths {
    File(PathBuf),
    Set(PathBuf),
}

impl Default for FileReaderBuilder {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            signal: None,
            limits: Limits::default().max_bytes(files::MAX_RECORD_BYTES),
            checkpoint: Checkpoint::new(),
        }
    }
}

impl FileReaderBuilder {
    /// Reads this file, after those that were named before.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(Paths::File(path.into()));
        self
    }

    /// Reads all files that were rotated away from this path, the oldest first, and then the one
    /// that is there. The path is that of the exporter, with or without the ending of a
    /// compression; `{signal}` in it stands for each signal.
    pub fn rotated_set(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(Paths::Set(path.into()));
        self
    }

    /// The signal of protobuf records. Default: a record is of the only signal that it can be of;
    /// if there are several, that is an error. JSON says its signal itself.
    pub const fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// The limits of a record. Default: those of [`Limits`], 64 MiB of text and of protobuf.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Passes over what is done already.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    /// Finds the files.
    ///
    /// # Errors
    /// If a file is not there, or a folder cannot be read, or no file was found.
    pub fn build(self) -> Result<FileReader, FileReadError> {
        let mut found = VecDeque::new();
        let mut total = 0;
        for paths in &self.paths {
            let (Paths::File(path) | Paths::Set(path)) = paths;
            let of = match paths {
                Paths::File(path) => Ok(vec![path.clone()]),
                Paths::Set(path) => sets(path),
            };
            for file in of.map_err(|error| failed(path, error))? {
                let metadata = fs::metadata(&file).map_err(|error| failed(&file, error))?;
                total += metadata.len();
                found.push_back(file);
            }
        }
        Ok(FileReader::new(self, found, total))
    }
}

fn failed(path: &Path, error: io::Error) -> FileReadError {
    FileReadError {
        path: Arc::from(path),
        record: 0,
        offset: 0,
        problem: FileReadProblem::Io(error),
    }
}

fn sets(path: &Path) -> io::Result<Vec<PathBuf>> {
    const SIGNAL: &str = "{signal}";
    let text = path.to_string_lossy();
    let mut found = Vec::new();
    if text.contains(SIGNAL) {
        for signal in Signal::ALL {
            let path = PathBuf::from(text.replace(SIGNAL, signal.as_str()));
            found.extend(set(&path)?);
        }
    } else {
        found = set(path)?;
    }
    if found.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(found)
}

fn set(path: &Path) -> io::Result<Vec<PathBuf>> {
    let names = RotatedName::of(path).ok_or(io::ErrorKind::InvalidInput)?;
    let backups = files::backups(&names, true)?;
    let mut found: Vec<PathBuf> = backups.into_iter().map(|backup| backup.path).collect();
    let ending = |ending: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let active = [path.to_owned(), ending(".gz"), ending(".zst")];
    found.extend(active.into_iter().filter(|path| path.is_file()));
    Ok(found)
}
