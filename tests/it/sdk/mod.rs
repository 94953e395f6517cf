//! The OpenTelemetry SDK over pipelines of ours.

mod alone;
mod bridges;
mod deadlocks;
mod ends;
mod errors;
mod feedback;
mod init;
mod processors;
mod simple;

use std::{net::SocketAddr, panic::resume_unwind, sync::mpsc, thread, time::Duration};

use opentelemetry::{
    logs::{LogRecord, Logger, LoggerProvider},
    metrics::MeterProvider,
    trace::{Span, Tracer, TracerProvider},
};
use opentelemetry_sdk::{
    logs::SdkLoggerProvider,
    metrics::SdkMeterProvider,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use tokio::runtime;
use tower::BoxError;
use tower_otlp::{
    Lifecycle, Signal, receivers::OtlpServer, sdk::Bridge, testing::ScriptedExporter,
};

use crate::support::backend::Backend;

/// Far beyond what any of these tests takes, far below what anyone waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// For waits that are not to end by it.
const LONG: Duration = Duration::from_secs(10);

/// For waits that are.
const SHORT: Duration = Duration::from_millis(200);

/// Runs this on a thread of its own, on which it must end: a deadlock fails.
fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        let value = test();
        let _ = done.send(());
        value
    });
    match ended.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a deadlock"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// From where an app may use the SDK.
#[derive(Clone, Copy, Debug)]
enum Caller {
    /// No tokio anywhere.
    Thread,
    /// The only thread of a current-thread runtime.
    CurrentThread,
    /// The main task of a multi-threaded runtime, which runs on no worker.
    MainTask,
    /// A task on the only worker of a multi-threaded runtime.
    OnlyWorker,
    /// A local task: its thread may not hand its tasks on.
    LocalSet,
}

impl Caller {
    const ALL: [Caller; 5] = [
        Caller::Thread,
        Caller::CurrentThread,
        Caller::MainTask,
        Caller::OnlyWorker,
        Caller::LocalSet,
    ];

    /// Calls `app` from there.
    fn run<T: Send + 'static>(self, app: impl FnOnce() -> T + Send + 'static) -> T {
        match self {
            Caller::Thread => app(),
            Caller::CurrentThread => {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async { app() })
            }
            Caller::MainTask => workers(1).block_on(async { app() }),
            Caller::OnlyWorker => {
                let runtime = workers(1);
                let task = runtime.spawn(async { app() });
                runtime.block_on(task).expect("no panic")
            }
            Caller::LocalSet => {
                let local = tokio::task::LocalSet::new();
                local.block_on(&workers(1), async { app() })
            }
        }
    }
}

fn workers(number: usize) -> runtime::Runtime {
    let mut builder = runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(number).enable_all().build();
    runtime.expect("a runtime")
}

/// OTLP over both protocols, in a thread of its own, for as long as the test runs.
struct Receiver {
    grpc: SocketAddr,
    http: SocketAddr,
    backend: Backend,
}

impl Receiver {
    fn start() -> Self {
        let backend = Backend::new();
        let kept = backend.clone();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let any = "127.0.0.1:0".parse().expect("an address");
                let server = OtlpServer::bind(any, any).await.expect("two ports");
                let told = tell.send((server.grpc_address(), server.http_address()));
                told.expect("somebody waits");
                server.serve(backend, &Lifecycle::new()).await
            })
        });
        let (grpc, http) = told.recv().expect("it starts");
        Self {
            grpc,
            http,
            backend: kept,
        }
    }

    /// How many items of a signal came.
    fn items(&self, signal: Signal) -> u64 {
        let seen = self.backend.seen();
        let seen = seen.iter().filter(|request| request.signal() == signal);
        seen.map(tower_otlp::ExportRequest::items).sum()
    }
}

/// A bridge with nothing but this exporter.
fn bridge(exporter: &ScriptedExporter) -> Bridge {
    let exporter = exporter.clone();
    Bridge::start(|_| Ok::<_, BoxError>(exporter)).expect("a thread")
}

/// Ends one span.
fn span(provider: &SdkTracerProvider) {
    provider.tracer("test").start("GET /cart").end();
}

/// Spans as a processor hands them over.
fn span_data(number: usize) -> Vec<SpanData> {
    let kept = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(kept.clone())
        .build();
    for _ in 0..number {
        span(&provider);
    }
    kept.get_finished_spans().expect("spans")
}

/// Emits one log record.
fn log(provider: &SdkLoggerProvider) {
    let logger = provider.logger("test");
    let mut record = logger.create_log_record();
    record.set_body("a line".into());
    logger.emit(record);
}

/// Counts to one.
fn count(provider: &SdkMeterProvider) {
    provider
        .meter("test")
        .u64_counter("carts")
        .build()
        .add(1, &[]);
}
