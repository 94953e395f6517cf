//! One door for several tenants: each within its own rate, none in another's way.
//!
//! `cargo run --example multi_tenant`
//!
//! The receivers take the tenant from a header, a route picks the tenant's own branch, and the
//! exporter sends the tenant on to the backend in the same header. Whoever sends too fast is told
//! to slow down; a tenant that nobody knows is refused, and counted.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use tokio::{net::TcpListener, sync::Mutex};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, ExporterExt,
    ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::{
        queue::{Overflow, QueueConfig, QueueLayer},
        rate_limit::RateLimiter,
        route::Route,
    },
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

const TENANT: &str = "x-scope-orgid";

/// Items by tenant.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

async fn count(counts: Counts, request: &ExportRequest) {
    let tenant = request.metadata().tenant().unwrap_or("(none)").to_owned();
    *counts.lock().await.entry(tenant).or_default() += request.items();
}

/// A branch of so many items a second. Four requests may wait for their turn; more are told to
/// come again later. So a tenant that floods fills its own queue and nobody else's.
fn branch(items_per_second: f64, exporter: BoxExporter) -> Result<BoxExporter, BoxError> {
    let queue = QueueConfig::new()
        .max_requests(4)
        .overflow(Overflow::RejectNew);
    Ok(ServiceBuilder::new()
        .queue(QueueLayer::new(queue)?)
        .rate_limited(RateLimiter::items_per_second(items_per_second)?)
        .service(exporter)
        .boxed_exporter())
}

fn pipeline(exporter: BoxExporter, refused: &Counts) -> Result<impl Exporter, BoxError> {
    let refused = Arc::clone(refused);
    let refuse = service_fn(move |request: ExportRequest| {
        let refused = Arc::clone(&refused);
        async move {
            count(refused, &request).await;
            let message = format!("nobody knows this tenant: check the header {TENANT}");
            Err::<ExportResponse, _>(ExportError::new(ErrorKind::Rejected, message))
        }
    });
    Ok(Route::by_tenant()
        .to("acme", branch(500.0, exporter.clone())?)
        .to("globex", branch(50.0, exporter.clone())?)
        // The plan of all that have none of their own: one rate for them together.
        .to_any(["initech", "hooli"], branch(100.0, exporter)?)
        .otherwise(refuse)
        .build()?)
}

/// OTLP over gRPC and HTTP on one port.
async fn serve(pipeline: impl Exporter) -> Result<String, BoxError> {
    let grpc = OtlpGrpcReceiver::new(pipeline.clone()).tenant_header(TENANT);
    let http = OtlpHttpReceiver::new(pipeline).tenant_header(TENANT);
    let app = (grpc.routes().into_axum_router()).merge(http.into_axum_router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (stored, refused) = (Counts::default(), Counts::default());
    let store = Arc::clone(&stored);
    let backend = serve(service_fn(move |request: ExportRequest| {
        let store = Arc::clone(&store);
        async move {
            count(store, &request).await;
            Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
        }
    }));
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(backend.await?)
        .tenant_header(TENANT)
        .build()?;
    let url = serve(pipeline(exporter.boxed_exporter(), &refused)?).await?;

    // Ten records a request, over both protocols, all at the same time:
    // ResourceLogs { scope_logs { log_records { }, ... } }
    let bytes = [&b"\x0a\x16\x12\x14"[..], &b"\x12\x00".repeat(10)].concat();
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
    let client = |tenant: &'static str, requests: usize| {
        let (grpc, http) = (OtlpGrpcExporter::builder(), OtlpHttpExporter::builder());
        let grpc = grpc.endpoint(&url).header(TENANT, tenant).build();
        let http = http
            .endpoint(&url)
            .header(TENANT, tenant)
            .no_proxy()
            .build();
        let request = request.clone();
        async move {
            let both = [grpc?.boxed_exporter(), http?.boxed_exporter()];
            let all = (0..requests).map(|number| both[number % 2].clone().oneshot(request.clone()));
            Ok::<_, ExportError>((tenant, join_all(all.collect::<Vec<_>>()).await))
        }
    };
    let clients = [
        ("acme", 4),
        ("globex", 40),
        ("initech", 2),
        ("hooli", 2),
        ("umbrella", 2),
    ];
    let clients = join_all(clients.map(|(tenant, requests)| client(tenant, requests))).await;

    println!("log records     sent  stored  told to slow down  refused");
    let mut said = None;
    for outcome in clients {
        let (tenant, answers) = outcome?;
        let (mut delivered, mut slowed, mut unknown) = (0, 0, 0);
        let sent = 10 * answers.len() as u64;
        for answer in answers {
            match answer {
                Ok(response) => delivered += response.delivered_items(),
                Err(error) if error.kind() == ErrorKind::Throttled => slowed += 10,
                Err(error) => (unknown, said) = (unknown + 10, Some(error)),
            }
        }
        println!("  {tenant:<12}{sent:>6}{delivered:>8}{slowed:>19}{unknown:>9}");
        let at_rest = stored.lock().await.get(tenant).copied().unwrap_or(0);
        let counted = refused.lock().await.get(tenant).copied().unwrap_or(0);
        assert_eq!((delivered, unknown), (at_rest, counted), "another tenant's");
        assert_eq!(delivered + slowed + unknown, sent, "lost");
        assert_eq!(unknown > 0, tenant == "umbrella");
        assert_eq!(slowed > 0, tenant == "globex", "a neighbour was in the way");
    }
    println!("\n{}", said.ok_or("everybody is known")?);
    Ok(())
}
