//! OTLP beside the routes of an axum application that is already there.
//!
//! `cargo run --example axum_embed`
//!
//! One server has a route of its own and takes OTLP on the same port. What comes in goes through
//! a pipeline to a backend, which here is a second server in the same process.

use std::{error::Error, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use http::{HeaderValue, Request};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_otlp::{
    Compression, Encoding, ExportError, ExportRequest, ExportResponse, Signal,
    exporters::{http::RequestBody, otlp::OtlpHttpExporter},
    receivers::OtlpHttpReceiver,
};

/// Where telemetry ends up: prints it.
fn backend() -> Router {
    let print = service_fn(|request: ExportRequest| async move {
        println!(
            "stored {} {} for tenant {:?}",
            request.items(),
            request.signal().item_name(),
            request.metadata().tenant(),
        );
        Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    });
    OtlpHttpReceiver::new(print)
        .tenant_header("x-tenant")
        .into_axum_router()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = serve(backend()).await?;

    // Any layers may stand here: retry, timeout, tower's own. A layer below the exporter sees
    // HTTP requests: here it adds what the backend wants to know.
    let pipeline = ServiceBuilder::new().concurrency_limit(16).service(
        OtlpHttpExporter::builder()
            .endpoint(format!("http://{backend}"))
            .compression(Compression::Gzip)
            .timeout(Duration::from_secs(2))
            .no_proxy()
            .build_with(|client| {
                ServiceBuilder::new()
                    .map_request(|mut request: Request<RequestBody>| {
                        let tenant = HeaderValue::from_static("acme");
                        request.headers_mut().insert("x-tenant", tenant);
                        request
                    })
                    .service(client)
            })?,
    );

    let app = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .merge(OtlpHttpReceiver::new(pipeline).into_axum_router());
    let address = serve(app.clone()).await?;
    println!("HTTP   on {address}: /hello and OTLP");

    // A client of the first route; a router is a service, so it needs no socket.
    let hello = app
        .oneshot(Request::get("/hello").body(axum::body::Body::empty())?)
        .await?;
    println!("hello  {}", hello.status());

    // A client that sends telemetry: any OTLP SDK, or this.
    // ResourceLogs { scope_logs { log_records { body: "hello" } } }
    let logs = b"\x0a\x0d\x12\x0b\x12\x09\x2a\x07\x0a\x05hello".repeat(3);
    let request = ExportRequest::from_protobuf(Signal::Logs, logs)?;
    let response = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .encoding(Encoding::Json)
        .no_proxy()
        .build()?
        .oneshot(request)
        .await?;
    println!("sent   {} log records", response.delivered_items());
    Ok(())
}

/// Serves in the background, on a port that is free.
async fn serve(router: Router) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
