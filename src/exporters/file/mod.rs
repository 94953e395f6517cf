//! Telemetry in files, one record a request: for archives, for dead letters, for another machine.
//!
//! ```
//! use tower::ServiceExt as _;
//! use tower_otlp::{ExportRequest, Signal, exporters::file::FileExporter, receivers::FileReader};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("otel.jsonl");
//! let exporter = FileExporter::builder(&path)
//!     .rotate_bytes(100_000_000)
//!     .keep(10)
//!     .build()?;
//!
//! let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"ev"}]}]}]}"#;
//! let request = ExportRequest::from_json(Signal::Logs, json)?;
//! let response = exporter.oneshot(request).await?;
//! assert_eq!(response.delivered_items(), 1);
//!
//! let mut reader = FileReader::builder().rotated_set(&path).build()?;
//! let record = reader.next().expect("one")?;
//! assert_eq!(record.request.items(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What is in a file
//!
//! By default a line of OTLP/JSON for each request, as OpenTelemetry's
//! [file exporter specification](https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/)
//! has it, which tools for JSON lines and the Collector's `otlpjsonfile` receiver read. The
//! specification wants a file for each signal: put `{signal}` into the path, and the exporter
//! writes `otel-traces.jsonl`, `otel-metrics.jsonl` and `otel-logs.jsonl`. Without it all signals
//! share the file; each line says which it is, and the receiver and
//! [our reader](crate::receivers::file) tell them apart.
//!
//! [`FileFormat::Protobuf`] is the Collector file exporter's `proto`. Compressed files are what
//! `zcat` and `zstd -dc` read: a file has a member or a frame for each write, each with a checksum,
//! and is whole after each.
//!
//! Rotation renames `otel.jsonl` to `otel-2022-09-14T05-02-14.173.jsonl` (UTC) and begins anew.
//!
//! # What may be relied upon
//!
//! - A record is in the file as a whole or not at all. A write that fails, as on a full disk, is
//!   taken back; a record that a crash has left unfinished is cut off when the file is next
//!   opened. A damaged file is set aside under the name of a rotated one, and nothing is deleted.
//! - A request is answered when it is written, and safe from a crash of the machine as far as
//!   [`Fsync`] says. Requests that come at the same time share a write and a sync.
//! - Writing is done by a thread of its own: a slow disk holds up no runtime. At most 64 requests
//!   wait for it; then the exporter is not ready.
//! - One exporter at a time writes to a file, in this process or another: a second one gets an
//!   error. When all handles are dropped the thread writes what it has and ends;
//!   [`closed`](FileExporter::closed) tells when.
//! - A file that is moved or deleted under the exporter's hands is begun anew (on Unix).
//!
//! # Pitfalls
//!
//! A request is a record: a batch layer above makes files smaller, above all compressed ones. OTLP
//! in JSON has no form for ids of a wrong length: such items count as rejected, by name, and those
//! beside them are written. Locks of network file systems are as good as the file system.

mod active;
mod builder;
mod chunk;
mod encode;
mod error;
mod future;
mod options;
mod settings;
mod stats;
mod tail;
mod worker;

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::PollSemaphore;
use tower_service::Service;

use self::worker::{Door, Message};
pub use self::{
    builder::FileBuilder,
    encode::encode,
    future::ResponseFuture,
    options::{FileCompression, FileFormat, Fsync},
    stats::FileStats,
};
pub use crate::otlp::json::LeftOut;
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice};

/// Writes telemetry to files. Takes all three signals, unless it is told otherwise; see the
/// [module](self).
///
/// Clones write to the same files.
///
/// # Errors
/// [`Unavailable`](ErrorKind::Unavailable), to be tried again, if the disk is full or writing fails
/// in another way that may pass; [`Unauthenticated`](ErrorKind::Unauthenticated) if it is not
/// permitted; [`TooLarge`](ErrorKind::TooLarge) beyond
/// [`max_record_bytes`](FileBuilder::max_record_bytes); [`Unsupported`](ErrorKind::Unsupported)
/// for a signal that it is not to take.
pub struct FileExporter {
    door: Arc<Door>,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
}

impl FileExporter {
    /// Options of an exporter to this path, in which `{signal}` stands for `traces`, `metrics` or
    /// `logs`.
    pub fn builder(path: impl Into<PathBuf>) -> FileBuilder {
        FileBuilder::new(path.into())
    }

    fn new(door: Door) -> Self {
        Self {
            places: PollSemaphore::new(door.places.clone()),
            door: Arc::new(door),
            place: None,
        }
    }

    /// What this exporter and its clones have done so far.
    #[must_use]
    pub fn stats(&self) -> FileStats {
        self.door.counters.read()
    }

    /// Ends when all handles are gone, all they were given is written, and the files are closed
    /// and free for others.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.door.ended.clone().cancelled_owned()
    }

    fn send(&mut self, request: ExportRequest) -> Result<ResponseFuture, ExportError> {
        let place = self.place.take();
        let signal = request.signal();
        if worker::route(&self.door.routes, signal).is_none() {
            let message = format!("this exporter was told not to take {signal}");
            let path = self.door.paths.first().cloned().unwrap_or_default();
            return Err(
                ExportError::new(ErrorKind::Unsupported, message).with_exporter(error::NAME, path)
            );
        }
        if request.is_empty() {
            return Ok(ResponseFuture::answered(Ok(ExportResponse::delivered(0))));
        }
        let Some(place) = place else {
            let message = "the file exporter was called before it was ready";
            return Err(ExportError::new(ErrorKind::Internal, message));
        };
        let (answer, receiver) = oneshot::channel();
        let message = Message {
            answer,
            held: self.door.stage.hold(request.items()),
            request,
            place,
        };
        match self.door.outbox.send(message) {
            Ok(()) => Ok(ResponseFuture::waiting(receiver)),
            Err(_) => Err(closed()),
        }
    }
}

fn closed() -> ExportError {
    // Nothing will happen here any more, but another process may take it.
    ExportError::new(
        ErrorKind::Closed,
        "the thread that writes to files has ended",
    )
    .with_retry(RetryAdvice::Backoff)
}

impl Clone for FileExporter {
    /// The clone has no place reserved.
    fn clone(&self) -> Self {
        Self {
            door: self.door.clone(),
            places: self.places.clone(),
            place: None,
        }
    }
}

impl fmt::Debug for FileExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileExporter")
            .field("files", &self.door.paths)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for FileExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if self.place.is_none() {
            self.place = ready!(self.places.poll_acquire(cx));
        }
        Poll::Ready(self.place.as_ref().map(|_| ()).ok_or_else(closed))
    }

    fn call(&mut self, request: ExportRequest) -> ResponseFuture {
        self.send(request)
            .unwrap_or_else(|error| ResponseFuture::answered(Err(error)))
    }
}
