//! What the exporter makes of each answer.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, ExportError, ExportResponse, RetryAdvice, Signal,
    exporters::{http::RequestBody, otlp::OtlpHttpExporter},
};

use crate::support::{backend::telemetry, http_server::serve};

/// A server that answers this to everything.
async fn answering(
    status: u16,
    headers: &[(&'static str, &str)],
    body: impl Into<Bytes>,
) -> SocketAddr {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let body = body.into();
    let handler = move || {
        let mut response = Response::builder().status(status);
        for (name, value) in &headers {
            response = response.header(*name, value);
        }
        let response = response.body(Body::from(body.clone()));
        async { response.expect("a response") }
    };
    serve(Router::new().fallback(handler)).await
}

async fn export(address: SocketAddr) -> Result<ExportResponse, ExportError> {
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .max_response_bytes(1000)
        .no_proxy()
        .build()?;
    exporter.oneshot(telemetry(Signal::Traces, 5)).await
}

#[tokio::test]
async fn every_status_is_classified() {
    use ErrorKind as K;
    for (status, kind, retryable) in [
        (300, K::Rejected, false),
        (400, K::Rejected, false),
        (401, K::Unauthenticated, false),
        (403, K::Unauthenticated, false),
        (404, K::Unsupported, false),
        (405, K::Unsupported, false),
        (408, K::Timeout, false),
        (413, K::TooLarge, false),
        (415, K::Unsupported, false),
        (422, K::Rejected, false),
        (429, K::Throttled, true),
        (500, K::Internal, false),
        (501, K::Unsupported, false),
        (502, K::Unavailable, true),
        (503, K::Unavailable, true),
        (504, K::Timeout, true),
        (530, K::Internal, false),
    ] {
        let address = answering(status, &[("content-type", "text/plain")], "no\r\nway").await;
        let error = export(address).await.expect_err("not a success");
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.is_retryable(), retryable, "{status}");
        assert_eq!(error.exporter(), Some("otlp-http"));
        let endpoint = format!("http://{address}/v1/traces");
        assert_eq!(error.endpoint(), Some(endpoint.as_str()));
        assert!(
            error.message().starts_with(&format!("HTTP {status}")),
            "{error}"
        );
        let says = if status == 300 {
            "redirects are not followed"
        } else {
            "no way"
        };
        assert!(error.message().ends_with(says), "{error}");
    }
    for status in [200, 202, 204] {
        let response = export(answering(status, &[], "").await).await;
        assert_eq!(
            response.expect("a success").delivered_items(),
            5,
            "{status}"
        );
    }
}

#[tokio::test]
async fn retry_after_is_honoured_where_the_specification_says_so() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let later = "Sun, 06 Nov 1994 08:49:49 GMT";
    for (status, headers, expected) in [
        (
            429,
            &[("retry-after", "7")][..],
            RetryAdvice::After(Duration::from_secs(7)),
        ),
        (
            502,
            &[("retry-after", "7")],
            RetryAdvice::After(Duration::from_secs(7)),
        ),
        (
            503,
            &[("retry-after", "0")],
            RetryAdvice::After(Duration::ZERO),
        ),
        (
            504,
            &[("retry-after", "7")],
            RetryAdvice::After(Duration::from_secs(7)),
        ),
        (
            503,
            &[("date", date), ("retry-after", later)],
            RetryAdvice::After(Duration::from_secs(12)),
        ),
        (503, &[("retry-after", "soon")], RetryAdvice::Backoff),
        (503, &[], RetryAdvice::Backoff),
        (400, &[("retry-after", "7")], RetryAdvice::Never),
        (500, &[("retry-after", "7")], RetryAdvice::Never),
    ] {
        let error = export(answering(status, headers, "").await).await;
        let error = error.expect_err("not a success");
        assert_eq!(error.retry(), expected, "{status} {headers:?}");
    }
}

#[tokio::test]
async fn a_date_counts_from_now_if_the_answer_has_none() {
    let later = std::time::SystemTime::now() + Duration::from_secs(3600);
    let later = httpdate::fmt_http_date(later);
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        let response = Response::builder()
            .status(503)
            .header("retry-after", &later);
        let response = response.body(Full::<Bytes>::default()).expect("a response");
        async { Ok::<_, Infallible>(response) }
    });
    let exporter = OtlpHttpExporter::builder()
        .build_on(service)
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let RetryAdvice::After(delay) = error.expect_err("503").retry() else {
        panic!("a delay");
    };
    // A date has whole seconds, and the test takes some time itself.
    assert!((3500..=3600).contains(&delay.as_secs()), "{delay:?}");
}

#[tokio::test]
async fn the_servers_status_is_read_in_both_encodings() {
    // google.rpc.Status { code: 3, message: "bad span" }
    let protobuf = b"\x08\x03\x12\x08bad span".to_vec();
    let json = br#"{"code":3,"message":"bad span"}"#.to_vec();
    for (content_type, body) in [
        ("application/x-protobuf", protobuf),
        ("application/json; charset=utf-8", json),
    ] {
        let address = answering(400, &[("content-type", content_type)], body).await;
        let error = export(address).await.expect_err("400");
        assert_eq!(
            error.message(),
            "HTTP 400 Bad Request: bad span",
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_partial_success_is_counted() {
    let told = |rejected_spans, error_message: &str| ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: error_message.to_owned(),
        }),
    };
    let protobuf = |rejected, message| told(rejected, message).encode_to_vec();
    let json = |rejected, message| serde_json::to_vec(&told(rejected, message)).expect("JSON");
    let (x_protobuf, x_json) = ("application/x-protobuf", "application/json");
    for (content_type, body, delivered, rejected, message) in [
        (x_protobuf, protobuf(2, "too old"), 3, 2, Some("too old")),
        (x_protobuf, protobuf(0, "careful"), 5, 0, Some("careful")),
        (x_protobuf, protobuf(99, "all"), 0, 5, Some("all")),
        (x_protobuf, protobuf(-1, ""), 5, 0, None),
        (x_protobuf, Vec::new(), 5, 0, None),
        (x_json, json(2, "too old"), 3, 2, Some("too old")),
        (x_json, b"{}".to_vec(), 5, 0, None),
        // What cannot be read counts as a success: the data was taken.
        (x_protobuf, b"<html>".to_vec(), 5, 0, None),
        (x_json, b"{".to_vec(), 5, 0, None),
        ("text/html", b"<html>".to_vec(), 5, 0, None),
    ] {
        let address = answering(200, &[("content-type", content_type)], body.clone()).await;
        let response = export(address).await.expect("a success");
        let case = format!("{content_type} {:?}", String::from_utf8_lossy(&body));
        assert_eq!(response.delivered_items(), delivered, "{case}");
        assert_eq!(response.rejected_items(), rejected, "{case}");
        assert_eq!(response.message(), message, "{case}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let large = vec![b'x'; 2000];
    let response = export(answering(200, &[], large.clone()).await).await;
    let response = response.expect("the data was taken");
    assert_eq!(response.delivered_items(), 5);
    assert_eq!(
        response.message(),
        Some("the answer is larger than allowed")
    );
    let error = export(answering(503, &[], large).await)
        .await
        .expect_err("503");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .message()
            .ends_with("the answer is larger than allowed"),
        "{error}"
    );
}

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        let endless = stream::repeat_with(|| Frame::data(Bytes::from_static(&[b'x'; 1000])));
        let body = StreamBody::new(endless.map(Ok::<_, Infallible>));
        Ok::<_, Infallible>(Response::new(body))
    });
    let exporter = OtlpHttpExporter::builder()
        .build_on(service)
        .expect("valid");
    let response = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let message = response.expect("200").message().map(str::to_owned);
    assert_eq!(
        message.as_deref(),
        Some("the answer is larger than allowed")
    );
}

#[tokio::test]
async fn a_row_of_the_table_can_be_replaced() {
    let address = answering(500, &[("retry-after", "3")], "").await;
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .on_status(500, ErrorKind::Unavailable, RetryAdvice::Backoff)
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    let error = error.expect_err("500");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(3)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let elsewhere = {
        let calls = Arc::clone(&calls);
        serve(Router::new().fallback(move || {
            calls.fetch_add(1, Ordering::SeqCst);
            async { StatusCode::OK }
        }))
        .await
    };
    for status in [301, 302, 307, 308] {
        let location = format!("http://{elsewhere}/v1/traces");
        let address = answering(status, &[("location", location.as_str())], "").await;
        let error = export(address).await.expect_err("a redirect");
        assert_eq!(error.kind(), ErrorKind::Rejected, "{status}");
        assert!(
            error.message().contains("redirects are not followed"),
            "{error}"
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_timeout() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    for (builder, seconds) in [
        (OtlpHttpExporter::builder(), 10),
        (
            OtlpHttpExporter::builder().timeout(Duration::from_secs(3)),
            3,
        ),
    ] {
        let exporter = builder.build_on(service).expect("valid");
        let start = tokio::time::Instant::now();
        let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
        let error = error.expect_err("no answer");
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.retry(), RetryAdvice::Backoff);
        assert!(error.to_string().contains("/v1/logs"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_an_answer_may_take_a_day() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let exporter = OtlpHttpExporter::builder().no_timeout().build_on(service);
    let response = exporter.expect("valid").oneshot(telemetry(Signal::Logs, 1));
    assert_eq!(response.await.expect("late").delivered_items(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_success_whose_body_never_ends_is_a_success() {
    let service = tower::service_fn(|_: Request<RequestBody>| async {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        Ok::<_, Infallible>(Response::new(body))
    });
    let exporter = OtlpHttpExporter::builder()
        .build_on(service)
        .expect("valid");
    let start = tokio::time::Instant::now();
    let response = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    assert_eq!(response.expect("200").delivered_items(), 1);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_quoted_header_is_hidden() {
    let address = answering(401, &[("content-type", "text/plain")], "bad token s3cret").await;
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .header("authorization", "Bearer s3cret")
        .no_proxy()
        .build()
        .expect("valid");
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let error = error.expect_err("401");
    assert!(error.message().ends_with("bad token ***"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
}
