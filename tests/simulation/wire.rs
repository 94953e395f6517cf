//! HTTP over simulated TCP: a connector for our exporters, and a server for our receivers.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{Service, service_fn};
use tower_otlp::{
    BoxExporter,
    exporters::http::RequestBody,
    layers::admission::AdmissionBudget,
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};
use turmoil::net::{TcpListener, TcpStream};

/// How long a handshake may take: a lost one is not repeated.
const CONNECT: Duration = Duration::from_secs(3);

pub struct Wire(TokioIo<TcpStream>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

fn connector() -> impl Service<Uri, Response = Wire, Error = io::Error, Future = Connecting>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|uri: Uri| -> Connecting {
        Box::pin(async move {
            let to = (
                uri.host().unwrap_or_default().to_owned(),
                uri.port_u16().unwrap_or(80),
            );
            let stream = tokio::time::timeout(CONNECT, TcpStream::connect(to)).await??;
            Ok(Wire(TokioIo::new(stream)))
        })
    })
}

/// A gRPC channel to this endpoint, which it connects to when it is used.
pub fn channel(endpoint: String) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(endpoint)
        .expect("an endpoint")
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector())
}

/// An HTTP client that keeps connections.
pub fn client() -> Client<
    impl Service<Uri, Response = Wire, Error = io::Error, Future = Connecting> + Clone + Send + Sync,
    RequestBody,
> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .build(connector())
}

/// Serves both receivers over this pipeline, for ever.
pub async fn serve(
    port: u16,
    pipeline: BoxExporter,
    budget: Option<AdmissionBudget>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut grpc = OtlpGrpcReceiver::new(pipeline.clone());
    let mut http = OtlpHttpReceiver::new(pipeline);
    if let Some(budget) = budget {
        grpc = grpc.admission(budget.clone());
        http = http.admission(budget);
    }
    let app: Router = grpc
        .routes()
        .into_axum_router()
        .merge(http.into_axum_router());
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            // A connection that breaks is what this is about.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), app)
                .await;
        });
    }
}
