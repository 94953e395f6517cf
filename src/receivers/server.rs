//! Both receivers on ports of their own.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;
use tonic::transport::server::{Server, TcpIncoming};
use tower::{BoxError, limit::GlobalConcurrencyLimitLayer};

use super::{OtlpGrpcReceiver, OtlpHttpReceiver};
use crate::{Exporter, Lifecycle};

/// The window of a stream, and a frame, in bytes: a large message that comes in few frames is
/// read with less copying.
const FRAME: u32 = 1 << 20;

/// Receives OTLP over gRPC and over HTTP, each on a port, for one pipeline.
///
/// For a process that does nothing else. An app that has a server already mounts
/// [`OtlpGrpcReceiver`] and [`OtlpHttpReceiver`] there, which also have more options.
///
/// ```
/// use tower_otlp::{
///     ExportError, ExportRequest, ExportResponse, Lifecycle, receivers::OtlpServer,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let pipeline = tower::service_fn(|request: ExportRequest| async move {
///     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
/// });
/// let lifecycle = Lifecycle::new();
/// let any = "127.0.0.1:0".parse()?;
/// let server = OtlpServer::bind(any, any).await?.max_requests(64);
/// println!("gRPC at {}, HTTP at {}", server.grpc_address(), server.http_address());
/// let serving = tokio::spawn(server.serve(pipeline, &lifecycle));
/// # let deadline = std::time::Duration::from_secs(5);
/// // ... until it is time to stop:
/// let report = lifecycle.shutdown(deadline).await;
/// serving.await??;
/// assert!(report.complete);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OtlpServer {
    grpc: (TcpListener, SocketAddr),
    http: (TcpListener, SocketAddr),
    max_requests: Option<usize>,
}

impl OtlpServer {
    /// Listens on two addresses: OTLP's ports are 4317 for gRPC and 4318 for HTTP; port 0 is any
    /// that is free.
    ///
    /// # Errors
    /// Says which address cannot be listened on, and why.
    pub async fn bind(grpc: SocketAddr, http: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            grpc: listen(grpc).await?,
            http: listen(http).await?,
            max_requests: None,
        })
    }

    /// Limits how many requests, of both protocols together, are at work at a time. Others wait,
    /// mostly unread, in the windows of their connections. Default: no limit.
    ///
    /// A pipeline that batches needs as many as fill a batch: they wait for each other. Zero
    /// counts as one.
    #[must_use]
    pub const fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = Some(requests);
        self
    }

    /// Where it receives gRPC.
    #[must_use]
    pub const fn grpc_address(&self) -> SocketAddr {
        self.grpc.1
    }

    /// Where it receives HTTP.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http.1
    }

    /// Hands what it receives to this pipeline. When the lifecycle is draining it takes nothing
    /// new, answers what it has taken, and ends: at the deadline of the shutdown at the latest,
    /// for a client that is stuck keeps its connection open for ever.
    ///
    /// # Errors
    /// If one of the servers ends by itself; then the other ends, too.
    pub fn serve<E: Exporter>(
        self,
        pipeline: E,
        lifecycle: &Lifecycle,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + 'static + use<E> {
        // Semaphores count no higher than this.
        let most = usize::MAX >> 3;
        let most = self.max_requests.map_or(most, |limit| limit.clamp(1, most));
        let limit = GlobalConcurrencyLimitLayer::new(most);
        let grpc = Server::builder()
            .initial_stream_window_size(FRAME)
            .initial_connection_window_size(4 * FRAME)
            .max_frame_size(FRAME)
            .layer(limit.clone())
            .add_routes(OtlpGrpcReceiver::new(pipeline.clone()).routes())
            .serve_with_incoming_shutdown(TcpIncoming::from(self.grpc.0), lifecycle.draining());
        let router = OtlpHttpReceiver::new(pipeline)
            .into_axum_router()
            .layer(limit);
        let http = axum::serve(self.http.0, router).with_graceful_shutdown(lifecycle.draining());
        let mut stage = lifecycle.stage();
        let late = async move {
            stage.draining().await;
            match stage.deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        async move {
            let served = async {
                tokio::try_join!(async { grpc.await.map_err(BoxError::from) }, async {
                    http.await.map_err(BoxError::from)
                })
            };
            tokio::select! {
                biased;
                ended = served => ended.map(|_| ()),
                () = late => {
                    tracing::debug!("connections were still open at the deadline of the shutdown");
                    Ok(())
                }
            }
        }
    }
}

async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|bound| (listener, bound)),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}
