//! What an exporter is: a Tower service for telemetry.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower::util::BoxCloneSyncService;
use tower_service::Service;

use crate::{ExportError, ExportRequest, ExportResponse};

/// A [`Service`] that takes an [`ExportRequest`]: an exporter, or a whole pipeline.
///
/// This is an alias: it is implemented for every service of the right shape and has no
/// methods. Errors only need to convert into [`ExportError`], so that a stack whose outermost
/// layer is one of tower's own (with its boxed error) is an exporter too.
///
/// ```
/// use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter};
///
/// fn pipeline() -> impl Exporter {
///     tower::service_fn(|request: ExportRequest| async move {
///         Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
///     })
/// }
/// # let _ = pipeline();
/// ```
pub trait Exporter:
    Service<ExportRequest, Response = ExportResponse, Error: Into<ExportError>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Exporter for S where
    S: Service<ExportRequest, Response = ExportResponse, Error: Into<ExportError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// An exporter whose type is erased, for collections and for choices made at run time.
pub type BoxExporter = BoxCloneSyncService<ExportRequest, ExportResponse, ExportError>;

/// Methods for every [`Exporter`].
pub trait ExporterExt: Exporter + Sized {
    /// Erases the type.
    fn boxed_exporter(self) -> BoxExporter {
        BoxCloneSyncService::new(IntoExportError::new(self))
    }
}

impl<S: Exporter> ExporterExt for S {}

/// A service whose errors are converted into [`ExportError`].
///
/// Every layer of this crate that needs to read an error does so through this type, so that a
/// service with any other error type, tower's boxed one included, may sit below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntoExportError<S> {
    inner: S,
}

impl<S> IntoExportError<S> {
    /// Wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Request> Service<Request> for IntoExportError<S>
where
    S: Service<Request>,
    S::Error: Into<ExportError>,
{
    type Response = S::Response;
    type Error = ExportError;
    type Future = IntoExportErrorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        IntoExportErrorFuture {
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// Response future of [`IntoExportError`].
    #[derive(Debug)]
    pub struct IntoExportErrorFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for IntoExportErrorFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<ExportError>,
{
    type Output = Result<T, ExportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(Into::into)
    }
}
