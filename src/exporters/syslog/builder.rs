//! Options of the syslog exporter.

use std::sync::{Arc, Mutex};

use super::{NAME, Shared, SyslogExporter, SyslogFormat};
use crate::{
    ExportError,
    exporters::socket::{Endpoint, Socket, SocketOptions, cannot_be_built},
};

/// The port of syslog over TCP.
const PORT: u16 = 514;

/// The port of syslog over TLS (RFC 5425, section 4.1).
const TLS_PORT: u16 = 6514;

/// Options of a [`SyslogExporter`].
///
/// | option | default |
/// |---|---|
/// | endpoint | `localhost`, at port 514, or 6514 over TLS |
/// | format | [`SyslogFormat::default`] |
/// | largest request | 64 MiB of messages |
/// | socket | [`SocketOptions::default`] |
///
/// `Debug` never shows a private key.
#[derive(Clone, Debug)]
pub struct SyslogBuilder {
    endpoint: String,
    format: SyslogFormat,
    max_request_bytes: usize,
    socket: SocketOptions,
}

impl Default for SyslogBuilder {
    fn default() -> Self {
        Self {
            endpoint: "localhost".to_owned(),
            format: SyslogFormat::default(),
            max_request_bytes: 64 << 20,
            socket: SocketOptions::default(),
        }
    }
}

impl SyslogBuilder {
    /// Sets where to connect to: `host:port`, with an IPv6 address in brackets. Without a port it
    /// is 514, and 6514 over TLS.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Sets how messages are formed.
    #[must_use]
    pub fn format(mut self, format: SyslogFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets how many bytes the messages of one request may take together; if they take more it
    /// fails with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), and a
    /// [split](crate::layers::split) layer cuts it. Default: 64 MiB. What scope and resource say
    /// stands in each message, so that these may be many times as large as the request.
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

    /// Speaks TLS, and sets how the receiver is checked and how the exporter proves who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.socket = self.socket.tls(tls);
        self
    }

    /// Makes the exporter. It connects when it is first called.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), if the endpoint is none, or
    /// what TLS needs cannot be read.
    pub fn build(self) -> Result<SyslogExporter, ExportError> {
        let (scheme, port) = match self.socket.is_tls() {
            true => ("syslog+tls", TLS_PORT),
            false => ("syslog+tcp", PORT),
        };
        let endpoint = Endpoint::parse(&self.endpoint, Some(port))
            .map_err(|problem| cannot_be_built(NAME, &format!("the endpoint: {problem}")))?;
        let socket = Socket::new(NAME, endpoint.shown(scheme), endpoint, self.socket)?;
        let shared = Shared {
            format: self.format,
            max_request_bytes: self.max_request_bytes,
            destination: socket.destination().into(),
            buffers: Mutex::default(),
        };
        Ok(SyslogExporter {
            socket,
            shared: Arc::new(shared),
        })
    }
}
