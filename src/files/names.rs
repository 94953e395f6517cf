//! The names of rotated files: `otel-2022-09-14T05-02-14.173.jsonl` is an older `otel.jsonl`.
//!
//! The time is in UTC, with milliseconds: the form that the Collector's file exporter gives its
//! backups, where the order of names is the order of time.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::calendar::civil;

/// The form of the time, in which a digit stands for any digit.
const PATTERN: &[u8] = b"0000-00-00T00-00-00.000";

/// A file that was rotated away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Backup {
    /// As it stands in the name. First, so that backups sort by it.
    pub(crate) stamp: String,
    pub(crate) path: PathBuf,
}

/// The parts around the time in the names of the files that were rotated away from one path.
#[derive(Clone, Debug)]
pub(crate) struct RotatedName {
    folder: PathBuf,
    stem: String,
    extension: String,
}

impl RotatedName {
    /// `None` if the path names no file, or not in UTF-8.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let bare = without_compression(name);
        // A dot in front is no extension: `.otel` is hidden.
        let dot = bare.rfind('.').filter(|dot| *dot > 0);
        let (stem, _) = name.split_at(dot.unwrap_or(bare.len()));
        let folder = path.parent().unwrap_or(Path::new(""));
        Some(Self {
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            extension: name.strip_prefix(stem).unwrap_or_default().to_owned(),
        })
    }

    /// The folder in which the files are.
    pub(crate) fn folder(&self) -> &Path {
        match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        }
    }

    pub(crate) fn with_stamp(&self, stamp: &str) -> PathBuf {
        let Self {
            stem, extension, ..
        } = self;
        self.folder.join(format!("{stem}-{stamp}{extension}"))
    }

    /// The time in the name of a file that was rotated away. With `any_compression` one that has
    /// another ending such as `.gz`, or none, counts too.
    fn stamp<'n>(&self, name: &'n str, any_compression: bool) -> Option<&'n str> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let (stamp, extension) = rest.split_at_checked(PATTERN.len())?;
        let same = if any_compression {
            without_compression(extension) == without_compression(&self.extension)
        } else {
            extension == self.extension
        };
        (same && is_stamp(stamp)).then_some(stamp)
    }
}

/// All files that were rotated away, the oldest first.
pub(crate) fn backups(name: &RotatedName, any_compression: bool) -> io::Result<Vec<Backup>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(name.folder())? {
        let file: OsString = entry?.file_name();
        let Some(file) = file.to_str() else { continue };
        if let Some(stamp) = name.stamp(file, any_compression) {
            found.push(Backup {
                stamp: stamp.to_owned(),
                path: name.folder.join(file),
            });
        }
    }
    found.sort();
    Ok(found)
}

/// The time as it stands in a name.
pub(crate) fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{millis:03}")
}

/// A free name at this time or as shortly after it as can be, and after all `others`: a clock that
/// was set back does not change the order of files.
pub(crate) fn free_stamp(time: SystemTime, others: &[Backup]) -> String {
    let wanted = stamp(time);
    let newest = others.last().map_or("", |backup| backup.stamp.as_str());
    if wanted.as_str() > newest {
        return wanted;
    }
    let mut next = read_stamp(newest).unwrap_or(time);
    loop {
        next += Duration::from_millis(1);
        let wanted = stamp(next);
        if wanted.as_str() > newest {
            return wanted;
        }
    }
}

/// The time that a name holds.
pub(crate) fn read_stamp(stamp: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let millis = number(20, 23)?;
    // The day is looked up by the function that writes it, near where it must be.
    let near = (year.checked_sub(1970)? * 1461 / 4 + (month * 30)).saturating_sub(40);
    let days = (near..near + 80).find(|days| civil(*days) == (year, month, day))?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis))
}

fn is_stamp(text: &str) -> bool {
    text.len() == PATTERN.len()
        && text.bytes().zip(PATTERN).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == *form,
        })
}

/// A name without the ending that compression gives it.
fn without_compression(name: &str) -> &str {
    let bare = name
        .strip_suffix(".zst")
        .or_else(|| name.strip_suffix(".gz"));
    bare.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(path: &str) -> String {
        let name = RotatedName::of(Path::new(path)).expect("a name");
        let stamp = "2022-09-14T05-02-14.173";
        name.with_stamp(stamp).display().to_string()
    }

    #[test]
    fn the_time_stands_before_the_ending() {
        for (path, name) in [
            ("data.json", "data-2022-09-14T05-02-14.173.json"),
            ("/a/b.jsonl.zst", "/a/b-2022-09-14T05-02-14.173.jsonl.zst"),
            ("a.b.jsonl", "a.b-2022-09-14T05-02-14.173.jsonl"),
            ("plain", "plain-2022-09-14T05-02-14.173"),
            ("plain.gz", "plain-2022-09-14T05-02-14.173.gz"),
            (".hidden", ".hidden-2022-09-14T05-02-14.173"),
        ] {
            assert_eq!(rotated(path), name);
        }
    }

    #[test]
    fn times_read_back() {
        for millis in [
            0,
            951_782_399_000,
            951_868_800_001,
            1_663_131_734_173,
            4_107_542_400_000,
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(read_stamp(&stamp(time)), Some(time), "{}", stamp(time));
        }
        let time = UNIX_EPOCH + Duration::from_millis(1_663_131_734_173);
        assert_eq!(stamp(time), "2022-09-14T05-02-14.173");
        assert_eq!(read_stamp("2022-02-31T05-02-14.173"), None);
    }

    #[test]
    fn only_rotated_files_are_found_oldest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "otel.jsonl",
            "otel-2026-01-02T00-00-00.000.jsonl",
            "otel-2026-01-01T00-00-00.001.jsonl",
            "otel-2026-01-01T00-00-00.000.jsonl.gz",
            "otel-2026-01-01.jsonl",
            "otel-traces-2026-01-01T00-00-00.000.jsonl",
            "otel-2026-01-01T00-00-00.000.json",
        ] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let name = RotatedName::of(&folder.path().join("otel.jsonl")).expect("a name");
        let stamps = |any| -> Vec<String> {
            let found = backups(&name, any).expect("listed");
            found.into_iter().map(|backup| backup.stamp).collect()
        };
        let two = ["2026-01-01T00-00-00.001", "2026-01-02T00-00-00.000"];
        assert_eq!(stamps(false), two);
        assert_eq!(stamps(true)[0], "2026-01-01T00-00-00.000");
        assert_eq!(stamps(true)[1..], two);
    }

    #[test]
    fn a_clock_set_back_does_not_change_the_order() {
        let backup = Backup {
            stamp: "2026-12-31T23-59-59.999".to_owned(),
            path: PathBuf::new(),
        };
        let stamp = free_stamp(UNIX_EPOCH, &[backup]);
        assert_eq!(stamp, "2027-01-01T00-00-00.000");
    }
}
