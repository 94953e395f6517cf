//! The pages over HTTP: by the service, the router, and the server.

use std::time::Duration;

use ::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet, time::timeout};
use tower::ServiceExt as _;
use tower_otlp::{Lifecycle, status::Status, testing::ScriptedExporter};

use super::*;

async fn ask(status: &Status, method: Method, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(()).expect("a request");
    let answer = status.http_service().oneshot(request).await;
    let (parts, body) = answer.expect("infallible").into_parts();
    let body = body.collect().await.expect("whole").to_bytes();
    let body = String::from_utf8(body.into()).expect("UTF-8");
    (parts.status, parts.headers, body)
}

pub(super) async fn get(status: &Status, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(status, Method::GET, path).await
}

fn status() -> Status {
    Status::new("gateway", &Lifecycle::new())
}

const PATHS: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/status.json", "application/json"),
    (
        "/metrics",
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    ),
    ("/livez", "text/plain; charset=utf-8"),
    ("/readyz", "text/plain; charset=utf-8"),
    ("/status.css", "text/css; charset=utf-8"),
    ("/status.js", "text/javascript; charset=utf-8"),
    ("/status.svg", "image/svg+xml"),
];

#[tokio::test]
async fn each_path_has_its_type_and_nothing_may_come_from_elsewhere() {
    let status = status();
    for (path, content_type) in PATHS {
        let (code, headers, body) = get(&status, path).await;
        assert_eq!(code, 200, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], content_type, "{path}");
        assert_eq!(
            headers[header::CONTENT_LENGTH],
            body.len().to_string(),
            "{path}"
        );
        assert!(!body.is_empty(), "{path}");
        let policy = headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        for loose in ["unsafe", "*", "http"] {
            assert!(!policy.contains(loose), "{policy}");
        }
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");

        let (code, head, body) = ask(&status, Method::HEAD, path).await;
        assert_eq!((code.as_u16(), &*body), (200, ""), "{path}");
        assert_eq!(head[header::CONTENT_TYPE], content_type, "{path}");
    }
    // The policy forbids what would be inline.
    let (_, _, html) = get(&status, "/").await;
    for inline in ["style=", "<style", "onclick", "javascript:", "<script>"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let status = status();
    for (path, _) in PATHS {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let (code, headers, _) = ask(&status, method.clone(), path).await;
            assert_eq!(code, 405, "{method} {path}");
            assert_eq!(headers[header::ALLOW], "GET, HEAD");
            assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
        }
    }
    for path in [
        "/index.html",
        "/status",
        "/metrics/",
        "/../status.json",
        "//",
    ] {
        for method in [Method::GET, Method::POST] {
            assert_eq!(ask(&status, method, path).await.0, 404, "{path}");
        }
    }
    assert_eq!(get(&status, "/status.json?pretty").await.0, 200);
}

#[tokio::test]
async fn the_router_has_the_same_pages() {
    let router = status().router();
    for (path, content_type) in PATHS {
        let request = Request::builder().uri(path).body(axum::body::Body::empty());
        let answer = router.clone().oneshot(request.expect("valid")).await;
        let answer = answer.expect("infallible");
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type);
    }
}

#[tokio::test]
async fn metrics_are_negotiated() {
    let request = Request::get("/metrics").header(
        header::ACCEPT,
        "application/openmetrics-text;version=1.0.0;escaping=underscores",
    );
    let request = request.body(()).expect("a request");
    let answer = status().http_service().oneshot(request).await;
    let (parts, body) = answer.expect("infallible").into_parts();
    let content_type = parts.headers[header::CONTENT_TYPE].to_str().expect("text");
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    let body = body.collect().await.expect("whole").to_bytes();
    assert!(body.ends_with(b"# EOF\n"));
}

fn client() -> Client<HttpConnector, Empty<bytes::Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn fetch(address: std::net::SocketAddr, path: &str) -> (StatusCode, String) {
    let url = format!("http://{address}{path}").parse().expect("a URL");
    let answer = timeout(Duration::from_secs(20), client().get(url)).await;
    let (parts, body) = answer.expect("in time").expect("an answer").into_parts();
    let body = body.collect().await.expect("whole").to_bytes();
    (parts.status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_keep_nobody_waiting_and_many_may_ask_at_once() {
    let lifecycle = Lifecycle::new();
    let status = Status::new("gateway", &lifecycle);
    let branch = status.branch("eu");
    let pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .observed(&branch)
        .service(ScriptedExporter::delivering());
    let server = status.serve("127.0.0.1:0".parse().expect("valid"));
    let server = server.expect("a free port");
    let address = server.address();

    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(address).await.expect("connects");
        socket
            .write_all(b"GET / HTTP/1.1\r\nHo")
            .await
            .expect("sent");
        slow.push(socket);
    }
    let mut scrapes = JoinSet::new();
    for number in 0..100 {
        let pipeline = pipeline.clone();
        scrapes.spawn(async move {
            pipeline.oneshot(logs(2)).await.expect("delivered");
            let path = ["/", "/metrics", "/status.json"][number % 3];
            fetch(address, path).await
        });
    }
    while let Some(answer) = scrapes.join_next().await {
        let (code, body) = answer.expect("no panic");
        assert_eq!(code, 200);
        assert!(body.contains("eu"), "{body}");
    }
    drop(slow);
    let (_, json) = fetch(address, "/status.json").await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["items"]["delivered"], 200);
    super::agree(&status, &lifecycle, &[&branch]).await;
}

#[tokio::test]
async fn the_server_ends_with_its_handle_and_says_what_is_wrong_with_an_address() {
    let status = status();
    let any = "127.0.0.1:0".parse().expect("valid");
    let server = status.serve(any).expect("a free port");
    let address = server.address();
    assert_eq!(
        fetch(address, "/livez").await,
        (StatusCode::OK, "live\n".into())
    );
    let taken = status.serve(address).expect_err("it is in use");
    let text = taken.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {address}: ")),
        "{text}"
    );
    drop(server);
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), gone)
        .await
        .expect("it ends");
}

#[test]
fn a_server_needs_a_runtime() {
    let any = "127.0.0.1:0".parse().expect("valid");
    let error = status().serve(any).expect_err("no runtime");
    assert!(error.to_string().contains("runtime"), "{error}");
}
