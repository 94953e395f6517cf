//! OTLP over a bare TCP connection, with or without TLS: JSON lines, or framed protobuf.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{ExportRequest, Signal, exporters::tcp::TcpExporter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = TcpExporter::builder().endpoint("collector:5170").build()?;
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! # The form
//!
//! One record a request:
//!
//! | encoding | record |
//! |---|---|
//! | [`Json`](Encoding::Json), the default | the request as one line of OTLP/JSON, then LF |
//! | [`Protobuf`](Encoding::Protobuf) | the length of the request in bytes, 4 bytes in big-endian order, then the request |
//!
//! JSON lines are the form of OpenTelemetry's
//! [file exporter](https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/). The key of
//! a line (`resourceSpans`, `resourceMetrics`, `resourceLogs`) tells its signal, so one connection
//! carries all of them. Framed protobuf is what the OpenTelemetry Collector's file exporter
//! writes in its `proto` format. Nothing in such a record tells its signal, so an exporter of
//! protobuf carries [`only`](TcpBuilder::only) one.
//!
//! OTLP/JSON has no form for ids of a wrong length: such items count as rejected, by name, and
//! those beside them are written.
//!
//! # What "delivered" means
//!
//! That the operating system has taken the request, and no more: nobody answers on a bare socket.
//! What may be lost, how much, and what to do about it, stands in
//! [`socket`](super::socket#what-delivered-means).
//!
//! # Errors
//!
//! | kind | when |
//! |---|---|
//! | [`Unavailable`](crate::ErrorKind::Unavailable), retried | no connection, or it broke or was closed while the request was written |
//! | [`Timeout`](crate::ErrorKind::Timeout), retried | not connected, or not written, in time |
//! | [`TooLarge`](crate::ErrorKind::TooLarge) | the record is larger than [`max_request_bytes`](TcpBuilder::max_request_bytes) |
//! | [`Unsupported`](crate::ErrorKind::Unsupported) | a signal that this exporter does not carry |
//!
//! Each failure gives its connection up, so a line that was written in part is the last of its
//! connection. A reader must throw an unfinished last record away.

mod builder;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tower_service::Service;

pub use self::builder::TcpBuilder;
use super::socket::Socket;
pub use crate::otlp::json::LeftOut;
use crate::{
    Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse, Signal,
    otlp::{self, OtlpBytes, json::form},
};

/// The name under which this exporter appears in errors.
const NAME: &str = "tcp";

/// Writes OTLP to a TCP connection. Made by a [builder](Self::builder).
///
/// A clone shares the connections. It is ready while a connection is free, and holds that one
/// until it is called or dropped.
#[derive(Clone)]
pub struct TcpExporter {
    socket: Socket,
    config: Arc<Config>,
}

#[derive(Debug)]
struct Config {
    encoding: Encoding,
    only: Option<Signal>,
    max_request_bytes: usize,
    destination: Arc<str>,
}

impl TcpExporter {
    /// A builder; it needs an [endpoint](TcpBuilder::endpoint).
    #[must_use]
    pub fn builder() -> TcpBuilder {
        TcpBuilder::default()
    }
}

impl Service<ExportRequest> for TcpExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = TcpFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.socket.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, request: ExportRequest) -> TcpFuture {
        let turn = self.socket.turn();
        let (record, left_out) = match self.config.record(&request) {
            Ok(made) => made,
            Err(error) => {
                let error = self.socket.named(error);
                return TcpFuture(Box::pin(std::future::ready(Err(error))));
            }
        };
        let destination = Arc::clone(&self.config.destination);
        TcpFuture(Box::pin(async move {
            let warning = match record {
                Some(record) => turn.send(&mut record.bytes()).await?.warning,
                None => None,
            };
            let rejected = left_out.as_ref().map_or(0, |left_out| left_out.items);
            let reason = left_out.as_ref().map(|left_out| left_out.message.as_str());
            let messages: Vec<&str> = reason.into_iter().chain(warning).collect();
            let response = ExportResponse::delivered(request.items().saturating_sub(rejected));
            Ok(response
                .with_rejected(rejected, messages.join("; "))
                .with_destination(destination))
        }))
    }
}

impl Config {
    /// The record, unless there is nothing to say, and what is not in it.
    fn record(
        &self,
        request: &ExportRequest,
    ) -> Result<(Option<Record>, Option<LeftOut>), ExportError> {
        let signal = request.signal();
        if let Some(only) = self.only
            && only != signal
        {
            let message = format!("this exporter carries {only} only, and no {signal}");
            return Err(ExportError::new(ErrorKind::Unsupported, message));
        }
        self.check_size(request.byte_size())?;
        let (body, left_out) = match self.encoding {
            Encoding::Json => match form::without_formless(request.otlp()) {
                Some((rest, left_out)) => {
                    let body = rest.map(|rest| Bytes::from(otlp::json::write(&rest)));
                    (body, Some(left_out))
                }
                None => (Some(request.encoded(Encoding::Json)), None),
            },
            Encoding::Protobuf => (Some(request.protobuf().clone()), None),
        };
        // No line of an empty object.
        let body = body.filter(|_| request.byte_size() > 0);
        let record = body
            .map(|body| {
                self.check_size(body.len())?;
                Record::new(self.encoding, body)
            })
            .transpose()?;
        Ok((record, left_out))
    }

    fn check_size(&self, size: usize) -> Result<(), ExportError> {
        if size <= self.max_request_bytes {
            return Ok(());
        }
        let limit = self.max_request_bytes;
        let message = format!("the record of {size} bytes is larger than the limit of {limit}");
        Err(ExportError::new(ErrorKind::TooLarge, message))
    }
}

/// A request as it goes over the wire, sharing the body with the request.
struct Record {
    head: Option<[u8; 4]>,
    body: Bytes,
    tail: &'static [u8],
}

impl Record {
    fn new(encoding: Encoding, body: Bytes) -> Result<Self, ExportError> {
        let (head, tail): (_, &[u8]) = match encoding {
            Encoding::Json => (None, b"\n"),
            Encoding::Protobuf => (Some(length(body.len())?), b""),
        };
        Ok(Self { head, body, tail })
    }

    fn bytes(&self) -> impl Buf + use<'_> {
        let head = self.head.as_ref().map_or(&[][..], |head| head);
        head.chain(&*self.body).chain(self.tail)
    }
}

fn length(bytes: usize) -> Result<[u8; 4], ExportError> {
    match u32::try_from(bytes) {
        Ok(length) => Ok(length.to_be_bytes()),
        Err(_) => Err(ExportError::new(
            ErrorKind::TooLarge,
            "a record of framed protobuf holds less than 4 GiB",
        )),
    }
}

/// Writes the record of a request behind what `out` holds: what the exporter sends.
///
/// ```
/// use tower_otlp::{Encoding, ExportRequest, Signal, exporters::tcp};
///
/// // ResourceLogs { scope_logs { log_records { } } }
/// let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
/// let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
/// let mut out = Vec::new();
/// tcp::encode(request.otlp(), Encoding::Protobuf, &mut out)?;
/// assert_eq!(out, [0, 0, 0, 6, 0x0a, 0x04, 0x12, 0x02, 0x12, 0x00]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// JSON has no form for an id of a wrong length, and a reader refuses the whole line for one: such
/// items are left out, and returned as that. If nothing is left, nothing is written.
///
/// # Errors
/// [`ErrorKind::TooLarge`], if the length of a protobuf record does not fit its four bytes.
pub fn encode(
    otlp: &OtlpBytes,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Result<Option<LeftOut>, ExportError> {
    let mut line = |otlp: &OtlpBytes| {
        otlp::json::write_into(otlp, out);
        out.push(b'\n');
    };
    match encoding {
        Encoding::Json => {
            let Some((rest, left_out)) = form::without_formless(otlp) else {
                line(otlp);
                return Ok(None);
            };
            if let Some(rest) = rest {
                line(&rest);
            }
            Ok(Some(left_out))
        }
        Encoding::Protobuf => {
            out.extend_from_slice(&length(otlp.bytes().len())?);
            out.extend_from_slice(otlp.bytes());
            Ok(None)
        }
    }
}

impl fmt::Debug for TcpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpExporter")
            .field("socket", &self.socket)
            .field("encoding", &self.config.encoding)
            .field("only", &self.config.only)
            .field("max_request_bytes", &self.config.max_request_bytes)
            .finish()
    }
}

/// Response future of [`TcpExporter`].
pub struct TcpFuture(
    // A leaf may box.
    Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>,
);

impl Future for TcpFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for TcpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpFuture").finish_non_exhaustive()
    }
}
