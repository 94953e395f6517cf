//! Reading beside a runtime.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::{FileReadError, FileReadProblem, FileReader, FileRecord};

/// How many records are read ahead.
const AHEAD: usize = 4;

/// The records of a [`FileReader`] as a stream, read by a thread that is a few records ahead. The
/// thread ends when the stream is dropped.
pub struct FileStream {
    records: mpsc::Receiver<Result<FileRecord, FileReadError>>,
}

impl FileStream {
    pub(super) fn new(reader: FileReader) -> Self {
        let (sender, records) = mpsc::channel(AHEAD);
        let failed = sender.clone();
        let path = reader.path();
        let read = move || {
            for record in reader {
                if sender.blocking_send(record).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("tower-otlp-read".to_owned());
        if let Err(error) = thread.spawn(read) {
            // There is room: nothing was sent yet.
            let _ = failed.try_send(Err(FileReadError {
                path,
                record: 0,
                offset: 0,
                problem: FileReadProblem::Io(error),
            }));
        }
        Self { records }
    }
}

impl Stream for FileStream {
    type Item = Result<FileRecord, FileReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.records.poll_recv(cx)
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").finish_non_exhaustive()
    }
}
