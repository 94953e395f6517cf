//! prost as the oracle: what it reads from bytes, and whether that is the same as ours.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{Exemplar, metric::Data},
};
use prost::{DecodeError, Message};
use tower_otlp::{Signal, otlp::Decoded};

use super::generate::Draw;

/// A random request of this signal.
pub(crate) fn generate(signal: Signal, draw: &mut Draw) -> Decoded {
    match signal {
        Signal::Traces => draw.traces().into(),
        Signal::Metrics => draw.metrics().into(),
        Signal::Logs => draw.logs().into(),
    }
}

/// What prost reads.
pub(crate) fn decode(signal: Signal, bytes: &[u8]) -> Result<Decoded, DecodeError> {
    Ok(match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(bytes)?.into(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(bytes)?.into(),
        Signal::Logs => ExportLogsServiceRequest::decode(bytes)?.into(),
    })
}

/// What prost writes.
pub(crate) fn encode(message: &Decoded) -> Vec<u8> {
    match message {
        Decoded::Traces(message) => message.encode_to_vec(),
        Decoded::Metrics(message) => message.encode_to_vec(),
        Decoded::Logs(message) => message.encode_to_vec(),
    }
}

/// Spans, data points or log records, counted in the structs.
pub(crate) fn items(message: &Decoded) -> u64 {
    let count = match message {
        Decoded::Traces(message) => message
            .resource_spans
            .iter()
            .flat_map(|group| &group.scope_spans)
            .map(|scope| scope.spans.len())
            .sum::<usize>(),
        Decoded::Logs(message) => message
            .resource_logs
            .iter()
            .flat_map(|group| &group.scope_logs)
            .map(|scope| scope.log_records.len())
            .sum(),
        Decoded::Metrics(message) => message
            .resource_metrics
            .iter()
            .flat_map(|group| &group.scope_metrics)
            .flat_map(|scope| &scope.metrics)
            .map(|metric| match &metric.data {
                None => 0,
                Some(Data::Gauge(data)) => data.data_points.len(),
                Some(Data::Sum(data)) => data.data_points.len(),
                Some(Data::Histogram(data)) => data.data_points.len(),
                Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
                Some(Data::Summary(data)) => data.data_points.len(),
            })
            .sum(),
    };
    count as u64
}

/// Whether two messages are the same to the last bit of every number, NaN included.
///
/// prost leaves out a negative zero where zero is the default, so bytes alone do not tell;
/// structs alone say that NaN differs from itself.
pub(crate) fn same(left: &Decoded, right: &Decoded) -> bool {
    encode(left) == encode(right) && (left == right || format!("{left:?}") == format!("{right:?}"))
}

/// Asserts [`same`], and shows both if they differ.
#[track_caller]
pub(crate) fn assert_same(left: &Decoded, right: &Decoded, context: &dyn std::fmt::Display) {
    assert!(
        same(left, right),
        "{context}\n left: {left:#?}\nright: {right:#?}"
    );
}

/// Removes what views do not tell apart, by OTLP's own rules: a sub-message that is absent or
/// empty, and the fields that are only for profiles, which are to be read as absent.
pub(crate) fn as_views_read(mut message: Decoded) -> Decoded {
    match &mut message {
        Decoded::Traces(message) => {
            for group in &mut message.resource_spans {
                attributes(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_spans {
                    attributes(&mut scope.scope.get_or_insert_default().attributes);
                    for span in &mut scope.spans {
                        attributes(&mut span.attributes);
                        span.status.get_or_insert_default();
                        for event in &mut span.events {
                            attributes(&mut event.attributes);
                        }
                        for link in &mut span.links {
                            attributes(&mut link.attributes);
                        }
                    }
                }
            }
        }
        Decoded::Logs(message) => {
            for group in &mut message.resource_logs {
                attributes(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_logs {
                    attributes(&mut scope.scope.get_or_insert_default().attributes);
                    for record in &mut scope.log_records {
                        attributes(&mut record.attributes);
                        any_value(record.body.get_or_insert_default());
                    }
                }
            }
        }
        Decoded::Metrics(message) => {
            for group in &mut message.resource_metrics {
                attributes(&mut group.resource.get_or_insert_default().attributes);
                for scope in &mut group.scope_metrics {
                    attributes(&mut scope.scope.get_or_insert_default().attributes);
                    for metric in &mut scope.metrics {
                        attributes(&mut metric.metadata);
                        if let Some(data) = &mut metric.data {
                            points(data);
                        }
                    }
                }
            }
        }
    }
    message
}

fn points(data: &mut Data) {
    fn exemplars(all: &mut [Exemplar]) {
        for exemplar in all {
            attributes(&mut exemplar.filtered_attributes);
        }
    }
    match data {
        Data::Gauge(data) => data.data_points.iter_mut().for_each(|point| {
            attributes(&mut point.attributes);
            exemplars(&mut point.exemplars);
        }),
        Data::Sum(data) => data.data_points.iter_mut().for_each(|point| {
            attributes(&mut point.attributes);
            exemplars(&mut point.exemplars);
        }),
        Data::Histogram(data) => data.data_points.iter_mut().for_each(|point| {
            attributes(&mut point.attributes);
            exemplars(&mut point.exemplars);
        }),
        Data::ExponentialHistogram(data) => data.data_points.iter_mut().for_each(|point| {
            attributes(&mut point.attributes);
            exemplars(&mut point.exemplars);
        }),
        Data::Summary(data) => data
            .data_points
            .iter_mut()
            .for_each(|point| attributes(&mut point.attributes)),
    }
}

fn attributes(all: &mut [KeyValue]) {
    for attribute in all {
        attribute.key_strindex = 0;
        any_value(attribute.value.get_or_insert_default());
    }
}

fn any_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::StringValueStrindex(_)) => value.value = None,
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(any_value),
        Some(Value::KvlistValue(list)) => attributes(&mut list.values),
        _ => {}
    }
}
