//! Whether what a server wrote down is what went in, field by field.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    metrics::v1::metric::Data,
};
use prost::Message;
use tower_otlp::{ExportRequest, Signal};

/// Asserts that `received` is `sent`, but for what OTLP means to be the same: a sub-message that
/// is absent and one that is empty.
pub fn assert_same(signal: Signal, sent: &[ExportRequest], received: &[ExportRequest]) {
    assert_eq!(sent.len(), received.len(), "number of {signal} requests");
    for (sent, received) in sent.iter().zip(received) {
        let (sent, received) = (normal(sent), normal(received));
        if sent != received {
            let all = sent.lines().zip(received.lines()).enumerate();
            let (line, _) = all
                .clone()
                .find(|(_, (sent, received))| sent != received)
                .expect("one line differs");
            let around: String = all
                .skip(line.saturating_sub(15))
                .take(25)
                .map(|(_, (sent, received))| format!("{sent:<60} | {received}\n"))
                .collect();
            panic!("a request of {signal} arrived otherwise, sent | received:\n{around}");
        }
    }
}

/// One field a line, NaN equal to itself, no value the same as an empty one, and an id of zeros
/// the same as none: the Collector does not tell them apart either.
fn text(message: &impl std::fmt::Debug) -> String {
    format!("{message:?}")
        .replace("Some(AnyValue { value: None })", "None")
        .replace("[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]", "[]")
        .replace("[0, 0, 0, 0, 0, 0, 0, 0]", "[]")
        .replace(", ", ",\n")
}

/// A request in one spelling, as text.
fn normal(request: &ExportRequest) -> String {
    let bytes = request.protobuf().clone();
    match request.signal() {
        Signal::Traces => {
            let mut message = ExportTraceServiceRequest::decode(bytes).expect("checked");
            for group in &mut message.resource_spans {
                group.resource.get_or_insert_default();
                for scope in &mut group.scope_spans {
                    scope.scope.get_or_insert_default();
                    for span in &mut scope.spans {
                        span.status.get_or_insert_default();
                    }
                }
            }
            text(&message)
        }
        Signal::Metrics => {
            let mut message = ExportMetricsServiceRequest::decode(bytes).expect("checked");
            for group in &mut message.resource_metrics {
                group.resource.get_or_insert_default();
                for scope in &mut group.scope_metrics {
                    scope.scope.get_or_insert_default();
                    for metric in &mut scope.metrics {
                        if let Some(Data::ExponentialHistogram(histogram)) = &mut metric.data {
                            for point in &mut histogram.data_points {
                                point.positive.get_or_insert_default();
                                point.negative.get_or_insert_default();
                            }
                        }
                    }
                }
            }
            text(&message)
        }
        Signal::Logs => {
            let mut message = ExportLogsServiceRequest::decode(bytes).expect("checked");
            for group in &mut message.resource_logs {
                group.resource.get_or_insert_default();
                for scope in &mut group.scope_logs {
                    scope.scope.get_or_insert_default();
                }
            }
            text(&message)
        }
    }
}
