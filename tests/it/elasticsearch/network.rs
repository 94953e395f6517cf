//! Nodes that are away, connections that break, answers that do not come.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit};
use tower_otlp::{
    ErrorKind, RetryAdvice,
    exporters::{
        elasticsearch::{ElasticsearchBuilder, ElasticsearchExporter},
        http::RequestBody,
    },
};

use super::{bodies, logs, server::Server};
use crate::support::http_server::{nobody, serve};

fn builder() -> ElasticsearchBuilder {
    ElasticsearchExporter::builder().no_proxy()
}

#[tokio::test]
async fn nodes_take_turns() {
    let servers = [Server::new(), Server::new(), Server::new()];
    let mut nodes = Vec::new();
    for server in &servers {
        nodes.push(format!("http://{}", serve(server.router()).await));
    }
    let exporter = builder()
        .endpoint(nodes[0].replace("http://", "http://user:pass@"))
        .node(&nodes[1])
        .node(&nodes[2])
        .build()
        .expect("valid");
    for _ in 0..4 {
        exporter
            .clone()
            .oneshot(logs(&["a"]))
            .await
            .expect("delivered");
    }
    assert_eq!(servers.each_ref().map(Server::requests), [2, 1, 1]);
    // All have the user of the first.
    let (parts, _) = servers[2].request();
    assert_eq!(parts.headers["authorization"], "Basic dXNlcjpwYXNz");
}

#[tokio::test]
async fn a_node_that_is_away_is_skipped() {
    let server = Server::new();
    let there = serve(server.router()).await;
    let exporter = builder()
        .endpoint(format!("http://{}", nobody().await))
        .node(format!("http://{}", nobody().await))
        .node(format!("http://{there}"))
        .max_request_bytes(700)
        .build()
        .expect("valid");
    for _ in 0..3 {
        let response = exporter
            .clone()
            .oneshot(logs(&["a", "b", "c"]))
            .await
            .expect("delivered");
        assert_eq!(response.delivered_items(), 3);
        let destination = response.destination().expect("a node");
        assert!(destination.contains(&there.to_string()), "{destination}");
    }
    assert_eq!(server.texts().len(), 9, "each once");
}

#[tokio::test]
async fn unreachable_nodes_are_named_without_secrets() {
    let address = nobody().await;
    let builder = builder()
        .endpoint(format!("http://user:s3cret@{address}?token=s3cret"))
        .node(format!("http://user:s3cret@{address}"));
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let exporter = builder.build().expect("valid");
    assert!(!format!("{exporter:?}").contains("s3cret"), "{exporter:?}");
    let error = exporter.oneshot(logs(&["a"])).await.expect_err("nobody");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, RetryAdvice::Backoff)
    );
    let text = format!("{error} {error:?}");
    assert!(text.contains(&format!("http://{address}/_bulk")), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("user"), "{text}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_its_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut part = [0; 65_536];
            let _ = socket.read(&mut part).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\":[";
            let _ = socket.write_all(answer).await;
        }
    });
    let exporter = builder()
        .endpoint(format!("http://{address}"))
        .build()
        .expect("valid");
    let error = exporter.oneshot(logs(&["a"])).await.expect_err("broken");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, RetryAdvice::Backoff)
    );
    assert!(error.message().contains("broke"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_timeout_with_the_rest() {
    let server = Server::new();
    let router = server.router();
    let calls = Arc::new(Mutex::new(0));
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let mut calls = calls.lock().expect("no panic");
        *calls += 1;
        let (hangs, router) = (*calls > 1, router.clone());
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            let answer = router.oneshot(request.map(axum::body::Body::new)).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        }
    });
    let exporter = builder()
        .timeout(Duration::from_secs(3))
        .max_request_bytes(700)
        .build_on(service)
        .expect("valid");
    let start = tokio::time::Instant::now();
    let error = exporter
        .oneshot(logs(&["a", "b", "c"]))
        .await
        .expect_err("late");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Timeout, RetryAdvice::Backoff)
    );
    assert_eq!(bodies(error.remainder().expect("the rest")), ["c"]);
}

#[tokio::test]
async fn every_body_waits_for_a_transport_that_is_ready() {
    // ConcurrencyLimit panics if it is called without a permit of its own.
    let server = Server::new();
    let transport = ConcurrencyLimit::new(server.router(), 1);
    let mut exporter = builder()
        .max_request_bytes(400)
        .build_on(transport)
        .expect("valid");
    for _ in 0..2 {
        let ready = exporter.ready().await.expect("ready");
        let response = ready.call(logs(&["a", "b", "c"])).await;
        assert_eq!(response.expect("delivered").delivered_items(), 3);
    }
    assert_eq!(server.requests(), 6);
}
