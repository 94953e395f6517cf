use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};
use tokio_util::sync::PollSemaphore;
use tower_service::Service;
use tracing::Span;

use super::{ResponseFuture, caller::Caller};
use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, Stage,
    layers::presence::{Presence, Present},
};

/// How many requests may be on their way from the handles to the worker. It takes them at once,
/// unless everything is full.
const PLACES: usize = 64;

/// A handle of a batch layer: takes requests, which its worker sends in batches. See the
/// [module](super).
///
/// Clones are handles of the same worker. When the last one is gone, the worker sends what it has
/// and ends.
pub struct Batch {
    door: Arc<Door>,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
    present: Present,
}

/// What all handles have in common.
pub(super) struct Door {
    outbox: mpsc::UnboundedSender<Message>,
    places: Arc<Semaphore>,
    presence: Arc<Presence>,
    stage: Stage,
    started: AtomicBool,
    worker: Mutex<Option<Task>>,
}

pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A request on its way to the worker.
pub(super) struct Message {
    pub(super) request: ExportRequest,
    pub(super) caller: Caller,
    pub(super) span: Span,
    /// Free again when the worker has taken the request.
    pub(super) place: OwnedSemaphorePermit,
}

/// The worker's end of the door. Nobody waits at the door any more when it is gone.
pub(super) struct Inbox {
    messages: mpsc::UnboundedReceiver<Message>,
    places: Arc<Semaphore>,
    /// Whether anybody is about to send something.
    pub(super) presence: Arc<Presence>,
}

impl Inbox {
    /// The next request; `None` when all handles are gone.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.places.close();
    }
}

/// The two ends between the handles and the worker.
pub(super) fn open(stage: Stage) -> (Door, Inbox) {
    let (outbox, messages) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(PLACES));
    let presence = Arc::new(Presence::default());
    let door = Door {
        outbox,
        places: places.clone(),
        presence: presence.clone(),
        stage,
        started: AtomicBool::new(false),
        worker: Mutex::new(None),
    };
    let inbox = Inbox {
        messages,
        places,
        presence,
    };
    (door, inbox)
}

impl Door {
    /// Spawns the worker if that was not done yet.
    fn start(&self) -> Result<(), ExportError> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let Ok(runtime) = Handle::try_current() else {
            return Err(ExportError::new(
                ErrorKind::Unavailable,
                "the worker of a batch needs a tokio runtime: use the service within one",
            ));
        };
        let task = {
            let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
            worker.take()
        };
        if let Some(task) = task {
            runtime.spawn(task);
        }
        self.started.store(true, Ordering::Release);
        Ok(())
    }
}

pub(super) fn closed() -> ExportError {
    // Nothing will happen here any more, but another process may take it.
    ExportError::new(ErrorKind::Closed, "the worker of the batch has ended")
        .with_retry(RetryAdvice::Backoff)
}

impl Batch {
    /// Without a task somebody else runs the worker.
    pub(super) fn new(door: Door, worker: Option<Task>) -> Self {
        let door = Door {
            started: AtomicBool::new(worker.is_none()),
            worker: Mutex::new(worker),
            ..door
        };
        Self {
            places: PollSemaphore::new(door.places.clone()),
            present: Present::new(door.presence.clone()),
            door: Arc::new(door),
            place: None,
        }
    }

    fn send(&mut self, request: ExportRequest) -> Result<ResponseFuture, ExportError> {
        let place = self.place.take();
        self.door.start()?;
        let Some(place) = place else {
            return Err(ExportError::new(
                ErrorKind::Internal,
                "the batch was called before it was ready",
            ));
        };
        let (answer, receiver) = oneshot::channel();
        let message = Message {
            caller: Caller::new(answer, self.door.stage.hold(request.items())),
            request,
            span: Span::current(),
            place,
        };
        match self.door.outbox.send(message) {
            Ok(()) => Ok(ResponseFuture::waiting(receiver)),
            Err(_) => Err(closed()),
        }
    }
}

impl Clone for Batch {
    /// The clone has no place reserved.
    fn clone(&self) -> Self {
        Self {
            door: self.door.clone(),
            places: self.places.clone(),
            place: None,
            present: self.present.clone(),
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("ready", &self.place.is_some())
            .field("stage", &self.door.stage)
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for Batch {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.present.show();
        // That there is no runtime is for `call` to tell.
        if self.place.is_none() && self.door.start().is_ok() {
            self.place = ready!(self.places.poll_acquire(cx));
            if self.place.is_none() {
                return Poll::Ready(Err(closed()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> ResponseFuture {
        if request.is_empty() {
            self.place = None;
            return ResponseFuture::answered(Ok(ExportResponse::delivered(0)));
        }
        self.send(request)
            .unwrap_or_else(|error| ResponseFuture::answered(Err(error)))
    }
}
