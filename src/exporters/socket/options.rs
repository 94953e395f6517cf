//! Options of connections.

use std::time::Duration;

/// Options of the connections of an exporter over a socket.
///
/// | option | default |
/// |---|---|
/// | connections | 1 |
/// | connect timeout | 10 s, TLS included |
/// | write timeout | 10 s for each request |
/// | keepalive | after 60 s of silence |
/// | acknowledge timeout | 30 s |
/// | `nodelay` | true |
/// | send buffer | as the operating system has it |
/// | TLS | off |
///
/// `Debug` never shows a private key.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) write_timeout: Option<Duration>,
    pub(super) keepalive: Option<Duration>,
    pub(super) acknowledge_timeout: Option<Duration>,
    pub(super) nodelay: bool,
    pub(super) send_buffer_bytes: Option<usize>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::TlsOptions>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            connections: 1,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Some(Duration::from_secs(10)),
            keepalive: Some(Duration::from_secs(60)),
            acknowledge_timeout: Some(Duration::from_secs(30)),
            nodelay: true,
            send_buffer_bytes: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl SocketOptions {
    /// Sets how many connections there may be, and so how many requests may be written at a time.
    /// They are opened when they are needed, and 0 counts as 1. With more than one the peer may
    /// see requests in another order. Default: 1.
    #[must_use]
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets how long connecting may take: name resolution, TCP and TLS together. Default: 10 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long the peer may take to let a request be written. Default: 10 s. What is
    /// slower fails as [`Timeout`](crate::ErrorKind::Timeout), and its connection is given up.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = Some(timeout);
        self
    }

    /// Sets no limit for writing: for a timeout layer above the exporter.
    #[must_use]
    pub const fn no_write_timeout(mut self) -> Self {
        self.write_timeout = None;
        self
    }

    /// Probes a connection that was silent for this long (TCP keepalive). Default: 60 s.
    #[must_use]
    pub const fn keepalive(mut self, silence: Duration) -> Self {
        self.keepalive = Some(silence);
        self
    }

    /// Sends no probes. A firewall may then forget a silent connection, and nobody notices until
    /// something is written.
    #[must_use]
    pub const fn no_keepalive(mut self) -> Self {
        self.keepalive = None;
        self
    }

    /// Gives a connection up when the peer's host has not acknowledged what was written for this
    /// long. Default: 30 s. This is `TCP_USER_TIMEOUT` of
    /// [RFC 5482](https://www.rfc-editor.org/rfc/rfc5482); only Linux and Android have it,
    /// elsewhere it has no effect.
    ///
    /// Without it an operating system tries for a quarter of an hour to reach a host that is
    /// gone, while requests go into the send buffer and count as delivered.
    #[must_use]
    pub const fn acknowledge_timeout(mut self, timeout: Duration) -> Self {
        self.acknowledge_timeout = Some(timeout);
        self
    }

    /// Leaves it to the operating system when to give a connection up.
    #[must_use]
    pub const fn no_acknowledge_timeout(mut self) -> Self {
        self.acknowledge_timeout = None;
        self
    }

    /// Whether to send each piece at once (`TCP_NODELAY`). Default: true; a request is written in
    /// one go, so there is next to nothing to collect.
    #[must_use]
    pub const fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Asks for a send buffer of this many bytes (`SO_SNDBUF`; Linux takes twice as much). It
    /// bounds how much of what counts as delivered a dying connection can lose on this side.
    /// Default: the operating system decides, often up to some MiB.
    #[must_use]
    pub const fn send_buffer_bytes(mut self, bytes: usize) -> Self {
        self.send_buffer_bytes = Some(bytes);
        self
    }

    /// Speaks TLS, and sets how the peer is checked and how the exporter proves who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(crate) const fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        {
            self.tls.is_some()
        }
        #[cfg(not(feature = "tls"))]
        {
            false
        }
    }
}
