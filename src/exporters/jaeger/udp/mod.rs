//! Datagrams to an agent.

mod builder;
mod socket;

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower_service::Service;

pub use self::builder::JaegerUdpBuilder;
use self::socket::Agent;
use super::{
    encode::{Batch, Batches, EncodeOptions, Format},
    tally::Tally,
    unsupported,
};
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

/// The name under which this exporter appears in errors.
const NAME: &str = "jaeger-udp";

/// How a datagram is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AgentProtocol {
    /// Thrift's compact protocol; agents listen on port 6831.
    #[default]
    Compact,
    /// Thrift's binary protocol, which takes more bytes; agents listen on port 6832.
    Binary,
}

impl AgentProtocol {
    /// Both.
    pub const ALL: [AgentProtocol; 2] = [AgentProtocol::Compact, AgentProtocol::Binary];

    /// `"compact"` or `"binary"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AgentProtocol::Compact => "compact",
            AgentProtocol::Binary => "binary",
        }
    }

    /// The port on which agents listen for it.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            AgentProtocol::Compact => 6831,
            AgentProtocol::Binary => 6832,
        }
    }

    const fn format(self) -> Format {
        match self {
            AgentProtocol::Compact => Format::AgentCompact,
            AgentProtocol::Binary => Format::AgentBinary,
        }
    }
}

/// Sends traces to a Jaeger agent over UDP. Made by a [builder](Self::builder). A clone shares
/// everything, the socket too.
///
/// Always ready. The agent's name is looked up, and a socket opened, by the first request, and
/// after a failure by the next. It must be called within a tokio runtime with its I/O enabled.
///
/// # What delivery means
///
/// UDP has no answers. A span counts as delivered when the operating system took its datagram.
/// Whether the agent got it, nobody says: an agent whose buffer is full loses what comes, and a
/// datagram that is larger than the agent reads is cut and thrown away there. Use it within a host
/// only, and prefer [HTTP](super::JaegerHttpExporter) wherever it counts. Two things are noticed:
///
/// - Nobody listens, and the network says so: at once on this host, else perhaps with a later
///   datagram. The request fails as [`Unavailable`](ErrorKind::Unavailable); what is not sent yet,
///   the datagram at hand included, is its [remainder](ExportError::remainder), and may in rare
///   cases arrive twice.
/// - The operating system takes no datagram of that size, though it is within the limit: macOS takes
///   9,216 bytes. From then on datagrams are filled half as much. A span that is refused alone is
///   rejected, named and counted.
///
/// A large request is a burst of datagrams, which overruns an agent easily: a
/// [`rate_limit`](crate::layers::rate_limit) above spaces requests out, a
/// [`split`](crate::layers::split) above that makes them small.
#[derive(Clone)]
pub struct JaegerUdpExporter {
    shared: Arc<Shared>,
}

struct Shared {
    agent: Agent,
    options: Options,
}

struct Options {
    protocol: AgentProtocol,
    encode: EncodeOptions,
    max_packet_bytes: usize,
    /// How much of a datagram is filled: less than the limit where the system refused that.
    fill_bytes: AtomicUsize,
    timeout: Option<Duration>,
}

impl JaegerUdpExporter {
    /// A builder; by default for an agent on this host.
    #[must_use]
    pub fn builder() -> JaegerUdpBuilder {
        JaegerUdpBuilder::default()
    }
}

impl fmt::Debug for JaegerUdpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JaegerUdpExporter")
            .field("endpoint", &self.shared.agent.shown())
            .field("protocol", &self.shared.options.protocol)
            .field("encode", &self.shared.options.encode)
            .field("max_packet_bytes", &self.shared.options.max_packet_bytes)
            .field("timeout", &self.shared.options.timeout)
            .finish()
    }
}

impl Service<ExportRequest> for JaegerUdpExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = JaegerUdpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> JaegerUdpFuture {
        let shared = Arc::clone(&self.shared);
        JaegerUdpFuture(Box::pin(async move {
            let outcome = shared.options.export(&shared.agent, &request).await;
            outcome.map_err(|error| error.with_exporter(NAME, Arc::clone(shared.agent.shown())))
        }))
    }
}

/// Where datagrams go.
trait Datagrams {
    /// Where that is, without secrets.
    fn shown(&self) -> &Arc<str>;
    fn send(&self, datagram: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

impl Options {
    async fn export<D: Datagrams>(
        &self,
        agent: &D,
        request: &ExportRequest,
    ) -> Result<ExportResponse, ExportError> {
        let Some(traces) = request.traces() else {
            return Err(unsupported(request.signal()));
        };
        let format = self.protocol.format();
        let mut batches = Batches::new(traces, &self.encode, format, self.max_packet_bytes);
        batches.set_fill(self.fill_bytes.load(Ordering::Relaxed));
        let deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut tally = Tally::default();
        let mut datagram = Vec::new();
        loop {
            datagram.clear();
            let Some(mut batch) = batches.next_into(&mut datagram) else {
                break;
            };
            if batch.spans > 0 {
                match before(deadline, agent.send(&datagram)).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) if socket::is_too_large(&error) => {
                        if batch.spans > 1 {
                            let half = datagram.len() / 2;
                            self.fill_bytes.fetch_min(half, Ordering::Relaxed);
                            batches.again(half);
                            continue;
                        }
                        refuse(&mut batch, request, datagram.len());
                    }
                    Some(Err(error)) => {
                        let error = unavailable(error);
                        return Err(tally.stop(request, batch.items.start, error));
                    }
                    None => return Err(tally.stop(request, batch.items.start, self.late())),
                }
                // An agent in the same runtime gets to read, and so does everybody else.
                tokio::task::yield_now().await;
            }
            tally.settle(batch);
        }
        let destination = format!("{NAME} exporter ({})", agent.shown());
        tally.finish(request, &destination)
    }

    fn late(&self) -> ExportError {
        let limit = self.timeout.unwrap_or_default();
        ExportError::new(ErrorKind::Timeout, format!("not sent within {limit:?}"))
    }
}

/// What the future yields, unless the deadline passes first.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// The one span of this batch cannot be sent.
fn refuse(batch: &mut Batch, request: &ExportRequest, size: usize) {
    let item = batch.last_item;
    let alone = request.otlp().extract(item..item + 1);
    let span = alone.traces().and_then(|traces| {
        let mut spans = traces
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items());
        spans.next()
    });
    batch.spans = 0;
    match span {
        Some(span) => batch.reject(&span, item, || {
            format!("the operating system takes no datagram of its {size} bytes")
        }),
        None => batch.rejected += 1,
    }
}

fn unavailable(error: io::Error) -> ExportError {
    let (kind, message) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (ErrorKind::Unavailable, "no agent listens there"),
        io::ErrorKind::TimedOut => (ErrorKind::Timeout, "the datagram was not sent in time"),
        _ => (ErrorKind::Unavailable, "the datagram was not sent"),
    };
    ExportError::new(kind, message).with_source(error)
}

/// Response future of [`JaegerUdpExporter`].
pub struct JaegerUdpFuture(
    // A leaf may box.
    Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>,
);

impl Future for JaegerUdpFuture {
    type Output = Result<ExportResponse, ExportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for JaegerUdpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JaegerUdpFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
