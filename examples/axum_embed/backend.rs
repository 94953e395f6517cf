//! Stands for the backend: takes OTLP over both protocols and stores it in a file of JSON lines.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::mpsc, thread};

use opentelemetry::Context;
use tempfile::TempDir;
use tokio::runtime;
use tower::BoxError;
use tower_otlp::{
    ExportRequest, Lifecycle, Signal,
    exporters::file::FileExporter,
    otlp::AnyValue,
    receivers::{FileReader, OtlpServer},
};

// Two examples share it, with a protocol each.
#[allow(dead_code)]
pub struct Backend {
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    file: PathBuf,
    _temporary: TempDir,
}

impl Backend {
    /// Starts it on free ports. It stores in this file, or in one that goes away with it.
    pub fn start(file: Option<PathBuf>) -> Result<Self, BoxError> {
        let temporary = tempfile::tempdir()?;
        let file = file.unwrap_or_else(|| temporary.path().join("stored.jsonl"));
        let store = FileExporter::builder(&file).build()?;
        let (tell, told) = mpsc::channel();
        // In life it is another process. So it has a thread of its own here, from which nothing
        // gets into the app's telemetry.
        thread::spawn(move || -> Result<(), BoxError> {
            let _quiet = Context::enter_telemetry_suppressed_scope();
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let any = "127.0.0.1:0".parse()?;
                let server = OtlpServer::bind(any, any).await?;
                tell.send((server.http_address(), server.grpc_address()))?;
                server.serve(store, &Lifecycle::new()).await
            })
        });
        let (http, grpc) = told.recv()?;
        println!("backend: OTLP over HTTP on {http}, over gRPC on {grpc}");
        Ok(Self {
            http,
            grpc,
            file,
            _temporary: temporary,
        })
    }

    /// Prints what is stored. An error if one of these services has nothing of one of its signals.
    pub fn check(&self, expected: &[(&str, &[Signal])]) -> Result<(), BoxError> {
        let mut stored = BTreeMap::<(String, Signal), u64>::new();
        for record in FileReader::builder().file(&self.file).build()? {
            let request = record?.request;
            let key = (service(&request), request.signal());
            *stored.entry(key).or_default() += request.items();
        }
        println!("\n{:<12}{:<10}{:>5}", "service", "signal", "items");
        for ((service, signal), items) in &stored {
            println!("{service:<12}{:<10}{items:>5}", signal.to_string());
        }
        for (service, signals) in expected {
            for signal in *signals {
                if !stored.contains_key(&((*service).to_owned(), *signal)) {
                    return Err(format!("the backend has no {signal} of {service}").into());
                }
            }
        }
        Ok(())
    }
}

/// The service that a request is about: the senders here put one into each.
fn service(request: &ExportRequest) -> String {
    let traces = request.traces().and_then(|all| all.resources().next());
    let metrics = request.metrics().and_then(|all| all.resources().next());
    let logs = request.logs().and_then(|all| all.resources().next());
    let resource = (traces.map(|group| group.attributes()))
        .or(metrics.map(|group| group.attributes()))
        .or(logs.map(|group| group.attributes()));
    match resource.and_then(|attributes| attributes.get("service.name")) {
        Some(AnyValue::Str(name)) => name.to_string(),
        _ => "unknown".to_owned(),
    }
}
