//! What is said when a pipeline is built.

use std::time::Duration;

use tower_otlp::{
    exporters::otlp::from_lookup,
    from_url,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        admission::AdmissionBudget,
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        fallback::{FallbackLayer, FallbackPolicy},
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        rate_limit::RateLimiter,
        route::Route,
        split::{SplitConfig, SplitLayer},
    },
    receivers::OtlpServer,
    testing::ScriptedExporter,
};

fn told<T>(result: Result<T, impl ToString>) -> String {
    match result {
        Ok(_) => panic!("it was built"),
        Err(error) => error.to_string(),
    }
}

fn urls() -> Vec<String> {
    let wrong = [
        "collector",
        "collector:4317",
        "http://collector:4318",
        "otlp+grpc:?timeout=5s",
        "otlp+grpc://collector:99999",
        "otlp+grpc://collector:4317?header.x-key=a#b",
        "otlp+grpc://user:s3cret@collector:4317",
        "otlp+grpc://collector:4317?timeot=5s",
        "otlp+grpc://collector:4317?timeout=5s&timeout=6s",
        "otlp+grpc://collector:4317?timeout=5",
        "otlp+grpc://collector:4317?compression=brotli",
        "otlp+https://collector?cert=/nowhere/cert.pem&key=/nowhere/key.pem",
        "file://relative/otel.jsonl",
        "file:///tmp/otel.jsonl?keep=3",
    ];
    let texts: Vec<_> = wrong.iter().map(|url| told(from_url(url))).collect();
    assert!(!format!("{texts:?}").contains("s3cret"));
    texts
}

fn layers() -> Vec<String> {
    let other = ScriptedExporter::delivering;
    let policy = FallbackPolicy::new().probe_timeout(Duration::ZERO);
    vec![
        told(QueueLayer::new(QueueConfig::new().max_bytes(0))),
        told(QueueLayer::new(QueueConfig::new().concurrency(0))),
        told(BatchLayer::new(BatchConfig::new().max_items(0))),
        told(SplitLayer::new(SplitConfig::new().max_bytes(0))),
        told(CircuitBreakerLayer::error(
            CircuitBreakerPolicy::new().consecutive_failures(0),
        )),
        told(FallbackLayer::with_policy(other(), policy)),
        told(RateLimiter::items_per_second(0.0)),
        told(AdmissionBudget::new(0)),
        told(AdaptiveConcurrencyLayer::builder().min_limit(0).build()),
        told(Route::by_tenant().build()),
        told(Route::by_signal().to("trace", other()).build()),
        told("drop_oldest".parse::<Overflow>()),
        told("enqueued".parse::<Acknowledge>()),
    ]
}

fn environment() -> Vec<String> {
    let with = |row: &'static str, value: &'static str| {
        told(from_lookup(|name| {
            (name == format!("OTEL_EXPORTER_OTLP_{row}")).then(|| value.to_owned())
        }))
    };
    vec![
        with("PROTOCOL", "http"),
        with("HEADERS", "x-key"),
        with("CERTIFICATE", "/nowhere/ca.pem"),
        with("CLIENT_KEY", "/nowhere/key.pem"),
    ]
}

pub(super) async fn messages() -> Vec<String> {
    let outside = std::thread::spawn(|| told(from_url("otlp+grpc://collector:4317")));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let taken = taken.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _listener) = taken.expect("a port");
    let mut texts = urls();
    texts.push(outside.join().expect("no panic"));
    texts.extend(layers());
    texts.extend(environment());
    texts.push(told(OtlpServer::bind(address, address).await));
    texts
}

#[tokio::test]
async fn what_is_said_when_a_pipeline_is_built_is_in_the_guide() {
    let messages = messages().await;
    for message in &messages {
        println!("{message}");
    }
    super::assert_explained(&messages);
}
