//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{ResponseFuture, layer::Chains};
use crate::{ExportError, ExportRequest, ExportResponse};

/// Runs closures over decoded telemetry before it goes on; see [the module](super).
#[derive(Clone, Debug)]
pub struct DecodedService<S> {
    inner: S,
    chains: Arc<Chains>,
}

impl<S> DecodedService<S> {
    pub(super) const fn new(inner: S, chains: Arc<Chains>) -> Self {
        Self { inner, chains }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<ExportRequest> for DecodedService<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        // What a fan-out below handed back for a retry went through the closures before.
        if !self.chains.apply_to(request.signal()) || request.resume().is_some() {
            return ResponseFuture::inner(self.inner.call(request));
        }
        match self.chains.run(request.otlp()) {
            Ok(otlp) if otlp.items() == 0 => {
                let response = match request.items() {
                    0 => ExportResponse::delivered(0),
                    filtered => ExportResponse::delivered(0).with_message(format!(
                        "filtered all {filtered} {}",
                        request.signal().item_name()
                    )),
                };
                ResponseFuture::done(Ok(response))
            }
            Ok(otlp) => ResponseFuture::inner(self.inner.call(request.with_otlp(otlp))),
            Err(error) => ResponseFuture::done(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans, Span},
    };
    use tower::{BoxError, ServiceExt};
    use tower_layer::Layer;
    use tower_test::mock;

    use super::super::DecodedLayer;
    use super::*;
    use crate::{ErrorKind, Metadata, Signal};

    fn spans(names: &[&str]) -> ExportTraceServiceRequest {
        let spans = names
            .iter()
            .map(|name| Span {
                name: (*name).to_owned(),
                ..Span::default()
            })
            .collect();
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }

    fn each(message: &mut ExportTraceServiceRequest) -> &mut Vec<Span> {
        &mut message.resource_spans[0].scope_spans[0].spans
    }

    fn names(request: &ExportRequest) -> Vec<String> {
        let traces = request.traces().expect("traces");
        traces
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items())
            .map(|span| span.name().to_string())
            .collect()
    }

    /// Answers with the names that arrive.
    fn exporter() -> impl Service<
        ExportRequest,
        Response = ExportResponse,
        Error = BoxError,
        Future = impl Future<Output = Result<ExportResponse, BoxError>>,
    > + Clone {
        tower::service_fn(|request: ExportRequest| async move {
            let shown = match request.signal() {
                Signal::Traces => names(&request).join(" "),
                _ => "bytes".to_owned(),
            };
            let tenant = request.metadata().tenant().unwrap_or("-");
            Ok(ExportResponse::delivered(request.items())
                .with_message(format!("{tenant}: {shown}")))
        })
    }

    #[tokio::test]
    async fn closures_run_in_order_on_one_decode() {
        let runs = Arc::new(AtomicUsize::new(0));
        let layer = DecodedLayer::new()
            .traces(|message| each(message).retain(|span| span.name != "noise"))
            .traces({
                let runs = runs.clone();
                move |message| {
                    runs.fetch_add(each(message).len(), Ordering::Relaxed);
                    each(message).iter_mut().for_each(|span| span.name += "!");
                }
            });
        let request = ExportRequest::from(spans(&["a", "noise", "b"]))
            .with_metadata(Metadata::default().with_tenant("acme"));
        let response = layer.layer(exporter()).oneshot(request).await.expect("ok");
        assert_eq!(response.message(), Some("acme: a! b!"));
        assert_eq!(response.delivered_items(), 2);
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_signal_without_closures_passes_as_it_is() {
        let layer = DecodedLayer::new().logs(|logs| logs.resource_logs.clear());
        let request = ExportRequest::from(spans(&["a"]));
        let arrived = request.protobuf().as_ptr();
        let service = tower::service_fn(move |request: ExportRequest| async move {
            assert_eq!(request.protobuf().as_ptr(), arrived);
            Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
        });
        let response = layer.layer(service).oneshot(request).await.expect("ok");
        assert_eq!(response.delivered_items(), 1);
    }

    #[tokio::test]
    async fn what_is_filtered_whole_is_a_success_that_was_not_sent() {
        let (mock, mut handle) = mock::pair::<ExportRequest, ExportResponse>();
        handle.allow(1);
        let layer = DecodedLayer::new().traces(|message| each(message).clear());
        let response = layer
            .layer(mock)
            .oneshot(spans(&["a", "b"]).into())
            .await
            .expect("ok");
        assert_eq!(response.delivered_items(), 0);
        assert_eq!(response.message(), Some("filtered all 2 spans"));
        assert!(handle.next_request().await.is_none());
    }

    #[tokio::test]
    async fn readiness_is_the_inner_services() {
        let (mock, mut handle) = mock::pair::<ExportRequest, ExportResponse>();
        let layer = DecodedLayer::new().traces(|message| each(message).truncate(1));
        let mut service = tokio_test::task::spawn(layer.layer(mock));
        handle.allow(0);
        tokio_test::assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
        handle.allow(1);
        tokio_test::assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
        let mut future = tokio_test::task::spawn(service.call(spans(&["a", "b"]).into()));
        tokio_test::assert_pending!(future.poll());
        let (request, answer) = handle.next_request().await.expect("a request");
        assert_eq!(names(&request), ["a"]);
        answer.send_error(ExportError::new(ErrorKind::Throttled, "slow down"));
        let error = future.await.expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::Throttled);
    }
}
