//! What depends on the thread: a runtime of our own, and waiting on a thread of anybody's.

use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, PoisonError},
};

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

thread_local! {
    /// Whether this thread is one of an [`OwnRuntime`].
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread belongs to the own runtime of a [`Bridge`](super::Bridge), so that all
/// telemetry from it is about an export. See [the module](super#the-exports-own-telemetry) for
/// what it is good for.
#[must_use]
pub fn is_export_thread() -> bool {
    OWN.get()
}

/// A runtime for one pipeline. It ends when this is dropped or [stopped](Self::stop), on any
/// thread.
pub(super) struct OwnRuntime {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl OwnRuntime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tower-otlp-sdk")
            .enable_all()
            .on_thread_start(|| {
                OWN.set(true);
                // For the life of the thread: whatever a task spawns is covered, too.
                std::mem::forget(Context::enter_telemetry_suppressed_scope());
            })
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
        })
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drops all tasks. What still runs on blocking threads ends by itself.
    pub(super) fn stop(&self) {
        let runtime = {
            let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.take()
        };
        if let Some(runtime) = runtime {
            // To drop it would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Blocks this thread in `wait`. If it is a worker of a runtime its other tasks move on.
pub(super) fn block<T>(mut wait: impl FnMut() -> T) -> T {
    if !is_multi_thread() {
        return wait();
    }
    let mut began = false;
    let waited = catch_unwind(AssertUnwindSafe(|| {
        tokio::task::block_in_place(|| {
            began = true;
            wait()
        })
    }));
    match waited {
        Ok(value) => value,
        Err(panic) if began => resume_unwind(panic),
        // Inside a `LocalSet` tokio refuses. Its thread is no worker, so there is no harm.
        Err(_) => wait(),
    }
}

fn is_multi_thread() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Whether the SDK is blocking a worker of a tokio runtime for the future that is being polled,
/// as its simple processors do. To wait as usual would stop all other tasks of the worker.
pub(super) fn is_blocked_worker() -> bool {
    is_multi_thread() && futures_executor::enter().is_err()
}
