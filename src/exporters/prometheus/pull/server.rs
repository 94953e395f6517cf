//! The exporter's own HTTP server.

use std::{convert::Infallible, fmt, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_service::Service as _;

use super::{NAME, PrometheusHttpService};
use crate::{ErrorKind, ExportError};

/// How many connections there may be at a time; others wait.
const MOST_CONNECTIONS: usize = 64;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(30);

/// How long to wait when no connection can be accepted, as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that runs until this is dropped.
pub(super) struct Server {
    address: SocketAddr,
    endpoint: Arc<str>,
    _stop: DropGuard,
}

impl Server {
    pub(super) fn bind(
        address: SocketAddr,
        path: String,
        service: PrometheusHttpService,
    ) -> Result<Self, ExportError> {
        let endpoint: Arc<str> = format!("http://{address}{path}").into();
        let refused = |message: &'static str| {
            ExportError::new(ErrorKind::Rejected, message)
                .with_exporter(NAME, Arc::clone(&endpoint))
        };
        if !path.starts_with('/') {
            return Err(refused("the path must begin with a slash"));
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return Err(refused(
                "a server needs a tokio runtime: build the exporter inside of one",
            ));
        };
        let cannot_bind =
            |error: io::Error| refused("the address cannot be bound").with_source(error);
        let listener = std::net::TcpListener::bind(address).map_err(cannot_bind)?;
        listener.set_nonblocking(true).map_err(cannot_bind)?;
        let listener = TcpListener::from_std(listener).map_err(cannot_bind)?;
        let address = listener.local_addr().map_err(cannot_bind)?;
        let endpoint = format!("http://{address}{path}").into();
        let stop = CancellationToken::new();
        runtime.spawn(serve(listener, path.into(), service, stop.clone()));
        Ok(Self {
            address,
            endpoint,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn endpoint(&self) -> Arc<str> {
        Arc::clone(&self.endpoint)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.endpoint).finish()
    }
}

async fn serve(
    listener: TcpListener,
    path: Arc<str>,
    service: PrometheusHttpService,
    stop: CancellationToken,
) {
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
                let (path, service, stop) = (Arc::clone(&path), service.clone(), stop.clone());
                tokio::spawn(async move {
                    connection(socket, path, service, stop).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(target: "tower_otlp::prometheus", %error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    path: Arc<str>,
    service: PrometheusHttpService,
    stop: CancellationToken,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let answer = (request.uri().path() == &*path).then(|| service.clone().call(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => Ok::<_, Infallible>(not_found()),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(socket), answer);
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

fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
