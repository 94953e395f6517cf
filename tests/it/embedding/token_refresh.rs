//! The layer of the example `token_refresh`, below both exporters.

#[path = "../../../examples/token_refresh/refresh.rs"]
mod refresh;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, response::IntoResponse};
use futures_util::future::join_all;
use http::{HeaderValue, Request, StatusCode};
use tokio::{sync::Semaphore, time::Instant};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExporterExt, ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::retry::RetryPolicy,
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

use self::refresh::{RefreshTokenLayer, Token};
use crate::support::backend::{Backend, telemetry};

const MINUTE: Duration = Duration::from_secs(60);

/// Tokens `t0ken-1`, `t0ken-2` and so on, good for a minute, unless `script` says otherwise.
fn tokens(
    script: impl Fn(usize) -> Result<(), ExportError> + Send + Sync + 'static,
) -> (RefreshTokenLayer, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let layer = RefreshTokenLayer::new(move || {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let token = script(number).map(|()| token(number));
        async move { token }
    });
    (layer, fetched)
}

fn token(number: usize) -> Token {
    let mut header = HeaderValue::try_from(format!("Bearer t0ken-{number}")).expect("text");
    header.set_sensitive(true);
    Token {
        header,
        refresh_at: Instant::now() + MINUTE,
    }
}

/// Both exporters over the layer, and below it servers that refuse these tokens.
fn exporters(
    layer: &RefreshTokenLayer,
    backend: &Backend,
    refused: &'static [&'static str],
) -> [BoxExporter; 2] {
    let check = move |router: Router| {
        router.layer(axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| async move {
                let shown = request.headers()["authorization"].to_str().expect("text");
                if !refused.contains(&shown.trim_start_matches("Bearer ")) {
                    return next.run(request).await;
                }
                match request.headers()["content-type"] == "application/grpc" {
                    true => tonic::Status::unauthenticated("expired").into_http(),
                    false => StatusCode::UNAUTHORIZED.into_response(),
                }
            },
        ))
    };
    let grpc = OtlpGrpcReceiver::new(backend.clone()).keep_header("authorization");
    let grpc = check(grpc.routes().into_axum_router());
    let grpc = OtlpGrpcExporter::builder().build_on(layer.layer(grpc));
    let http = OtlpHttpReceiver::new(backend.clone()).keep_header("authorization");
    let http = check(http.into_axum_router());
    let http = OtlpHttpExporter::builder().build_on(layer.layer(http));
    [
        grpc.expect("valid").boxed_exporter(),
        http.expect("valid").boxed_exporter(),
    ]
}

fn retried(policy: RetryPolicy, exporter: BoxExporter) -> BoxExporter {
    let retry = ServiceBuilder::new().export_retry(policy);
    retry.service(exporter).boxed_exporter()
}

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "the token endpoint is down")
}

fn forbidden() -> ExportError {
    ExportError::new(ErrorKind::Unauthenticated, "the token endpoint says 403")
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_down_is_unavailable_and_tried_again() {
    for protocol in 0..2 {
        let backend = Backend::new();
        let (layer, fetched) = tokens(|number| if number < 3 { Err(down()) } else { Ok(()) });
        let exporter = exporters(&layer, &backend, &[])[protocol].clone();
        let error = exporter.clone().oneshot(telemetry(Signal::Logs, 1)).await;
        let error = error.expect_err("no token");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable());
        let said = error.to_string();
        assert!(said.starts_with("otlp-"), "{said}");
        assert!(said.contains("the token endpoint is down"), "{said}");

        let pipeline = retried(RetryPolicy::new(), exporter);
        let sent = pipeline.oneshot(telemetry(Signal::Logs, 1)).await;
        sent.expect("delivered");
        assert_eq!(fetched.load(Ordering::SeqCst), 3);
        assert_eq!(backend.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_token_endpoint_is_final() {
    for protocol in 0..2 {
        let backend = Backend::new();
        let (layer, fetched) = tokens(|_| Err(forbidden()));
        let exporter = exporters(&layer, &backend, &[])[protocol].clone();
        let pipeline = retried(RetryPolicy::new(), exporter.clone());
        let error = pipeline.oneshot(telemetry(Signal::Logs, 1)).await;
        let error = error.expect_err("no token");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(!error.is_retryable());
        assert_eq!(fetched.load(Ordering::SeqCst), 1);

        // A policy that tries again once does not know who refused.
        let policy = RetryPolicy::new().also_retry(ErrorKind::Unauthenticated, 1);
        let pipeline = retried(policy, exporter);
        let error = pipeline.oneshot(telemetry(Signal::Logs, 1)).await;
        assert!(!error.expect_err("no token").is_retryable());
        assert_eq!(fetched.load(Ordering::SeqCst), 3);
        assert_eq!(backend.seen().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_by_the_next_attempt() {
    for protocol in 0..2 {
        let backend = Backend::new();
        let (layer, fetched) = tokens(|_| Ok(()));
        let exporter = exporters(&layer, &backend, &["t0ken-1"])[protocol].clone();
        let policy = RetryPolicy::new().also_retry(ErrorKind::Unauthenticated, 1);
        let pipeline = retried(policy, exporter);
        // Refused together, and repaired by one fetch.
        let requests = [(); 8].map(|()| pipeline.clone().oneshot(telemetry(Signal::Traces, 2)));
        for answer in join_all(requests).await {
            assert_eq!(answer.expect("delivered").delivered_items(), 2);
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 2);
        assert_eq!(backend.seen().len(), 8);
        for request in backend.seen() {
            let shown = request.metadata().header("authorization");
            assert_eq!(shown, Some("Bearer t0ken-2"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_ahead_of_its_end() {
    let backend = Backend::new();
    let (layer, fetched) = tokens(|_| Ok(()));
    let [exporter, _] = exporters(&layer, &backend, &[]);
    for (passes, expected) in [(0, 1), (59, 1), (1, 2), (59, 2), (61, 3)] {
        tokio::time::advance(Duration::from_secs(passes)).await;
        let sent = exporter.clone().oneshot(telemetry(Signal::Logs, 1)).await;
        sent.expect("delivered");
        assert_eq!(fetched.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn all_wait_for_one_fetch_and_share_its_failure() {
    let backend = Backend::new();
    let gate = Arc::new(Semaphore::new(0));
    let fetched = Arc::new(AtomicUsize::new(0));
    let layer = RefreshTokenLayer::new({
        let (gate, fetched) = (Arc::clone(&gate), Arc::clone(&fetched));
        move || {
            let gate = Arc::clone(&gate);
            let number = fetched.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                gate.acquire().await.expect("open").forget();
                if number == 1 {
                    Err(down())
                } else {
                    Ok(token(number))
                }
            }
        }
    });
    let both = exporters(&layer, &backend, &[]);
    let all = || {
        let requests = (0..10).map(|number| {
            let exporter = both[number % 2].clone();
            exporter.oneshot(telemetry(Signal::Logs, 1))
        });
        join_all(requests.collect::<Vec<_>>())
    };
    let mut waiting = tokio_test::task::spawn(all());
    tokio_test::assert_pending!(waiting.poll());
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    gate.add_permits(1);
    for answer in waiting.await {
        assert_eq!(answer.expect_err("down").kind(), ErrorKind::Unavailable);
    }
    gate.add_permits(1);
    for answer in all().await {
        answer.expect("delivered");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn debug_shows_no_token() {
    let (layer, _) = tokens(|_| Ok(()));
    let backend = Backend::new();
    let [exporter, _] = exporters(&layer, &backend, &["t0ken-1"]);
    let error = exporter.oneshot(telemetry(Signal::Logs, 1)).await;
    let error = error.expect_err("refused");
    let request = Request::builder().header("authorization", token(1).header);
    let request = request.body(()).expect("a request");
    for shown in [
        format!("{layer:?}"),
        format!("{:?}", token(1)),
        format!("{request:?}"),
        format!("{error:?} {error}"),
    ] {
        assert!(!shown.contains("t0ken"), "{shown}");
    }
}
