//! The options of a file exporter.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    FileCompression, FileExporter, FileFormat, Fsync,
    active::ActiveFile,
    error::FileProblem,
    settings::Settings,
    stats::Counters,
    worker::{self, Routes},
};
use crate::{ExportError, Lifecycle, Signal, Stage};

/// What stands in a path for the name of the signal.
const SIGNAL: &str = "{signal}";

/// Options of a [`FileExporter`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FileBuilder {
    path: PathBuf,
    signal: Option<Signal>,
    settings: Settings,
    stage: Stage,
}

impl FileBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            signal: None,
            settings: Settings::default(),
            stage: Stage::default(),
        }
    }

    /// How records are written. Default: [`FileFormat::Json`].
    pub const fn format(mut self, format: FileFormat) -> Self {
        self.settings.format = format;
        self
    }

    /// How the file is compressed. Default: not at all.
    ///
    /// What is written at a time is compressed at a time: a batch layer above makes it smaller.
    pub const fn compression(mut self, compression: FileCompression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// Takes this signal only. Others are answered with
    /// [`Unsupported`](crate::ErrorKind::Unsupported). Default: all three.
    pub const fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Rotates the file before it would grow beyond so many bytes, after compression. A single
    /// record larger than that has a file of its own. Default: it grows without limit.
    pub const fn rotate_bytes(mut self, bytes: u64) -> Self {
        self.settings.rotate_bytes = Some(bytes);
        self
    }

    /// Rotates the file at the first write after so long. Default: never.
    pub const fn rotate_after(mut self, age: Duration) -> Self {
        self.settings.rotate_after = Some(age);
        self
    }

    /// Deletes rotated files, the oldest first, when there are more than so many. Default: none is
    /// deleted.
    pub const fn keep(mut self, files: usize) -> Self {
        self.settings.keep = Some(files);
        self
    }

    /// Deletes files that were rotated away longer ago than this, at the next rotation. Default:
    /// none is deleted.
    pub const fn keep_for(mut self, age: Duration) -> Self {
        self.settings.keep_for = Some(age);
        self
    }

    /// What an answer promises. Default: [`Fsync::Interval`] of a second.
    pub const fn fsync(mut self, fsync: Fsync) -> Self {
        self.settings.fsync = fsync;
        self
    }

    /// The permissions of a file that is created, whatever the process's mask says. Default: as
    /// the mask says.
    #[cfg(unix)]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.settings.mode = Some(mode);
        self
    }

    /// Creates the folder, and those above it, if they are missing. Default: that is an error.
    pub const fn create_directory(mut self, create: bool) -> Self {
        self.settings.create_directory = create;
        self
    }

    /// The largest record, in bytes before compression. A request beyond is answered with
    /// [`TooLarge`](crate::ErrorKind::TooLarge), so that a split layer cuts it. Default: 64 MiB,
    /// which is also what readers take.
    pub const fn max_record_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_record_bytes = bytes;
        self
    }

    /// Takes part in a flush and a shutdown: they wait for what is being written, and for what
    /// waits to be synced, which is then synced at once.
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.stage = lifecycle.stage();
        self
    }

    /// Opens the file, or the three of a path with `{signal}`, and starts the thread that writes.
    /// This reads the end of a file that is there, or all of it if it is gzip.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if somebody else writes to a file, or one
    /// cannot be opened; [`Unauthenticated`](crate::ErrorKind::Unauthenticated) if that is not
    /// permitted; [`Unsupported`](crate::ErrorKind::Unsupported) if options contradict each other,
    /// or a file holds something else.
    pub fn build(self) -> Result<FileExporter, ExportError> {
        self.check()?;
        let path = self.with_ending();
        let text = path.to_string_lossy();
        let one_each = text.contains(SIGNAL);
        let settings = Arc::new(self.settings);
        let counters = Arc::new(Counters::default());
        let mut files = Vec::new();
        let mut routes: Routes = [None; 3];
        for (route, signal) in routes.iter_mut().zip(Signal::ALL) {
            if self.signal.is_some_and(|only| only != signal) {
                continue;
            }
            if one_each || files.is_empty() {
                let path = match one_each {
                    true => PathBuf::from(text.replace(SIGNAL, signal.as_str())),
                    false => path.clone(),
                };
                files.push(ActiveFile::open(path, &settings, &counters)?);
            }
            *route = files.len().checked_sub(1);
        }
        let door = worker::start(files, routes, &settings, counters, self.stage)
            .map_err(|problem| problem.at(&path))?;
        Ok(FileExporter::new(door))
    }

    fn check(&self) -> Result<(), ExportError> {
        let settings = &self.settings;
        let rotates = settings.rotate_bytes.is_some() || settings.rotate_after.is_some();
        let keeps = settings.keep.is_some() || settings.keep_for.is_some();
        let has_signal = self.signal.is_some() || self.path.to_string_lossy().contains(SIGNAL);
        let message = if keeps && !rotates {
            "`keep` is about rotated files: say when to rotate, too"
        } else if settings.format == FileFormat::Protobuf && !has_signal {
            "a protobuf record does not say of which signal it is: put {signal} into the path, \
             for a file each, or take one signal only"
        } else if settings.rotate_bytes == Some(0) || settings.max_record_bytes == 0 {
            "a size of zero holds nothing"
        } else if settings.max_record_bytes > i32::MAX as usize {
            "a record cannot be larger than 2 GiB"
        } else {
            return Ok(());
        };
        Err(FileProblem::Config(message.to_owned()).at(&self.path))
    }

    /// The path with the ending of its compression, if it lacks that.
    fn with_ending(&self) -> PathBuf {
        let Some(ending) = self.settings.compression.ending() else {
            return self.path.clone();
        };
        if ends_with(&self.path, ending) {
            return self.path.clone();
        }
        let mut path = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with(ending))
}
