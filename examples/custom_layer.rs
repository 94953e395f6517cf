//! A layer of your own, the way tower's are written.
//!
//! `Tenancy` puts the tenant of this process into every request that names none, and counts the
//! items of each tenant. It shows the parts that every layer has: a `Layer`, a `Service` that
//! hands readiness through, a named future, and an error that converts into `ExportError`.
//!
//! ```sh
//! cargo run --example custom_layer
//! ```

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Metadata, ServiceBuilderExt,
    layers::retry::RetryPolicy,
    testing::{ScriptedExporter, Step, contract, logs},
};

/// Items delivered, by tenant.
type Delivered = Arc<Mutex<BTreeMap<Arc<str>, u64>>>;

/// Applies [`Tenancy`] to a service.
#[derive(Clone, Debug)]
struct TenancyLayer {
    tenant: Arc<str>,
    delivered: Delivered,
}

impl TenancyLayer {
    fn new(tenant: impl Into<Arc<str>>) -> Self {
        Self {
            tenant: tenant.into(),
            delivered: Delivered::default(),
        }
    }

    fn delivered(&self) -> BTreeMap<Arc<str>, u64> {
        lock(&self.delivered).clone()
    }
}

impl<S> Layer<S> for TenancyLayer {
    type Service = Tenancy<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tenancy {
            inner,
            tenant: self.tenant.clone(),
            delivered: self.delivered.clone(),
        }
    }
}

/// Names the tenant of each request and counts what is delivered for it.
///
/// Cloning it clones the inner service, which forgets its readiness by itself. A layer that keeps
/// something of its own for the next call (a permit, a timer) forgets it in `Clone`.
#[derive(Clone, Debug)]
struct Tenancy<S> {
    inner: S,
    tenant: Arc<str>,
    delivered: Delivered,
}

impl<S> Service<ExportRequest> for Tenancy<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    // Any error will do: so tower's own layers, with their boxed errors, may stand below.
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let (tenant, request) = match request.metadata().tenant() {
            Some(tenant) => (Arc::from(tenant), request),
            None => {
                let metadata = request.metadata().clone().with_tenant(self.tenant.clone());
                (self.tenant.clone(), request.with_metadata(metadata))
            }
        };
        ResponseFuture {
            // The service that was asked for readiness is the one that is called, not a clone.
            inner: self.inner.call(request),
            tenant,
            delivered: self.delivered.clone(),
        }
    }
}

pin_project! {
    /// Response future of [`Tenancy`]: a named type, no box.
    struct ResponseFuture<F> {
        #[pin]
        inner: F,
        tenant: Arc<str>,
        delivered: Delivered,
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ExportResponse, E>>,
    E: Into<ExportError>,
{
    type Output = Result<ExportResponse, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        if let Ok(response) = &result {
            let mut delivered = lock(this.delivered);
            *delivered.entry(this.tenant.clone()).or_default() += response.delivered_items();
        }
        Poll::Ready(result)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?
        .block_on(run())?;
    Ok(())
}

async fn run() -> Result<(), ExportError> {
    let tenancy = TenancyLayer::new("acme");
    let exporter = ScriptedExporter::new([
        Step::Fail(ExportError::new(ErrorKind::Unavailable, "restarting")),
        Step::Deliver,
        Step::Reject(2),
    ]);
    // Among ours and tower's, like any other layer.
    let mut pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .layer(tenancy.clone())
        .concurrency_limit(4)
        .service(exporter.clone());

    pipeline.ready().await?.call(logs(10)).await?;
    let globex = logs(7).with_metadata(Metadata::default().with_tenant("globex"));
    pipeline.ready().await?.call(globex).await?;

    for request in exporter.requests() {
        println!(
            "exported: {} items of {:?}",
            request.items(),
            request.metadata().tenant()
        );
    }
    for (tenant, items) in tenancy.delivered() {
        println!("delivered for {tenant}: {items} items");
    }

    // Panics if the layer breaks a rule of the crate's own layers.
    contract::check(&TenancyLayer::new("test")).await;
    println!("the contract of layers is kept");
    Ok(())
}
