//! What is said of a request that failed.

use std::time::Duration;

use axum::{Router, http::StatusCode, routing::any};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, Lifecycle, ServiceBuilderExt,
    from_url,
    layers::{
        admission::AdmissionBudget,
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        fan_out::FanOut,
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        route::Route,
        timeout::TimeoutLayer,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, logs, traces},
};

use crate::support::http_server::serve;

const MOMENT: Duration = Duration::from_millis(20);

async fn told(exporter: impl Exporter, request: ExportRequest) -> String {
    let error: ExportError = match exporter.oneshot(request).await {
        Ok(response) => panic!("it was delivered: {response:?}"),
        Err(error) => error.into(),
    };
    error.to_string()
}

fn url(url: &str) -> impl Exporter {
    from_url(url).unwrap_or_else(|error| panic!("{error}"))
}

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

/// Exporters against servers that answer what they should not.
async fn exporters() -> Vec<String> {
    let answer = |status: StatusCode| any(move || async move { status });
    let server = Router::new()
        .route("/401/v1/logs", answer(StatusCode::UNAUTHORIZED))
        .route("/404/v1/logs", answer(StatusCode::NOT_FOUND))
        .route("/413/v1/logs", answer(StatusCode::PAYLOAD_TOO_LARGE))
        .route("/429/v1/logs", answer(StatusCode::TOO_MANY_REQUESTS))
        .route("/503/v1/logs", answer(StatusCode::SERVICE_UNAVAILABLE))
        .route("/301/v1/logs", answer(StatusCode::MOVED_PERMANENTLY))
        .route("/slow/v1/logs", any(std::future::pending::<()>));
    let at = serve(server).await;
    let mut texts = Vec::new();
    for path in ["401", "404", "413", "429", "503", "301", "slow"] {
        let to = format!("otlp+http://{at}/{path}?proxy=none&timeout=200ms");
        texts.push(told(url(&to), logs(1)).await);
    }
    // Nobody listens on port 1.
    for to in [
        "otlp+http://127.0.0.1:1?proxy=none",
        "otlp+grpc://127.0.0.1:1",
        "tcp://127.0.0.1:1",
    ] {
        texts.push(told(url(to), logs(1)).await);
    }
    texts.push(told(url(&format!("otlp+grpc://{at}")), logs(1)).await);
    texts.push(told(url("otlp+grpc://127.0.0.1:1?max_request_bytes=1"), logs(1)).await);
    texts.push(told(url("otlp+http://127.0.0.1:1?max_request_bytes=1"), logs(1)).await);
    texts.push(told(url("prometheus+rw://127.0.0.1:1?proxy=none"), traces(1)).await);
    texts.push(told(url("zipkin+http://127.0.0.1:1?proxy=none"), logs(1)).await);
    texts.push(told(url("syslog+tcp://127.0.0.1:1"), traces(1)).await);

    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("file://{}", folder.path().join("otel.jsonl").display());
    let first = url(&file);
    first
        .clone()
        .oneshot(logs(1))
        .await
        .map_err(Into::into)
        .expect("written");
    for to in [&*file, "file:///nowhere/otel.jsonl"] {
        let error = from_url(to).expect_err("in use, or without a folder");
        texts.push(error.to_string());
    }
    texts
}

/// Layers over a backend that fails or hangs.
async fn layers() -> Vec<String> {
    let hold = || ScriptedExporter::new([Step::Hold]);
    let fail = || ScriptedExporter::new([Step::Fail(down())]);
    let full = |config: QueueConfig| QueueLayer::new(config).expect("valid");
    let mut texts = Vec::new();

    texts.push(told(TimeoutLayer::attempt(MOMENT).layer(hold()), logs(1)).await);
    texts.push(told(TimeoutLayer::total(MOMENT).layer(hold()), logs(1)).await);
    let one = ServiceBuilder::new().concurrency_limit(1).service(hold());
    let _busy = one.clone().ready_oneshot().await.expect("ready");
    texts.push(told(TimeoutLayer::attempt(MOMENT).layer(one), logs(1)).await);

    let queue = QueueConfig::new()
        .max_requests(1)
        .overflow(Overflow::RejectNew)
        .acknowledge(Acknowledge::OnEnqueue);
    let queue = full(queue).layer(hold());
    queue.clone().oneshot(logs(1)).await.expect("room for one");
    texts.push(told(queue, logs(1)).await);
    texts.push(told(full(QueueConfig::new().max_bytes(1)).layer(hold()), logs(1)).await);

    let breaker = CircuitBreakerPolicy::new().consecutive_failures(1);
    let breaker = CircuitBreakerLayer::error(breaker)
        .expect("valid")
        .layer(fail());
    told(breaker.clone(), logs(1)).await;
    texts.push(told(breaker, logs(1)).await);

    let lifecycle = Lifecycle::new();
    let tracked = lifecycle.layer().layer(fail());
    lifecycle.shutdown(MOMENT).await;
    texts.push(told(tracked, logs(1)).await);

    let branches = || ServiceBuilder::new().service(fail());
    texts.push(told(FanOut::empty(), logs(1)).await);
    texts.push(told(FanOut::empty().branch(branches()), logs(1)).await);
    let route = Route::by_tenant()
        .to("acme", fail())
        .build()
        .expect("valid");
    texts.push(told(route, logs(1)).await);
    let fallback = ServiceBuilder::new().fallback(fail()).service(fail());
    texts.push(told(fallback, logs(1)).await);

    let budget = AdmissionBudget::new(10).expect("valid");
    let held = budget.reserve(10).expect("room");
    let admission = ServiceBuilder::new().admission(budget).service(hold());
    texts.push(told(admission.clone(), logs(1)).await);
    texts.push(told(admission, logs(30)).await);
    drop(held);

    let batch = BatchConfig::new().timeout(Duration::ZERO);
    let batch = BatchLayer::new(batch).expect("valid");
    texts.push(told(batch.layer(ScriptedExporter::new([Step::Panic])), logs(1)).await);
    let odd = tower::service_fn(|_: ExportRequest| async {
        Err::<ExportResponse, BoxError>("what is this".into())
    });
    texts.push(told(odd, logs(1)).await);
    let shed = ServiceBuilder::new()
        .load_shed()
        .service(ReadinessProbe::new(ScriptedExporter::delivering()));
    texts.push(told(shed, logs(1)).await);
    texts
}

pub(super) async fn messages() -> Vec<String> {
    let mut texts = exporters().await;
    texts.extend(layers().await);
    texts
}

#[tokio::test]
async fn what_is_said_of_a_request_that_failed_is_in_the_guide() {
    let messages = messages().await;
    for message in &messages {
        println!("{message}");
    }
    super::assert_explained(&messages);
}
