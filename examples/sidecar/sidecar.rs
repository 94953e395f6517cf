//! The sidecar: receivers and a pipeline on a thread with its own runtime.

use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

use tokio::{net::UnixListener, runtime, sync::oneshot, time::timeout};
use tower::{BoxError, ServiceBuilder};
use tower_otlp::{
    BoxExporter, DrainReport, Exporter, ExporterExt, Lifecycle, ServiceBuilderExt,
    layers::{
        batch::{BatchConfig, BatchLayer},
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    receivers::{OtlpGrpcReceiver, OtlpServer},
};

/// How long the drain may take.
const DEADLINE: Duration = Duration::from_secs(5);

pub struct Sidecar {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: Ended,
}

type Ended = oneshot::Receiver<Result<DrainReport, BoxError>>;

impl Sidecar {
    /// Receives on two ports and a Unix socket (gRPC), and sends to `backend`. The exporter is made
    /// on the sidecar's runtime, where its connections live.
    pub async fn start<E: Exporter>(
        ports: [SocketAddr; 2],
        socket: PathBuf,
        backend: impl FnOnce() -> Result<E, BoxError> + Send + 'static,
    ) -> Result<Self, BoxError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ((stop, stopped), (tell, told)) = (oneshot::channel(), oneshot::channel());
        let (end, ended) = oneshot::channel();
        let run = async move {
            let server = OtlpServer::bind(ports[0], ports[1]).await?;
            let unix = UnixListener::bind(socket)?;
            let _ = tell.send((server.grpc_address(), server.http_address()));
            run(server, unix, backend()?, stopped).await
        };
        let thread = thread::Builder::new().name("sidecar".to_owned());
        thread.spawn(move || end.send(runtime.block_on(run)))?;
        let Ok((grpc, http)) = told.await else {
            // It ended before it had its ports, and says why.
            return Err(outcome(ended).await.err().unwrap_or("it has ended".into()));
        };
        Ok(Self {
            grpc,
            http,
            stop,
            ended,
        })
    }

    /// Takes nothing more, delivers what it has, and says what became of it all. Blocks nothing:
    /// the app may have connections to the sidecar to close.
    pub async fn stop(self) -> Result<DrainReport, BoxError> {
        // One that has ended already does not listen, and has said why.
        let _ = self.stop.send(());
        outcome(self.ended).await
    }
}

async fn outcome(ended: Ended) -> Result<DrainReport, BoxError> {
    ended.await.map_err(|_| "the sidecar has panicked")?
}

async fn run(
    server: OtlpServer,
    unix: UnixListener,
    backend: impl Exporter,
    stopped: oneshot::Receiver<()>,
) -> Result<DrainReport, BoxError> {
    let lifecycle = Lifecycle::new();
    let pipeline = pipeline(backend, &lifecycle)?;
    let grpc = OtlpGrpcReceiver::new(pipeline.clone()).routes();
    let unix = axum::serve(unix, grpc.into_axum_router());
    let unix = unix.with_graceful_shutdown(lifecycle.draining());
    let ports = server.serve(pipeline, &lifecycle);
    let unix = async { unix.await.map_err(BoxError::from) };
    let mut serving = tokio::spawn(async { tokio::try_join!(ports, unix) });
    tokio::select! {
        ended = &mut serving => return Err(ended?.err().unwrap_or("it ended by itself".into())),
        // An app that is gone without a word is a reason to stop, too.
        _ = stopped => {}
    }
    let report = lifecycle.shutdown(DEADLINE).await;
    // For the last answers to be sent. A client that is stuck holds nobody up.
    let _ = timeout(Duration::from_secs(1), serving).await;
    Ok(report)
}

/// Answers when it has the telemetry in its queue, so that the app waits for no backend.
fn pipeline(backend: impl Exporter, lifecycle: &Lifecycle) -> Result<BoxExporter, BoxError> {
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .concurrency(64)
        .lifecycle(lifecycle);
    let batch = BatchConfig::new().lifecycle(lifecycle);
    Ok(ServiceBuilder::new()
        .tracked(lifecycle)
        .queue(QueueLayer::new(queue)?)
        .batch(BatchLayer::new(batch)?)
        .export_retry(RetryPolicy::new().lifecycle(lifecycle))
        .attempt_timeout(Duration::from_secs(10))
        .service(backend)
        .boxed_exporter())
}
