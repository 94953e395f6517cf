//! The OTLP/HTTP exporter over real sockets, and over services in the same process.

#![allow(clippy::expect_used, clippy::panic)]

mod answers;
mod large;
mod network;
mod secure;

use std::sync::{Arc, Mutex};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    Compression, Encoding, ErrorKind, Metadata, Signal,
    exporters::{http::RequestBody, otlp::OtlpHttpExporter},
    receivers::OtlpHttpReceiver,
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::serve,
};

/// What a server was sent.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Parts, Bytes)>>>);

impl Seen {
    /// A server that takes everything, and remembers it.
    fn router(&self) -> Router {
        let seen = self.clone();
        Router::new().fallback(move |request: Request<axum::body::Body>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            seen.0.lock().expect("no panic").push((parts, body));
            Response::new(axum::body::Body::empty())
        })
    }

    fn take(&self) -> Vec<(Parts, Bytes)> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }

    fn only(&self) -> (Parts, Bytes) {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

#[tokio::test]
async fn every_signal_encoding_and_compression_arrives() {
    let backend = Backend::new();
    let router = OtlpHttpReceiver::new(backend.clone()).into_axum_router();
    let url = format!("http://{}", serve(router).await);
    let mut count = 0;
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        for compression in [Compression::None].into_iter().chain(Compression::ALL) {
            let exporter = OtlpHttpExporter::builder()
                .endpoint(&url)
                .encoding(encoding)
                .compression(compression)
                .no_proxy()
                .build()
                .expect("valid");
            for signal in Signal::ALL {
                let case = format!("{signal} {encoding:?} {compression:?}");
                let sent = telemetry(signal, 5);
                let response = exporter.clone().oneshot(sent.clone()).await;
                let response = response.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(response.delivered_items(), 5, "{case}");
                assert_eq!(response.rejected_items(), 0, "{case}");
                assert_eq!(response.message(), None, "{case}");
                let to = format!("otlp-http exporter ({url}/v1/{signal})");
                assert_eq!(response.destination(), Some(to.as_str()), "{case}");
                let seen = backend.seen();
                count += 1;
                assert_eq!(seen.len(), count, "{case}");
                let got = seen.last().expect("one");
                assert_eq!(got.signal(), signal, "{case}");
                assert_eq!(got.encoded(encoding), sent.encoded(encoding), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn what_stands_in_a_request() {
    let seen = Seen::default();
    let url = format!(
        "http://user:p%40ss@{}/base/?key=1",
        serve(seen.router()).await
    );
    let exporter = OtlpHttpExporter::builder()
        .endpoint(url)
        .header("x-api-key", "one")
        .headers([("x-api-key", "two"), ("x-other", "three")])
        .compression(Compression::Zstd)
        .user_agent("shop/1.2")
        .no_proxy()
        .build()
        .expect("valid");
    let sent = telemetry(Signal::Metrics, 3);
    exporter.oneshot(sent.clone()).await.expect("delivered");

    let (parts, body) = seen.only();
    assert_eq!(parts.method, "POST");
    assert_eq!(parts.uri, "/base/v1/metrics?key=1");
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    assert_eq!(header("content-type"), Some("application/x-protobuf"));
    assert_eq!(header("content-encoding"), Some("zstd"));
    // user:p@ss
    assert_eq!(header("authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(header("x-other"), Some("three"));
    let keys: Vec<_> = parts.headers.get_all("x-api-key").iter().collect();
    assert_eq!(keys, ["one", "two"]);
    let agent = header("user-agent").expect("present");
    assert!(
        agent.starts_with("shop/1.2 OTel-OTLP-Exporter-Rust-tower/"),
        "{agent}"
    );
    assert_eq!(zstd::decode_all(&*body).expect("zstd"), sent.protobuf()[..]);
    assert_eq!(
        header("content-length"),
        Some(body.len().to_string().as_str())
    );
}

#[tokio::test]
async fn the_url_of_a_signal_is_used_as_it_is() {
    let seen = Seen::default();
    let address = serve(seen.router()).await;
    let exporter = OtlpHttpExporter::builder()
        .endpoint(format!("http://{address}"))
        .traces_endpoint(format!("http://{address}"))
        .metrics_endpoint(format!("http://{address}/ingest?kind=m"))
        .no_proxy()
        .build()
        .expect("valid");
    for (signal, uri) in [
        (Signal::Traces, "/"),
        (Signal::Metrics, "/ingest?kind=m"),
        (Signal::Logs, "/v1/logs"),
    ] {
        let sent = exporter.clone().oneshot(telemetry(signal, 1)).await;
        sent.expect("delivered");
        assert_eq!(seen.only().0.uri, uri, "{signal}");
    }
}

#[tokio::test]
async fn metadata_travels_on_if_it_is_told_to() {
    let seen = Seen::default();
    let metadata = Metadata::default()
        .with_header("X-Region", "eu")
        .with_header("x-region", "us")
        .with_header("x-api-key", "theirs")
        .with_header("content-type", "text/plain")
        .with_header("content-length", "1")
        .with_header("not a name", "x")
        .with_trace_context("00-aa-bb-01", Some("k=v".into()));
    for forward in [false, true] {
        let exporter = OtlpHttpExporter::builder()
            .header("x-api-key", "ours")
            .forward_headers(forward)
            .build_on(seen.router())
            .expect("valid");
        let sent = telemetry(Signal::Logs, 1).with_metadata(metadata.clone());
        exporter.oneshot(sent).await.expect("delivered");
        let (parts, _) = seen.only();
        let all = |name: &str| -> Vec<String> {
            let values = parts.headers.get_all(name).iter();
            values
                .map(|value| value.to_str().expect("text").to_owned())
                .collect()
        };
        assert_eq!(all("x-api-key"), ["ours"]);
        assert_eq!(all("content-type"), ["application/x-protobuf"]);
        assert!(all("content-length").is_empty());
        if forward {
            assert_eq!(all("x-region"), ["eu", "us"]);
            assert_eq!(all("traceparent"), ["00-aa-bb-01"]);
            assert_eq!(all("tracestate"), ["k=v"]);
        } else {
            for name in ["x-region", "traceparent", "tracestate"] {
                assert!(all(name).is_empty(), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn any_http_service_is_a_transport() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone());
    let request = || telemetry(Signal::Traces, 2);

    // Our own receiver.
    let exporter = OtlpHttpExporter::builder().build_on(receiver.clone());
    let response = exporter.expect("valid").oneshot(request()).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);

    // A router.
    let router = receiver.clone().into_axum_router();
    let exporter = OtlpHttpExporter::builder().build_on(router.clone());
    let response = exporter.expect("valid").oneshot(request()).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);

    // hyper's client.
    let url = format!("http://{}", serve(router).await);
    let client = Client::builder(TokioExecutor::new()).build_http::<RequestBody>();
    let exporter = OtlpHttpExporter::builder().endpoint(&url).build_on(client);
    let response = exporter.expect("valid").oneshot(request()).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);

    // reqwest under layers of tower, whose error is boxed.
    let exporter = OtlpHttpExporter::builder()
        .endpoint(&url)
        .no_proxy()
        .build_with(|client| {
            ServiceBuilder::new()
                .concurrency_limit(1)
                .timeout(std::time::Duration::from_secs(30))
                .map_request(|mut request: Request<RequestBody>| {
                    let token = http::HeaderValue::from_static("fresh");
                    request.headers_mut().insert("x-token", token);
                    request
                })
                .service(client)
        });
    let response = exporter.expect("valid").oneshot(request()).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);

    let seen = backend.seen();
    assert_eq!(seen.len(), 4);
    assert!(
        seen.iter()
            .all(|got| got.protobuf() == request().protobuf())
    );
}

#[tokio::test]
async fn a_body_is_made_once_for_all_attempts() {
    let pointers = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let pointers = Arc::clone(&pointers);
        tower::service_fn(move |request: Request<RequestBody>| {
            let body = request.into_body().into_inner().expect("a body");
            pointers
                .lock()
                .expect("no panic")
                .push(body.as_ptr() as usize);
            async { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new()))) }
        })
    };
    let exporter = OtlpHttpExporter::builder()
        .encoding(Encoding::Json)
        .compression(Compression::Gzip)
        .build_on(service)
        .expect("valid");
    let request = telemetry(Signal::Logs, 50);
    for _ in 0..3 {
        let response = exporter.clone().oneshot(request.clone()).await;
        response.expect("delivered");
    }
    let pointers = pointers.lock().expect("no panic");
    assert_eq!(pointers.len(), 3);
    assert!(pointers.iter().all(|pointer| *pointer == pointers[0]));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let seen = Seen::default();
        let request = telemetry(Signal::Logs, 100);
        let size = request.encoded(encoding).len().max(request.byte_size());
        for (limit, sent) in [(size, true), (size - 1, false)] {
            let exporter = OtlpHttpExporter::builder()
                .encoding(encoding)
                // It would fit if it were measured after compression.
                .compression(Compression::Gzip)
                .max_request_bytes(limit)
                .build_on(seen.router())
                .expect("valid");
            match exporter.oneshot(request.clone()).await {
                Ok(_) => assert!(sent),
                Err(error) => {
                    assert!(!sent, "{error}");
                    assert_eq!(error.kind(), ErrorKind::TooLarge);
                    assert_eq!(error.exporter(), Some("otlp-http"));
                }
            }
            assert_eq!(seen.take().len(), usize::from(sent));
        }
    }
}

#[test]
fn wrong_options_are_named_without_secrets() {
    let builder = OtlpHttpExporter::builder;
    for (options, says) in [
        (builder().endpoint("s3cret:4318"), "http:// or https://"),
        (
            builder().traces_endpoint("ftp://u:s3cret@h"),
            "the endpoint for traces",
        ),
        (builder().endpoint("http://u:s3cret@h:p"), "not a valid URL"),
        (builder().header("x-key", "s3cret\n"), "x-key"),
        (builder().header("not a name", "s3cret"), "name"),
        (builder().header("content-type", "s3cret"), "content-type"),
        (builder().user_agent("s3cret\n"), "user agent"),
        (builder().proxy("s3cret"), "proxy"),
    ] {
        let shown = format!("{options:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let error = options.build().expect_err(says);
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(says), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let address = crate::support::http_server::nobody().await;
    let builder = OtlpHttpExporter::builder()
        .endpoint(format!("http://user:s3cret@{address}/?token=s3cret"))
        .header("authorization", "Bearer s3cret")
        .proxy(format!("http://user:s3cret@{address}"));
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let exporter = builder.build().expect("valid");
    let shown = format!("{exporter:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("authorization"), "{shown}");
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let error = error.expect_err("nobody is there");
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("user:"),
        "{shown}"
    );
}
