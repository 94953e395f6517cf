//! A peer on a loopback socket that reads, or does not, as a test wants it.

#![allow(clippy::expect_used)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Long enough for whatever a loopback socket does.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Listener {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Listener {
    pub(crate) async fn bind() -> Self {
        Self::bind_to(([127, 0, 0, 1], 0).into()).await
    }

    /// Listens on an address that has been free before.
    pub(crate) async fn bind_to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        Self { listener, address }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> TcpStream {
        let accepted = tokio::time::timeout(SOON, self.listener.accept()).await;
        accepted.expect("somebody connects").expect("accepted").0
    }

    /// The next connection, after its handshake.
    pub(crate) async fn accept_tls(
        &self,
        config: ServerConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = self.accept().await;
        TlsAcceptor::from(Arc::new(config)).accept(socket).await
    }

    /// Whether nobody waits to be accepted.
    pub(crate) async fn nobody_waits(&self) -> bool {
        let accept = tokio::time::timeout(Duration::from_millis(1), self.listener.accept());
        accept.await.is_err()
    }
}

/// Reads one line, without its end. `None` at the end of the stream; what stands there unfinished
/// is thrown away, as a reader must.
pub(crate) async fn line(socket: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match byte(socket).await? {
            b'\n' => return Some(line),
            byte => line.push(byte),
        }
    }
}

/// Reads one message behind its length in digits.
pub(crate) async fn counted(socket: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        match byte(socket).await? {
            b' ' => break,
            digit => {
                assert!(digit.is_ascii_digit(), "{digit} in a length");
                assert!(length > 0 || digit != b'0', "a leading zero");
                length = length * 10 + usize::from(digit - b'0');
            }
        }
    }
    let mut message = vec![0; length];
    within(socket.read_exact(&mut message)).await.ok()?;
    Some(message)
}

async fn byte(socket: &mut (impl AsyncRead + Unpin)) -> Option<u8> {
    within(socket.read_u8()).await.ok()
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(SOON, future).await;
    done.expect("it does not take long")
}
