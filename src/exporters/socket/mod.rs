//! What the exporters over bare sockets share: connections, and their options.
//!
//! ```
//! use std::time::Duration;
//! use tower_otlp::exporters::socket::SocketOptions;
//!
//! let options = SocketOptions::default()
//!     .connections(2)
//!     .write_timeout(Duration::from_secs(5));
//! # let _ = options;
//! ```
//!
//! # What "delivered" means
//!
//! Nobody answers on a bare socket. An exporter calls a request delivered when the operating
//! system has taken its last byte, and the peer had not closed the connection by then. So:
//!
//! - What the peer has not read when the connection dies is lost, and nobody can tell. It is at
//!   most what stands in the send buffer here, on the way, and in the receive buffer there:
//!   [`send_buffer_bytes`](SocketOptions::send_buffer_bytes) bounds the first,
//!   [`acknowledge_timeout`](SocketOptions::acknowledge_timeout) the time in which a dead peer
//!   goes unnoticed.
//! - The next answer's message says so, when a connection was found closed and opened anew.
//! - A request that was written in part is an error with a retry. The retry sends all of it over
//!   a new connection, so the peer may see it twice, whole or cut short at the end of the old
//!   connection; it never sees two requests run into one another.
//!
//! Where that is not enough, use a protocol with answers: OTLP.
//!
//! # How a closed connection is found
//!
//! Before and after each request, and while it is written, the exporter reads. The end of the
//! peer's stream, or a reset, means that the connection is closed: before a request a new one is
//! opened, later the request fails as [`Unavailable`](crate::ErrorKind::Unavailable). A peer that
//! only ends its own half and goes on reading is taken for closed, too. What a peer says is read
//! and thrown away.
//!
//! Between requests nothing runs. Keepalive probes find a host that has gone without a word.
//!
//! # Backpressure
//!
//! A connection carries one request at a time. The exporter reserves a connection when it becomes
//! ready, and is not ready while all of them are being written to: a peer that reads slowly slows
//! the pipeline down, and one that does not read at all fails each attempt after the write
//! timeout. Nothing is buffered in this process beyond the requests being written.

mod connect;
mod connection;
mod endpoint;
mod options;
mod pool;
mod stream;

pub use options::SocketOptions;

pub(crate) use endpoint::Endpoint;
pub(crate) use pool::Socket;

use crate::{ErrorKind, ExportError};

/// The error of a builder.
pub(crate) fn cannot_be_built(exporter: &str, problem: &str) -> ExportError {
    let message = format!("the {exporter} exporter cannot be built: {problem}");
    ExportError::new(ErrorKind::Unsupported, message)
}
