//! The socket towards one agent.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::net::{UdpSocket, lookup_host};

use super::Datagrams;

/// An agent by its name. Connected when it is needed, so that a name that changes its address is
/// followed after the first failure.
pub(super) struct Agent {
    host: String,
    port: u16,
    shown: Arc<str>,
    connection: Mutex<Option<Arc<Connection>>>,
}

/// A socket that is connected to one of the agent's addresses, so that the system can tell that
/// nobody listens there.
struct Connection {
    socket: UdpSocket,
    /// Addresses that are still to be tried.
    others: Vec<SocketAddr>,
}

impl Agent {
    /// `host`: a name or an address, without brackets.
    pub(super) fn new(host: String, port: u16) -> Self {
        let shown = if host.contains(':') {
            format!("udp://[{host}]:{port}")
        } else {
            format!("udp://{host}:{port}")
        };
        Self {
            host,
            port,
            shown: shown.into(),
            connection: Mutex::new(None),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let found = lookup_host((self.host.as_str(), self.port)).await?;
        Ok(found.collect())
    }

    /// Connects to the first of these addresses that the system has a way to.
    async fn connect(&self, addresses: Vec<SocketAddr>) -> io::Result<Arc<Connection>> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        let mut rest = addresses.into_iter();
        while let Some(address) = rest.next() {
            match connect(address).await {
                Ok(socket) => {
                    let others = rest.collect();
                    let connection = Arc::new(Connection { socket, others });
                    *self.connection() = Some(Arc::clone(&connection));
                    return Ok(connection);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Datagrams for Agent {
    fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// Sends a datagram. After a failure the connection is forgotten, unless the datagram itself
    /// is to blame.
    async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let current = self.connection().clone();
        let mut connection = match current {
            Some(connection) => connection,
            None => self.connect(self.look_up().await?).await?,
        };
        loop {
            let Err(error) = connection.send(datagram).await else {
                return Ok(());
            };
            if is_too_large(&error) {
                return Err(error);
            }
            *self.connection() = None;
            if error.kind() != io::ErrorKind::ConnectionRefused || connection.others.is_empty() {
                return Err(error);
            }
            // A name with two addresses, such as `localhost`, and an agent on one of them.
            connection = self.connect(connection.others.clone()).await?;
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

impl Connection {
    async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram).await?;
        // On this host the news that nobody listens is there already.
        match self.socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// What the system says if a datagram is larger than it sends.
pub(super) const EMSGSIZE: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else if cfg!(windows) {
    10_040
} else {
    40
};

/// Whether the system says that the datagram is larger than it sends.
pub(super) fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EMSGSIZE)
}
