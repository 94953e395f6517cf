//! `MetricsObserver`, as the OpenTelemetry SDK sees it.

use std::fmt;

use opentelemetry::{KeyValue, metrics::MeterProvider};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, Metric, MetricData},
};
use tokio::time::Instant;
use tower_otlp::layers::observe::MetricsObserver;

use super::*;

/// A meter provider and what it exports.
struct Sdk {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Sdk {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter.clone()).build())
            .build();
        Self { provider, exporter }
    }

    fn observer(&self, name: &str) -> MetricsObserver {
        MetricsObserver::new(&self.provider.meter("tower-otlp"), name)
    }

    /// Every data point, one a line, sorted: `name unit {attributes} value`. Of a histogram the
    /// value is the count and the sum.
    fn collect(&self) -> Vec<String> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let mut lines = Vec::new();
        for resource in self.exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                match metric.data() {
                    AggregatedMetrics::F64(data) => points(metric, data, &mut lines),
                    AggregatedMetrics::U64(data) => points(metric, data, &mut lines),
                    AggregatedMetrics::I64(data) => points(metric, data, &mut lines),
                }
            }
        }
        lines.sort();
        lines
    }
}

fn points<T: Copy + fmt::Display>(metric: &Metric, data: &MetricData<T>, lines: &mut Vec<String>) {
    let mut line = |kind: &str, attributes: Vec<&KeyValue>, value: String| {
        let mut attributes: Vec<_> = attributes
            .into_iter()
            .map(|pair| format!("{}={}", pair.key, pair.value))
            .collect();
        attributes.sort();
        lines.push(format!(
            "{} {kind} {} [{}] {value}",
            metric.name(),
            metric.unit(),
            attributes.join(" ")
        ));
    };
    match data {
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                let value = point.value().to_string();
                line("gauge", point.attributes().collect(), value);
            }
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() {
                "counter"
            } else {
                "updown"
            };
            for point in sum.data_points() {
                let value = point.value().to_string();
                line(kind, point.attributes().collect(), value);
            }
        }
        MetricData::Histogram(histogram) => {
            for point in histogram.data_points() {
                let value = format!("{}x{}", point.count(), point.sum());
                line("histogram", point.attributes().collect(), value);
            }
        }
        MetricData::ExponentialHistogram(_) => panic!("{}: not expected", metric.name()),
    }
}

fn assert_lines(found: &[String], expected: &[&str]) {
    assert_eq!(found, expected, "\nfound:\n{}", found.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn requests_are_measured_by_the_conventions_and_attempts_beside_them() {
    let sdk = Sdk::new();
    let observer = SharedObserver::new(
        sdk.observer("eu")
            .component_type(Signal::Traces, "otlp_grpc_span_exporter"),
    );
    let exporter = ScriptedExporter::new([
        // Traces: one failed attempt, then a partial success.
        Step::FailAfter(SECOND, ExportError::new(ErrorKind::Unavailable, "secret")),
        Step::Reject(3),
        // Metrics.
        Step::Deliver,
        // Logs: failed for good, a panic, one in flight.
        fail(ErrorKind::Unauthenticated),
        Step::Panic,
        Step::Hold,
    ]);
    let service = ServiceBuilder::new()
        .observed(observer.clone())
        .export_retry(RetryPolicy::new().initial_backoff(Duration::ZERO))
        .observed_attempts(observer.clone())
        .service(exporter.clone());
    service.clone().oneshot(traces(10)).await.unwrap();
    service.clone().oneshot(super::points(20)).await.unwrap();
    service.clone().oneshot(logs(30)).await.unwrap_err();
    AssertUnwindSafe(service.clone().oneshot(logs(40)))
        .catch_unwind()
        .await
        .unwrap_err();
    let mut held = task::spawn(service.clone().oneshot(logs(50)));
    assert_pending!(held.poll());

    let found = sdk.collect();
    assert_lines(
        &found,
        &[
            "otel.sdk.exporter.log.exported counter {log_record} [error.type=panic otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 40",
            "otel.sdk.exporter.log.exported counter {log_record} [error.type=unauthenticated otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 30",
            "otel.sdk.exporter.log.inflight updown {log_record} [otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 50",
            "otel.sdk.exporter.metric_data_point.exported counter {data_point} [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter] 20",
            "otel.sdk.exporter.metric_data_point.inflight updown {data_point} [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter] 0",
            "otel.sdk.exporter.operation.duration histogram s [error.type=panic otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 1x0",
            "otel.sdk.exporter.operation.duration histogram s [error.type=rejected otel.component.name=eu otel.component.type=otlp_grpc_span_exporter] 1x1",
            "otel.sdk.exporter.operation.duration histogram s [error.type=unauthenticated otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 1x0",
            "otel.sdk.exporter.operation.duration histogram s [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter] 1x0",
            "otel.sdk.exporter.span.exported counter {span} [error.type=rejected otel.component.name=eu otel.component.type=otlp_grpc_span_exporter] 3",
            "otel.sdk.exporter.span.exported counter {span} [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter] 7",
            "otel.sdk.exporter.span.inflight updown {span} [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter] 0",
            "tower_otlp.exporter.attempt.duration histogram s [error.type=panic otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.signal=logs] 1x0",
            "tower_otlp.exporter.attempt.duration histogram s [error.type=rejected otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.signal=traces] 1x0",
            "tower_otlp.exporter.attempt.duration histogram s [error.type=unauthenticated otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.signal=logs] 1x0",
            "tower_otlp.exporter.attempt.duration histogram s [error.type=unavailable otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.signal=traces] 1x1",
            "tower_otlp.exporter.attempt.duration histogram s [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter tower_otlp.signal=metrics] 1x0",
            "tower_otlp.exporter.attempt.inflight updown {attempt} [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.signal=traces] 0",
            "tower_otlp.exporter.attempt.inflight updown {attempt} [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.signal=logs] 1",
            "tower_otlp.exporter.attempt.inflight updown {attempt} [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter tower_otlp.signal=metrics] 0",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.outcome=failed tower_otlp.signal=traces] 1x24",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.outcome=rejected tower_otlp.signal=traces] 1x24",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=failed tower_otlp.signal=logs] 1x64",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=panicked tower_otlp.signal=logs] 1x84",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter tower_otlp.outcome=delivered tower_otlp.signal=metrics] 1x124",
            "tower_otlp.exporter.request.size histogram By [otel.component.name=eu otel.component.type=otlp_grpc_span_exporter tower_otlp.outcome=rejected tower_otlp.signal=traces] 1x24",
            "tower_otlp.exporter.request.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=failed tower_otlp.signal=logs] 1x64",
            "tower_otlp.exporter.request.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=panicked tower_otlp.signal=logs] 1x84",
            "tower_otlp.exporter.request.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_metric_exporter tower_otlp.outcome=delivered tower_otlp.signal=metrics] 1x124",
        ],
    );

    drop(held);
    let cancelled: Vec<_> = sdk
        .collect()
        .into_iter()
        .filter(|line| line.contains("cancelled") || line.contains("log.inflight"))
        .collect();
    assert_lines(
        &cancelled,
        &[
            "otel.sdk.exporter.log.exported counter {log_record} [error.type=cancelled otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 50",
            "otel.sdk.exporter.log.inflight updown {log_record} [otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 0",
            "otel.sdk.exporter.operation.duration histogram s [error.type=cancelled otel.component.name=eu otel.component.type=tower_otlp_log_exporter] 1x0",
            "tower_otlp.exporter.attempt.duration histogram s [error.type=cancelled otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.signal=logs] 1x0",
            "tower_otlp.exporter.attempt.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=cancelled tower_otlp.signal=logs] 1x104",
            "tower_otlp.exporter.request.size histogram By [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.outcome=cancelled tower_otlp.signal=logs] 1x104",
        ],
    );
}

#[test]
fn what_other_layers_report_is_measured() {
    let sdk = Sdk::new();
    let observer = SharedObserver::new(sdk.observer("eu"));
    let held = Amount {
        requests: 2,
        items: 700,
        bytes: 90_000,
    };
    observer.emit(Event::Queue(
        QueueState::new("queue").holding(held).max_bytes(1 << 20),
    ));
    observer.emit(Event::Queue(QueueState::new("batch").max_requests(7)));
    observer.emit(Event::dequeued("queue", &logs(5), 2 * SECOND));
    observer.emit(Event::dropped(&logs(3), DropReason::QueueFull));
    observer.emit(Event::dropped(&logs(4), DropReason::QueueFull));
    observer.emit(Event::Breaker(BreakerState::Open));
    observer.emit(Event::Breaker(BreakerState::HalfOpen));
    observer.emit(Event::concurrency_limit(16));
    let expected = [
        "tower_otlp.circuit_breaker.status updown {circuit_breaker} [otel.component.name=eu tower_otlp.circuit_breaker.state=closed] 0",
        "tower_otlp.circuit_breaker.status updown {circuit_breaker} [otel.component.name=eu tower_otlp.circuit_breaker.state=half_open] 1",
        "tower_otlp.circuit_breaker.status updown {circuit_breaker} [otel.component.name=eu tower_otlp.circuit_breaker.state=open] 0",
        "tower_otlp.concurrency.limit updown {request} [otel.component.name=eu] 16",
        "tower_otlp.exporter.dropped counter {item} [otel.component.name=eu otel.component.type=tower_otlp_log_exporter tower_otlp.drop.reason=queue_full tower_otlp.signal=logs] 7",
        "tower_otlp.queue.capacity updown By [otel.component.name=eu tower_otlp.queue.name=queue] 1048576",
        "tower_otlp.queue.oldest.age gauge s [otel.component.name=eu tower_otlp.queue.name=batch] 0",
        "tower_otlp.queue.oldest.age gauge s [otel.component.name=eu tower_otlp.queue.name=queue] 0",
        "tower_otlp.queue.request.capacity updown {request} [otel.component.name=eu tower_otlp.queue.name=batch] 7",
        "tower_otlp.queue.request.count updown {request} [otel.component.name=eu tower_otlp.queue.name=batch] 0",
        "tower_otlp.queue.request.count updown {request} [otel.component.name=eu tower_otlp.queue.name=queue] 2",
        "tower_otlp.queue.size updown By [otel.component.name=eu tower_otlp.queue.name=batch] 0",
        "tower_otlp.queue.size updown By [otel.component.name=eu tower_otlp.queue.name=queue] 90000",
        "tower_otlp.queue.wait.duration histogram s [otel.component.name=eu tower_otlp.queue.name=queue tower_otlp.signal=logs] 1x2",
    ];
    assert_lines(&sdk.collect(), &expected);

    // The age is that of the moment of collection.
    let long_ago = Instant::now().checked_sub(3600 * SECOND).unwrap();
    observer.emit(Event::Queue(
        QueueState::new("queue").oldest(Some(long_ago)),
    ));
    let age = |lines: Vec<String>| -> f64 {
        let line = lines
            .into_iter()
            .find(|line| line.contains("oldest.age") && line.contains("name=queue"));
        line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let first = age(sdk.collect());
    assert!(first >= 3600.0, "{first}");
    assert!(age(sdk.collect()) > first);
}

#[test]
fn two_exporters_are_told_apart_and_what_is_gone_reports_no_more() {
    let sdk = Sdk::new();
    let gone = SharedObserver::new(sdk.observer("gone"));
    let here = SharedObserver::new(sdk.observer("here"));
    gone.emit(Event::concurrency_limit(1));
    here.emit(Event::concurrency_limit(2));
    let limit = |name, limit| {
        format!(
            "tower_otlp.concurrency.limit updown {{request}} [otel.component.name={name}] {limit}"
        )
    };
    assert_eq!(sdk.collect(), [limit("gone", 1), limit("here", 2)]);
    drop(gone);
    assert_eq!(sdk.collect(), [limit("here", 2)]);
}

#[test]
fn measuring_allocates_nothing_of_its_own() {
    let sdk = Sdk::new();
    assert_eq!(allocated(sdk.observer("eu")), 0);
}

#[test]
fn without_an_sdk_measurements_go_nowhere() {
    // No provider is set in this process.
    let observer = MetricsObserver::new(&opentelemetry::global::meter("tower-otlp"), "eu");
    assert_eq!(allocated(observer), 0);
}
