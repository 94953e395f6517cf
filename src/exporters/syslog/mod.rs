//! Syslog: log records as messages of RFC 5424, over TCP or TLS.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{
//!     ExportRequest, Signal,
//!     exporters::syslog::{Facility, SyslogExporter, SyslogFormat},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = SyslogExporter::builder()
//!     .endpoint("logs.example:514")
//!     .format(SyslogFormat::default().facility(Facility::LOCAL0))
//!     .build()?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! Sources: [RFC 5424](https://www.rfc-editor.org/rfc/rfc5424) for messages,
//! [RFC 6587](https://www.rfc-editor.org/rfc/rfc6587) for TCP,
//! [RFC 5425](https://www.rfc-editor.org/rfc/rfc5425) for TLS, and
//! [OpenTelemetry's logs data model](https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/)
//! for the mapping, which it has for the other direction.
//!
//! # The message
//!
//! | part | from, the first that is set |
//! |---|---|
//! | facility | attribute `syslog.facility` (0 to 23), the [option](SyslogFormat::facility) |
//! | severity | severity number, attribute `syslog.severity` (0 to 7), informational |
//! | TIMESTAMP | time, observed time; UTC, cut to microseconds |
//! | HOSTNAME | resource `host.name`, the [option](SyslogFormat::host_name) |
//! | APP-NAME | resource `service.name` |
//! | PROCID | attribute `syslog.procid`, resource `process.pid` |
//! | MSGID | attribute `syslog.msgid`, event name |
//! | MSG | the body: a string as it is, a map or a list as JSON, bytes as base64 |
//!
//! Values of the header are cut to the RFC's limits, and what is not printable ASCII becomes `_`.
//!
//! The structured data, each element only if there is something in it:
//!
//! | element | holds |
//! |---|---|
//! | those of attribute `syslog.structured_data` | a map of maps, as it is |
//! | `otel@32473` | `trace_id`, `span_id`, `trace_flags`, `scope_name`, `scope_version`, `severity_text` |
//! | `attributes@32473` | the other attributes of the record |
//! | `origin` | `swVersion`: resource `service.version` |
//! | `resource@32473` | the other attributes of the resource, if [asked for](SyslogFormat::resource_attributes) |
//!
//! Names are cut to 32 characters, and what may not stand in one becomes `_`. Of two that become
//! the same the first is kept, and the other counted in the answer's message. So are messages
//! that are [cut](SyslogFormat::max_message_bytes).
//!
//! # What "delivered" means
//!
//! That the operating system has taken the messages, and no more: syslog has no answers. What
//! may be lost, how much, and what to do about it, stands in
//! [`socket`](super::socket#what-delivered-means).
//!
//! # Errors
//!
//! | kind | when |
//! |---|---|
//! | [`Unavailable`](crate::ErrorKind::Unavailable), retried | no connection, or it broke or was closed while the messages were written |
//! | [`Timeout`](crate::ErrorKind::Timeout), retried | not connected, or not written, in time |
//! | [`TooLarge`](crate::ErrorKind::TooLarge) | the messages take more than [`max_request_bytes`](SyslogBuilder::max_request_bytes) together |
//! | [`Unsupported`](crate::ErrorKind::Unsupported) | traces or metrics |
//!
//! A retry sends all messages of the request again.
//!
//! # Pitfalls
//!
//! - Receivers that expect line feeds read a counted length as text: set
//!   [`Framing::LineFeed`] for those. Over TLS receivers expect counted lengths.
//! - FATAL is an emergency, which some receivers show on every terminal:
//!   [`gravest`](SyslogFormat::gravest).
//! - Receivers limit messages, often to 8 KiB, and cut or split what is larger:
//!   [`max_message_bytes`](SyslogFormat::max_message_bytes).

mod builder;
mod codes;
mod encode;
mod format;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tower_service::Service;

use self::encode::TooLarge;
pub use self::{
    builder::SyslogBuilder,
    codes::{Facility, Severity},
    encode::SyslogSummary,
    format::{Framing, SyslogFormat},
};
use super::socket::Socket;
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

/// The name under which this exporter appears in errors.
const NAME: &str = "syslog";

/// How large a buffer may be that is kept for the next request, in bytes.
const KEPT: usize = 1 << 20;

/// Writes log records to a syslog receiver. Made by a [builder](Self::builder).
///
/// A clone shares the connections. It is ready while a connection is free, and holds that one
/// until it is called or dropped.
#[derive(Clone)]
pub struct SyslogExporter {
    socket: Socket,
    shared: Arc<Shared>,
}

struct Shared {
    format: SyslogFormat,
    max_request_bytes: usize,
    destination: Arc<str>,
    /// Buffers of requests that were written, for the next ones.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl SyslogExporter {
    /// A builder with the defaults.
    #[must_use]
    pub fn builder() -> SyslogBuilder {
        SyslogBuilder::default()
    }
}

impl Service<ExportRequest> for SyslogExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = SyslogFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.socket.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, request: ExportRequest) -> SyslogFuture {
        let turn = self.socket.turn();
        if request.logs().is_none() {
            let message = format!("syslog carries log records, and no {}", request.signal());
            let error = ExportError::new(ErrorKind::Unsupported, message);
            let error = self.socket.named(error);
            return SyslogFuture(Box::pin(std::future::ready(Err(error))));
        }
        let shared = Arc::clone(&self.shared);
        SyslogFuture(Box::pin(async move {
            let mut buffer = shared.buffer();
            let limit = shared.max_request_bytes;
            let summary = match request.logs() {
                Some(logs) => shared.format.encode_within(logs, &mut buffer, limit),
                None => Ok(SyslogSummary::default()),
            };
            let summary = summary.map_err(|TooLarge| {
                let message = format!("the messages take more than the limit of {limit} bytes");
                turn.named(ExportError::new(ErrorKind::TooLarge, message))
            })?;
            // Its body is written by now: what waits for the peer is the text alone.
            drop(request);
            let reopened = turn.send(&mut &*buffer).await?.warning;
            shared.keep(buffer);
            let warnings = [summary.warning(), reopened.map(str::to_owned)];
            let warnings: Vec<String> = warnings.into_iter().flatten().collect();
            let mut response = ExportResponse::delivered(summary.messages)
                .with_destination(Arc::clone(&shared.destination));
            if summary.rejected > 0 {
                response = response.with_rejected(summary.rejected, "");
            }
            Ok(response.with_message(warnings.join("; ")))
        }))
    }
}

impl Shared {
    fn buffer(&self) -> Vec<u8> {
        self.buffers().pop().unwrap_or_default()
    }

    fn keep(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            buffer.clear();
            self.buffers().push(buffer);
        }
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing in here panics while it is held.
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SyslogExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyslogExporter")
            .field("socket", &self.socket)
            .field("format", &self.shared.format)
            .field("max_request_bytes", &self.shared.max_request_bytes)
            .finish()
    }
}

/// Response future of [`SyslogExporter`].
pub struct SyslogFuture(
    // A leaf may box.
    Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>,
);

impl Future for SyslogFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for SyslogFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyslogFuture").finish_non_exhaustive()
    }
}
