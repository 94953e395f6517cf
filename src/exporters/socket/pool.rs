//! The connections of an exporter: reserved, used by one request at a time, kept.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Buf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::{
    Endpoint, SocketOptions,
    connect::Connector,
    connection::{Closed, Connection},
};
use crate::{ErrorKind, ExportError};

/// Said with the first request behind a connection that was found closed.
const REOPENED: &str = "the peer had closed the connection, and a new one was opened: \
    what it had not read of earlier requests is lost";

/// A handle on an exporter's connections. A clone shares them, and reserves for itself.
pub(crate) struct Socket {
    shared: Arc<Shared>,
    semaphore: PollSemaphore,
    /// Reserved by `poll_ready`, taken by `turn`.
    permit: Option<OwnedSemaphorePermit>,
}

struct Shared {
    exporter: &'static str,
    /// Shown in errors.
    endpoint: Arc<str>,
    options: SocketOptions,
    connector: Connector,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// A connection was found closed, and no answer has said so yet.
    was_closed: AtomicBool,
}

impl Socket {
    /// Connects to nothing yet.
    pub(crate) fn new(
        exporter: &'static str,
        shown: Arc<str>,
        endpoint: Endpoint,
        options: SocketOptions,
    ) -> Result<Self, ExportError> {
        let named = |error: ExportError| error.with_exporter(exporter, Arc::clone(&shown));
        let connector = Connector::new(endpoint, options.clone()).map_err(named)?;
        let connections = options.connections.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(connections));
        Ok(Self {
            semaphore: PollSemaphore::new(Arc::clone(&permits)),
            permit: None,
            shared: Arc::new(Shared {
                exporter,
                endpoint: shown,
                options,
                connector,
                permits,
                idle: Mutex::default(),
                was_closed: AtomicBool::new(false),
            }),
        })
    }

    /// Reserves a connection.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            // `None` would mean that the semaphore was closed, which nobody does.
            self.permit = ready!(self.semaphore.poll_acquire(cx));
        }
        Poll::Ready(())
    }

    /// Takes what was reserved.
    pub(crate) fn turn(&mut self) -> Turn {
        Turn {
            shared: Arc::clone(&self.shared),
            permit: self.permit.take(),
        }
    }

    /// Says which exporter failed, and where.
    pub(crate) fn named(&self, error: ExportError) -> ExportError {
        self.shared.named(error)
    }

    /// Exporter and endpoint, as a destination.
    pub(crate) fn destination(&self) -> String {
        format!(
            "{} exporter ({})",
            self.shared.exporter, self.shared.endpoint
        )
    }
}

impl Clone for Socket {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            semaphore: self.semaphore.clone(),
            permit: None,
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("endpoint", &self.shared.endpoint)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// The right to write one request.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

/// What is known of a request that was written.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// A warning for the answer's message.
    pub(crate) warning: Option<&'static str>,
}

impl Turn {
    /// Says which exporter failed, and where.
    pub(crate) fn named(&self, error: ExportError) -> ExportError {
        self.shared.named(error)
    }

    /// Writes `data` to a connection that is open, or to a new one.
    ///
    /// If it fails, or is dropped before it is done, the connection is given up: half a request
    /// must not stand before the next one.
    pub(crate) async fn send(self, data: &mut impl Buf) -> Result<Sent, ExportError> {
        if !data.has_remaining() {
            return Ok(Sent::default());
        }
        let shared = &*self.shared;
        // Only a service that was called without being ready has none yet.
        let permit = match self.permit {
            Some(permit) => Some(permit),
            None => Arc::clone(&shared.permits).acquire_owned().await.ok(),
        };
        let sent = shared.send(data).await;
        drop(permit);
        sent.map_err(|error| shared.named(error))
    }
}

impl Shared {
    fn named(&self, error: ExportError) -> ExportError {
        error.with_exporter(self.exporter, Arc::clone(&self.endpoint))
    }

    async fn send(&self, data: &mut impl Buf) -> Result<Sent, ExportError> {
        let mut open = None;
        while let Some(mut connection) = self.pop() {
            if connection.closed().await.is_none() {
                open = Some(connection);
                break;
            }
            // Said when a new one is open, which may be many attempts later.
            self.was_closed.store(true, Relaxed);
        }
        let mut connection = match open {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        self.write(&mut connection, data).await?;
        self.idle().push(connection);
        let was_closed = self.was_closed.swap(false, Relaxed);
        Ok(Sent {
            warning: was_closed.then_some(REOPENED),
        })
    }

    async fn write(
        &self,
        connection: &mut Connection,
        data: &mut impl Buf,
    ) -> Result<(), ExportError> {
        let bytes = data.remaining();
        let written = match self.options.write_timeout {
            None => connection.write(data).await,
            Some(limit) => match tokio::time::timeout(limit, connection.write(data)).await {
                Ok(written) => written,
                Err(_) => {
                    let taken = bytes - data.remaining();
                    let message =
                        format!("the peer took {taken} of {bytes} bytes within {limit:?}");
                    return Err(ExportError::new(ErrorKind::Timeout, message));
                }
            },
        };
        written.map_err(|closed| {
            let taken = bytes - data.remaining();
            let error = |what: &str| {
                let message = format!("{what} when {taken} of {bytes} bytes were written");
                ExportError::new(ErrorKind::Unavailable, message)
            };
            match closed {
                Closed::End => error("the peer closed the connection"),
                Closed::Broken(cause) => error("the connection broke").with_source(cause),
            }
        })
    }

    fn pop(&self) -> Option<Connection> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Nothing in here panics while it is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let idle = mem::take(&mut *self.idle());
        // Without a runtime the operating system closes them, without a farewell.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            for connection in idle {
                runtime.spawn(connection.close());
            }
        }
    }
}
