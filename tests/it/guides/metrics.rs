//! The alerts of the guide on observing are about metrics that there are.

use std::{collections::BTreeSet, time::Duration};

use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ServiceBuilderExt,
    exporters::prometheus::{EscapingScheme, Format, PrometheusExporter},
    layers::{
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::{MetricsObserver, SharedObserver},
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
    },
    testing::{ScriptedExporter, Step, logs, metrics, traces},
};

const GUIDE: &str = include_str!("../../../src/guides/observing.md");

/// What a pipeline to which everything happens says to Prometheus.
async fn page() -> String {
    let exported = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exported.clone()).build())
        .build();
    let observer = SharedObserver::new(MetricsObserver::new(&provider.meter("test"), "eu"));
    let backend = ScriptedExporter::new([
        Step::Reject(1),
        Step::Deliver,
        Step::Deliver,
        // Given up by the queue, and the circuit opens.
        Step::Fail(ExportError::new(ErrorKind::Unavailable, "down")),
    ]);
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .overflow(Overflow::DropOldest)
        .max_redeliveries(0)
        .concurrency(1)
        .observer(observer.clone());
    let breaker = CircuitBreakerPolicy::new()
        .consecutive_failures(1)
        .observer(observer.clone());
    let pipeline = ServiceBuilder::new()
        .queue(QueueLayer::new(queue).expect("valid"))
        .observed(observer.clone())
        .circuit_breaker(CircuitBreakerLayer::pending(breaker).expect("valid"))
        .observed_attempts(observer)
        .service(backend.clone());
    for request in [logs(2), traces(1), metrics(1), logs(1)] {
        pipeline.clone().oneshot(request).await.expect("room");
    }
    backend.wait_for_calls(4).await;
    // The queue counts the failure after the backend has answered.
    tokio::time::sleep(Duration::from_millis(1)).await;
    provider.force_flush().expect("flushed");

    let prometheus = PrometheusExporter::builder().build().expect("valid");
    for metrics in exported.get_finished_metrics().expect("metrics") {
        let request = ExportMetricsServiceRequest::from(&metrics);
        prometheus
            .clone()
            .oneshot(request.into())
            .await
            .expect("shown");
    }
    String::from_utf8(prometheus.render(Format::Text, EscapingScheme::Underscores)).expect("text")
}

/// The names of series in a query: our metrics, and the labels in braces.
fn names(query: &str) -> BTreeSet<&str> {
    query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| {
            word.starts_with("otel_") || word.starts_with("tower_otlp_") || *word == "error_type"
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_metric_and_label_of_an_alert_is_reported() {
    let page = page().await;
    let shown = names(&page);
    let is_query =
        |row: &&str| row.starts_with("| ") && [" > ", " == "].iter().any(|one| row.contains(one));
    let rows = GUIDE.lines().filter(is_query);
    let queries: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert!(queries.len() >= 10, "{queries:#?}");
    for query in queries {
        let wanted = names(query);
        assert!(!wanted.is_empty(), "{query}");
        let missing: Vec<_> = wanted.difference(&shown).collect();
        assert!(missing.is_empty(), "{missing:?} of {query}\n{page}");
    }
}
