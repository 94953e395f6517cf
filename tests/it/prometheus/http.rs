//! Pages over HTTP: by the service, the router, and the exporter's own server.

use std::{io::Read as _, net::SocketAddr, time::Duration};

use ::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    ServiceBuilderExt as _,
    exporters::prometheus::PrometheusExporter,
    from_url,
    layers::{
        queue::{QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
};

use super::*;

const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn filled() -> PrometheusExporter {
    let exporter = plain();
    take(&exporter, &metrics(&gauge("x", "1")));
    exporter
}

async fn ask(
    exporter: &PrometheusExporter,
    method: Method,
    headers: &[(header::HeaderName, &str)],
) -> (Response<Full<Bytes>>, Bytes) {
    let mut request = Request::builder().method(method).uri("/whatever");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(()).expect("a request");
    let answer = exporter
        .http_service()
        .oneshot(request)
        .await
        .expect("infallible");
    let body = answer.body().clone().collect().await.expect("whole");
    (answer, body.to_bytes())
}

#[tokio::test]
async fn the_format_is_negotiated() {
    let exporter = filled();
    for (accept, content_type, body) in [
        (
            "*/*",
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            &b"# TYPE x gauge\nx 1\n"[..],
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            b"# TYPE x gauge\nx 1.0\n# EOF\n",
        ),
        (
            PROTOBUF,
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores",
            b"\x12\x0a\x01x\x18\x01\x22\x0b\x12\x09\x09\0\0\0\0\0\0\xf0\x3f",
        ),
    ] {
        let (answer, found) = ask(&exporter, Method::GET, &[(header::ACCEPT, accept)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type);
        assert_eq!(found, body);
    }
    assert_eq!(exporter.stats().scrapes, 3);
}

#[tokio::test]
async fn openmetrics_can_be_switched_off() {
    let exporter = built(PrometheusExporter::builder().openmetrics(false));
    let accept = [(header::ACCEPT, "application/openmetrics-text")];
    let (answer, _) = ask(&exporter, Method::GET, &accept).await;
    let content_type = answer.headers()[header::CONTENT_TYPE]
        .to_str()
        .expect("text");
    assert!(content_type.starts_with("text/plain"), "{content_type}");
}

#[tokio::test]
async fn gzip_is_for_those_who_take_it() {
    let exporter = plain();
    let many: Vec<String> = (0..9000)
        .map(|number| gauge(&format!("gauge_number_{number}"), "1"))
        .collect();
    take(&exporter, &metrics(&many.join(",")));
    let (answer, plain_body) = ask(&exporter, Method::GET, &[]).await;
    assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    let gzip = [(header::ACCEPT_ENCODING, "gzip")];
    let (answer, body) = ask(&exporter, Method::GET, &gzip).await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(body.len() < plain_body.len() / 4);
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_end(&mut read)
        .expect("gzip");
    assert_eq!(read, plain_body);
    assert_eq!(
        parser::text(std::str::from_utf8(&read).expect("UTF-8")).len(),
        9000
    );
}

#[tokio::test]
async fn head_and_other_methods() {
    let exporter = filled();
    let (answer, body) = ask(&exporter, Method::HEAD, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "19");
    assert_eq!(body, "");
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let (answer, _) = ask(&exporter, method, &[]).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD");
    }
    assert_eq!(exporter.stats().scrapes, 1);
}

/// A page is written in pieces: others on the same thread have their turn in between.
#[tokio::test]
async fn a_large_page_leaves_room_for_others() {
    let exporter = plain();
    let points = (0..50_000).map(|number| {
        format!(
            r#"{{"asInt":"1","attributes":[{{"key":"number","value":{{"intValue":"{number}"}}}}]}}"#
        )
    });
    let points = points.collect::<Vec<_>>().join(",");
    take(
        &exporter,
        &metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{points}]}}}}"#
        )),
    );
    let request = Request::new(());
    let mut scrape = tokio_test::task::spawn(exporter.http_service().oneshot(request));
    let mut turns = 0;
    while scrape.poll().is_pending() {
        assert!(scrape.is_woken());
        turns += 1;
    }
    assert!(turns >= 3, "{turns}");
}

async fn get(url: &str) -> (StatusCode, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client
        .get(url.parse().expect("a URL"))
        .await
        .expect("an answer");
    let status = answer.status();
    (
        status,
        answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes(),
    )
}

#[tokio::test]
async fn the_router_has_the_usual_path() {
    let exporter = filled();
    let app = axum::Router::new().merge(exporter.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (status, body) = get(&format!("http://{address}/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, "# TYPE x gauge\nx 1\n");
}

fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn a_server_of_its_own_from_a_url() {
    let address = free_port();
    let url = format!(
        "prometheus://{address}/own/path?namespace=shop&label.region=eu&resource_labels=host.*,k8s.*\
         &translation_strategy=UnderscoreEscapingWithoutSuffixes&metric_expiration=1h&max_series=7\
         &scope_info=false&target_info=false&created_lines&openmetrics=false&delta_up_down_sums=true"
    );
    let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
    let resource = r#""host.name":"h""#;
    let answer = exporter
        .clone()
        .oneshot(with_resource(resource, &counter("x", 1, 1)))
        .await;
    assert_eq!(answer.expect("taken").delivered_items(), 1);
    let (status, body) = get(&format!("http://{address}/own/path")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        "# TYPE shop_x counter\nshop_x{host_name=\"h\",region=\"eu\"} 1\n"
    );
    assert_eq!(
        get(&format!("http://{address}/metrics")).await.0,
        StatusCode::NOT_FOUND
    );

    // The port is in use: the error says which.
    let error = from_url(&url).expect_err("occupied").to_string();
    assert!(
        error.contains("cannot be bound") && error.contains(&address.to_string()),
        "{error}"
    );

    // With the last clone the server goes.
    let copy = exporter.clone();
    drop(exporter);
    assert_eq!(
        get(&format!("http://{address}/own/path")).await.0,
        StatusCode::OK
    );
    drop(copy);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while std::net::TcpListener::bind(address).is_err() {
        assert!(tokio::time::Instant::now() < deadline, "still bound");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn urls_that_are_wrong() {
    for (url, part) in [
        ("prometheus://", "host"),
        ("prometheus://127.0.0.1:0/?namespacee=x", "`namespacee`"),
        (
            "prometheus://127.0.0.1:0/?metric_expiration=5",
            "`metric_expiration`",
        ),
        ("prometheus://127.0.0.1:0/?max_series=0", "`max_series`"),
        (
            "prometheus://127.0.0.1:0/?translation_strategy=x",
            "`translation_strategy`",
        ),
        ("prometheus://me:secret@127.0.0.1:0/", "user information"),
        ("prometheus://127.0.0.1:0/?label.a.b=x", "constant label"),
        ("prometheus://192.0.2.1:1/", "cannot be bound"),
    ] {
        let error = from_url(url).expect_err(url).to_string();
        assert!(error.contains(part), "{url}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let exporter = from_url("prometheus://127.0.0.1:0");
    assert!(exporter.is_ok());
}

#[test]
fn a_server_needs_a_runtime() {
    let error = from_url("prometheus://127.0.0.1:0/metrics").expect_err("no runtime");
    assert!(error.to_string().contains("runtime"), "{error}");
}

/// The canonical stack, with one of tower's layers between.
#[tokio::test]
async fn it_stands_under_the_canonical_stack() {
    let exporter = PrometheusExporter::builder()
        .serve("127.0.0.1:0".parse().expect("an address"), "/metrics")
        .expect("built");
    let address = exporter.local_addr().expect("it listens");
    let stack = ServiceBuilder::new()
        .queue(QueueLayer::new(QueueConfig::new()).expect("a queue"))
        .export_retry(RetryPolicy::new())
        .concurrency_limit(4)
        .attempt_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(5))
        .service(exporter);
    for second in 1..=20 {
        let answer = stack
            .clone()
            .oneshot(metrics(&counter("jobs", second, second)))
            .await;
        let answer = answer.expect("taken");
        assert_eq!(answer.delivered_items() + answer.retained_items(), 1);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let (_, body) = get(&format!("http://{address}/metrics")).await;
        if body.ends_with(b"jobs_total 20\n") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{body:?}");
        tokio::task::yield_now().await;
    }
}
