//! The exporter's own HTTP server.

use std::{convert::Infallible, fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tower_service::Service as _;

use super::{NAME, PrometheusHttpService};
use crate::{ErrorKind, ExportError, http_server::HttpServer};

/// A server that runs until this is dropped.
pub(super) struct Server {
    server: HttpServer,
    endpoint: Arc<str>,
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
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(refused(
                "a server needs a tokio runtime: build the exporter inside of one",
            ));
        }
        let cannot_bind =
            |error: io::Error| refused("the address cannot be bound").with_source(error);
        let at: Arc<str> = path.as_str().into();
        let pages = tower::service_fn(move |request: Request<Incoming>| {
            let answer = (request.uri().path() == &*at).then(|| service.clone().call(request));
            async move {
                match answer {
                    Some(answer) => answer.await,
                    None => Ok::<_, Infallible>(not_found()),
                }
            }
        });
        let server = HttpServer::bind(address, pages).map_err(cannot_bind)?;
        let endpoint = format!("http://{}{path}", server.address()).into();
        Ok(Self { server, endpoint })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
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

fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
