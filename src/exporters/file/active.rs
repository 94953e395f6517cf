//! The file that is written to: opened under a lock, appended to as a whole or not at all, rotated.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    Fsync,
    error::{FileProblem, during},
    settings::Settings,
    stats::Counters,
    tail::{self, Tail},
};
use crate::{
    ExportError,
    files::{self, RotatedName},
};

/// After a rotation that failed the next attempt is made after so long.
const ROTATION_PAUSE: Duration = Duration::from_secs(60);

/// The file under one path, whoever it is at the moment.
pub(super) struct ActiveFile {
    path: PathBuf,
    names: RotatedName,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// `None` after a failure that leaves it unknown what the file holds: it is opened anew, and
    /// its tail is looked at.
    open: Option<Open>,
    no_rotation_before: Option<Instant>,
}

struct Open {
    file: File,
    /// Since when records are in it.
    since: SystemTime,
    /// Written and not synced.
    is_dirty: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        // To close the file is not enough: a process that is being started has it open, too, until
        // it runs its own program.
        let _ = fs4::FileExt::unlock(&self.file);
    }
}

impl ActiveFile {
    /// Opens the file, so that what is wrong with it is known at once.
    pub(super) fn open(
        path: PathBuf,
        settings: &Arc<Settings>,
        counters: &Arc<Counters>,
    ) -> Result<Self, ExportError> {
        let names = RotatedName::of(&path).ok_or_else(|| {
            let problem = FileProblem::Config("the path must name a file, in UTF-8".to_owned());
            problem.at(&path)
        })?;
        let mut active = Self {
            path,
            names,
            settings: settings.clone(),
            counters: counters.clone(),
            open: None,
            no_rotation_before: None,
        };
        match active.open_or_set_aside() {
            Ok(open) => active.open = Some(open),
            Err(problem) => return Err(problem.at(&active.path)),
        }
        Ok(active)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_dirty)
    }

    /// How many more bytes fit before the file is rotated. `None` if there is no limit.
    pub(super) fn room(&self) -> Option<u64> {
        let limit = self.settings.rotate_bytes?;
        let length = self.open.as_ref().map_or(0, |open| length(&open.file));
        Some(limit.saturating_sub(length))
    }

    /// Appends whole records, all of them or none.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), FileProblem> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| !is_in_place(&open.file, &self.path))
        {
            // Somebody moved or deleted it: what is written to it now would not be found.
            if let Err(problem) = self.sync() {
                tracing::warn!(path = %self.path.display(), %problem, "a file was moved away");
            }
            self.open = None;
        }
        self.opened()?;
        self.rotate_if_due(records.len() as u64)?;
        let open = self.opened()?;
        let before = length(&open.file);
        let written = (&open.file).write_all(records).map_err(during("write"));
        if let Err(problem) = written {
            // No half of a record stays.
            if open.file.set_len(before).is_err() {
                self.open = None;
            }
            return Err(problem);
        }
        if before == 0 {
            open.since = SystemTime::now();
        }
        open.is_dirty = true;
        self.counters.wrote(records.len());
        if self.settings.fsync == Fsync::EveryWrite
            && let Err(problem) = self.sync()
        {
            // Nobody knows what of it is on the disk: as far as can be, nothing of it stays.
            if let Some(open) = self.open.take() {
                let _ = open.file.set_len(before);
            }
            return Err(problem);
        }
        Ok(())
    }

    /// Makes what was written safe from a crash of the machine.
    pub(super) fn sync(&mut self) -> Result<(), FileProblem> {
        if let Some(open) = &mut self.open
            && open.is_dirty
        {
            open.file.sync_data().map_err(during("sync"))?;
            open.is_dirty = false;
            self.counters.synced();
        }
        Ok(())
    }

    fn opened(&mut self) -> Result<&mut Open, FileProblem> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open_or_set_aside()?,
        };
        Ok(self.open.insert(open))
    }

    fn open_or_set_aside(&self) -> Result<Open, FileProblem> {
        if self.settings.create_directory {
            fs::create_dir_all(self.names.folder()).map_err(during("create the folder of"))?;
        }
        let (file, is_new) = self.locked()?;
        let metadata = file.metadata().map_err(during("look at"))?;
        let open = |file| Open {
            file,
            since: started(&metadata),
            is_dirty: false,
        };
        if is_new {
            self.sync_folder();
        }
        if is_new || !metadata.is_file() {
            return Ok(open(file));
        }
        if self.mend(&file)? {
            return Ok(open(file));
        }
        // The lock on the damaged file is held until the next one is there.
        self.set_aside()?;
        let (next, _) = self.locked()?;
        drop(file);
        Ok(open(next))
    }

    /// Opens the file and locks it; says whether it was not there.
    fn locked(&self) -> Result<(File, bool), FileProblem> {
        // The file may be rotated by its owner between our opening and our locking it.
        for _ in 0..8 {
            let mut options = OpenOptions::new();
            options.read(true).append(true);
            let (file, is_new) = match options.clone().create_new(true).open(&self.path) {
                Ok(file) => (file, true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match options.open(&self.path) {
                        Ok(file) => (file, false),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(during("open")(error)),
                    }
                }
                Err(error) => return Err(during("create")(error)),
            };
            match fs4::FileExt::try_lock(&file) {
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => return Err(FileProblem::InUse),
                Err(fs4::TryLockError::Error(error)) => return Err(during("lock")(error)),
            }
            if !is_in_place(&file, &self.path) {
                continue;
            }
            #[cfg(unix)]
            if is_new && let Some(mode) = self.settings.mode {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = fs::Permissions::from_mode(mode);
                file.set_permissions(mode)
                    .map_err(during("set the mode of"))?;
            }
            return Ok((file, is_new));
        }
        Err(FileProblem::InUse)
    }

    /// Puts the end of the file in order. `false` if that cannot be done.
    fn mend(&self, file: &File) -> Result<bool, FileProblem> {
        let content = self.settings.content();
        let mut head = [0; 8];
        let read = read_start(file, &mut head).map_err(during("read"))?;
        if !content.may_begin_with(head.get(..read).unwrap_or_default()) {
            return Err(FileProblem::OtherContent);
        }
        let max_record = self.settings.max_record_bytes.max(files::MAX_RECORD_BYTES);
        let tail = tail::look(file, content, max_record).map_err(during("read"))?;
        let path = self.path.display();
        match tail {
            Tail::Whole => {}
            Tail::Unended => (&*file).write_all(b"\n").map_err(during("write"))?,
            Tail::Torn(end) => {
                let bytes = length(file).saturating_sub(end);
                tracing::warn!(%path, bytes, "cut off a record that a crash had left unfinished");
                file.set_len(end).map_err(during("cut off the end of"))?;
            }
            Tail::Damaged(offset) => {
                tracing::warn!(%path, offset, "the file is damaged: it is set aside as rotated");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rotate_if_due(&mut self, more: u64) -> Result<(), FileProblem> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let length = length(&open.file);
        let is_full = self
            .settings
            .rotate_bytes
            .is_some_and(|limit| length + more > limit);
        let is_old = self.settings.rotate_after.is_some_and(|limit| {
            SystemTime::now()
                .duration_since(open.since)
                .is_ok_and(|age| age >= limit)
        });
        let now = Instant::now();
        if length == 0
            || !(is_full || is_old)
            || self.no_rotation_before.is_some_and(|pause| now < pause)
        {
            return Ok(());
        }
        if self.settings.fsync != Fsync::Never {
            self.sync()?;
        }
        // Its lock is held until the next file is there.
        let old = self.open.take();
        if let Err(problem) = self.set_aside() {
            // Telemetry goes on into the file that there is.
            tracing::warn!(path = %self.path.display(), %problem, "the file cannot be rotated");
            self.no_rotation_before = Some(now + ROTATION_PAUSE);
            self.open = old;
            return Ok(());
        }
        self.counters.rotated();
        let next = self.open_or_set_aside();
        drop(old);
        self.open = Some(next?);
        self.prune();
        Ok(())
    }

    /// Gives the file the name of a rotated one.
    fn set_aside(&self) -> Result<(), FileProblem> {
        let backups = files::backups(&self.names, true).map_err(during("list the folder of"))?;
        let stamp = files::free_stamp(SystemTime::now(), &backups);
        fs::rename(&self.path, self.names.with_stamp(&stamp)).map_err(during("rename"))
    }

    /// Deletes what is to be kept no longer. What cannot be deleted stays.
    fn prune(&self) {
        let Settings { keep, keep_for, .. } = *self.settings;
        if keep.is_none() && keep_for.is_none() {
            return;
        }
        let Ok(backups) = files::backups(&self.names, false) else {
            return;
        };
        let now = SystemTime::now();
        let surplus = keep.map_or(0, |keep| backups.len().saturating_sub(keep));
        for (number, backup) in backups.iter().enumerate() {
            let is_old = keep_for.is_some_and(|limit| {
                files::read_stamp(&backup.stamp)
                    .and_then(|time| now.duration_since(time).ok())
                    .is_some_and(|age| age >= limit)
            });
            if number >= surplus && !is_old {
                continue;
            }
            let path = backup.path.display();
            match fs::remove_file(&backup.path) {
                Ok(()) => tracing::info!(%path, "deleted a rotated file"),
                Err(error) => tracing::warn!(%path, %error, "a rotated file cannot be deleted"),
            }
        }
    }

    /// Makes a new name in the folder safe from a crash, where an operating system has that.
    fn sync_folder(&self) {
        if cfg!(unix)
            && self.settings.fsync != Fsync::Never
            && let Ok(folder) = File::open(self.names.folder())
        {
            // Some file systems refuse, and need none.
            let _ = folder.sync_all();
        }
    }
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// Since when there are records in a file that was there already.
fn started(metadata: &Metadata) -> SystemTime {
    let time = metadata.created().or_else(|_| metadata.modified());
    time.unwrap_or_else(|_| SystemTime::now())
}

fn read_start(mut file: &File, head: &mut [u8]) -> io::Result<usize> {
    use std::io::{Read as _, Seek as _};
    file.rewind()?;
    let mut all = Vec::new();
    file.take(head.len() as u64).read_to_end(&mut all)?;
    head.iter_mut().zip(&all).for_each(|(to, from)| *to = *from);
    Ok(all.len())
}

/// Whether the path still leads to this file.
#[cfg(unix)]
fn is_in_place(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(there)) => (file.dev(), file.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_in_place(_: &File, path: &Path) -> bool {
    path.exists()
}
