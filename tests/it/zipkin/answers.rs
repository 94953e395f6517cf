//! What the exporter makes of each answer.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, ExportError, ExportResponse, RetryAdvice, Signal,
    exporters::{http::RequestBody, zipkin::ZipkinExporter},
};

use crate::support::{backend::telemetry, http_server::serve};

/// A server that answers this to everything.
async fn answering(
    status: u16,
    retry_after: Option<&'static str>,
    body: &'static str,
) -> SocketAddr {
    serve(Router::new().fallback(move || async move {
        let mut response = Response::builder().status(status);
        if let Some(delay) = retry_after {
            response = response.header("retry-after", delay);
        }
        response.body(Body::from(body)).expect("a response")
    }))
    .await
}

async fn export(address: SocketAddr) -> Result<ExportResponse, ExportError> {
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("http://{address}"))
        .header("authorization", "Bearer s3cret")
        .no_proxy()
        .build()?;
    exporter.oneshot(telemetry(Signal::Traces, 5)).await
}

#[tokio::test]
async fn every_status_is_classified() {
    use ErrorKind as K;
    for (status, kind, retryable) in [
        (302, K::Rejected, false),
        (400, K::Rejected, false),
        (401, K::Unauthenticated, false),
        (403, K::Unauthenticated, false),
        (404, K::Unsupported, false),
        (408, K::Timeout, true),
        (413, K::TooLarge, false),
        (415, K::Unsupported, false),
        (422, K::Rejected, false),
        (429, K::Throttled, true),
        (500, K::Unavailable, true),
        (501, K::Unsupported, false),
        (502, K::Unavailable, true),
        (503, K::Unavailable, true),
        (504, K::Timeout, true),
        (505, K::Internal, false),
    ] {
        let address = answering(status, None, "no\r\nway, s3cret").await;
        let error = export(address).await.expect_err("not a success");
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.is_retryable(), retryable, "{status}");
        assert_eq!(error.exporter(), Some("zipkin"));
        let endpoint = format!("http://{address}/api/v2/spans");
        assert_eq!(error.endpoint(), Some(endpoint.as_str()));
        let start = format!("HTTP {status}");
        assert!(error.message().starts_with(&start), "{error}");
        if status != 302 {
            assert!(error.message().ends_with("no way, ***"), "{error}");
        }
    }
    for status in [200, 202, 204] {
        let response = export(answering(status, None, "").await).await;
        assert_eq!(response.expect("a success").delivered_items(), 5);
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    for status in [408, 429, 500, 502, 503, 504] {
        let error = export(answering(status, Some("7"), "").await).await;
        let error = error.expect_err("not a success");
        assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(7)));
    }
    let error = export(answering(400, Some("7"), "").await).await;
    assert_eq!(error.expect_err("400").retry(), RetryAdvice::Never);
}

#[tokio::test]
async fn a_row_of_the_table_can_be_replaced() {
    let address = answering(400, None, "busy").await;
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("http://{address}"))
        .on_status(400, ErrorKind::Unavailable, RetryAdvice::Backoff)
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    assert_eq!(error.expect_err("400").kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_timeout() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    for (builder, seconds) in [
        (ZipkinExporter::builder(), 10),
        (ZipkinExporter::builder().timeout(Duration::from_secs(3)), 3),
    ] {
        let exporter = builder.build_on(service).expect("valid");
        let start = tokio::time::Instant::now();
        let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
        let error = error.expect_err("no answer");
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.retry(), RetryAdvice::Backoff);
        assert!(error.to_string().contains("/api/v2/spans"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_whose_body_never_ends_is_a_success() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        Ok::<_, Infallible>(Response::new(body))
    });
    let exporter = ZipkinExporter::builder().build_on(service).expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    assert_eq!(response.expect("200").delivered_items(), 1);
}
