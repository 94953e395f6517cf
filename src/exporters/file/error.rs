//! What goes wrong with files, and what that means for a request.

use std::{fmt, io, path::Path};

use crate::{ErrorKind, ExportError};

/// The name under which this exporter appears in errors.
pub(super) const NAME: &str = "file";

/// Why a file cannot be written to.
#[derive(Debug)]
pub(super) enum FileProblem {
    /// Somebody else writes to it.
    InUse,
    /// It holds something that is not of this format and compression.
    OtherContent,
    /// The exporter is set up in a way that cannot work.
    Config(String),
    Io {
        /// What was tried.
        attempt: &'static str,
        error: io::Error,
    },
}

/// For `map_err`: names what was tried.
pub(super) fn during(attempt: &'static str) -> impl FnOnce(io::Error) -> FileProblem {
    move |error| FileProblem::Io { attempt, error }
}

impl FileProblem {
    /// The error of a request that was to go to this file.
    pub(super) fn at(self, path: &Path) -> ExportError {
        let kind = match &self {
            FileProblem::InUse => ErrorKind::Unavailable,
            FileProblem::OtherContent | FileProblem::Config(_) => ErrorKind::Unsupported,
            FileProblem::Io { error, .. } => kind(error),
        };
        let shown = ExportError::new(kind, self.to_string())
            .with_exporter(NAME, path.display().to_string());
        match self {
            FileProblem::Io { error, .. } => shown.with_source(error),
            _ => shown,
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileProblem::InUse => f.write_str(
                "another process, or another exporter of this one, writes to the file: give each \
                 a file of its own",
            ),
            FileProblem::OtherContent => f.write_str(
                "the file holds something else than this format and compression: move it away, or \
                 choose another path",
            ),
            FileProblem::Config(message) => f.write_str(message),
            FileProblem::Io { attempt, error } => {
                write!(f, "cannot {attempt} the file: {error}{}", advice(error))
            }
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, or rotate sooner and keep less"
        }
        io::ErrorKind::NotFound => "; create its folder, or set `create_directory`",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; the process must be allowed to write the file and, to rotate it, its folder"
        }
        _ => "",
    }
}

/// Nothing is wrong with the telemetry itself: but for a permission, which does not come by
/// itself, the same may work later.
fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::Unauthenticated
        }
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename => ErrorKind::Unsupported,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryAdvice;

    #[test]
    fn each_failure_has_its_kind_and_says_what_to_do() {
        for (cause, kind, retry, part) in [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::Unavailable,
                true,
                "make room",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                ErrorKind::Unavailable,
                true,
                "make room",
            ),
            (
                io::ErrorKind::FileTooLarge,
                ErrorKind::Unavailable,
                true,
                "cannot write",
            ),
            (
                io::ErrorKind::NotFound,
                ErrorKind::Unavailable,
                true,
                "create_directory",
            ),
            (
                io::ErrorKind::PermissionDenied,
                ErrorKind::Unauthenticated,
                false,
                "allowed",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                ErrorKind::Unauthenticated,
                false,
                "allowed",
            ),
            (
                io::ErrorKind::TimedOut,
                ErrorKind::Timeout,
                true,
                "cannot write",
            ),
            (
                io::ErrorKind::Other,
                ErrorKind::Unavailable,
                true,
                "cannot write",
            ),
        ] {
            let error = during("write")(cause.into()).at(Path::new("/var/otel.jsonl"));
            assert_eq!(error.kind(), kind, "{cause:?}");
            assert_eq!(error.retry() == RetryAdvice::Backoff, retry, "{cause:?}");
            let text = error.to_string();
            assert!(
                text.starts_with("file exporter (/var/otel.jsonl): "),
                "{text}"
            );
            assert!(text.contains(part), "{text}");
        }
    }
}
