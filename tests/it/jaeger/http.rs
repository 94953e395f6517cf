//! Batches over HTTP, to servers on real sockets.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit};
use tower_otlp::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice,
    ServiceBuilderExt, Signal,
    exporters::{
        http::RequestBody,
        jaeger::{JaegerHttpBuilder, JaegerHttpExporter, encode::Format},
    },
    from_url,
    layers::{
        retry::RetryPolicy,
        split::{SplitConfig, SplitLayer},
    },
};

use super::{read, traces};
use crate::support::{
    backend::telemetry,
    http_server::{Authority, nobody, serve, serve_tls},
};

/// Status, headers, body.
type Answer = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A collector that answers what it is told to, 202 by default, and remembers what it was sent.
#[derive(Clone, Default)]
struct Collector {
    seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
}

impl Collector {
    fn answering(statuses: &[u16]) -> Self {
        let this = Self::default();
        for status in statuses {
            this.script
                .lock()
                .expect("no panic")
                .push_back((*status, &[], "no way"));
        }
        this
    }

    fn saying(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
    ) -> Self {
        let this = Self::default();
        this.script
            .lock()
            .expect("no panic")
            .push_back((status, headers, body));
        this
    }

    fn router(&self) -> Router {
        let this = self.clone();
        Router::new().fallback(move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            this.seen.lock().expect("no panic").push((parts, body));
            let next = this.script.lock().expect("no panic").pop_front();
            let (status, headers, body) = next.unwrap_or((202, &[], ""));
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Body::from(body)).expect("a response")
        })
    }

    /// Names of the services of the batches that came, with the number of their spans.
    fn services(&self) -> Vec<(String, usize)> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter()
            .map(|(_, body)| read(Format::Collector, body))
            .map(|batch| (batch.process.service_name, batch.spans.len()))
            .collect()
    }
}

fn builder() -> JaegerHttpBuilder {
    JaegerHttpExporter::builder().no_proxy()
}

fn row(service: &str, spans: usize) -> (String, usize) {
    (service.to_owned(), spans)
}

/// One resource a service, with this many spans each. The ids of spans count through the request.
fn services(rows: &[(&str, usize)]) -> ExportRequest {
    let mut id = 0;
    let groups: Vec<String> = rows
        .iter()
        .map(|(name, count)| {
            let spans: Vec<String> = (0..*count)
                .map(|_| {
                    id += 1;
                    format!(
                        r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id:016x}"}}"#
                    )
                })
                .collect();
            format!(
                r#"{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{name}"}}}}]}},
                "scopeSpans":[{{"spans":[{}]}}]}}"#,
                spans.join(",")
            )
        })
        .collect();
    traces(&format!(r#"{{"resourceSpans":[{}]}}"#, groups.join(",")))
}

/// The ids of the spans of a request.
fn ids(request: &ExportRequest) -> Vec<u64> {
    let traces = request.traces().expect("traces");
    traces
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|span| u64::from_be_bytes(span.span_id().to_array().expect("8 bytes")))
        .collect()
}

async fn export(
    collector: &Collector,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    let address = serve(collector.router()).await;
    let exporter = builder().endpoint(format!("http://{address}")).build()?;
    exporter.oneshot(request).await
}

#[tokio::test]
async fn what_stands_in_a_request() {
    let collector = Collector::default();
    let address = serve(collector.router()).await;
    let exporter = builder()
        .endpoint(format!("http://user:p%40ss@{address}"))
        .header("x-tenant", "blue")
        .user_agent("shop/1.2")
        .build()
        .expect("valid");
    let response = exporter
        .oneshot(services(&[("cart", 3)]))
        .await
        .expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (3, 0)
    );
    let destination = format!("jaeger-http exporter (http://{address}/api/traces)");
    assert_eq!(response.destination(), Some(destination.as_str()));

    let (parts, body) = collector.seen.lock().expect("no panic").remove(0);
    assert_eq!(
        (parts.method.as_str(), parts.uri.path()),
        ("POST", "/api/traces")
    );
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    assert_eq!(
        header("content-type"),
        Some("application/vnd.apache.thrift.binary")
    );
    assert_eq!(header("content-encoding"), None);
    // user:p@ss
    assert_eq!(header("authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(header("x-tenant"), Some("blue"));
    assert!(
        header("user-agent")
            .expect("there")
            .starts_with("shop/1.2 tower-otlp/")
    );
    // No envelope: the bare struct begins with its first field.
    assert_eq!(body.first_chunk(), Some(&[0x0c, 0, 1]));
    assert_eq!(read(Format::Collector, &body).spans.len(), 3);
}

#[tokio::test]
async fn a_path_is_used_as_it_is() {
    for (path, used) in [
        ("", "/api/traces"),
        ("/", "/api/traces"),
        ("/jaeger/api/traces", "/jaeger/api/traces"),
        ("?format=jaeger.thrift", "/api/traces?format=jaeger.thrift"),
    ] {
        let collector = Collector::default();
        let exporter = builder()
            .endpoint(format!("http://collector:14268{path}"))
            .build_on(collector.router())
            .expect("valid");
        exporter
            .oneshot(services(&[("a", 1)]))
            .await
            .expect("delivered");
        let (parts, _) = collector.seen.lock().expect("no panic").remove(0);
        assert_eq!(parts.uri.path_and_query().expect("a path"), used);
    }
}

#[tokio::test]
async fn a_body_may_be_compressed() {
    let collector = Collector::default();
    let exporter = builder()
        .compression(Compression::Gzip)
        .build_on(collector.router())
        .expect("valid");
    exporter
        .oneshot(services(&[("cart", 9)]))
        .await
        .expect("delivered");
    let (parts, body) = collector.seen.lock().expect("no panic").remove(0);
    assert_eq!(parts.headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body)
        .read_to_end(&mut plain)
        .expect("gzip");
    assert_eq!(read(Format::Collector, &plain).spans.len(), 9);
}

#[tokio::test]
async fn three_resources_are_three_requests_in_order() {
    let collector = Collector::default();
    let response = export(&collector, services(&[("a", 1), ("b", 2), ("c", 3)])).await;
    assert_eq!(response.expect("delivered").delivered_items(), 6);
    assert_eq!(
        collector.services(),
        [row("a", 1), row("b", 2), row("c", 3)]
    );
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
        (405, K::Unsupported, false),
        (408, K::Timeout, true),
        (413, K::TooLarge, false),
        (429, K::Throttled, true),
        (500, K::Unavailable, true),
        (502, K::Unavailable, true),
        (503, K::Unavailable, true),
        (504, K::Timeout, true),
    ] {
        let collector = Collector::answering(&[status]);
        let error = export(&collector, services(&[("a", 2)]))
            .await
            .expect_err("not a success");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (kind, retryable),
            "{status}"
        );
        assert_eq!(error.exporter(), Some("jaeger-http"));
        assert!(error.endpoint().expect("there").ends_with("/api/traces"));
        assert!(
            error.message().starts_with(&format!("HTTP {status}")),
            "{error}"
        );
        assert!(error.remainder().is_none(), "all of it");
    }
    for status in [200, 202, 204] {
        let response = export(&Collector::answering(&[status]), services(&[("a", 2)])).await;
        assert_eq!(
            response.expect("a success").delivered_items(),
            2,
            "{status}"
        );
    }
}

#[tokio::test]
async fn retry_after_is_honoured_and_the_text_kept() {
    let text = "Cannot submit Jaeger batch:\nthe queue is full";
    let collector = Collector::saying(500, &[("retry-after", "7")], text);
    let error = export(&collector, services(&[("a", 1)]))
        .await
        .expect_err("500");
    assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(7)));
    assert!(
        error.message().ends_with("batch: the queue is full"),
        "{error}"
    );
    let collector = Collector::saying(429, &[("retry-after", "3")], "");
    let error = export(&collector, services(&[("a", 1)]))
        .await
        .expect_err("429");
    assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_the_rest() {
    let collector = Collector::answering(&[202, 503]);
    let request = services(&[("a", 1), ("b", 2), ("c", 3)])
        .with_metadata(tower_otlp::Metadata::default().with_tenant("blue"));
    let error = export(&collector, request).await.expect_err("503");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        collector.services(),
        [row("a", 1), row("b", 2)],
        "c is not sent"
    );
    assert_eq!(error.progress().expect("some").delivered_items(), 1);
    let remainder = error.remainder().expect("the rest");
    assert_eq!(ids(remainder), [2, 3, 4, 5, 6]);
    assert_eq!(remainder.metadata().tenant(), Some("blue"));
}

#[tokio::test]
async fn what_one_batch_is_refused_for_does_not_stop_the_others() {
    for (status, kind) in [(400, ErrorKind::Rejected), (413, ErrorKind::TooLarge)] {
        let collector = Collector::answering(&[202, status, 202, status]);
        let request = services(&[("a", 1), ("b", 2), ("c", 3), ("d", 1), ("e", 1)]);
        let error = export(&collector, request).await.expect_err("refused");
        assert_eq!((error.kind(), error.is_retryable()), (kind, false));
        assert_eq!(collector.services().len(), 5);
        assert_eq!(error.progress().expect("some").delivered_items(), 5);
        assert_eq!(ids(error.remainder().expect("two batches")), [2, 3, 7]);
    }
    // One that is too large can be helped, so it speaks.
    let collector = Collector::answering(&[400, 413, 202]);
    let error = export(&collector, services(&[("a", 1), ("b", 1), ("c", 1)])).await;
    let error = error.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(ids(error.remainder().expect("two batches")), [1, 2]);
    // A failure that concerns all stops, and has the refused ones in its remainder.
    let collector = Collector::answering(&[202, 400, 401]);
    let error = export(
        &collector,
        services(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]),
    )
    .await;
    let error = error.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(collector.services().len(), 3);
    assert_eq!(ids(error.remainder().expect("three batches")), [2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_sends_only_the_rest_and_the_books_balance() {
    let collector = Collector::answering(&[202, 503, 202, 429]);
    let exporter = builder().build_on(collector.router()).expect("valid");
    let pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .concurrency_limit(2)
        .map_request(|request: ExportRequest| request)
        .timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(30))
        .service(exporter);
    let response = pipeline
        .oneshot(services(&[("a", 1), ("b", 2), ("c", 3)]))
        .await;
    let response = response.expect("delivered in the end");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (6, 0)
    );
    let attempts = ["a", "b", "b", "c", "c"].map(str::to_owned);
    let seen: Vec<String> = collector.services().into_iter().map(|row| row.0).collect();
    assert_eq!(seen, attempts);
}

#[tokio::test]
async fn a_split_above_halves_the_batch_that_is_too_large() {
    // Refuses bodies above 400 bytes.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let seen = Arc::clone(&seen);
        tower::service_fn(move |request: Request<RequestBody>| {
            let body = request.into_body().into_inner().expect("a body");
            let status = if body.len() > 400 { 413 } else { 202 };
            if status == 202 {
                let batch = read(Format::Collector, &body);
                let mut seen = seen.lock().expect("no panic");
                seen.extend(batch.spans.iter().map(|span| span.span_id));
            }
            let response = Response::builder().status(status);
            let response = response.body(Full::<Bytes>::default()).expect("a response");
            async { Ok::<_, Infallible>(response) }
        })
    };
    let pipeline = ServiceBuilder::new()
        .layer(SplitLayer::new(SplitConfig::default()).expect("valid"))
        .service(builder().build_on(service).expect("valid"));
    let response = pipeline
        .oneshot(services(&[("a", 2), ("b", 30), ("c", 2)]))
        .await;
    assert_eq!(response.expect("delivered").delivered_items(), 34);
    let mut seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    seen.sort_unstable();
    assert_eq!(seen, (1..=34).collect::<Vec<i64>>(), "each once");
}

#[tokio::test]
async fn a_large_batch_is_several_requests_and_a_large_span_is_rejected_alone() {
    let collector = Collector::default();
    let exporter = builder()
        .max_request_bytes(400)
        .build_on(collector.router())
        .expect("valid");
    let long = "x".repeat(500);
    let span = |id: usize, name: &str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id:016x}","name":"{name}"}}"#
        )
    };
    let spans: Vec<String> = (1..=10)
        .map(|id| span(id, if id == 5 { &long } else { "x" }))
        .collect();
    let request = traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    ));
    let response = exporter
        .oneshot(request)
        .await
        .expect("the others are delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (9, 1)
    );
    let message = response.message().expect("a reason");
    assert!(message.starts_with("span 4 (\"xxx"), "{message}");
    assert!(message.ends_with("and the limit is 400 bytes"), "{message}");
    let batches = collector.services();
    assert!(batches.len() > 2);
    assert_eq!(batches.iter().map(|row| row.1).sum::<usize>(), 9);
}

#[tokio::test]
async fn spans_without_ids_are_counted_and_nothing_is_sent_without_spans() {
    let collector = Collector::default();
    let exporter = builder().build_on(collector.router()).expect("valid");
    let request =
        traces(r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}"#);
    let response = exporter.clone().oneshot(request).await.expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 2)
    );
    let message = response.message().expect("a reason");
    assert!(
        message.starts_with("2 spans cannot be sent, the first: span 0 (\"a\"): its trace id"),
        "{message}"
    );
    let empty = traces(r#"{"resourceSpans":[{"resource":{}}]}"#);
    let response = exporter.oneshot(empty).await.expect("an answer");
    assert_eq!(response.delivered_items(), 0);
    assert!(collector.services().is_empty());
}

#[tokio::test]
async fn metrics_and_logs_are_unsupported_at_once() {
    let exporter = builder()
        .endpoint(format!("http://{}", nobody().await))
        .build()
        .expect("valid");
    for signal in [Signal::Metrics, Signal::Logs] {
        let error = exporter.clone().oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("not carried");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Unsupported, false)
        );
        assert_eq!(error.exporter(), Some("jaeger-http"));
        assert!(error.message().contains(&signal.to_string()), "{error}");
    }
}

#[tokio::test]
async fn an_unreachable_collector_is_named_without_secrets() {
    let address = nobody().await;
    let builder = builder()
        .endpoint(format!("http://user:s3cret@{address}?token=s3cret"))
        .header("authorization", "Bearer s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let exporter = builder.build().expect("valid");
    assert!(!format!("{exporter:?}").contains("s3cret"), "{exporter:?}");
    let error = exporter
        .oneshot(services(&[("a", 1)]))
        .await
        .expect_err("nobody");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, RetryAdvice::Backoff)
    );
    let text = format!("{error} {error:?}");
    assert!(
        text.contains(&format!("http://{address}/api/traces")),
        "{text}"
    );
    assert!(!text.contains("s3cret") && !text.contains("user"), "{text}");
}

#[tokio::test]
async fn a_quoted_secret_is_hidden() {
    let collector = Collector::saying(401, &[], "unknown token s3cret");
    let exporter = builder().header("authorization", "Bearer s3cret");
    let exporter = exporter.build_on(collector.router()).expect("valid");
    let error = exporter
        .oneshot(services(&[("a", 1)]))
        .await
        .expect_err("401");
    assert!(error.message().ends_with("unknown token ***"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailable_with_the_rest() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        // Takes the first request, reads a part of the second and hangs up.
        let mut answers = 0;
        loop {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut part = [0; 4096];
            while socket.read(&mut part).await.is_ok_and(|size| size > 0) {
                answers += 1;
                if answers > 1 {
                    break;
                }
                let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
                socket.write_all(answer).await.expect("written");
            }
        }
    });
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let error = exporter.oneshot(services(&[("a", 1), ("b", 400)])).await;
    let error = error.expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.progress().expect("some").delivered_items(), 1);
    assert_eq!(error.remainder().expect("the rest").items(), 400);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_timeout_with_the_rest() {
    let calls = Arc::new(Mutex::new(0));
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        let mut calls = calls.lock().expect("no panic");
        *calls += 1;
        let hangs = *calls > 1;
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let exporter = builder()
        .timeout(Duration::from_secs(3))
        .build_on(service)
        .expect("valid");
    let start = tokio::time::Instant::now();
    let error = exporter
        .oneshot(services(&[("a", 1), ("b", 1)]))
        .await
        .expect_err("late");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Timeout, RetryAdvice::Backoff)
    );
    assert_eq!(ids(error.remainder().expect("the rest")), [2]);
}

#[tokio::test]
async fn every_batch_waits_for_a_transport_that_is_ready() {
    // ConcurrencyLimit panics if it is called without a permit of its own.
    let collector = Collector::default();
    let transport = ConcurrencyLimit::new(collector.router(), 1);
    let mut exporter = builder().build_on(transport).expect("valid");
    for _ in 0..2 {
        let ready = exporter.ready().await.expect("ready");
        let response = ready.call(services(&[("a", 1), ("b", 1), ("c", 1)])).await;
        assert_eq!(response.expect("delivered").delivered_items(), 3);
    }
    assert_eq!(collector.services().len(), 6);
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new();
    let collector = Collector::default();
    let address = serve_tls(collector.router(), authority.server(None)).await;
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), &authority.pem).expect("written");
    let url = format!(
        "jaeger+https://{address}?ca={}&proxy=none",
        ca.path().display()
    );
    let exporter = from_url(&url).expect("a URL");
    let response = exporter.oneshot(services(&[("a", 2)])).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);
    assert_eq!(collector.services(), [row("a", 2)]);
}

#[tokio::test]
async fn from_a_url() {
    let collector = Collector::default();
    let address = serve(collector.router()).await;
    let url = format!(
        "jaeger+http://user:pass@{address}?header.x-tenant=blue&timeout=5s&proxy=none\
        &unknown_service=edge&internal_kind=false&scope_attributes&link_logs=true"
    );
    let exporter = from_url(&url).expect("a URL");
    let response = exporter.oneshot(super::with_span(r#""kind":1"#)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 1);
    let (parts, body) = collector.seen.lock().expect("no panic").remove(0);
    assert_eq!(parts.uri.path(), "/api/traces");
    assert_eq!(parts.headers["x-tenant"], "blue");
    assert!(parts.headers.contains_key("authorization"));
    let batch = read(Format::Collector, &body);
    assert_eq!(batch.process.service_name, "edge");
    assert_eq!(batch.spans[0].tags, None);
}

#[test]
fn wrong_options_are_named() {
    for (options, says) in [
        (builder().endpoint("s3cret:14268"), "http:// or https://"),
        (builder().header("x-key", "s3cret\n"), "x-key"),
        (builder().header("content-type", "s3cret"), "content-type"),
    ] {
        let error = options.build().expect_err(says);
        let text = format!("{error} {error:?}");
        assert!(
            text.contains(says) && text.contains("jaeger-http"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
    for (url, says) in [
        (
            "jaeger+http://h?protocol=compact",
            "parameter `protocol`: jaeger+http: knows no such",
        ),
        (
            "jaeger+http://h?link_logs=yes",
            "parameter `link_logs`: `yes` is not one of",
        ),
        ("jaeger+http:?", "host"),
    ] {
        let Err(error) = from_url(url) else {
            panic!("{url} is accepted");
        };
        assert!(error.to_string().contains(says), "{error}");
    }
}
