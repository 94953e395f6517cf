//! The thread that writes. Requests that come while it writes share the next write and its sync.

use std::{sync::Arc, thread};

use tokio::{
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Fsync,
    active::ActiveFile,
    chunk::{Chunk, Recorded},
    error::{FileProblem, during},
    settings::Settings,
    stats::Counters,
};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse, Held, Signal, Stage};

/// How many requests may be on their way from the handles to the thread.
const PLACES: usize = 64;

/// How many requests share a write at most.
const GROUP: usize = 256;

/// About how many bytes are written at a time at most, before compression.
const CHUNK_BYTES: usize = 4 << 20;

/// The file of each signal, by the order of `Signal::ALL`.
pub(super) type Routes = [Option<usize>; 3];

pub(super) fn route(routes: &Routes, signal: Signal) -> Option<usize> {
    let row = Signal::ALL.iter().position(|known| *known == signal)?;
    routes.get(row).copied().flatten()
}

/// What all handles have in common.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) outbox: mpsc::UnboundedSender<Message>,
    pub(super) places: Arc<Semaphore>,
    pub(super) routes: Routes,
    pub(super) paths: Vec<Arc<str>>,
    pub(super) stage: Stage,
    pub(super) counters: Arc<Counters>,
    pub(super) ended: CancellationToken,
}

pub(super) type Answer = Result<ExportResponse, ExportError>;

/// A request on its way to the thread.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) request: ExportRequest,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) held: Held,
    /// Free again when the thread has taken the request.
    pub(super) place: OwnedSemaphorePermit,
}

/// Who waits for a record.
pub(super) struct Caller {
    answer: oneshot::Sender<Answer>,
    held: Held,
}

impl Caller {
    pub(super) fn settle(self, result: Answer) {
        match self.answer.send(result) {
            Ok(()) => self.held.answered(),
            Err(unheard) => self.held.ended(&unheard),
        }
    }
}

/// Starts the thread.
pub(super) fn start(
    files: Vec<ActiveFile>,
    routes: Routes,
    settings: &Arc<Settings>,
    counters: Arc<Counters>,
    stage: Stage,
) -> Result<Door, FileProblem> {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(PLACES));
    let ended = CancellationToken::new();
    let door = Door {
        outbox,
        places: places.clone(),
        routes,
        paths: files
            .iter()
            .map(|file| file.path().display().to_string().into())
            .collect(),
        stage: stage.clone(),
        counters: counters.clone(),
        ended: ended.clone(),
    };
    let worker = Worker {
        inbox,
        chunk: Chunk::new(settings).map_err(during("set up the compression of"))?,
        destinations: door
            .paths
            .iter()
            .map(|path| format!("file {path}").into())
            .collect(),
        files,
        routes,
        fsync: settings.fsync,
        max_record_bytes: settings.max_record_bytes,
        has_exact_size: settings.compression == super::FileCompression::None,
        counters,
        stage,
        sync_at: None,
        unsynced: None,
        _places: Places(places),
        _ended: ended.drop_guard(),
    };
    // A runtime of its own: writing blocks, and nobody else's tasks shall wait for it.
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(during("start a runtime for"))?;
    thread::Builder::new()
        .name("tower-otlp-file".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(during("start a thread for"))?;
    Ok(door)
}

/// Closed with the worker: nobody waits at the door any more.
struct Places(Arc<Semaphore>);

impl Drop for Places {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Worker {
    _places: Places,
    inbox: mpsc::UnboundedReceiver<Message>,
    files: Vec<ActiveFile>,
    destinations: Vec<Arc<str>>,
    routes: Routes,
    chunk: Chunk,
    fsync: Fsync,
    max_record_bytes: usize,
    /// Whether a record takes as many bytes in the file as in the chunk.
    has_exact_size: bool,
    counters: Arc<Counters>,
    stage: Stage,
    /// When what was written is to be synced.
    sync_at: Option<Instant>,
    /// Makes a flush and a shutdown wait for that.
    unsynced: Option<Held>,
    /// Last, so that it is told when the files are closed and free for others.
    _ended: DropGuard,
}

impl Worker {
    async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let due = self.sync_at;
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.sync(),
                taken = self.inbox.recv_many(&mut group, GROUP) => {
                    if taken == 0 {
                        break;
                    }
                    self.commit(&mut group);
                }
                // Once: what could not be synced is tried again in its own time.
                () = self.stage.rushed(), if self.unsynced.is_some() => self.sync(),
            }
        }
        if self.fsync != Fsync::Never {
            self.sync();
        }
    }

    /// Writes a group, file by file, and answers it.
    fn commit(&mut self, group: &mut Vec<Message>) {
        for file in 0..self.files.len() {
            // In the order in which they came.
            let of_file =
                |message: &mut Message| route(&self.routes, message.request.signal()) == Some(file);
            let messages: Vec<Message> = group.extract_if(.., of_file).collect();
            let mut room = self.room(file);
            for message in messages {
                self.record(file, message, &mut room);
            }
            self.write(file);
        }
    }

    fn room(&self, file: usize) -> Option<u64> {
        let file = self.files.get(file).filter(|_| self.has_exact_size)?;
        file.room()
    }

    /// Adds a record to what is written next.
    fn record(&mut self, file: usize, message: Message, room: &mut Option<u64>) {
        let Message {
            request,
            answer,
            held,
            place,
        } = message;
        drop(place);
        let caller = Caller { answer, held };
        let destination = self.destinations.get(file).cloned().unwrap_or_default();
        let recorded = match self.chunk.add(request.otlp(), self.max_record_bytes) {
            Ok(recorded) => recorded,
            Err(problem) => {
                let path = self.files.get(file).map(ActiveFile::path);
                let error = match problem {
                    super::chunk::Refused::TooLarge { size } => {
                        too_large(size, self.max_record_bytes)
                    }
                    super::chunk::Refused::Compression(error) => {
                        ExportError::new(ErrorKind::Internal, "compression failed")
                            .with_source(error)
                    }
                };
                let path = path
                    .map(|path| path.display().to_string())
                    .unwrap_or_default();
                return caller.settle(Err(error.with_exporter(super::error::NAME, path)));
            }
        };
        let Recorded { start, left_out } = recorded;
        let items = request.items();
        let response = match left_out {
            None => ExportResponse::delivered(items),
            Some(left_out) => {
                tracing::warn!(
                    message = left_out.message,
                    "telemetry was left out of a file"
                );
                ExportResponse::delivered(items.saturating_sub(left_out.items))
                    .with_rejected(left_out.items, left_out.message)
            }
        };
        let response = response.with_destination(destination);
        if start > 0 && room.is_some_and(|room| self.chunk.len() as u64 > room) {
            // What is full without it is written without it.
            let rest = self.chunk.split_off(start);
            self.write(file);
            self.chunk.put_back(rest);
            *room = self.room(file);
        }
        self.chunk.wait(caller, response);
        if self.chunk.len() >= CHUNK_BYTES {
            self.write(file);
            *room = self.room(file);
        }
    }

    /// Writes the chunk, and answers those who wait for it.
    fn write(&mut self, file: usize) {
        let Some(file) = self.files.get_mut(file) else {
            return;
        };
        let result = match self.chunk.bytes() {
            Ok([]) => Ok(()),
            Ok(bytes) => file
                .append(bytes)
                .map_err(|problem| problem.at(file.path())),
            Err(error) => Err(during("compress the records of")(error).at(file.path())),
        };
        // Before the answers: a shutdown that follows one waits for the sync, too.
        if let Fsync::Interval(interval) = self.fsync
            && file.is_dirty()
        {
            self.sync_at
                .get_or_insert_with(|| Instant::now() + interval);
            self.unsynced.get_or_insert_with(|| self.stage.hold(0));
        }
        let waiting = self.chunk.clear();
        if result.is_ok() {
            self.counters.recorded(waiting.len());
        }
        for (caller, response) in waiting {
            caller.settle(result.clone().map(|()| response));
        }
    }

    fn sync(&mut self) {
        self.sync_at = None;
        for file in &mut self.files {
            if let Err(problem) = file.sync() {
                // Those whom it concerns have their answers.
                self.counters.sync_failed();
                let path = file.path().display();
                tracing::error!(%path, %problem, "what was written may not survive a crash");
            }
        }
        if let Some(unsynced) = self.unsynced.take() {
            unsynced.answered();
        }
        if let Fsync::Interval(interval) = self.fsync
            && self.files.iter().any(ActiveFile::is_dirty)
        {
            self.sync_at = Some(Instant::now() + interval);
        }
    }
}

fn too_large(size: usize, limit: usize) -> ExportError {
    let message = format!(
        "a record of {size} bytes is larger than the limit of {limit}; a split layer above cuts it"
    );
    ExportError::new(ErrorKind::TooLarge, message)
}
