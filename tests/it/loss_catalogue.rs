//! Every way in which exporters are known to lose telemetry, and that these layers do not, or
//! that they say so by a count and a reason.
//!
//! Not applicable here are the losses of a queue on disk, for there is none: entries deleted by a
//! shutdown in backoff, entries and indices that cannot be decoded, recovery in several
//! transactions, files that are corrupt because they were not synced, and disks that are full. What
//! a queue does with an entry that a storage cannot give back is tested with the queue.

mod extremes;
mod libraries;
mod outages;
mod outcomes;
mod reported;

use std::time::Duration;

use futures_util::FutureExt;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use tokio::task::JoinHandle;
use tower::{Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_otlp::{
    BoxExporter, DrainReport, DropReason, ErrorKind, ExportError, ExportRequest, ExportResponse,
    Exporter, ExporterExt, Lifecycle, RetryAdvice, ServiceBuilderExt,
    layers::{
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::{Recorder, Tally},
        queue::{Acknowledge, QueueConfig, QueueHandle, QueueLayer},
        rate_limit::RateLimiter,
        retry::RetryPolicy,
        split::{SplitConfig, SplitLayer},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type Answer = JoinHandle<Result<ExportResponse, ExportError>>;

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

fn refused() -> ExportError {
    ExportError::new(ErrorKind::Rejected, "bad data")
}

fn throttled(delay: Duration) -> ExportError {
    ExportError::new(ErrorKind::Throttled, "slow down").with_retry(RetryAdvice::After(delay))
}

fn early() -> QueueConfig {
    QueueConfig::new().acknowledge(Acknowledge::OnEnqueue)
}

/// All layers in the order that the documentation recommends, over an exporter.
struct Pipeline {
    lifecycle: Lifecycle,
    recorder: Recorder,
    queue: QueueHandle,
    service: BoxExporter,
}

fn pipeline(queue: QueueConfig, exporter: impl Exporter) -> Pipeline {
    batching(queue, BatchConfig::new(), exporter)
}

fn batching(queue: QueueConfig, batch: BatchConfig, exporter: impl Exporter) -> Pipeline {
    let lifecycle = Lifecycle::new();
    let recorder = Recorder::new();
    let queue = QueueLayer::new(queue.lifecycle(&lifecycle)).unwrap();
    let handle = queue.handle();
    let service = ServiceBuilder::new()
        .observed(recorder.clone())
        .tracked(&lifecycle)
        .queue(queue)
        .batch(BatchLayer::new(batch.lifecycle(&lifecycle)).unwrap())
        .split(SplitLayer::new(SplitConfig::new().isolate_rejected(true)).unwrap())
        .export_retry(
            RetryPolicy::new()
                .max_elapsed(30 * SECOND)
                .lifecycle(&lifecycle),
        )
        .circuit_breaker(CircuitBreakerLayer::pending(CircuitBreakerPolicy::new()).unwrap())
        .rate_limited(RateLimiter::items_per_second(1e6).unwrap())
        .layer(ConcurrencyLimitLayer::new(4))
        .observed_attempts(recorder.clone())
        .attempt_timeout(10 * SECOND)
        .service(ReadinessProbe::new(exporter))
        .boxed_exporter();
    Pipeline {
        lifecycle,
        recorder,
        queue: handle,
        service,
    }
}

impl Pipeline {
    /// Sends, and waits for the answer in a task.
    async fn send(&self, request: ExportRequest) -> Answer {
        let mut service = self.service.clone();
        tokio::spawn(service.ready().await.unwrap().call(request))
    }

    /// Sends, and waits for the answer.
    async fn deliver(&self, request: ExportRequest) -> Result<ExportResponse, ExportError> {
        self.service.clone().oneshot(request).await
    }

    /// Shuts down. All that was accepted is accounted for.
    async fn shutdown(&self, deadline: Duration) -> DrainReport {
        let report = self.lifecycle.shutdown(deadline).await;
        balanced(&report);
        report
    }

    fn attempts(&self) -> Tally {
        self.recorder.snapshot().attempts()
    }

    fn requests(&self) -> Tally {
        self.recorder.snapshot().requests()
    }
}

fn balanced(report: &DrainReport) {
    let sum = report.delivered
        + report.rejected
        + report.refused
        + report.cancelled
        + report.retained
        + report.dropped
        + report.in_flight;
    assert_eq!(report.accepted, sum, "{report:?}");
}

fn drops(report: &DrainReport) -> Vec<(DropReason, u64)> {
    report.drops().collect()
}

/// Lets everything happen that takes no time, and batches that wait for more.
async fn settle() {
    tokio::time::sleep(SECOND).await;
}

/// A script that fails so many times and then delivers.
fn failing(times: usize, error: &ExportError) -> ScriptedExporter {
    ScriptedExporter::new(vec![Step::Fail(error.clone()); times])
}

/// Whether the answer is there, without waiting.
fn answered(answer: &mut Answer) -> bool {
    answer.now_or_never().is_some()
}

/// Log records with these bodies, in one scope.
fn records(bodies: impl IntoIterator<Item = String>) -> ExportRequest {
    let log_records = bodies.into_iter().map(|body| LogRecord {
        body: Some(AnyValue {
            value: Some(Value::StringValue(body)),
        }),
        ..LogRecord::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: log_records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
    .into()
}
