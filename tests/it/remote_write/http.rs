//! Messages over HTTP, to servers on real sockets.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, ServiceBuilderExt, Signal,
    exporters::{
        http::RequestBody,
        prometheus::remote_write::{
            PrometheusRemoteWriteBuilder, PrometheusRemoteWriteExporter, RemoteWriteVersion,
            encode::{EncodeOptions, Protocol},
        },
    },
    from_url,
    layers::{
        retry::RetryPolicy,
        split::{SplitConfig, SplitLayer},
    },
};

use super::{Series, attributes_json, gauge, metrics, read};
use crate::support::{
    backend::telemetry,
    http_server::{Authority, nobody, serve, serve_tls},
};

/// Status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, &'static str);

/// A receiver that answers what it is told to, or else takes what it knows, and remembers what it
/// was sent.
#[derive(Clone)]
struct Receiver {
    seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    /// How it treats 2.0.
    v2: V2,
}

#[derive(Clone, Copy, PartialEq)]
enum V2 {
    /// Takes it, and says how much it wrote.
    Takes,
    /// Reads it as 1.0: an empty message.
    Ignores,
    /// Answers this status.
    Refuses(u16),
}

impl Receiver {
    fn new(v2: V2) -> Self {
        Self {
            seen: Arc::default(),
            script: Arc::default(),
            v2,
        }
    }

    fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let this = Self::new(V2::Takes);
        this.script.lock().expect("no panic").extend(answers);
        this
    }

    fn answer(&self, protocol: Protocol, series: &[Series]) -> Answer {
        if let Some(next) = self.script.lock().expect("no panic").pop_front() {
            return next;
        }
        match (protocol, self.v2) {
            (Protocol::V2, V2::Takes) => {
                let count = |of: fn(&Series) -> usize| -> String {
                    series.iter().map(of).sum::<usize>().to_string()
                };
                let headers = vec![
                    (
                        "x-prometheus-remote-write-samples-written",
                        count(|one| one.samples.len()),
                    ),
                    (
                        "x-prometheus-remote-write-histograms-written",
                        count(|one| one.histograms.len()),
                    ),
                    (
                        "x-prometheus-remote-write-exemplars-written",
                        count(|one| one.exemplars.len()),
                    ),
                ];
                (204, headers, "")
            }
            (Protocol::V2, V2::Refuses(status)) => (status, vec![], "what is this?"),
            _ => (204, vec![], ""),
        }
    }

    fn router(&self) -> Router {
        let this = self.clone();
        Router::new().fallback(move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let protocol = protocol(&parts);
            let (status, headers, text) = this.answer(protocol, &read_body(protocol, &body));
            this.seen.lock().expect("no panic").push((parts, body));
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(text)).expect("a response")
        })
    }

    /// Version and series of each message that came.
    fn messages(&self) -> Vec<(Protocol, Vec<Series>)> {
        let seen = self.seen.lock().expect("no panic");
        let one = |(parts, body): &(Parts, Bytes)| {
            let protocol = protocol(parts);
            (protocol, read_body(protocol, body))
        };
        seen.iter().map(one).collect()
    }

    fn versions(&self) -> Vec<Protocol> {
        self.messages()
            .into_iter()
            .map(|(protocol, _)| protocol)
            .collect()
    }

    /// The names of the series of each message.
    fn names(&self) -> Vec<Vec<String>> {
        let names = |(_, series): (_, Vec<Series>)| series.iter().map(Series::name).collect();
        self.messages().into_iter().map(names).collect()
    }
}

fn protocol(parts: &Parts) -> Protocol {
    match parts.headers["x-prometheus-remote-write-version"].as_bytes() {
        b"2.0.0" => Protocol::V2,
        _ => Protocol::V1,
    }
}

fn read_body(protocol: Protocol, body: &[u8]) -> Vec<Series> {
    let message = snap::raw::Decoder::new()
        .decompress_vec(body)
        .expect("a block");
    read(protocol, &message)
}

fn written(samples: u64) -> Vec<(&'static str, String)> {
    vec![(
        "x-prometheus-remote-write-samples-written",
        samples.to_string(),
    )]
}

fn builder() -> PrometheusRemoteWriteBuilder {
    PrometheusRemoteWriteExporter::builder().no_proxy()
}

/// Gauges `x` with label `k` of these values.
fn points(keys: std::ops::Range<usize>) -> ExportRequest {
    let points: Vec<String> = keys
        .map(|key| {
            let attributes = attributes_json(&[("k", &key.to_string())]);
            format!(r#"{{"timeUnixNano":"1700000000000000000","asInt":"1","attributes":[{attributes}]}}"#)
        })
        .collect();
    metrics(&format!(
        r#"{{"name":"x","gauge":{{"dataPoints":[{}]}}}}"#,
        points.join(",")
    ))
}

/// The values of label `k` in a request.
fn keys(request: &ExportRequest) -> Vec<String> {
    let mut out: Vec<String> = super::names(request)
        .iter()
        .filter_map(|name| Some(name.split('"').nth(1)?.to_owned()))
        .collect();
    out.sort_by_key(|key| key.parse::<usize>().ok());
    out
}

async fn exporter(receiver: &Receiver) -> PrometheusRemoteWriteExporter {
    exporter_with(receiver, builder()).await
}

async fn exporter_with(
    receiver: &Receiver,
    builder: PrometheusRemoteWriteBuilder,
) -> PrometheusRemoteWriteExporter {
    let address = serve(receiver.router()).await;
    builder
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid")
}

async fn export(
    receiver: &Receiver,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    exporter(receiver).await.oneshot(request).await
}

#[tokio::test]
async fn what_stands_in_a_request() {
    for (version, number, content_type) in [
        (RemoteWriteVersion::V1, "0.1.0", "application/x-protobuf"),
        (
            RemoteWriteVersion::V2,
            "2.0.0",
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        ),
    ] {
        let receiver = Receiver::new(V2::Takes);
        let address = serve(receiver.router()).await;
        let exporter = builder()
            .endpoint(format!("http://user:p%40ss@{address}"))
            .version(version)
            .header("x-scope-orgid", "blue")
            .user_agent("shop/1.2")
            .build()
            .expect("valid");
        let response = exporter.oneshot(points(0..3)).await.expect("delivered");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (3, 0)
        );
        let destination =
            format!("prometheus-remote-write exporter (http://{address}/api/v1/write)");
        assert_eq!(response.destination(), Some(destination.as_str()));
        assert_eq!(response.message(), None);

        let (parts, body) = receiver.seen.lock().expect("no panic").remove(0);
        assert_eq!(
            (parts.method.as_str(), parts.uri.path()),
            ("POST", "/api/v1/write")
        );
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        assert_eq!(header("content-type"), Some(content_type));
        assert_eq!(header("content-encoding"), Some("snappy"));
        assert_eq!(header("x-prometheus-remote-write-version"), Some(number));
        // user:p@ss
        assert_eq!(header("authorization"), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(header("x-scope-orgid"), Some("blue"));
        assert!(
            header("user-agent")
                .expect("there")
                .starts_with("shop/1.2 tower-otlp/")
        );
        // The block format begins with a length, the framing format with ff 06.
        assert_ne!(body.first_chunk(), Some(&[0xff, 0x06]));
        assert_eq!(read_body(protocol(&parts), &body).len(), 3);
    }
}

#[tokio::test]
async fn each_status_means_what_the_protocol_says() {
    let after = || vec![("retry-after", "7".to_owned())];
    for (status, headers, kind, retry) in [
        (400, vec![], ErrorKind::Rejected, RetryAdvice::Never),
        (401, vec![], ErrorKind::Unauthenticated, RetryAdvice::Never),
        (403, vec![], ErrorKind::Unauthenticated, RetryAdvice::Never),
        (404, vec![], ErrorKind::Unsupported, RetryAdvice::Never),
        (413, vec![], ErrorKind::TooLarge, RetryAdvice::Never),
        (422, after(), ErrorKind::Rejected, RetryAdvice::Never),
        (429, vec![], ErrorKind::Throttled, RetryAdvice::Backoff),
        (
            429,
            after(),
            ErrorKind::Throttled,
            RetryAdvice::After(Duration::from_secs(7)),
        ),
        (500, vec![], ErrorKind::Unavailable, RetryAdvice::Backoff),
        (
            503,
            after(),
            ErrorKind::Unavailable,
            RetryAdvice::After(Duration::from_secs(7)),
        ),
        (504, vec![], ErrorKind::Timeout, RetryAdvice::Backoff),
        (302, vec![], ErrorKind::Rejected, RetryAdvice::Never),
    ] {
        let receiver = Receiver::answering([(status, headers, "no way")]);
        let exporter = exporter_with(&receiver, builder().version(RemoteWriteVersion::V1)).await;
        let error = exporter.oneshot(points(0..2)).await.expect_err("refused");
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{status}");
        assert!(
            error
                .to_string()
                .starts_with("prometheus-remote-write exporter (http://127")
        );
        assert!(error.remainder().is_none(), "all of it");
        assert_eq!(receiver.versions().len(), 1, "nothing is tried twice");
    }
}

#[tokio::test]
async fn a_row_of_the_table_may_be_replaced() {
    let receiver = Receiver::answering([(408, vec![], "")]);
    let builder = builder().version(RemoteWriteVersion::V1).on_status(
        408,
        ErrorKind::Timeout,
        RetryAdvice::Backoff,
    );
    let error = exporter_with(&receiver, builder)
        .await
        .oneshot(points(0..1))
        .await;
    assert!(error.expect_err("refused").is_retryable());
}

#[tokio::test]
async fn out_of_order_comes_with_advice() {
    let receiver = Receiver::answering([(400, vec![], "out of order sample")]);
    let exporter = exporter_with(&receiver, builder().version(RemoteWriteVersion::V1)).await;
    let error = exporter.oneshot(points(0..1)).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let text = error.to_string();
    assert!(
        text.contains("out of order sample") && text.contains("ConcurrencyLimit"),
        "{text}"
    );
}

#[tokio::test]
async fn what_was_not_written_is_rejected_and_counted() {
    let receiver = Receiver::answering([(200, written(3), "")]);
    let response = export(&receiver, points(0..5)).await.expect("taken");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (3, 2)
    );
    assert_eq!(
        response.message(),
        Some("the receiver wrote 3 of 5 samples")
    );
}

#[tokio::test]
async fn a_histogram_that_lost_samples_is_one_point() {
    let request = metrics(
        r#"{"name":"d","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1000000","count":"1","sum":1,
        "explicitBounds":[1,2],"bucketCounts":[1,0,0]}]}}"#,
    );
    let receiver = Receiver::answering([(200, written(1), "")]);
    let response = export(&receiver, request).await.expect("taken");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 1)
    );
    assert_eq!(
        response.message(),
        Some("the receiver wrote 1 of 5 samples")
    );
}

#[tokio::test]
async fn a_refusal_says_what_was_written_of_it() {
    let receiver = Receiver::answering([(400, written(3), "bad sample")]);
    let error = export(&receiver, points(0..5)).await.expect_err("refused");
    assert!(
        error
            .message()
            .contains("bad sample (the receiver wrote 3 of 5 samples)"),
        "{error}"
    );
    assert_eq!(receiver.versions(), [Protocol::V2], "it knows 2.0");
}

#[tokio::test]
async fn points_that_cannot_be_carried_are_counted() {
    let receiver = Receiver::new(V2::Takes);
    let request = metrics(
        r#"{"name":"s","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"},{"asInt":"2"}]}},
        {"name":"x","gauge":{"dataPoints":[{"asInt":"1"}]}}"#,
    );
    let response = export(&receiver, request).await.expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (1, 2)
    );
    let message = response.message().expect("why");
    assert!(
        message.starts_with("2 points cannot be sent, the first: metric `s`: it has delta"),
        "{message}"
    );
    // Nothing to send is no request.
    let request =
        metrics(r#"{"name":"s","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"}]}}"#);
    let response = export(&receiver, request).await.expect("nothing to do");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 1)
    );
    assert_eq!(receiver.versions().len(), 1);
}

/// A receiver of 1.0 that ignores the type says 2xx to an empty message.
#[tokio::test]
async fn a_receiver_that_swallows_2_0_gets_1_0_from_then_on() {
    for v2 in [V2::Ignores, V2::Refuses(415), V2::Refuses(400)] {
        let receiver = Receiver::new(v2);
        let exporter = exporter(&receiver).await;
        for round in 0..3 {
            let response = exporter
                .clone()
                .oneshot(points(0..2))
                .await
                .expect("delivered");
            assert_eq!(
                (response.delivered_items(), response.rejected_items()),
                (2, 0)
            );
            assert_eq!(receiver.versions().len(), round + 2);
        }
        assert_eq!(
            receiver.versions(),
            [Protocol::V2, Protocol::V1, Protocol::V1, Protocol::V1]
        );
        assert_eq!(receiver.names()[1].len(), 2, "all of it again");
    }
}

#[tokio::test]
async fn a_receiver_of_2_0_that_says_400_means_the_data() {
    let receiver = Receiver::answering([]);
    let exporter = exporter(&receiver).await;
    exporter
        .clone()
        .oneshot(points(0..1))
        .await
        .expect("delivered");
    receiver
        .script
        .lock()
        .expect("no panic")
        .push_back((400, vec![], "bad"));
    let error = exporter
        .clone()
        .oneshot(points(0..1))
        .await
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(receiver.versions(), [Protocol::V2, Protocol::V2]);
    // One that has never taken 2.0 and refuses 1.0 too has not shown what it knows.
    let receiver = Receiver::answering([(400, vec![], "bad"), (400, vec![], "bad")]);
    let exporter = self::exporter(&receiver).await;
    exporter
        .clone()
        .oneshot(points(0..1))
        .await
        .expect_err("refused");
    exporter.oneshot(points(0..1)).await.expect("delivered");
    assert_eq!(
        receiver.versions(),
        [Protocol::V2, Protocol::V1, Protocol::V2]
    );
}

#[tokio::test]
async fn a_fixed_version_does_not_fall_back() {
    for v2 in [V2::Ignores, V2::Refuses(415)] {
        let receiver = Receiver::new(v2);
        let exporter = exporter_with(&receiver, builder().version(RemoteWriteVersion::V2)).await;
        let error = exporter
            .oneshot(points(0..1))
            .await
            .expect_err("not understood");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_retryable());
        assert!(
            error
                .to_string()
                .contains("set the version to `auto` or `1`"),
            "{error}"
        );
        assert_eq!(receiver.versions(), [Protocol::V2]);
    }
}

#[tokio::test]
async fn other_signals_are_refused_at_once() {
    let receiver = Receiver::new(V2::Takes);
    let exporter = exporter(&receiver).await;
    for signal in [Signal::Traces, Signal::Logs] {
        let error = exporter
            .clone()
            .oneshot(telemetry(signal, 2))
            .await
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_retryable());
        let text = error.to_string();
        assert!(
            text.contains("prometheus-remote-write") && text.contains(signal.as_str()),
            "{text}"
        );
    }
    assert!(receiver.versions().is_empty());
}

#[tokio::test]
async fn a_large_request_is_several_messages_and_a_retry_sends_the_rest() {
    // The second one fails, and the third is not sent.
    let receiver = Receiver::answering([(204, written(4), ""), (503, vec![], "busy")]);
    let exporter = exporter_with(&receiver, builder().max_samples(4)).await;
    let error = exporter
        .clone()
        .oneshot(points(0..10))
        .await
        .expect_err("busy");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.progress().expect("some").delivered_items(), 4);
    let remainder = error.remainder().expect("some").clone();
    assert_eq!(keys(&remainder), ["4", "5", "6", "7", "8", "9"]);
    let response = exporter.oneshot(remainder).await.expect("delivered");
    assert_eq!(response.delivered_items(), 6);
    let sizes: Vec<usize> = receiver.names().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 4, 4, 2]);
}

#[tokio::test]
async fn a_refused_message_does_not_stop_the_others() {
    let receiver = Receiver::answering([
        (204, written(4), ""),
        (400, vec![], "bad"),
        (204, written(2), ""),
    ]);
    let exporter = exporter_with(&receiver, builder().max_samples(4)).await;
    let error = exporter
        .oneshot(points(0..10))
        .await
        .expect_err("refused in part");
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Rejected, false)
    );
    assert_eq!(error.progress().expect("some").delivered_items(), 6);
    assert_eq!(keys(error.remainder().expect("some")), ["4", "5", "6", "7"]);
}

#[tokio::test]
async fn a_split_above_halves_what_is_too_large() {
    let seen = Receiver::new(V2::Takes);
    let inner = seen.clone();
    let router = Router::new().fallback(move |request: Request<Body>| {
        let inner = inner.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let series = read_body(Protocol::V2, &body);
            let status = if series.len() > 3 { 413 } else { 204 };
            let mut response = Response::builder().status(status);
            if status == 204 {
                inner.seen.lock().expect("no panic").push((parts, body));
                response =
                    response.header("x-prometheus-remote-write-samples-written", series.len());
            }
            response.body(Body::empty()).expect("a response")
        }
    });
    let address = serve(router).await;
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let pipeline = ServiceBuilder::new()
        .layer(SplitLayer::new(SplitConfig::default()).expect("valid"))
        .service(exporter);
    let response = pipeline.oneshot(points(0..10)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 10);
    let all: Vec<String> = seen.names().concat();
    assert_eq!(all.len(), 10);
}

#[tokio::test]
async fn shards_go_side_by_side_and_share_no_series() {
    let barrier = Arc::new(tokio::sync::Barrier::new(4));
    let receiver = Receiver::new(V2::Takes);
    let (inner, waiting) = (receiver.clone(), Arc::clone(&barrier));
    let router = Router::new().fallback(move |request: Request<Body>| {
        let (inner, waiting) = (inner.clone(), Arc::clone(&waiting));
        async move {
            // All four are here at once, or this never ends.
            waiting.wait().await;
            inner.router().oneshot(request).await
        }
    });
    let address = serve(router).await;
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .shards(4)
        .build()
        .expect("valid");
    for _ in 0..2 {
        let response = exporter
            .clone()
            .oneshot(points(0..40))
            .await
            .expect("delivered");
        assert_eq!(response.delivered_items(), 40);
    }
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for names in receiver.names() {
        for name in names {
            *homes.entry(name).or_default() += 1;
        }
    }
    assert_eq!(homes.len(), 40);
    assert!(homes.values().all(|times| *times == 2), "{homes:?}");
}

/// Readiness is the turn: what a second clone would send waits until the first is done.
#[tokio::test]
async fn one_request_at_a_time() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (first, second) = (Arc::clone(&arrived), Arc::clone(&go));
    let transport = tower::service_fn(move |_: Request<RequestBody>| {
        let (arrived, go) = (Arc::clone(&first), Arc::clone(&second));
        async move {
            arrived.notify_one();
            go.notified().await;
            let response = Response::builder()
                .header("x-prometheus-remote-write-samples-written", 1)
                .body(RequestBody::default());
            Ok::<_, Infallible>(response.expect("valid"))
        }
    });
    let mut one = builder().build_on(transport).expect("valid");
    let mut two = one.clone();
    let under_way = tokio::spawn(one.ready().await.expect("ready").call(points(0..1)));
    arrived.notified().await;
    let mut waiting = tokio_test::task::spawn(two.ready());
    assert!(waiting.poll().is_pending());
    go.notify_one();
    under_way.await.expect("no panic").expect("delivered");
    assert!(waiting.is_woken());
    assert!(waiting.poll().is_ready());
    drop(waiting);
    // A turn that is not used is given back.
    let mut three = two.clone();
    assert!(tokio_test::task::spawn(three.ready()).poll().is_pending());
    drop(two);
    assert!(tokio_test::task::spawn(three.ready()).poll().is_ready());
    // So is that of a request that is given up.
    let given_up = three.call(points(0..1));
    let mut four = three.clone();
    drop(given_up);
    assert!(tokio_test::task::spawn(four.ready()).poll().is_ready());
}

#[tokio::test]
async fn nobody_is_there() {
    let address = nobody().await;
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let error = exporter.oneshot(points(0..1)).await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 64];
            let _ = socket.read(&mut some).await;
            let _ = socket.write_all(b"HTTP/1.1 20").await;
        }
    });
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let error = exporter.oneshot(points(0..1)).await.expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_undo_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 4096];
            let _ = socket.read(&mut some).await;
            let _ = socket
                .write_all(b"HTTP/1.1 200 OK\r\nx-prometheus-remote-write-samples-written: 1\r\ncontent-length: 100\r\n\r\nok")
                .await;
        }
    });
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let response = exporter.oneshot(points(0..1)).await.expect("taken");
    assert_eq!(response.delivered_items(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let transport = tower::service_fn(|_: Request<RequestBody>| {
        std::future::pending::<Result<Response<RequestBody>, Infallible>>()
    });
    let exporter = builder()
        .timeout(Duration::from_secs(3))
        .build_on(transport)
        .expect("valid");
    let start = tokio::time::Instant::now();
    let error = exporter.oneshot(points(0..1)).await.expect_err("late");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new();
    let receiver = Receiver::new(V2::Takes);
    let address = serve_tls(receiver.router(), authority.server(None)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).expect("written");
    let url = format!(
        "prometheus+rws://{address}/x?proxy=none&ca={}",
        ca.display()
    );
    let exporter = from_url(&url).expect("valid");
    let response = exporter.oneshot(points(0..2)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 2);
    assert_eq!(
        receiver.seen.lock().expect("no panic")[0].0.uri.path(),
        "/x"
    );
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let receiver = Receiver::answering([(401, vec![], "unknown token s3cret of hunter2")]);
    let address = serve(receiver.router()).await;
    let builder = builder()
        .endpoint(format!("http://me:hunter2@{address}/write?key=hidden"))
        .header("authorization", "Bearer s3cret")
        .version(RemoteWriteVersion::V1);
    let shown = format!("{builder:?}");
    let exporter = builder.build().expect("valid");
    let shown = format!("{shown}{exporter:?}");
    let error = exporter.oneshot(points(0..1)).await.expect_err("refused");
    let shown = format!("{shown}{error}{error:?}");
    for secret in ["s3cret", "hidden", "aHVudGVy"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(shown.contains("authorization"), "{shown}");
}

#[test]
fn headers_of_the_protocol_cannot_be_set() {
    for name in [
        "Content-Type",
        "Content-Encoding",
        "X-Prometheus-Remote-Write-Version",
        "User-Agent",
    ] {
        let error = builder().header(name, "x").build().expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error.to_string().contains("is set by the exporter"),
            "{error}"
        );
    }
    for name in ["", "__name__", "a.b", "0a"] {
        let options = EncodeOptions::default().external_label(name, "x");
        let error = builder().encode(options).build().expect_err(name);
        assert!(error.to_string().contains("external label"), "{error}");
    }
}

#[tokio::test]
async fn a_url_sets_every_option() {
    let receiver = Receiver::new(V2::Takes);
    let address = serve(receiver.router()).await;
    let url = format!(
        "prometheus+rw://{address}?version=1&shards=2&max_samples=5&max_request_bytes=1MiB\
         &timeout=3s&connect_timeout=1s&proxy=none&user_agent=shop/1&header.x-scope-orgid=blue\
         &translation_strategy=NoTranslation&namespace=ns&external_labels=cluster=eu,replica=a\
         &resource_labels=host.name&scope_labels=false&target_info=false&exemplars=false&metadata\
         &histograms=native&exponential_histograms=classic"
    );
    let exporter = from_url(&url).expect("valid");
    exporter
        .oneshot(gauge(&[("a.b", "c")]))
        .await
        .expect("delivered");
    assert_eq!(receiver.versions(), [Protocol::V1]);
    assert_eq!(
        receiver.names(),
        [[r#"ns_x{a.b="c",cluster="eu",replica="a"}"#]]
    );

    for (bad, word) in [
        ("version=3", "version"),
        ("shards=0", "shards"),
        ("max_samples=many", "max_samples"),
        ("translation_strategy=none", "translation_strategy"),
        ("external_labels=cluster", "external_labels"),
        ("external_labels=a.b=c", "external label"),
        ("histograms=both", "histograms"),
        ("compression=gzip", "compression"),
        ("header.content-encoding=gzip", "content-encoding"),
    ] {
        let error = from_url(&format!("prometheus+rw://h?{bad}"))
            .map(|_| ())
            .expect_err(bad);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn under_the_canonical_stack() {
    let receiver = Receiver::answering([(503, vec![], "busy"), (429, vec![], "slow")]);
    let exporter = exporter(&receiver).await;
    let pipeline = ServiceBuilder::new()
        .concurrency_limit(1)
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(1)))
        .map_request(|request: ExportRequest| request)
        .attempt_timeout(Duration::from_secs(5))
        .service(exporter);
    let response = pipeline.oneshot(points(0..3)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(receiver.versions().len(), 3);
}

/// With one request above the retry, no later one overtakes.
#[tokio::test]
async fn a_limit_above_the_retry_keeps_the_order() {
    let receiver = Receiver::answering([(503, vec![], "busy"), (503, vec![], "busy")]);
    let exporter = exporter(&receiver).await;
    let mut pipeline = ServiceBuilder::new()
        .concurrency_limit(1)
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(1)))
        .service(exporter);
    let mut calls = Vec::new();
    for second in 1..=4 {
        let request = metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{{"timeUnixNano":"{second}000000000","asInt":"1"}}]}}}}"#
        ));
        let call = pipeline.ready().await.expect("ready").call(request);
        calls.push(tokio::spawn(call));
    }
    for call in calls {
        call.await.expect("no panic").expect("delivered");
    }
    let times: Vec<i64> = receiver
        .messages()
        .iter()
        .map(|(_, series)| series[0].samples[0].1)
        .collect();
    assert_eq!(times, [1000, 1000, 1000, 2000, 3000, 4000]);
}
