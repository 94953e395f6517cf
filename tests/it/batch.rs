//! The batch layer: what it merges and when, what each caller is told, and how it ends.

use std::time::Duration;

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use tokio::task::JoinHandle;
use tower::{Service, ServiceExt, layer::Layer};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse,
    layers::batch::{Batch, BatchConfig, BatchLayer},
    testing::{ReadinessProbe, ScriptedExporter, Step},
};

mod answers;
mod ends;
mod fills;
mod pressure;
mod properties;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

type Answer = JoinHandle<Result<ExportResponse, ExportError>>;

fn layer(config: BatchConfig) -> BatchLayer {
    BatchLayer::new(config).expect("a configuration that works")
}

/// A batch layer over a script.
fn batch(config: BatchConfig, script: impl IntoIterator<Item = Step>) -> (Batch, ScriptedExporter) {
    let exporter = ScriptedExporter::new(script);
    let service = layer(config).layer(ReadinessProbe::new(exporter.clone()));
    (service, exporter)
}

/// Batches that wait for an hour unless they are full.
fn patient() -> BatchConfig {
    BatchConfig::new().timeout(HOUR)
}

fn send(service: &Batch, request: ExportRequest) -> Answer {
    tokio::spawn(service.clone().oneshot(request))
}

async fn delivered(answer: Answer) -> u64 {
    let response = answer.await.expect("no panic").expect("delivered");
    response.delivered_items()
}

async fn failed(answer: Answer) -> ExportError {
    answer.await.expect("no panic").expect_err("failed")
}

/// Lets everything happen that takes no time.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "down")
}

/// Log records with these bodies, in one scope.
fn records<T: ToString>(bodies: impl IntoIterator<Item = T>) -> ExportRequest {
    let log_records = bodies.into_iter().map(|body| LogRecord {
        body: Some(AnyValue {
            value: Some(Value::StringValue(body.to_string())),
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

/// The bodies of the log records of a request.
fn bodies(request: &ExportRequest) -> Vec<String> {
    let logs = request.logs().expect("logs");
    logs.resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|record| record.body().as_str().unwrap_or_default().to_owned())
        .collect()
}
