//! Opening a connection.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::Instant};

use super::{
    Endpoint, SocketOptions,
    connection::{Closed, Connection},
    stream::Stream,
};
use crate::{ErrorKind, ExportError};

/// How long a TLS server is waited for at least, to see whether it refuses the client.
const PATIENCE: Duration = Duration::from_millis(250);

/// Opens connections to one endpoint.
pub(super) struct Connector {
    endpoint: Endpoint,
    options: SocketOptions,
    #[cfg(feature = "tls")]
    tls: Option<(
        tokio_rustls::TlsConnector,
        rustls::pki_types::ServerName<'static>,
    )>,
}

impl Connector {
    pub(super) fn new(endpoint: Endpoint, options: SocketOptions) -> Result<Self, ExportError> {
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: options
                .tls
                .as_ref()
                .map(|tls| tls_connector(tls, &endpoint))
                .transpose()?,
            endpoint,
            options,
        })
    }

    /// Opens a connection, TLS included.
    pub(super) async fn connect(&self) -> Result<Connection, ExportError> {
        let limit = self.options.connect_timeout;
        match tokio::time::timeout(limit, self.open()).await {
            Ok(opened) => opened,
            Err(_) => {
                let message = format!("not connected within {limit:?}");
                Err(ExportError::new(ErrorKind::Timeout, message))
            }
        }
    }

    async fn open(&self) -> Result<Connection, ExportError> {
        let start = Instant::now();
        // Names are resolved each time: where a host has moved to, a new connection follows.
        let target = (self.endpoint.host.as_str(), self.endpoint.port);
        let stream = TcpStream::connect(target)
            .await
            .map_err(|error| unavailable("no connection", error))?;
        self.tune(&stream);
        let stream = self.secure(stream).await?;
        let may_be_refused = stream.may_be_refused();
        let mut connection = Connection::new(stream);
        if may_be_refused {
            // The refusal needs one round trip; to get here took two.
            let patience = PATIENCE.max(start.elapsed());
            connection
                .settle(patience)
                .await
                .map_err(|closed| match closed {
                    Closed::Broken(error) => unavailable("the TLS server refused", error),
                    Closed::End => ExportError::new(
                        ErrorKind::Unavailable,
                        "the TLS server closed the connection after the handshake",
                    ),
                })?;
        }
        Ok(connection)
    }

    /// Sets what can be set: an option that the operating system does not take is no reason to
    /// deliver nothing.
    fn tune(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(self.options.nodelay);
        let socket = SockRef::from(stream);
        if let Some(bytes) = self.options.send_buffer_bytes {
            let _ = socket.set_send_buffer_size(bytes);
        }
        if let Some(silence) = self.options.keepalive {
            let keepalive = TcpKeepalive::new().with_time(silence);
            #[cfg(any(
                target_os = "android",
                target_os = "freebsd",
                target_os = "ios",
                target_os = "linux",
                target_os = "macos",
                target_os = "windows",
            ))]
            let keepalive = keepalive.with_interval((silence / 6).max(Duration::from_secs(1)));
            let _ = socket.set_tcp_keepalive(&keepalive);
        }
        #[cfg(any(target_os = "android", target_os = "linux"))]
        if let Some(timeout) = self.options.acknowledge_timeout {
            let _ = socket.set_tcp_user_timeout(Some(timeout));
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: TcpStream) -> Result<Stream, ExportError> {
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        match connector.connect(name.clone(), stream).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(unavailable("the TLS handshake failed", error)),
        }
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "it has the signature of the other one")]
    async fn secure(&self, stream: TcpStream) -> Result<Stream, ExportError> {
        Ok(Stream::Plain(stream))
    }
}

#[cfg(feature = "tls")]
fn tls_connector(
    options: &crate::TlsOptions,
    endpoint: &Endpoint,
) -> Result<
    (
        tokio_rustls::TlsConnector,
        rustls::pki_types::ServerName<'static>,
    ),
    ExportError,
> {
    let config = crate::tls::client::client_config(options, true, true)?;
    let name = options
        .server_name
        .clone()
        .unwrap_or_else(|| endpoint.host.clone());
    let name = rustls::pki_types::ServerName::try_from(name).map_err(|error| {
        let message = "the server name is neither a host's name nor an address";
        ExportError::new(ErrorKind::Unsupported, message).with_source(error)
    })?;
    Ok((std::sync::Arc::new(config).into(), name))
}

fn unavailable(message: &'static str, error: io::Error) -> ExportError {
    ExportError::new(ErrorKind::Unavailable, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connected(options: SocketOptions) -> (TcpStream, Connector) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::parse(&address.to_string(), None).unwrap();
        let connector = Connector::new(endpoint, options).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        connector.tune(&stream);
        (stream, connector)
    }

    /// A half-open connection takes what is written to it: probes and the limit on silence are
    /// what ends it.
    #[tokio::test]
    async fn pitfall_a_connection_that_is_half_open_is_found_by_default() {
        let (stream, _) = connected(SocketOptions::default()).await;
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(
                socket.tcp_keepalive_time().unwrap(),
                Duration::from_secs(60)
            );
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                Duration::from_secs(10)
            );
            let timeout = socket.tcp_user_timeout().unwrap();
            assert_eq!(timeout, Some(Duration::from_secs(30)));
        }
    }

    #[tokio::test]
    async fn what_is_not_wanted_is_left_alone() {
        let options = SocketOptions::default()
            .no_keepalive()
            .no_acknowledge_timeout()
            .nodelay(false)
            .send_buffer_bytes(10_000);
        let (stream, _) = connected(options).await;
        let socket = SockRef::from(&stream);
        assert!(!stream.nodelay().unwrap());
        assert!(!socket.keepalive().unwrap());
        assert!((10_000..=20_000).contains(&socket.send_buffer_size().unwrap()));
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
    }
}
