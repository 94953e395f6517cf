//! Options of the exporter to an agent.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use super::{AgentProtocol, JaegerUdpExporter, NAME, Options, Shared, socket::Agent};
use crate::{
    ErrorKind, ExportError,
    exporters::jaeger::{encode::EncodeOptions, encode_options},
};

/// What an agent reads of a datagram.
const MAX_PACKET_BYTES: usize = 65_000;

/// The largest datagram there is: 65,535 bytes less the headers of IPv4 and UDP.
const LARGEST_DATAGRAM: usize = 65_507;

/// Options of a [`JaegerUdpExporter`].
///
/// | option | default |
/// |---|---|
/// | host | `localhost` |
/// | protocol | compact |
/// | port | 6831; 6832 for the binary protocol |
/// | largest datagram | 65,000 bytes: what an agent reads |
/// | timeout | 10 s for each attempt |
/// | spans | [`EncodeOptions::default`] |
#[derive(Clone)]
pub struct JaegerUdpBuilder {
    host: String,
    port: Option<u16>,
    protocol: AgentProtocol,
    encode: EncodeOptions,
    max_packet_bytes: usize,
    timeout: Option<Duration>,
}

encode_options!(JaegerUdpBuilder);

impl Default for JaegerUdpBuilder {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: None,
            protocol: AgentProtocol::Compact,
            encode: EncodeOptions::default(),
            max_packet_bytes: MAX_PACKET_BYTES,
            timeout: Some(Duration::from_secs(10)),
        }
    }
}

impl JaegerUdpBuilder {
    /// Sets the host of the agent: a name or an address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the port of the agent. Default: that of the [protocol](AgentProtocol::port).
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the protocol. Default: compact.
    #[must_use]
    pub const fn protocol(mut self, protocol: AgentProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the largest datagram, in bytes, up to 65,507. Agents read 65,000 unless their option
    /// `max-packet-size` says otherwise; what is more is lost there without a word. Default:
    /// 65,000.
    #[must_use]
    pub const fn max_packet_bytes(mut self, bytes: usize) -> Self {
        self.max_packet_bytes = bytes;
        self
    }

    /// Limits each attempt, looking up the host's name included. Default: 10 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets no limit: for a timeout layer above the exporter.
    #[must_use]
    pub const fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Builds the exporter. Nothing is looked up or opened yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the host is empty or the limit is no size of a datagram.
    pub fn build(self) -> Result<JaegerUdpExporter, ExportError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("the host is empty"));
        }
        if !(1..=LARGEST_DATAGRAM).contains(&self.max_packet_bytes) {
            return Err(invalid(&format!(
                "max_packet_bytes is {}; a datagram has 1 to {LARGEST_DATAGRAM} bytes",
                self.max_packet_bytes
            )));
        }
        let port = self.port.unwrap_or(self.protocol.port());
        let agent = Agent::new(host.to_owned(), port);
        let options = Options {
            protocol: self.protocol,
            encode: self.encode,
            max_packet_bytes: self.max_packet_bytes,
            fill_bytes: AtomicUsize::new(self.max_packet_bytes),
            timeout: self.timeout,
        };
        Ok(JaegerUdpExporter {
            shared: Arc::new(Shared { agent, options }),
        })
    }
}

fn invalid(message: &str) -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        format!("the {NAME} exporter cannot be built: {message}"),
    )
}

impl fmt::Debug for JaegerUdpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JaegerUdpBuilder")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("protocol", &self.protocol)
            .field("encode", &self.encode)
            .field("max_packet_bytes", &self.max_packet_bytes)
            .field("timeout", &self.timeout)
            .finish()
    }
}
