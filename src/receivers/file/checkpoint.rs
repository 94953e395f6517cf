//! How far reading has come, kept in a file: who was interrupted goes on from there.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::FilePosition;

/// How many records of which files are done.
///
/// A file is known by its first record, so that it may be renamed, as rotation does, and grow.
///
/// ```
/// use tower_otlp::receivers::file::Checkpoint;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("replay.state");
/// let checkpoint = Checkpoint::load(&path)?;   // empty if there is no such file
/// // ... for each record that is done: checkpoint.advance(&record.position) ...
/// checkpoint.save(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of records that are done, by the fingerprint of the file.
    done: BTreeMap<u64, u64>,
}

/// The first line of the file.
const TITLE: &str = "tower-otlp checkpoint 1";

impl Checkpoint {
    /// Nothing is done yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what was saved; nothing is done if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, or is something else.
    pub fn load(path: impl AsRef<Path>) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new()),
            Err(error) => return Err(error),
        };
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "this is no checkpoint");
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(invalid());
        }
        let entry = |line: &str| {
            let (file, records) = line.split_once(' ')?;
            Some((u64::from_str_radix(file, 16).ok()?, records.parse().ok()?))
        };
        let done: Option<_> = lines.map(entry).collect();
        let done = done.ok_or_else(invalid)?;
        Ok(Self { done })
    }

    /// Saves it, in one step: a crash leaves the one before, or this one.
    ///
    /// # Errors
    /// If the file, or one beside it with the ending `.new`, cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let mut text = format!("{TITLE}\n");
        for (file, records) in &self.done {
            text.push_str(&format!("{file:016x} {records}\n"));
        }
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(new, path)
    }

    /// This record, and all before it in its file, are done. Of a line with several signals, which
    /// makes several requests, the last one counts.
    pub fn advance(&mut self, position: &FilePosition) {
        if !position.ends_record {
            return;
        }
        let done = self.done.entry(position.fingerprint).or_default();
        *done = position.record.max(*done);
    }

    /// How many records of the file with this fingerprint are done.
    pub(super) fn done(&self, fingerprint: u64) -> u64 {
        self.done.get(&fingerprint).copied().unwrap_or(0)
    }
}

/// By what a file is known: FNV-1a over its first record, or the beginning of that.
pub(super) fn fingerprint(record: &[u8]) -> u64 {
    const BEGINNING: usize = 64 << 10;
    let length = (record.len() as u64).to_le_bytes();
    let beginning = record.iter().take(BEGINNING);
    beginning
        .chain(&length)
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
