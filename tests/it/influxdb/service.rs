//! The exporter over an HTTP service, and over a socket.

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    Compression, ErrorKind, ExportRequest, RetryAdvice, ServiceBuilderExt as _, Signal,
    exporters::{
        http::RequestBody,
        influxdb::{InfluxDbExporter, LineProtocol, MetricsSchema, WriteApi},
    },
    from_url,
    layers::retry::RetryPolicy,
};

use crate::support::{
    backend::telemetry,
    http_server::{nobody, serve},
};

/// Status, headers and body.
type Scripted = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A server that gives these answers, the last one again and again.
#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
    answers: Arc<Mutex<Vec<Scripted>>>,
}

impl Server {
    fn answering(answers: impl IntoIterator<Item = Scripted>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self {
            seen: Arc::default(),
            answers: Arc::new(Mutex::new(answers)),
        }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        self.seen.lock().expect("no panic").push((parts, body));
        let mut answers = self.answers.lock().expect("no panic");
        let (status, headers, body) = match answers.as_slice() {
            [last] => *last,
            _ => answers.pop().expect("an answer"),
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Full::from(body)).expect("an answer")
    }

    fn seen(&self) -> Vec<(Parts, Bytes)> {
        self.seen.lock().expect("no panic").clone()
    }

    async fn export(
        &self,
        builder: tower_otlp::exporters::influxdb::InfluxDbBuilder,
        request: ExportRequest,
    ) -> Result<tower_otlp::ExportResponse, tower_otlp::ExportError> {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        let exporter = builder.build_on(service).expect("options");
        exporter.oneshot(request).await
    }
}

const OK: Scripted = (204, &[], "");

fn v1() -> tower_otlp::exporters::influxdb::InfluxDbBuilder {
    InfluxDbExporter::builder().database("db")
}

fn logs(count: u64) -> ExportRequest {
    let records: Vec<String> = (1..=count)
        .map(|time| format!(r#"{{"timeUnixNano":"{time}","body":{{"stringValue":"x"}}}}"#))
        .collect();
    let json = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#,
        records.join(",")
    );
    ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("valid")
}

#[tokio::test]
async fn every_signal_and_version_arrives() {
    for (builder, path, authorization) in [
        (
            InfluxDbExporter::builder()
                .endpoint("http://user:pass@h:1")
                .database("db"),
            "http://h:1/write?db=db&precision=ns",
            Some("Basic dXNlcjpwYXNz"),
        ),
        (
            v1().endpoint("http://h:1"),
            "http://h:1/write?db=db&precision=ns",
            None,
        ),
        (
            InfluxDbExporter::builder()
                .endpoint("http://h:1")
                .bucket("o", "b")
                .token("t0ken"),
            "http://h:1/api/v2/write?org=o&bucket=b&precision=ns",
            Some("Token t0ken"),
        ),
        (
            InfluxDbExporter::builder()
                .endpoint("http://h:1")
                .database_v3("d")
                .token("t0ken"),
            "http://h:1/api/v3/write_lp?db=d&precision=nanosecond",
            Some("Bearer t0ken"),
        ),
    ] {
        for signal in Signal::ALL {
            let server = Server::answering([OK]);
            let request = telemetry(signal, 3);
            let items = request.items();
            let response = server.export(builder.clone(), request).await;
            let response = response.expect("delivered");
            assert_eq!(response.delivered_items(), items);
            assert_eq!(
                response.destination().map(|to| to.contains("t0ken")),
                Some(false)
            );
            let (parts, body) = server.seen().remove(0);
            assert_eq!(parts.method, "POST");
            assert_eq!(parts.uri, path);
            assert_eq!(parts.headers["content-type"], "text/plain; charset=utf-8");
            let sent = parts.headers.get("authorization");
            assert_eq!(
                sent.map(|value| value.to_str().expect("text")),
                authorization
            );
            assert!(!super::parser::parse(str::from_utf8(&body).expect("UTF-8")).is_empty());
        }
    }
}

#[tokio::test]
async fn what_each_answer_means() {
    const DELAY: &[(&str, &str)] = &[("retry-after", "7")];
    let after = RetryAdvice::After(Duration::from_secs(7));
    for (status, headers, kind, retry) in [
        (400, DELAY, ErrorKind::Rejected, RetryAdvice::Never),
        (401, DELAY, ErrorKind::Unauthenticated, RetryAdvice::Never),
        (403, DELAY, ErrorKind::Unauthenticated, RetryAdvice::Never),
        (404, DELAY, ErrorKind::Unsupported, RetryAdvice::Never),
        (413, DELAY, ErrorKind::TooLarge, RetryAdvice::Never),
        (422, DELAY, ErrorKind::Rejected, RetryAdvice::Never),
        (429, DELAY, ErrorKind::Throttled, after),
        (429, &[][..], ErrorKind::Throttled, RetryAdvice::Backoff),
        (500, &[][..], ErrorKind::Unavailable, RetryAdvice::Backoff),
        (502, &[][..], ErrorKind::Unavailable, RetryAdvice::Backoff),
        (503, DELAY, ErrorKind::Unavailable, after),
        (503, &[][..], ErrorKind::Unavailable, RetryAdvice::Backoff),
        (504, &[][..], ErrorKind::Timeout, RetryAdvice::Backoff),
    ] {
        for body in [
            "",
            "words",
            r#"{"error":"words"}"#,
            r#"{"message":"words"}"#,
        ] {
            let server = Server::answering([(status, headers, body)]);
            let error = server.export(v1(), logs(3)).await.expect_err("an error");
            assert_eq!(
                (error.kind(), error.retry()),
                (kind, retry),
                "{status} {body}"
            );
            assert_eq!(error.exporter(), Some("influxdb"));
            let says_why = error.message().contains("words");
            assert_eq!(says_why, body.contains("words"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_partial_write_counts_what_was_dropped() {
    for (status, body, rejected) in [
        (
            400,
            r#"{"error":"partial write: field type conflict dropped=2"}"#,
            2,
        ),
        (
            400,
            r#"{"error":"partial write: unable to parse 'x secret': bad dropped=0"}"#,
            1,
        ),
        (
            400,
            r#"{"error":"partial write: points beyond retention policy dropped=9"}"#,
            3,
        ),
        (
            422,
            r#"{"message":"failure writing: partial write: conflict dropped=1"}"#,
            1,
        ),
        (
            400,
            r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"secret","line_number":1,"error_message":"bad"}]}"#,
            1,
        ),
    ] {
        let server = Server::answering([(status, &[][..], body)]);
        let response = server.export(v1(), logs(3)).await.expect("an answer");
        assert_eq!(response.rejected_items(), rejected, "{body}");
        assert_eq!(response.delivered_items(), 3 - rejected);
        let message = response.message().expect("a reason");
        assert!(message.contains("partial write") && !message.contains("secret"));
    }
}

#[tokio::test]
async fn a_large_request_is_several_bodies() {
    let builder = || v1().line_protocol(LineProtocol::default().max_lines(4));
    let server = Server::answering([
        OK,
        (400, &[][..], r#"{"error":"partial write: x dropped=1"}"#),
        OK,
    ]);
    let response = server.export(builder(), logs(10)).await.expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (9, 1)
    );
    assert_eq!(server.seen().len(), 3);
    // A failure of one is a failure of all: a repeat does no harm.
    let server = Server::answering([OK, (503, &[][..], ""), OK]);
    let error = server.export(builder(), logs(10)).await.expect_err("busy");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn one_item_larger_than_a_body_is_too_large() {
    let server = Server::answering([OK]);
    let error = server
        .export(v1().max_request_bytes(10), logs(1))
        .await
        .expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_has_no_form_is_rejected_with_a_count() {
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"e","exponentialHistogram":{"dataPoints":[{}]}},
        {"name":"g","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#;
    let request = ExportRequest::from_json(Signal::Metrics, json).expect("valid");
    let server = Server::answering([OK]);
    let response = server
        .export(v1(), request.clone())
        .await
        .expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (1, 1)
    );
    assert!(response.message().expect("a reason").contains("`e`"));
    // Nothing is left to be sent.
    let server = Server::answering([(500, &[][..], "")]);
    let builder = v1().metrics_schema(MetricsSchema::OtelV1);
    let response = server.export(builder, request).await.expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 2)
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn gzip_over_a_socket_and_retries() {
    let server = Server::answering([(503, &[][..], ""), OK]);
    let router = Router::new().fallback({
        let server = server.clone();
        move |request: Request<axum::body::Body>| server.answer(request)
    });
    let address = serve(router).await;
    let url = format!(
        "influxdb+http://{address}/?org=o&bucket=b&token=s3cret&compression=gzip&proxy=none"
    );
    let exporter = from_url(&url).expect("a URL");
    let pipeline = ServiceBuilder::new()
        .concurrency_limit(1)
        .export_retry(RetryPolicy::default().initial_backoff(Duration::from_millis(1)))
        .buffer(4)
        .service(exporter);
    let response = pipeline.oneshot(logs(3)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 3);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    let (parts, body) = &seen[1];
    assert_eq!(parts.headers["content-encoding"], "gzip");
    assert_eq!(parts.headers["authorization"], "Token s3cret");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut text)
        .expect("gzip");
    assert_eq!(super::parser::parse(&text).len(), 3);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let exporter = v1()
        .endpoint(format!("http://{}", nobody().await))
        .no_proxy()
        .build()
        .expect("options");
    let error = exporter.oneshot(logs(1)).await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_a_timeout() {
    let never = tower::service_fn(|_: Request<RequestBody>| {
        std::future::pending::<Result<Response<Full<Bytes>>, std::convert::Infallible>>()
    });
    let exporter = v1().build_on(never).expect("options");
    let error = exporter.oneshot(logs(1)).await.expect_err("late");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn secrets_are_not_shown() {
    let builder = InfluxDbExporter::builder()
        .endpoint("http://h:1/?key=s3cret")
        .api(WriteApi::V2 {
            org: "o".to_owned(),
            bucket: "b".to_owned(),
        })
        .token("s3cret")
        .header("x-key", "s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let exporter = builder.build().expect("options");
    assert!(!format!("{exporter:?}").contains("s3cret"));
}

#[tokio::test]
async fn an_echoed_token_is_hidden() {
    let builder = InfluxDbExporter::builder().bucket("o", "b").token("s3cret");
    for body in ["no s3cret", r#"{"message":"no s3cret"}"#] {
        let server = Server::answering([(StatusCode::UNAUTHORIZED.as_u16(), &[][..], body)]);
        let error = server.export(builder.clone(), logs(1)).await;
        let error = error.expect_err("refused").to_string();
        assert!(
            !error.contains("s3cret") && error.contains("no "),
            "{error}"
        );
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    for (builder, why) in [
        (InfluxDbExporter::builder(), "which database or bucket"),
        (v1().database(""), "database is empty"),
        (
            InfluxDbExporter::builder().bucket("o", ""),
            "bucket is empty",
        ),
        (v1().compression(Compression::Zstd), "does not read zstd"),
        (v1().endpoint("ftp://h"), "http"),
        (v1().token("a\nb"), "token"),
        (
            v1().endpoint("http://u:p@h").token("t"),
            "a user in the URL",
        ),
        (
            v1().token("t").header("Authorization", "x"),
            "Authorization",
        ),
    ] {
        let error = builder.build().expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn urls() {
    for good in [
        "influxdb+http://h:8086/?db=telemetry",
        "influxdb+http://u:p@h?db=telemetry&rp=month&version=1",
        "influxdb+https://h/?org=o&bucket=b&token=t&precision=ms",
        "influxdb+http://h/?db=d&version=3&metrics_schema=otel-v1&integers_as_floats=true",
        "influxdb+http://h/?db=d&span_dimensions=a,b&log_record_dimensions=&timeout=5s",
    ] {
        from_url(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (bad, why) in [
        ("influxdb+http://h", "`db`: it is missing"),
        ("influxdb+http://h/?org=o", "`bucket`: it is missing"),
        ("influxdb+http://h/?bucket=o", "`org`: it is missing"),
        (
            "influxdb+http://h/?bucket=b&org=o&db=d",
            "InfluxDB 2 has none",
        ),
        (
            "influxdb+http://h/?db=d&version=3&rp=x",
            "InfluxDB 3 has none",
        ),
        (
            "influxdb+http://h/?db=d&version=4",
            "`4` is not one of 1, 2, 3",
        ),
        ("influxdb+http://h/?db=d&compression=zstd", "none, gzip"),
        ("influxdb+http://h/?db=d&precision=m", "ns, us, ms, s"),
        ("influxdb+http://h/?db=d&token=s3cret&x=1", "parameter"),
    ] {
        let error = from_url(bad).expect_err(bad).to_string();
        assert!(error.contains(why), "{bad}: {error}");
        assert!(!error.contains("s3cret"));
    }
}
