use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};
use tokio_util::sync::PollSemaphore;
use tower_service::Service;
use tracing::Span;

use super::{Overflow, ResponseFuture, shared::Shared};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse, layers::presence::Present};

/// A handle of a queue: takes requests, which its worker delivers. See the [module](super).
///
/// Clones are handles of the same queue. When the last one is gone, the worker delivers what the
/// queue holds and ends.
pub struct Queue {
    door: Arc<Door>,
    slots: PollSemaphore,
    slot: Option<OwnedSemaphorePermit>,
    present: Present,
}

/// What all handles have in common, and the requests that wait for room: the worker ends when it
/// is gone.
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    started: AtomicBool,
    worker: Mutex<Option<Task>>,
}

pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Door {
    /// Spawns the worker if that was not done yet.
    pub(super) fn start(&self) -> Result<(), ExportError> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(runtime) = Handle::try_current() else {
            return Err(ExportError::new(
                ErrorKind::Unavailable,
                "the worker of a queue needs a tokio runtime: use the queue within one",
            ));
        };
        if let Some(task) = worker.take() {
            runtime.spawn(task);
        }
        self.started.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shared.forsake();
    }
}

impl Queue {
    /// Without a task somebody else runs the worker.
    pub(super) fn new(shared: Arc<Shared>, worker: Option<Task>) -> Self {
        let slots = PollSemaphore::new(shared.slots.clone());
        let present = Present::new(shared.presence.clone());
        let door = Door {
            shared,
            started: AtomicBool::new(worker.is_none()),
            worker: Mutex::new(worker),
        };
        Self {
            door: Arc::new(door),
            slots,
            slot: None,
            present,
        }
    }

    /// Starts the worker if there is a runtime to start it in.
    pub(super) fn start_if_possible(&self) {
        // If not, the first request starts it.
        let _ = self.door.start();
    }

    /// Takes a place for a request by the policy for overflow, without waiting.
    fn enqueue(&mut self, request: ExportRequest) -> Result<ResponseFuture, ExportError> {
        self.door.start()?;
        let slot = self.slot.take();
        let shared = &self.door.shared;
        let request = request.detached();
        let charge = shared.charge(&request)?;
        let span = Span::current();
        if shared.config.overflow == Overflow::Block {
            return Ok(ResponseFuture::entering(
                &self.door, request, charge, slot, span,
            ));
        }
        loop {
            let slot = shared.slots.clone().try_acquire_owned();
            let room = shared.room.clone().try_acquire_many_owned(charge);
            if let (Ok(slot), Ok(room)) = (slot, room) {
                let (id, answer) = shared.push(request, slot, room, span)?;
                return Ok(ResponseFuture::entered(shared, id, answer));
            }
            if shared.slots.is_closed() {
                return Err(super::shared::closed());
            }
            if shared.config.overflow == Overflow::RejectNew || !shared.evict() {
                return Err(shared.refuse());
            }
        }
    }
}

impl Clone for Queue {
    /// The clone has no place reserved.
    fn clone(&self) -> Self {
        Self {
            door: self.door.clone(),
            slots: self.slots.clone(),
            slot: None,
            present: self.present.clone(),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("shared", &self.door.shared)
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for Queue {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.present.show();
        if self.slot.is_some() || self.door.shared.config.overflow != Overflow::Block {
            return Poll::Ready(Ok(()));
        }
        // What fills the queue goes only if the worker runs. An error is for `call` to tell.
        if self.door.start().is_ok() {
            self.slot = ready!(self.slots.poll_acquire(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> ResponseFuture {
        match self.enqueue(request) {
            Ok(future) => future,
            Err(error) => ResponseFuture::failed(error),
        }
    }
}
