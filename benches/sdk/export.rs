//! A batch through an exporter to a server and back, beside opentelemetry-otlp's.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use tokio::runtime::Runtime;
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    Compression, ExporterExt as _, ServiceBuilderExt as _,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::retry::RetryPolicy,
    sdk::Bridge,
};

use crate::{allocations, server::Server, workload};

const ROUNDS: usize = 12;
const BATCHES: u32 = 32;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// Exports a batch and waits for the answer, on a thread that knows no tokio: so do the batch
/// processors of the SDK.
type Export = Box<dyn Fn(Vec<SpanData>) -> OTelSdkResult>;

pub(crate) fn run() {
    let server = Server::start();
    println!(
        "| protocol | gzip | opentelemetry-otlp, us a batch | CPU, us | allocations | tower-otlp, \
         us | CPU, us | allocations | times as fast | CPU |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for protocol in [Protocol::Grpc, Protocol::Http] {
        for gzip in [false, true] {
            let theirs = theirs(protocol, &server.address, gzip);
            let ours = ours(protocol, &server.address, gzip);
            compare(protocol, gzip, theirs, ours);
        }
    }
}

struct Candidate {
    export: Export,
    times: Vec<Duration>,
    cpu: Duration,
    allocations: u64,
}

fn compare(protocol: Protocol, gzip: bool, theirs: Export, ours: Export) {
    let batch = workload::spans(3);
    let mut candidates = [theirs, ours].map(|export| Candidate {
        export,
        times: Vec::new(),
        cpu: Duration::ZERO,
        allocations: 0,
    });
    for round in 0..=ROUNDS {
        for candidate in &mut candidates {
            let prepared: Vec<_> = (0..BATCHES).map(|_| batch.clone()).collect();
            let ([allocated, _], cpu) = (allocations::so_far(), cpu_time());
            let start = Instant::now();
            for batch in prepared {
                (candidate.export)(batch).expect("delivered");
            }
            let time = start.elapsed() / BATCHES;
            // The first round connects.
            if round > 0 {
                candidate.times.push(time);
                candidate.cpu += cpu_time() - cpu;
                candidate.allocations += allocations::so_far()[0] - allocated;
            }
        }
    }
    let [theirs, ours] = candidates.map(|mut candidate| {
        candidate.times.sort_unstable();
        let batches = BATCHES * u32::try_from(ROUNDS).expect("a few");
        let time = candidate.times[ROUNDS / 2].as_secs_f64() * 1e6;
        let cpu = (candidate.cpu / batches).as_secs_f64() * 1e6;
        (time, cpu, candidate.allocations / u64::from(batches))
    });
    println!(
        "| {} | {} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} | {:.1} | {:.1} |",
        if protocol == Protocol::Grpc {
            "gRPC"
        } else {
            "HTTP"
        },
        if gzip { "yes" } else { "no" },
        theirs.0,
        theirs.1,
        theirs.2,
        ours.0,
        ours.1,
        ours.2,
        theirs.0 / ours.0,
        theirs.1 / ours.1,
    );
}

/// What this process used, as Linux counts it.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux's /proc");
    // The second field is the name in parentheses, which may hold spaces.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
    // A tick is 10 ms in every Linux that people run.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// opentelemetry-otlp's, as its documentation sets it up.
pub(crate) fn theirs(protocol: Protocol, address: &str, gzip: bool) -> Export {
    let runtime = Runtime::new().expect("a runtime");
    let exporter = opentelemetry_otlp::SpanExporter::builder();
    let exporter = match protocol {
        Protocol::Grpc => {
            let _entered = runtime.enter();
            let exporter = exporter
                .with_tonic()
                .with_endpoint(format!("http://{address}"));
            let exporter = match gzip {
                true => exporter.with_compression(opentelemetry_otlp::Compression::Gzip),
                false => exporter,
            };
            exporter.build()
        }
        Protocol::Http => {
            let exporter = exporter
                .with_http()
                .with_endpoint(format!("http://{address}/v1/traces"));
            let exporter = match gzip {
                true => exporter.with_compression(opentelemetry_otlp::Compression::Gzip),
                false => exporter,
            };
            exporter.build()
        }
    };
    let mut exporter = exporter.expect("an exporter");
    exporter.set_resource(&workload::resource());
    Box::new(move |batch| {
        let _keep = &runtime;
        block_on(exporter.export(batch))
    })
}

/// Ours over the bridge, with the layers that do what theirs does.
fn ours(protocol: Protocol, address: &str, gzip: bool) -> Export {
    let compression = if gzip {
        Compression::Gzip
    } else {
        Compression::None
    };
    let bridge = Bridge::start(|_| {
        let exporter = match protocol {
            Protocol::Grpc => OtlpGrpcExporter::builder()
                .endpoint(format!("http://{address}"))
                .compression(compression)
                .build()?
                .boxed_exporter(),
            Protocol::Http => OtlpHttpExporter::builder()
                .endpoint(format!("http://{address}"))
                .compression(compression)
                .build()?
                .boxed_exporter(),
        };
        Ok::<_, BoxError>(
            ServiceBuilder::new()
                .export_retry(RetryPolicy::new())
                .attempt_timeout(Duration::from_secs(10))
                .service(exporter),
        )
    });
    let bridge = bridge.expect("a bridge");
    let mut exporter = bridge.span_exporter();
    exporter.set_resource(&workload::resource());
    Box::new(move |batch| {
        let _keep = &bridge;
        block_on(exporter.export(batch))
    })
}

/// Waits for a future with this thread alone.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
