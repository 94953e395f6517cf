//! OTLP beside the services of a tonic server that is already there.
//!
//! `cargo run --example tonic_embed`
//!
//! One server has a service of its own and takes OTLP on the same port. What comes in goes
//! through a pipeline to a backend, which here is a second server in the same process.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{Endpoint, Server},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_otlp::{
    Compression, ExportError, ExportRequest, ExportResponse, Signal,
    exporters::otlp::OtlpGrpcExporter, receivers::grpc::OtlpGrpcReceiver,
};

/// The service that was there first. Generated ones mount in the same way.
#[derive(Clone)]
struct Ping;

impl NamedService for Ping {
    const NAME: &'static str = "example.Ping";
}

impl Service<Request<Body>> for Ping {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        println!("ping   pong");
        std::future::ready(Ok(tonic::Status::ok("pong").into_http()))
    }
}

/// Where telemetry ends up: prints it.
fn backend() -> Routes {
    let print = service_fn(|request: ExportRequest| async move {
        println!(
            "stored {} {} for tenant {:?}",
            request.items(),
            request.signal().item_name(),
            request.metadata().tenant(),
        );
        Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    });
    OtlpGrpcReceiver::new(print)
        .tenant_header("x-tenant")
        .routes()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = serve(Server::builder().add_routes(backend())).await?;

    // Any layers may stand here: retry, timeout, tower's own. A layer below the exporter sees
    // HTTP requests: here it adds what the backend wants to know.
    let pipeline = ServiceBuilder::new().concurrency_limit(16).service(
        OtlpGrpcExporter::builder()
            .endpoint(backend.to_string())
            .compression(Compression::Gzip)
            .timeout(Duration::from_secs(2))
            .build_with(|channel| {
                ServiceBuilder::new()
                    .map_request(|mut request: Request<Body>| {
                        let tenant = HeaderValue::from_static("acme");
                        request.headers_mut().insert("x-tenant", tenant);
                        request
                    })
                    .service(channel)
            })?,
    );

    let otlp = OtlpGrpcReceiver::new(pipeline);
    let server = Server::builder()
        .add_service(Ping)
        .add_service(otlp.trace_service())
        .add_service(otlp.metrics_service())
        .add_service(otlp.logs_service());
    let address = serve(server).await?;
    println!("gRPC   on {address}: example.Ping and OTLP");

    // A client of the first service.
    let mut channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let ping = Request::post("/example.Ping/Ping").body(Body::empty())?;
    channel.ready().await?.call(ping).await?;

    // A client that sends telemetry: any OTLP SDK, or this.
    // ResourceLogs { scope_logs { log_records { body: "hello" } } }
    let logs = b"\x0a\x0d\x12\x0b\x12\x09\x2a\x07\x0a\x05hello".repeat(3);
    let request = ExportRequest::from_protobuf(Signal::Logs, logs)?;
    let response = OtlpGrpcExporter::builder()
        .endpoint(address.to_string())
        .build()?
        .oneshot(request)
        .await?;
    println!("sent   {} log records", response.delivered_items());
    Ok(())
}

/// Serves in the background, on a port that is free.
async fn serve(router: tonic::transport::server::Router) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(address)
}
