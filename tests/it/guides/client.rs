//! What the client of a receiver is told.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use tonic::{Code, Status};
use tower::ServiceExt;
use tower_otlp::{
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
    testing::ScriptedExporter,
};

/// What an HTTP client gets: the status and the body.
async fn http(request: Request<Body>) -> (u16, String) {
    let receiver = OtlpHttpReceiver::new(ScriptedExporter::delivering()).max_message_bytes(100);
    let response = receiver.oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    assert!(status >= 400, "{status}");
    let body = response.into_body().collect().await.expect("a body");
    (
        status,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    )
}

fn post(path: &str, media_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("content-type", media_type)
        .body(body.into())
        .expect("a request")
}

const PROTOBUF: &str = "application/x-protobuf";

async fn over_http() -> Vec<(u16, String)> {
    let mut by_get = post("/v1/logs", PROTOBUF, "");
    *by_get.method_mut() = Method::GET;
    let mut compressed = post("/v1/logs", PROTOBUF, "");
    compressed
        .headers_mut()
        .insert("content-encoding", http::HeaderValue::from_static("br"));
    let mut damaged = post("/v1/logs", PROTOBUF, "no gzip");
    damaged
        .headers_mut()
        .insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let mut texts = Vec::new();
    for request in [
        post("/v1/log", PROTOBUF, ""),
        by_get,
        post("/v1/logs", "text/plain", ""),
        compressed,
        damaged,
        post("/v1/logs", PROTOBUF, vec![0; 101]),
        post("/v1/logs", PROTOBUF, "\x0a\x05"),
        post("/v1/logs", "application/json", "{"),
    ] {
        texts.push(http(request).await);
    }
    texts
}

pub(super) async fn messages() -> Vec<String> {
    let mut texts: Vec<_> = over_http()
        .await
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    texts.extend(over_grpc().await.into_iter().map(|(_, text)| text));
    texts
}

/// What a gRPC client finds in the status.
async fn grpc(
    method: &str,
    encoding: &'static str,
    body: impl Into<Body>,
) -> (&'static str, String) {
    let server = OtlpGrpcReceiver::new(ScriptedExporter::delivering())
        .max_message_bytes(10)
        .routes()
        .into_axum_router();
    let path = format!("/opentelemetry.proto.collector.logs.v1.LogsService/{method}");
    let mut request = post(&path, "application/grpc", body);
    let encoding = http::HeaderValue::from_static(encoding);
    request.headers_mut().insert("grpc-encoding", encoding);
    let response = server.oneshot(request).await.expect("infallible");
    let status = Status::from_header_map(response.headers()).expect("a status");
    let code = match status.code() {
        Code::InvalidArgument => "`INVALID_ARGUMENT`",
        Code::ResourceExhausted => "`RESOURCE_EXHAUSTED`",
        Code::Unimplemented => "`UNIMPLEMENTED`",
        other => panic!("{other:?}: {}", status.message()),
    };
    (code, status.message().to_owned())
}

async fn over_grpc() -> Vec<(&'static str, String)> {
    vec![
        grpc("Nope", "identity", "").await,
        grpc("Export", "snappy", "").await,
        grpc("Export", "identity", "").await,
        grpc("Export", "identity", vec![0, 0, 0, 0, 11]).await,
        grpc("Export", "identity", vec![0, 0, 0, 0, 2, 0x0a]).await,
        grpc("Export", "identity", vec![0, 0, 0, 0, 2, 0x0a, 5]).await,
    ]
}

#[tokio::test]
async fn what_a_client_is_told_is_in_the_guide() {
    super::assert_explained(&messages().await);
}

#[tokio::test]
async fn the_guide_names_the_status_of_what_a_client_is_told() {
    let over_http = over_http().await.into_iter();
    let over_http = over_http.map(|(status, text)| (status.to_string(), text));
    let over_grpc = over_grpc().await.into_iter();
    let over_grpc = over_grpc.map(|(status, text)| (status.to_owned(), text));
    let rows = super::rows();
    for (status, text) in over_http.chain(over_grpc) {
        let is_right = rows.iter().any(|row| {
            let mut names = row.meaning.split([',', ' ']);
            row.message.is_in(&text) && names.any(|name| name == status)
        });
        assert!(is_right, "no row has {status}: {text}");
    }
}
