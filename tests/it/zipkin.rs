//! The Zipkin exporter over real sockets, and over services in the same process.

mod answers;
mod network;
mod properties;
mod whole;

use std::sync::{Arc, Mutex};

use axum::Router;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    Compression, ErrorKind, ExportRequest, ServiceBuilderExt, Signal,
    exporters::zipkin::{ZipkinEncoding, ZipkinExporter},
    from_url,
    layers::{
        retry::RetryPolicy,
        split::{SplitConfig, SplitLayer},
    },
};

use crate::support::{backend::telemetry, http_server::serve};

/// What a server was sent.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Parts, Bytes)>>>);

impl Seen {
    /// A server that takes everything, as Zipkin does, and remembers it.
    fn router(&self) -> Router {
        let seen = self.clone();
        Router::new().fallback(move |request: Request<axum::body::Body>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            seen.0.lock().expect("no panic").push((parts, body));
            Response::builder()
                .status(202)
                .body(axum::body::Body::empty())
                .expect("a response")
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

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// The spans of a JSON body.
fn spans(body: &[u8]) -> Vec<serde_json::Value> {
    serde_json::from_slice(body).expect("a JSON array")
}

/// Spans with these names, the others of whose fields are good.
fn named(names: &[&str]) -> Vec<Span> {
    let spans = names.iter().enumerate().map(|(number, name)| Span {
        trace_id: vec![1; 16],
        span_id: (number as u64 + 1).to_be_bytes().to_vec(),
        name: (*name).to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_500_000_000,
        ..Span::default()
    });
    spans.collect()
}

fn request(spans: Vec<Span>) -> ExportRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .into()
}

#[tokio::test]
async fn spans_arrive_in_each_encoding_and_compression() {
    let seen = Seen::default();
    let url = format!("http://{}", serve(seen.router()).await);
    for encoding in [ZipkinEncoding::Json, ZipkinEncoding::Protobuf] {
        for compression in [Compression::None, Compression::Gzip] {
            let exporter = ZipkinExporter::builder()
                .endpoint(&url)
                .encoding(encoding)
                .compression(compression)
                .no_proxy()
                .build()
                .expect("valid");
            let response = exporter.oneshot(telemetry(Signal::Traces, 5)).await;
            let response = response.expect("delivered");
            assert_eq!(response.delivered_items(), 5);
            assert_eq!(response.rejected_items(), 0);
            assert_eq!(response.message(), None);
            let to = format!("zipkin exporter ({url}/api/v2/spans)");
            assert_eq!(response.destination(), Some(to.as_str()));

            let (parts, body) = seen.only();
            assert_eq!(
                (parts.method.as_str(), parts.uri.path()),
                ("POST", "/api/v2/spans")
            );
            assert_eq!(
                header(&parts, "content-type"),
                Some(encoding.content_type())
            );
            let coding = (compression == Compression::Gzip).then_some("gzip");
            assert_eq!(header(&parts, "content-encoding"), coding);
            let mut plain = Vec::new();
            match compression {
                Compression::Gzip => {
                    let read = std::io::Read::read_to_end(&mut GzDecoder::new(&*body), &mut plain);
                    read.expect("gzip");
                }
                _ => plain.extend_from_slice(&body),
            }
            let names = (0..5).map(|number| format!("get /items/{number}"));
            let sent = telemetry(Signal::Traces, 5);
            let mut expected = Vec::new();
            tower_otlp::exporters::zipkin::encode::encode(
                sent.traces().expect("traces"),
                &tower_otlp::exporters::zipkin::ZipkinOptions::default().encoding(encoding),
                &mut expected,
            )
            .expect("no limit");
            assert_eq!(plain, expected);
            if encoding == ZipkinEncoding::Json {
                let found: Vec<_> = spans(&plain)
                    .iter()
                    .map(|span| span["name"].clone())
                    .collect();
                assert_eq!(found, names.collect::<Vec<_>>());
            }
        }
    }
}

#[tokio::test]
async fn what_stands_in_a_request() {
    let seen = Seen::default();
    let address = serve(seen.router()).await;
    let exporter = ZipkinExporter::builder()
        .endpoint(format!("http://user:p%40ss@{address}/zipkin/spans?key=1"))
        .header("x-api-key", "one")
        .headers([("x-other", "two")])
        .user_agent("shop/1.2")
        .no_proxy()
        .build()
        .expect("valid");
    let sent = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
    sent.expect("delivered");
    let (parts, body) = seen.only();
    assert_eq!(parts.uri, "/zipkin/spans?key=1");
    // user:p@ss
    assert_eq!(header(&parts, "authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(header(&parts, "x-api-key"), Some("one"));
    assert_eq!(header(&parts, "x-other"), Some("two"));
    let agent = header(&parts, "user-agent").expect("present");
    assert!(agent.starts_with("shop/1.2 tower-otlp-zipkin/"), "{agent}");
    let length = body.len().to_string();
    assert_eq!(header(&parts, "content-length"), Some(length.as_str()));
}

#[tokio::test]
async fn other_signals_are_unsupported_at_once() {
    let seen = Seen::default();
    for signal in [Signal::Metrics, Signal::Logs] {
        let exporter = ZipkinExporter::builder().build_on(seen.router());
        let error = exporter.expect("valid").oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("no form");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_retryable());
        assert_eq!(error.exporter(), Some("zipkin"));
        assert!(error.message().contains(signal.as_str()), "{error}");
    }
    assert!(seen.take().is_empty());
}

#[tokio::test]
async fn a_span_that_zipkin_cannot_carry_is_counted_and_its_neighbours_arrive() {
    let seen = Seen::default();
    let exporter = ZipkinExporter::builder()
        .build_on(seen.router())
        .expect("valid");
    let mut list = named(&["a", "bad", "c", "worse"]);
    list[1].trace_id.clear();
    list[3].span_id = vec![0; 8];
    let response = exporter.clone().oneshot(request(list.clone())).await;
    let response = response.expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (2, 2)
    );
    let message = response.message().expect("a reason");
    assert!(
        message.starts_with("Zipkin cannot carry 2 of the spans; the first is span \"bad\""),
        "{message}"
    );
    let (_, body) = seen.only();
    let names: Vec<_> = spans(&body)
        .iter()
        .map(|span| span["name"].clone())
        .collect();
    assert_eq!(names, ["a", "c"]);

    // Nothing is sent if nothing is left, and nothing if there was nothing.
    let response = exporter.clone().oneshot(request(list[1..2].to_vec())).await;
    let response = response.expect("no failure");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 1)
    );
    let response = exporter.oneshot(request(Vec::new())).await;
    assert_eq!(response.expect("no failure").delivered_items(), 0);
    assert!(seen.take().is_empty());
}

#[tokio::test]
async fn a_span_that_ends_before_it_starts_is_told() {
    let seen = Seen::default();
    let exporter = ZipkinExporter::builder()
        .build_on(seen.router())
        .expect("valid");
    let mut list = named(&["a", "b"]);
    list[0].end_time_unix_nano = 1;
    let response = exporter.oneshot(request(list)).await.expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (2, 0)
    );
    assert_eq!(
        response.message(),
        Some("1 of the spans end before they start, and were sent without a duration")
    );
}

#[tokio::test]
async fn what_is_too_large_is_not_sent_and_split_halves_it() {
    let seen = Seen::default();
    let exporter = |bytes| {
        ZipkinExporter::builder()
            .max_request_bytes(bytes)
            // It would fit if it were measured after compression.
            .compression(Compression::Gzip)
            .build_on(seen.router())
            .expect("valid")
    };
    let sent = telemetry(Signal::Traces, 64);
    let error = exporter(4000).oneshot(sent.clone()).await;
    let error = error.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.exporter(), Some("zipkin"));
    assert!(seen.take().is_empty());

    let split = SplitLayer::new(SplitConfig::default()).expect("a configuration");
    let pipeline = ServiceBuilder::new().layer(split).service(exporter(4000));
    let response = pipeline.oneshot(sent).await.expect("delivered");
    assert_eq!(response.delivered_items(), 64);
    let bodies = seen.take();
    assert!(bodies.len() > 1);
    let mut names = Vec::new();
    for (_, body) in &bodies {
        let mut plain = Vec::new();
        let read = std::io::Read::read_to_end(&mut GzDecoder::new(&**body), &mut plain);
        read.expect("gzip");
        assert!(plain.len() <= 4000);
        names.extend(spans(&plain).iter().map(|span| span["name"].clone()));
    }
    let expected: Vec<_> = (0..64)
        .map(|number| format!("get /items/{number}"))
        .collect();
    assert_eq!(names, expected);
}

/// A request of half a megabyte whose form would be gigabytes.
#[tokio::test]
async fn tags_that_repeat_do_not_fill_the_memory() {
    let seen = Seen::default();
    let exporter = ZipkinExporter::builder()
        .build_on(seen.router())
        .expect("valid");
    let mut all =
        ExportTraceServiceRequest::decode(request(named(&["x"; 10_000])).protobuf().clone())
            .expect("decodes");
    let large = opentelemetry_proto::tonic::common::v1::KeyValue {
        key: "large".to_owned(),
        value: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
            value: Some(
                opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(
                    "x".repeat(300_000),
                ),
            ),
        }),
        ..Default::default()
    };
    let resource = all.resource_spans[0].resource.get_or_insert_default();
    resource.attributes.push(large);
    let error = exporter.oneshot(all.into()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(seen.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_stands_under_the_canonical_stack() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let seen = Seen::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let server = {
        let (calls, router) = (Arc::clone(&calls), seen.router());
        tower::service_fn(move |request| {
            let (router, call) = (router.clone(), calls.fetch_add(1, Ordering::SeqCst));
            async move {
                if call < 2 {
                    let response = Response::builder().status(503).header("retry-after", "3");
                    return Ok(response
                        .body(axum::body::Body::empty())
                        .expect("a response"));
                }
                router.oneshot(request).await
            }
        })
    };
    let exporter = ZipkinExporter::builder().build_on(server).expect("valid");
    let split = SplitLayer::new(SplitConfig::default()).expect("a configuration");
    let pipeline = ServiceBuilder::new()
        .layer(split)
        .export_retry(RetryPolicy::new())
        .concurrency_limit(4)
        .timeout(std::time::Duration::from_secs(60))
        .attempt_timeout(std::time::Duration::from_secs(30))
        .load_shed()
        .service(exporter);
    let start = tokio::time::Instant::now();
    let response = pipeline.oneshot(telemetry(Signal::Traces, 7)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 7);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    // Both waits were as long as the server asked for.
    assert!(start.elapsed().as_secs() >= 6, "{:?}", start.elapsed());
    assert_eq!(spans(&seen.only().1).len(), 7);
}

#[tokio::test]
async fn from_a_url() {
    let seen = Seen::default();
    let address = serve(seen.router()).await;
    for (path, expected) in [
        ("", "/api/v2/spans"),
        ("/", "/api/v2/spans"),
        ("/other", "/other"),
    ] {
        let url = format!(
            "zipkin+http://user:pass@{address}{path}?encoding=protobuf&compression=gzip&timeout=5s\
             &header.x-key=a%2Bb%20c&default_service_name=mine&annotations=collector\
             &link_tags=false&library_tags&internal_kind_tag=true&max_request_bytes=1MiB&proxy=none"
        );
        let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
        let response = exporter.oneshot(request(named(&["x"]))).await;
        assert_eq!(response.expect("delivered").delivered_items(), 1);
        let (parts, body) = seen.only();
        assert_eq!(parts.uri, expected);
        assert_eq!(header(&parts, "x-key"), Some("a+b c"));
        // user:pass
        assert_eq!(header(&parts, "authorization"), Some("Basic dXNlcjpwYXNz"));
        assert_eq!(
            header(&parts, "content-type"),
            Some("application/x-protobuf")
        );
        let mut plain = Vec::new();
        let read = std::io::Read::read_to_end(&mut GzDecoder::new(&*body), &mut plain);
        read.expect("gzip");
        assert!(plain.ends_with(b"\x42\x06\x0a\x04mine"), "{plain:?}");
    }
}

#[test]
fn wrong_urls_are_named_without_secrets() {
    for (url, says) in [
        ("zipkin+http:", "host: it is missing"),
        (
            "zipkin+http://h?compression=zstd",
            "`zstd` is not one of none, gzip",
        ),
        (
            "zipkin+http://h?encoding=thrift",
            "`thrift` is not one of json, protobuf",
        ),
        (
            "zipkin+http://h?annotations=x",
            "`x` is not one of specification, collector",
        ),
        (
            "zipkin+http://h?link_tags=1",
            "`1` is not one of true, false",
        ),
        ("zipkin+http://u:s3cret@h?tags=1", "knows no such parameter"),
        ("zipkin+http://u:s3cret@h?ca=/x", "knows no such parameter"),
        ("zipkin+http://h?header.x=s3cret%0a", "header x is invalid"),
        ("zipkin+https://u:s3cret@h?ca=/no/such.pem", "`ca`"),
    ] {
        let Err(error) = from_url(url) else {
            panic!("{url} is accepted");
        };
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn wrong_options_are_named_without_secrets() {
    let builder = ZipkinExporter::builder;
    for (options, says) in [
        (builder().endpoint("s3cret:9411"), "http:// or https://"),
        (builder().endpoint("http://u:s3cret@h:p"), "not a valid URL"),
        (builder().header("x-key", "s3cret\n"), "x-key"),
        (builder().header("content-type", "s3cret"), "content-type"),
        (builder().compression(Compression::Zstd), "gzip"),
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
