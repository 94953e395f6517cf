//! An exporter that remembers what it was given and answers what it is told to, and telemetry
//! to give it.

#![allow(clippy::expect_used, clippy::panic)]

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tower::Service;
use tower_otlp::{ExportError, ExportRequest, ExportResponse, Signal};

type Outcome = Result<ExportResponse, ExportError>;

/// The end of a pipeline in a test. Clones share everything.
#[derive(Clone)]
pub(crate) struct Backend {
    seen: Arc<Mutex<Vec<ExportRequest>>>,
    answer: Arc<dyn Fn(&ExportRequest) -> Outcome + Send + Sync>,
}

impl Backend {
    /// Takes everything.
    pub(crate) fn new() -> Self {
        Self::answering(|request| Ok(ExportResponse::delivered(request.items())))
    }

    pub(crate) fn answering(
        answer: impl Fn(&ExportRequest) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            seen: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    pub(crate) fn seen(&self) -> Vec<ExportRequest> {
        self.seen.lock().expect("no panic in a test double").clone()
    }

    /// The one request that came.
    pub(crate) fn only(&self) -> ExportRequest {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

impl Service<ExportRequest> for Backend {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Ready<Outcome>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let outcome = (self.answer)(&request);
        self.seen
            .lock()
            .expect("no panic in a test double")
            .push(request);
        ready(outcome)
    }
}

/// Protobuf of this signal with this many items.
pub(crate) fn protobuf(signal: Signal, items: usize) -> Bytes {
    match signal {
        Signal::Traces => traces(items).encode_to_vec().into(),
        Signal::Metrics => metrics(items).encode_to_vec().into(),
        Signal::Logs => logs(items).encode_to_vec().into(),
    }
}

/// A request of this signal with this many items.
pub(crate) fn telemetry(signal: Signal, items: usize) -> ExportRequest {
    ExportRequest::from_protobuf(signal, protobuf(signal, items)).expect("valid OTLP")
}

fn traces(items: usize) -> ExportTraceServiceRequest {
    let spans = (0..items).map(|number| Span {
        // Not UTF-8, so that no other signal can take it for text.
        trace_id: vec![0xfe; 16],
        span_id: vec![0xfd; 8],
        name: format!("GET /items/{number}"),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_500_000_000,
        attributes: attributes(),
        ..Span::default()
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans: vec![ScopeSpans {
                spans: spans.collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn metrics(items: usize) -> ExportMetricsServiceRequest {
    let points = (0..items).map(|number| NumberDataPoint {
        time_unix_nano: 1_700_000_000_000_000_000,
        value: Some(number_data_point::Value::AsInt(number as i64)),
        attributes: attributes(),
        ..NumberDataPoint::default()
    });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource()),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: "queue.size".to_owned(),
                    data: Some(metric::Data::Gauge(Gauge {
                        data_points: points.collect(),
                    })),
                    ..Metric::default()
                }],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn logs(items: usize) -> ExportLogsServiceRequest {
    let records = (0..items).map(|number| LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000,
        body: Some(text(&format!("line {number}"))),
        attributes: attributes(),
        ..LogRecord::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs: vec![ScopeLogs {
                log_records: records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn resource() -> Resource {
    Resource {
        attributes: vec![attribute("service.name", "shop")],
        ..Resource::default()
    }
}

fn attributes() -> Vec<KeyValue> {
    vec![attribute("http.route", "/items/{id}")]
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(value.to_owned())),
    }
}
