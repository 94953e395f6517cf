//! Options of the TCP exporter.

use std::sync::Arc;

use super::{Config, NAME, TcpExporter};
use crate::{
    Encoding, ExportError, Signal,
    exporters::socket::{Endpoint, Socket, SocketOptions, cannot_be_built},
};

/// Options of a [`TcpExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | none: it must be given |
/// | encoding | JSON lines |
/// | signals | all; with protobuf one must be chosen |
/// | largest record | 64 MiB |
/// | socket | [`SocketOptions::default`] |
///
/// `Debug` never shows a private key.
#[derive(Clone, Debug)]
pub struct TcpBuilder {
    endpoint: Option<String>,
    encoding: Encoding,
    only: Option<Signal>,
    max_request_bytes: usize,
    socket: SocketOptions,
}

impl Default for TcpBuilder {
    fn default() -> Self {
        Self {
            endpoint: None,
            encoding: Encoding::Json,
            only: None,
            max_request_bytes: 64 << 20,
            socket: SocketOptions::default(),
        }
    }
}

impl TcpBuilder {
    /// Sets where to connect to: `host:port`, with an IPv6 address in brackets.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the encoding, and with it how records are told apart. Default: JSON.
    #[must_use]
    pub const fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Carries this signal only: requests of others fail as [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported). Needed
    /// with protobuf, of which a reader cannot tell the signal.
    #[must_use]
    pub const fn only(mut self, signal: Signal) -> Self {
        self.only = Some(signal);
        self
    }

    /// Sets the largest record written, in bytes; a larger one fails with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), and a [split](crate::layers::split) layer cuts it. Default:
    /// 64 MiB. Readers limit their lines: the OpenTelemetry Collector's TCP log receiver takes
    /// 1 MiB unless told otherwise.
    #[must_use]
    pub const fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Sets the options of the connections.
    #[must_use]
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = options;
        self
    }

    /// Speaks TLS, and sets how the peer is checked and how the exporter proves who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.socket = self.socket.tls(tls);
        self
    }

    /// Makes the exporter. It connects when it is first called.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), if the endpoint is missing or is none, protobuf is to be
    /// written and no signal was chosen, or what TLS needs cannot be read.
    pub fn build(self) -> Result<TcpExporter, ExportError> {
        let Some(endpoint) = &self.endpoint else {
            return Err(cannot_be_built(NAME, "the endpoint is missing"));
        };
        let endpoint = Endpoint::parse(endpoint, None)
            .map_err(|problem| cannot_be_built(NAME, &format!("the endpoint: {problem}")))?;
        if self.encoding == Encoding::Protobuf && self.only.is_none() {
            let message = "a reader cannot tell the signal of framed protobuf; \
                choose one signal, and one exporter for each";
            return Err(cannot_be_built(NAME, message));
        }
        let scheme = if self.socket.is_tls() {
            "tcp+tls"
        } else {
            "tcp"
        };
        let socket = Socket::new(NAME, endpoint.shown(scheme), endpoint, self.socket)?;
        let config = Config {
            encoding: self.encoding,
            only: self.only,
            max_request_bytes: self.max_request_bytes,
            destination: socket.destination().into(),
        };
        Ok(TcpExporter {
            socket,
            config: Arc::new(config),
        })
    }
}
