//! A backend that goes away and comes back: what arrives.
//!
//! The same program twice, with the SDK's batch processor and its defaults: 512 spans every tenth
//! of a second, for five seconds while nobody listens, and for one more once somebody does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use opentelemetry::{
    KeyValue,
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status, transport};
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    ServiceBuilderExt as _,
    exporters::otlp::OtlpGrpcExporter,
    layers::{
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    sdk::Bridge,
};

use crate::workload;

const PACE: Duration = Duration::from_millis(100);
const AWAY: u64 = 50;
const BACK: u64 = 10;

pub(crate) fn run() {
    println!(
        "| spans | made | arrived | lost | the flush at the end took |\n|---|---|---|---|---|"
    );
    let runtime = Runtime::new().expect("a runtime");

    let backend = Backend::away();
    let exporter = {
        let _entered = runtime.enter();
        opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(format!("http://{}", backend.address))
            .build()
            .expect("an exporter")
    };
    program(
        "opentelemetry-otlp, 3 retries",
        exporter,
        &backend,
        &runtime,
        || (),
    );

    let backend = Backend::away();
    let bridge = Bridge::start(|lifecycle| {
        let queue = QueueConfig::new()
            .acknowledge(Acknowledge::OnEnqueue)
            .lifecycle(lifecycle);
        let exporter = OtlpGrpcExporter::builder()
            .endpoint(format!("http://{}", backend.address))
            .build()?;
        Ok::<_, BoxError>(
            ServiceBuilder::new()
                .tracked(lifecycle)
                .queue(QueueLayer::new(queue)?)
                .export_retry(RetryPolicy::new())
                .attempt_timeout(Duration::from_secs(10))
                .service(exporter),
        )
    });
    let bridge = bridge.expect("a bridge");
    let exporter = bridge.span_exporter();
    program(
        "tower-otlp, queue and retry",
        exporter,
        &backend,
        &runtime,
        || {
            bridge.force_flush(Duration::from_secs(60));
        },
    );
}

fn program(
    name: &str,
    exporter: impl SpanExporter + 'static,
    backend: &Backend,
    runtime: &Runtime,
    flush: impl FnOnce(),
) {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(workload::resource())
        .build();
    let tracer = provider.tracer("checkout");
    let mut made = 0_u64;
    let mut next = Instant::now();
    for tick in 0..AWAY + BACK {
        if tick == AWAY {
            backend.comes_back(runtime);
        }
        for order in 0..workload::BATCH {
            let mut span = tracer.start("GET /api/v2/orders/{id}/items");
            span.set_attribute(KeyValue::new("order.id", order as i64));
            span.end();
            made += 1;
        }
        next += PACE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let ended = Instant::now();
    provider.force_flush().expect("flushed");
    flush();
    let arrived = backend.arrived.load(Relaxed);
    println!(
        "| {name} | {made} | {arrived} | {} | {:.1} s |",
        made - arrived,
        ended.elapsed().as_secs_f64()
    );
}

/// A collector at an address where nobody listens yet.
struct Backend {
    address: SocketAddr,
    arrived: Arc<AtomicU64>,
}

impl Backend {
    fn away() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        Self {
            address: listener.local_addr().expect("an address"),
            arrived: Arc::default(),
        }
    }

    fn comes_back(&self, runtime: &Runtime) {
        let service = TraceServiceServer::new(Counter(self.arrived.clone()));
        let server = transport::Server::builder().add_service(service);
        runtime.spawn(server.serve(self.address));
    }
}

struct Counter(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Counter {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let groups = request.into_inner().resource_spans.into_iter();
        let spans = groups.flat_map(|group| group.scope_spans);
        let count: usize = spans.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(count as u64, Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
