//! The HTTP receiver over real sockets: what it takes, what it refuses, and in which words.

#![allow(clippy::expect_used, clippy::panic)]

use std::{convert::Infallible, io::Write as _, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, trace::v1::ExportTraceServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use tower_otlp::{
    Compression, Encoding, ErrorKind, ExportError, ExportResponse, Lifecycle, RetryAdvice, Signal,
    otlp::Limits,
    receivers::{OtlpHttpReceiver, OtlpServer},
};

use crate::support::{
    backend::{Backend, protobuf, telemetry},
    http_server::{Answer, send, serve},
};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const TEXT: (&str, &str) = ("content-type", "text/plain");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const BROTLI: (&str, &str) = ("content-encoding", "br");

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

async fn receiver(backend: &Backend) -> SocketAddr {
    serve(OtlpHttpReceiver::new(backend.clone()).into_axum_router()).await
}

async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    send(address, Method::POST, path, headers, body).await
}

fn compress(compression: Compression, body: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::best();
    match compression {
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
            out.write_all(body).expect("in memory");
            out.finish().expect("in memory")
        }
        Compression::Deflate => {
            let mut out = flate2::write::ZlibEncoder::new(Vec::new(), level);
            out.write_all(body).expect("in memory");
            out.finish().expect("in memory")
        }
        Compression::Zstd => zstd::encode_all(body, 19).expect("in memory"),
        _ => body.to_vec(),
    }
}

fn every_compression() -> impl Iterator<Item = Compression> {
    [Compression::None].into_iter().chain(Compression::ALL)
}

#[tokio::test]
async fn every_signal_encoding_and_compression_is_taken() {
    for signal in Signal::ALL {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            for compression in every_compression() {
                let case = format!("{signal} {encoding:?} {compression:?}");
                let backend = Backend::new();
                let address = receiver(&backend).await;
                let sent = telemetry(signal, 5);
                let content_type = format!("{}; charset=utf-8", encoding.content_type());
                let headers = [
                    ("content-type", content_type.as_str()),
                    ("content-encoding", compression.as_str()),
                ];
                let body = compress(compression, &sent.encoded(encoding));
                let answer = post(address, &format!("/v1/{signal}"), &headers, body).await;

                assert_eq!(answer.status, 200, "{case}: {answer:?}");
                assert_eq!(answer.header("content-type"), Some(encoding.content_type()));
                let expected = match encoding {
                    Encoding::Json => "{}",
                    _ => "",
                };
                assert_eq!(answer.body, expected, "{case}");
                let got = backend.only();
                assert_eq!(got.signal(), signal, "{case}");
                assert_eq!(got.items(), 5, "{case}");
                assert_eq!(got.encoded(encoding), sent.encoded(encoding), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_kept_for_a_relay() {
    for compression in Compression::ALL {
        let backend = Backend::new();
        let address = receiver(&backend).await;
        // At another level than this crate uses, so that compressing again would show.
        let body = compress(compression, &protobuf(Signal::Traces, 100));
        let headers = [PROTOBUF, ("content-encoding", compression.as_str())];
        let answer = post(address, "/v1/traces", &headers, body.clone()).await;
        assert_eq!(answer.status, 200);
        let again = backend.only().body(Encoding::Protobuf, compression);
        assert_eq!(again.expect("compresses"), body, "{compression:?}");
    }
}

#[tokio::test]
async fn no_items_are_a_success_without_an_export() {
    let backend = Backend::new();
    let address = receiver(&backend).await;
    for (header, body) in [(PROTOBUF, ""), (JSON, "{}")] {
        let answer = post(address, "/v1/metrics", &[header], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(backend.seen().is_empty());
}

/// A field of protobuf: its tag for wire type 2, its length, its body.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(body.len() as u64, &mut out);
    out.extend_from_slice(body);
    out
}

/// An attribute of a resource whose value is an array in an array, this many times.
fn nested(levels: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..levels {
        value = field(5, &field(1, &value));
    }
    let attribute = [field(1, b"deep"), field(2, &value)].concat();
    field(1, &field(1, &field(1, &attribute)))
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_words() {
    let backend = Backend::new();
    let router = OtlpHttpReceiver::new(backend.clone())
        .max_wire_bytes(100_000)
        .max_message_bytes(200_000)
        .into_axum_router();
    let address = serve(router).await;

    let traces = protobuf(Signal::Traces, 3).to_vec();
    let cut = traces[..traces.len() - 5].to_vec();
    let gzip = compress(Compression::Gzip, &traces);
    let cut_gzip = gzip[..gzip.len() / 2].to_vec();
    let bomb = compress(Compression::Gzip, &vec![0; 10_000_000]);
    let not_utf8 = b"\x0a\x07\x12\x05\x12\x03\x2a\x01\xff".to_vec();
    let large = protobuf(Signal::Traces, 2_000).to_vec();
    assert!(large.len() > 100_000);

    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);
    let rows: Vec<Row<'_>> = vec![
        (
            "truncated",
            &[PROTOBUF],
            cut,
            400,
            "the data ends too early",
        ),
        ("garbage", &[PROTOBUF], b"hello".to_vec(), 400, "byte"),
        (
            "JSON as protobuf",
            &[PROTOBUF],
            b"{}".to_vec(),
            400,
            "byte 0",
        ),
        ("protobuf as JSON", &[JSON], traces.clone(), 400, ""),
        (
            "half JSON",
            &[JSON],
            b"{\"resourceSpans\":[".to_vec(),
            400,
            "",
        ),
        ("empty JSON", &[JSON], Vec::new(), 400, ""),
        ("not UTF-8", &[PROTOBUF], not_utf8, 400, "spans[0].name"),
        ("too deep", &[PROTOBUF], nested(200), 400, "nested"),
        (
            "plain as gzip",
            &[PROTOBUF, GZIP],
            traces.clone(),
            400,
            "not validly compressed",
        ),
        (
            "half gzip",
            &[PROTOBUF, GZIP],
            cut_gzip,
            400,
            "not validly compressed",
        ),
        ("gzip as plain", &[PROTOBUF], gzip, 400, "byte"),
        (
            "bomb",
            &[PROTOBUF, GZIP],
            bomb,
            413,
            "larger than max (200000)",
        ),
        ("large", &[PROTOBUF], large, 413, "vs. 100000)"),
        ("brotli", &[PROTOBUF, BROTLI], traces.clone(), 415, "gzip"),
        ("text", &[TEXT], traces.clone(), 415, "Content-Type"),
        ("untyped", &[], traces.clone(), 415, "Content-Type"),
    ];
    for (case, headers, body, status, says) in rows {
        let answer = post(address, "/v1/traces", headers, body).await;
        assert_eq!(answer.status, status, "{case}: {answer:?}");
        let typed = answer.header("content-type").expect("a content type");
        let message = if typed == "application/x-protobuf" {
            let status = Status::decode(answer.body.clone()).expect("a status");
            assert_ne!(status.code, 0, "{case}");
            status.message
        } else {
            assert_eq!(typed, "application/json", "{case}");
            let status: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            status["message"].as_str().expect("a message").to_owned()
        };
        assert!(
            !message.is_empty() && message.contains(says),
            "{case}: {message}"
        );
        assert_eq!(answer.header("retry-after"), None, "{case}");
        let hint = match case {
            "brotli" => ("accept-encoding", "gzip, zstd, deflate, identity"),
            "text" | "untyped" => ("accept-post", "application/x-protobuf, application/json"),
            _ => continue,
        };
        assert_eq!(answer.header(hint.0), Some(hint.1), "{case}");
    }
    assert!(backend.seen().is_empty());
    // None of it broke the receiver.
    assert_eq!(
        post(address, "/v1/traces", &[PROTOBUF], traces)
            .await
            .status,
        200
    );
    assert_eq!(backend.only().items(), 3);
}

#[tokio::test]
async fn the_body_of_another_signal_is_refused() {
    let backend = Backend::new();
    let address = receiver(&backend).await;
    let traces = protobuf(Signal::Traces, 3);
    for signal in [Signal::Metrics, Signal::Logs] {
        let path = format!("/v1/{signal}");
        let answer = post(address, &path, &[PROTOBUF], traces.clone()).await;
        assert_eq!(answer.status, 400, "{signal}: {answer:?}");
    }
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn paths_and_methods() {
    let backend = Backend::new();
    // Without a router, which would answer unknown paths by itself.
    let receiver = OtlpHttpReceiver::new(backend.clone()).path_prefix("otlp/");
    for (method, path, status) in [
        (Method::POST, "/otlp/v1/traces", 200),
        (Method::POST, "/otlp/v1/traces?x=1", 200),
        (Method::POST, "/v1/traces", 404),
        (Method::POST, "/otlp/v1/profiles", 404),
        (Method::GET, "/otlp/v1/traces", 405),
        (Method::PUT, "/otlp/v1/logs", 405),
        (Method::GET, "/elsewhere", 404),
    ] {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(PROTOBUF.0, PROTOBUF.1)
            .body(Full::new(protobuf(Signal::Traces, 1)))
            .expect("a request");
        let response = receiver.clone().oneshot(request).await;
        let Ok(response) = response;
        assert_eq!(response.status(), status, "{method} {path}");
        if status == 405 {
            assert_eq!(response.headers()["allow"], "POST");
        }
    }
    assert_eq!(backend.seen().len(), 2);
}

#[tokio::test]
async fn ones_own_routes_stand_beside() {
    let backend = Backend::new();
    let router = Router::new()
        .route("/health", get(|| async { "well" }))
        .merge(OtlpHttpReceiver::new(backend.clone()).into_axum_router())
        .nest(
            "/inner",
            OtlpHttpReceiver::new(backend.clone()).into_axum_router(),
        );
    let address = serve(router).await;
    let health = send(address, Method::GET, "/health", &[], "").await;
    assert_eq!(
        (health.status, &*health.body),
        (StatusCode::OK, &b"well"[..])
    );
    let logs = protobuf(Signal::Logs, 2);
    for path in ["/v1/logs", "/inner/v1/logs"] {
        let answer = post(address, path, &[PROTOBUF], logs.clone()).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(backend.seen().len(), 2);
    let got = send(address, Method::GET, "/v1/logs", &[], "").await;
    assert_eq!(
        (got.status, got.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, Some("POST"))
    );
    assert_eq!(post(address, "/elsewhere", &[], "").await.status, 404);
}

#[tokio::test]
async fn an_announced_size_is_refused_before_anything_is_read() {
    let address = receiver(&Backend::new()).await;
    let mut socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    // No byte of the body follows: an answer proves that nobody waits for it.
    let head = "POST /v1/traces HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-protobuf\r\n\
                content-length: 9999999999\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_of_unknown_size_is_refused_at_the_limit() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone()).max_wire_bytes(1_000_000);
    // It never ends, so only a limit can stop it.
    let endless = stream::repeat_with(|| Frame::data(Bytes::from_static(&[0; 1000])));
    let body = StreamBody::new(endless.map(Ok::<_, Infallible>));
    let request = Request::post("/v1/logs").header(PROTOBUF.0, PROTOBUF.1);
    let request = request.body(body).expect("a request");
    let Ok(response) = receiver.oneshot(request).await;
    assert_eq!(response.status(), 413);
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let frames = [
        Ok(Frame::data(protobuf(Signal::Logs, 1))),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ];
    let request = Request::post("/v1/logs").header(PROTOBUF.0, PROTOBUF.1);
    let request = request
        .body(StreamBody::new(stream::iter(frames)))
        .expect("a request");
    let backend = Backend::new();
    let Ok(response) = OtlpHttpReceiver::new(backend.clone())
        .oneshot(request)
        .await;
    assert_eq!(response.status(), 400);
    assert!(backend.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post("/v1/logs").header(PROTOBUF.0, PROTOBUF.1);
    let receiver = OtlpHttpReceiver::new(Backend::new()).read_timeout(Duration::from_secs(7));
    let start = tokio::time::Instant::now();
    let response = receiver
        .oneshot(request.body(body).expect("a request"))
        .await;
    let Ok(response) = response;
    assert_eq!(response.status(), 503);
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn the_limit_on_items_is_a_413() {
    let receiver = OtlpHttpReceiver::new(Backend::new()).limits(Limits::default().max_items(4));
    let address = serve(receiver.into_axum_router()).await;
    for (items, status) in [(4, 200), (5, 413)] {
        let body = protobuf(Signal::Metrics, items);
        let answer = post(address, "/v1/metrics", &[PROTOBUF], body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn only_the_accepted_compressions_are_taken() {
    let receiver = OtlpHttpReceiver::new(Backend::new()).accept([Compression::Zstd]);
    let address = serve(receiver.into_axum_router()).await;
    for (compression, status) in [
        (Compression::None, 200),
        (Compression::Zstd, 200),
        (Compression::Gzip, 415),
    ] {
        let body = compress(compression, &protobuf(Signal::Logs, 1));
        let headers = [PROTOBUF, ("content-encoding", compression.as_str())];
        let answer = post(address, "/v1/logs", &headers, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 415 {
            assert_eq!(answer.header("accept-encoding"), Some("zstd, identity"));
        }
    }
}

#[tokio::test]
async fn every_failure_of_the_exporter_has_its_status() {
    use ErrorKind as K;
    let after = |millis| RetryAdvice::After(Duration::from_millis(millis));
    for (kind, retry, status, retry_after) in [
        (K::Throttled, after(1500), 429, Some("2")),
        (K::Throttled, RetryAdvice::Backoff, 429, Some("1")),
        (K::Overloaded, after(3000), 429, Some("3")),
        (K::Unavailable, RetryAdvice::Backoff, 503, None),
        (K::Unavailable, after(1), 503, Some("1")),
        (K::CircuitOpen, RetryAdvice::Backoff, 503, None),
        (K::Timeout, RetryAdvice::Backoff, 504, None),
        (K::Internal, RetryAdvice::Backoff, 503, None),
        (K::Rejected, RetryAdvice::Never, 400, None),
        (K::TooLarge, RetryAdvice::Never, 413, None),
        (K::Unsupported, RetryAdvice::Never, 501, None),
        (K::Unauthenticated, RetryAdvice::Never, 503, None),
        (K::Closed, RetryAdvice::Never, 503, None),
    ] {
        let backend =
            Backend::answering(move |_| Err(ExportError::new(kind, "alas").with_retry(retry)));
        let address = receiver(&backend).await;
        let answer = post(address, "/v1/logs", &[PROTOBUF], protobuf(Signal::Logs, 1)).await;
        assert_eq!(answer.status, status, "{kind} {retry:?}");
        assert_eq!(
            answer.header("retry-after"),
            retry_after,
            "{kind} {retry:?}"
        );
        let message = Status::decode(answer.body).expect("a status").message;
        assert!(message.contains("alas"), "{message}");
    }
}

#[tokio::test]
async fn a_partial_success_is_told() {
    let backend = Backend::answering(|request| {
        Ok(ExportResponse::delivered(request.items() - 2).with_rejected(2, "too old"))
    });
    let address = receiver(&backend).await;
    let answer = post(
        address,
        "/v1/traces",
        &[PROTOBUF],
        protobuf(Signal::Traces, 5),
    )
    .await;
    assert_eq!(answer.status, 200);
    let partial = ExportTraceServiceResponse::decode(answer.body)
        .expect("a response")
        .partial_success
        .expect("partial");
    assert_eq!(
        (partial.rejected_spans, &*partial.error_message),
        (2, "too old")
    );
}

#[tokio::test]
async fn a_warning_is_told_without_rejected_items() {
    let backend = Backend::answering(|request| {
        Ok(ExportResponse::delivered(request.items()).with_message("deprecated"))
    });
    let address = receiver(&backend).await;
    let answer = post(address, "/v1/logs", &[PROTOBUF], protobuf(Signal::Logs, 5)).await;
    let partial = ExportLogsServiceResponse::decode(answer.body)
        .expect("a response")
        .partial_success
        .expect("a warning");
    assert_eq!(
        (partial.rejected_log_records, &*partial.error_message),
        (0, "deprecated")
    );
}

#[tokio::test]
async fn json_is_answered_in_json() {
    let backend =
        Backend::answering(|_| Ok(ExportResponse::delivered(3).with_rejected(2, "too old")));
    let address = receiver(&backend).await;
    let body = telemetry(Signal::Metrics, 5).encoded(Encoding::Json);
    let answer = post(address, "/v1/metrics", &[JSON], body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        told,
        serde_json::json!({"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "too old"}})
    );
}

#[tokio::test]
async fn only_what_is_allowed_travels_on() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone())
        .keep_header("X-Region")
        .tenant_header("X-Scope-OrgID");
    let address = serve(receiver.into_axum_router()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        PROTOBUF,
        ("x-region", "eu"),
        ("x-scope-orgid", "acme"),
        ("authorization", "Bearer s3cret"),
        ("traceparent", trace),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ];
    post(address, "/v1/logs", &headers, protobuf(Signal::Logs, 1)).await;
    let request = backend.only();
    let metadata = request.metadata();
    assert_eq!(metadata.tenant(), Some("acme"));
    assert_eq!(metadata.traceparent(), Some(trace));
    assert_eq!(metadata.tracestate(), Some("a=1,b=2"));
    let kept: Vec<_> = metadata.headers().collect();
    assert_eq!(kept, [("x-region", "eu")]);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_told_is_refused_and_not_taken_for_none() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone()).tenant_header("x-tenant");
    let address = serve(receiver.into_axum_router()).await;
    for (headers, why) in [
        (&[PROTOBUF, ("x-tenant", "caf\u{e9}")][..], "visible ASCII"),
        (&[PROTOBUF, ("x-tenant", "a"), ("x-tenant", "b")], "several"),
    ] {
        let answer = post(address, "/v1/logs", headers, protobuf(Signal::Logs, 1)).await;
        assert_eq!(answer.status, 400, "{why}");
        let told = String::from_utf8_lossy(&answer.body);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(backend.seen().len(), 0);
    let twice = [PROTOBUF, ("x-tenant", "a"), ("x-tenant", "a")];
    post(address, "/v1/logs", &twice, protobuf(Signal::Logs, 1)).await;
    assert_eq!(backend.only().metadata().tenant(), Some("a"));
    let empty = [PROTOBUF, ("x-tenant", "")];
    post(address, "/v1/logs", &empty, protobuf(Signal::Logs, 1)).await;
    assert_eq!(backend.seen()[1].metadata().tenant(), None);
}

/// The exporter that most Rust programs have, as it comes.
#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_of_the_sdk_is_understood() {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
    use tower_otlp::exporters::http::HttpClientOptions;

    let backend = Backend::new();
    let address = receiver(&backend).await;
    let client = HttpClientOptions::default().no_proxy().build();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client.expect("a client").into_inner())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("http://{address}/v1/traces"))
        .build()
        .expect("an exporter");
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .build();
    let tracer = provider.tracer("shop");
    #[expect(clippy::disallowed_methods, reason = "the SDK blocks its caller")]
    let ended = tokio::task::spawn_blocking(move || {
        tracer.in_span("GET /items", |_| {});
        provider.shutdown()
    });
    ended.await.expect("no panic").expect("shut down");
    let request = backend.only();
    let traces = request.traces().expect("traces");
    let names: Vec<String> = traces
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|span| span.name().to_string())
        .collect();
    assert_eq!(names, ["GET /items"]);
}

#[test]
fn the_receiver_can_be_mounted_anywhere() {
    fn mountable<S>(_: &S)
    where
        S: tower::Service<Request<axum::body::Body>, Error = Infallible, Future: Send>
            + tower::Service<Request<hyper::body::Incoming>, Error = Infallible>
            + tower::Service<Request<Full<Bytes>>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
    {
    }
    mountable(&OtlpHttpReceiver::new(Backend::new()));
}

#[tokio::test]
async fn any_limit_on_requests_lets_one_through() {
    for limit in [0, 1, usize::MAX] {
        let backend = Backend::new();
        let lifecycle = Lifecycle::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = OtlpServer::bind(any, any).await.expect("ports");
        let server = server.max_requests(limit);
        let address = server.http_address();
        let serving = tokio::spawn(server.serve(backend.clone(), &lifecycle));
        let body = protobuf(Signal::Logs, 2);
        let answer = tokio::time::timeout(
            Duration::from_secs(20),
            post(address, "/v1/logs", &[PROTOBUF], body),
        );
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(backend.only().items(), 2);
        let report = lifecycle.shutdown(Duration::from_secs(20)).await;
        assert!(report.complete, "{report}");
        serving.await.expect("no panic").expect("ended");
    }
}
