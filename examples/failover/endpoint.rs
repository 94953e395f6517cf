//! A backend to try pipelines on: it counts what it stores, and can be switched off and on.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use tower::{BoxError, service_fn};
use tower_otlp::{ExportError, ExportRequest, ExportResponse, Lifecycle, receivers::OtlpServer};

/// Its port is really closed and opened.
pub struct Endpoint {
    pub address: SocketAddr,
    stored: Arc<AtomicU64>,
    running: Option<(Lifecycle, JoinHandle<Result<(), BoxError>>)>,
}

impl Endpoint {
    pub async fn start() -> Result<Self, BoxError> {
        let (address, stored) = ("127.0.0.1:0".parse()?, Arc::default());
        let mut endpoint = Self {
            address,
            stored,
            running: None,
        };
        endpoint.on().await?;
        Ok(endpoint)
    }

    pub async fn on(&mut self) -> Result<(), BoxError> {
        let server = OtlpServer::bind(self.address, "127.0.0.1:0".parse()?).await?;
        self.address = server.grpc_address();
        let (lifecycle, stored) = (Lifecycle::new(), Arc::clone(&self.stored));
        let store = service_fn(move |request: ExportRequest| {
            stored.fetch_add(request.items(), Ordering::Relaxed);
            std::future::ready(Ok::<_, ExportError>(ExportResponse::delivered(
                request.items(),
            )))
        });
        let serving = tokio::spawn(server.serve(store, &lifecycle));
        self.running = Some((lifecycle, serving));
        Ok(())
    }

    pub async fn off(&mut self) -> Result<(), BoxError> {
        if let Some((lifecycle, serving)) = self.running.take() {
            lifecycle.shutdown(Duration::from_secs(5)).await;
            serving.await??;
        }
        Ok(())
    }

    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }
}
