//! Our receivers over any exporter, listening on loopback.

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tower_otlp::{
    Exporter,
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

/// Where they listen: `host:port`.
pub struct Receivers {
    pub grpc: String,
    pub http: String,
}

impl Receivers {
    pub async fn start(exporter: impl Exporter) -> Self {
        let grpc = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let http = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addresses = Self {
            grpc: grpc.local_addr().expect("bound").to_string(),
            http: http.local_addr().expect("bound").to_string(),
        };
        let services = OtlpGrpcReceiver::new(exporter.clone()).routes();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_routes(services)
                .serve_with_incoming(TcpListenerStream::new(grpc)),
        );
        let router = OtlpHttpReceiver::new(exporter).into_axum_router();
        tokio::spawn(async move { axum::serve(http, router).await });
        addresses
    }
}
