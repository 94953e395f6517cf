//! One exporter's way into the pipeline.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::{sync::oneshot, time::Instant};
use tower::{Service, ServiceExt};

use super::{
    outcome::{gone, outcome},
    shared::{Shared, Waited},
    threads,
};
use crate::{DrainReport, ErrorKind, ExportError, ExportRequest};

/// How many requests may be in the pipeline when one comes of whose answer nobody hears.
const MOST_UNHEARD: usize = 1024;

/// What each of the three exporters is made of.
pub(super) struct HandOver {
    shared: Arc<Shared>,
    is_shut_down: AtomicBool,
}

impl HandOver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.join();
        Self {
            shared,
            is_shut_down: AtomicBool::new(false),
        }
    }

    fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::Acquire)
    }

    /// Sends a request through the pipeline. If the caller goes away meanwhile, the request does
    /// not.
    pub(super) async fn export(&self, request: ExportRequest) -> OTelSdkResult {
        let shared = &self.shared;
        let ended = self.is_shut_down() || shared.lifecycle().is_draining();
        let Some(pipeline) = shared.pipeline().filter(|_| !ended) else {
            return Err(OTelSdkError::AlreadyShutdown);
        };
        let (signal, items) = (request.signal(), request.items());
        let at_home = threads::is_blocked_worker() && shared.is_at_home();
        if at_home && shared.requests() >= MOST_UNHEARD {
            let full = "too many spans or log records end on the pipeline's own runtime while it \
                        exports others: use a batch processor";
            let full = ExportError::new(ErrorKind::Overloaded, full);
            return outcome(signal, items, Duration::ZERO, false, Err(full));
        }
        let started = Instant::now();
        let (answer, mut answered) = oneshot::channel();
        let boarding = shared.gangway().enter();
        shared.spawn(async move {
            let mut pipeline = pipeline;
            let result = match pipeline.ready().await {
                Ok(pipeline) => {
                    let response = pipeline.call(request);
                    drop(boarding);
                    response.await
                }
                Err(error) => Err(error),
            };
            if let Err(Err(error)) = answer.send(result) {
                tracing::warn!(
                    %error,
                    "{items} {} are not delivered, and their processor did not wait",
                    signal.item_name()
                );
            }
        });
        if at_home {
            // A simple processor exports one at a time: others block the workers that are left,
            // and nobody could send what this one waits for.
            return Ok(());
        }
        let answer = if threads::is_blocked_worker() {
            threads::block(|| park_on(&mut answered))
        } else {
            answered.await
        };
        let is_draining = shared.lifecycle().is_draining();
        // What is logged of an export is about an export.
        let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
        match answer {
            Ok(answer) => outcome(signal, items, started.elapsed(), is_draining, answer),
            Err(_) => Err(gone(signal, items, is_draining)),
        }
    }

    /// Waits until the pipeline has delivered what it has.
    pub(super) fn force_flush(&self, deadline: Duration) -> OTelSdkResult {
        if self.is_shut_down() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        told(self.shared.flush_blocking(deadline), deadline)
    }

    /// Takes no more, and flushes; the last exporter shuts the pipeline down. What is late stays,
    /// as long as there is a bridge which may wait longer than the SDK does.
    pub(super) fn shut_down(&self, deadline: Duration) -> OTelSdkResult {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let is_last = self.shared.leave();
        if self.shared.is_closing() {
            return Ok(());
        }
        if is_last && !self.shared.has_bridge() {
            return told(self.shared.shut_down_blocking(deadline), deadline);
        }
        told(self.shared.flush_blocking(deadline), deadline)?;
        if is_last {
            // Nothing is left, so this takes no time.
            return told(self.shared.shut_down_blocking(Duration::ZERO), deadline);
        }
        Ok(())
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if !self.is_shut_down() {
            self.shared.leave();
        }
    }
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver")
            .field("shut_down", &self.is_shut_down())
            .field("lifecycle", self.shared.lifecycle())
            .finish()
    }
}

fn told(waited: Waited, deadline: Duration) -> OTelSdkResult {
    match waited {
        Waited::Done(DrainReport { complete: true, .. }) => Ok(()),
        Waited::Done(_) | Waited::Late => Err(OTelSdkError::Timeout(deadline)),
        Waited::Gone => Err(OTelSdkError::InternalFailure(
            "the runtime of the pipeline has ended: let it live longer than the providers"
                .to_owned(),
        )),
    }
}

/// Blocks this thread on a future. Other executors refuse to within each other.
fn park_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
