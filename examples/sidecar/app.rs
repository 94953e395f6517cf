//! The app with its sidecar, and a neighbour: another process that sends to the same sidecar.

use std::{
    env,
    future::ready,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tower::{BoxError, ServiceExt, service_fn};
use tower_otlp::{ExportError, ExportRequest, ExportResponse, Signal, Termination, from_url};

use crate::sidecar::Sidecar;

/// Sends so many log records: ResourceLogs { scope_logs { log_records { } } }
async fn log(to: &str, records: usize) -> Result<(), BoxError> {
    let bytes = b"\x0a\x04\x12\x02\x12\x00".repeat(records);
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
    from_url(to)?.oneshot(request).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub async fn neighbour(sidecar: &str) -> Result<(), BoxError> {
    log(sidecar, 20).await
}

#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), BoxError> {
    let mut termination = Termination::listen()?;
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("otlp.sock");
    // In earnest an exporter: `|| Ok(from_url("otlp+grpc://collector:4317")?)`.
    let stored = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&stored);
    let backend = service_fn(move |request: ExportRequest| {
        counter.fetch_add(request.items(), Ordering::Relaxed);
        ready(Ok::<_, ExportError>(ExportResponse::delivered(
            request.items(),
        )))
    });
    // Any free ports; in earnest 4317 and 4318.
    let any = "127.0.0.1:0".parse()?;
    let sidecar = Sidecar::start([any, any], socket.clone(), || Ok(backend)).await?;
    let grpc = format!("otlp+grpc://{}", sidecar.grpc);
    let http = format!("otlp+http://{}?proxy=none", sidecar.http);
    let unix = format!("otlp+unix://{}", socket.display());

    log(&grpc, 10).await?;
    log(&unix, 10).await?;
    println!("sent   10 over gRPC, 10 over the Unix socket");

    #[allow(clippy::panic, reason = "to show that the sidecar does not mind")]
    let task = tokio::spawn(async { panic!("a bug in the app") });
    assert!(task.await.is_err());
    println!("       one of the app's tasks has panicked");

    // The app's only thread waits here, and its runtime with it, until the neighbour is answered.
    let neighbour = Command::new(env::current_exe()?).arg(&http).status()?;
    assert!(neighbour.success(), "the sidecar does not answer");
    println!("sent   20 over HTTP by another process, while the app was busy");

    Command::new("kill")
        .args(["-TERM", &process::id().to_string()])
        .status()?;
    termination.requested().await;
    log(&grpc, 5).await?;
    println!("sent    5 over gRPC at SIGTERM: the app's last words");

    let report = sidecar.stop().await?;
    println!("report {report}");
    println!("stored {}", stored.load(Ordering::Relaxed));
    assert_eq!((report.delivered, report.dropped), (45, 0));
    assert_eq!(stored.load(Ordering::Relaxed), 45);
    Ok(())
}
