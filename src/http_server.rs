//! A server of small pages over HTTP/1.1.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_service::Service;

/// How many connections there may be at a time; others wait.
const MOST_CONNECTIONS: usize = 64;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(30);

/// How long to wait when no connection can be accepted, as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A service of whole pages.
pub(crate) trait PageService:
    Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> PageService for S where
    S: Service<
            Request<Incoming>,
            Response = Response<Full<Bytes>>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    _stop: DropGuard,
}

impl HttpServer {
    /// Binds the address: it is in use when this returns. Fails outside of a tokio runtime.
    pub(crate) fn bind(address: SocketAddr, service: impl PageService) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| io::Error::other("a server needs a tokio runtime"))?;
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        runtime.spawn(serve(listener, service, stop.clone()));
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, service: impl PageService, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let seat = Arc::clone(&seats).acquire_owned().await.ok();
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let (service, stop) = (service.clone(), stop.clone());
                tokio::spawn(async move {
                    connection(socket, service, stop).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(target: "tower_otlp::http_server", %error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, service: impl PageService, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let stopped = tokio::select! {
        biased;
        () = stop.cancelled() => true,
        // What is wrong with a connection is the client's to see.
        _ = connection.as_mut() => false,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(HEAD, connection).await;
    }
}
