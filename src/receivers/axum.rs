//! The HTTP receiver as an `axum::Router`.

use axum::Router;

use super::OtlpHttpReceiver;
use crate::{Exporter, Signal};

impl<E: Exporter> OtlpHttpReceiver<E> {
    /// A router with the three OTLP routes, to merge beside one's own.
    ///
    /// A router that has a state gets it first: `own.with_state(state).merge(otlp)`. axum's
    /// limit on body sizes does not apply here, this receiver's own do.
    ///
    /// # Panics
    /// If the [path prefix](Self::path_prefix) is not a route that axum takes: braces in it.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_otlp::{ExportError, ExportRequest, ExportResponse, receivers::OtlpHttpReceiver};
    ///
    /// let exporter = tower::service_fn(|request: ExportRequest| async move {
    ///     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    /// });
    /// let app: Router = Router::new()
    ///     .route("/health", get(|| async { "well" }))
    ///     .merge(OtlpHttpReceiver::new(exporter).into_axum_router());
    /// # let _ = app;
    /// ```
    pub fn into_axum_router(self) -> Router {
        Signal::ALL
            .into_iter()
            .fold(Router::new(), |router, signal| {
                let path = format!("{}/v1/{signal}", self.prefix());
                router.route_service(&path, self.clone())
            })
    }
}
