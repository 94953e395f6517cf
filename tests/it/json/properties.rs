//! Any message: through our JSON, through opentelemetry-proto's, and back.
//!
//! Messages are compared as `decoded`, with every sub-message filled in that protobuf does not
//! tell from an empty one.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{Exemplar, metric::Data},
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message;
use tower_otlp::{ExportRequest, Signal};

use super::{read, write};
use crate::support::generate::{self, Draw, Options};

/// A random request of a signal, as prost encodes it.
pub(super) fn encoded(signal: Signal, draw: &mut Draw) -> Vec<u8> {
    match signal {
        Signal::Traces => draw.traces().encode_to_vec(),
        Signal::Metrics => draw.metrics().encode_to_vec(),
        Signal::Logs => draw.logs().encode_to_vec(),
    }
}

/// All that JSON can carry: it has no form for ids of a wrong length.
fn everything() -> Options {
    Options {
        odd_ids: false,
        ..Options::default()
    }
}

/// What opentelemetry-proto's JSON can carry: it writes NaN and the infinities as `null` and does
/// not read them at all.
fn plain() -> Options {
    Options {
        odd_doubles: false,
        ..everything()
    }
}

/// What to fill in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// Absent sub-messages.
    Absent,
    /// Also what opentelemetry-proto's JSON cannot read when it is left out: the fields of
    /// attributes, of lists and of entities.
    Required,
}

/// A request of one signal, and what makes two of them comparable.
trait Request:
    Message + Default + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned
{
    const SIGNAL: Signal;

    /// Fills in what is absent, all the way down.
    fn fill(&mut self, how: Fill);

    fn decoded(bytes: &[u8]) -> Self {
        let mut message = Self::decode(bytes).expect("valid protobuf");
        message.fill(Fill::Absent);
        message
    }
}

fn fill_value(value: &mut AnyValue, how: Fill) {
    match &mut value.value {
        Some(Value::ArrayValue(array)) => {
            for value in &mut array.values {
                fill_value(value, how);
            }
        }
        Some(Value::KvlistValue(list)) => fill_attributes(&mut list.values, how),
        _ => {}
    }
    if how == Fill::Required && is_empty_list(value) {
        value.value = None;
    }
}

fn is_empty_list(value: &AnyValue) -> bool {
    match &value.value {
        Some(Value::ArrayValue(array)) => array.values.is_empty(),
        Some(Value::KvlistValue(list)) => list.values.is_empty(),
        _ => false,
    }
}

fn fill_attributes(attributes: &mut [KeyValue], how: Fill) {
    for attribute in attributes {
        if how == Fill::Required && attribute.key.is_empty() {
            attribute.key.push('k');
        }
        fill_value(attribute.value.get_or_insert_default(), how);
    }
}

fn fill_resource(resource: &mut Option<Resource>, how: Fill) {
    let resource = resource.get_or_insert_default();
    fill_attributes(&mut resource.attributes, how);
    if how == Fill::Required {
        for entity in &mut resource.entity_refs {
            entity.schema_url.push('s');
            entity.r#type.push('t');
            entity.id_keys.push("k".to_owned());
            entity.description_keys.push("k".to_owned());
        }
    }
}

fn fill_exemplars(exemplars: &mut [Exemplar], how: Fill) {
    for exemplar in exemplars {
        fill_attributes(&mut exemplar.filtered_attributes, how);
    }
}

impl Request for ExportTraceServiceRequest {
    const SIGNAL: Signal = Signal::Traces;

    fn fill(&mut self, how: Fill) {
        for group in &mut self.resource_spans {
            fill_resource(&mut group.resource, how);
            for group in &mut group.scope_spans {
                fill_attributes(&mut group.scope.get_or_insert_default().attributes, how);
                for span in &mut group.spans {
                    fill_attributes(&mut span.attributes, how);
                    span.status.get_or_insert_default();
                    for event in &mut span.events {
                        fill_attributes(&mut event.attributes, how);
                    }
                    for link in &mut span.links {
                        fill_attributes(&mut link.attributes, how);
                    }
                }
            }
        }
    }
}

impl Request for ExportLogsServiceRequest {
    const SIGNAL: Signal = Signal::Logs;

    fn fill(&mut self, how: Fill) {
        for group in &mut self.resource_logs {
            fill_resource(&mut group.resource, how);
            for group in &mut group.scope_logs {
                fill_attributes(&mut group.scope.get_or_insert_default().attributes, how);
                for record in &mut group.log_records {
                    fill_attributes(&mut record.attributes, how);
                    fill_value(record.body.get_or_insert_default(), how);
                }
            }
        }
    }
}

impl Request for ExportMetricsServiceRequest {
    const SIGNAL: Signal = Signal::Metrics;

    fn fill(&mut self, how: Fill) {
        for group in &mut self.resource_metrics {
            fill_resource(&mut group.resource, how);
            for group in &mut group.scope_metrics {
                fill_attributes(&mut group.scope.get_or_insert_default().attributes, how);
                for metric in &mut group.metrics {
                    fill_attributes(&mut metric.metadata, how);
                    fill_data(&mut metric.data, how);
                }
            }
        }
    }
}

fn fill_data(data: &mut Option<Data>, how: Fill) {
    match data {
        None => {}
        Some(Data::Gauge(gauge)) => {
            for point in &mut gauge.data_points {
                fill_attributes(&mut point.attributes, how);
                fill_exemplars(&mut point.exemplars, how);
            }
        }
        Some(Data::Sum(sum)) => {
            for point in &mut sum.data_points {
                fill_attributes(&mut point.attributes, how);
                fill_exemplars(&mut point.exemplars, how);
            }
        }
        Some(Data::Histogram(histogram)) => {
            for point in &mut histogram.data_points {
                fill_attributes(&mut point.attributes, how);
                fill_exemplars(&mut point.exemplars, how);
            }
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            for point in &mut histogram.data_points {
                fill_attributes(&mut point.attributes, how);
                fill_exemplars(&mut point.exemplars, how);
                point.positive.get_or_insert_default();
                point.negative.get_or_insert_default();
            }
        }
        Some(Data::Summary(summary)) => {
            for point in &mut summary.data_points {
                fill_attributes(&mut point.attributes, how);
            }
        }
    }
}

/// Asserts that two messages are the same; NaN is the same as NaN.
fn same<R: Request>(ours: &R, theirs: &R) {
    if ours != theirs {
        assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"));
    }
}

/// Our text, read by us, is the message, and our text again.
fn comes_back<R: Request>(message: &R) {
    let bytes = message.encode_to_vec();
    let request = ExportRequest::from_protobuf(R::SIGNAL, bytes.clone()).expect("valid OTLP");
    let text = write(request.otlp());
    let otlp = read(R::SIGNAL, &text).expect("our own text");
    assert_eq!(otlp.items(), request.items());
    same(&R::decoded(otlp.bytes()), &R::decoded(&bytes));
    assert_eq!(write(&otlp), text);
}

/// Our text means the same to opentelemetry-proto, and its text to us.
fn agrees<R: Request>(mut message: R) {
    message.fill(Fill::Required);
    let bytes = message.encode_to_vec();
    let request = ExportRequest::from_protobuf(R::SIGNAL, bytes.clone()).expect("valid OTLP");
    let expected = R::decoded(&bytes);

    let ours = write(request.otlp());
    let mut theirs: R = serde_json::from_str(&ours).unwrap_or_else(|e| panic!("{e}: {ours}"));
    theirs.fill(Fill::Absent);
    same(&theirs, &expected);

    let theirs = serde_json::to_string(&message).expect("JSON");
    let otlp = read(R::SIGNAL, &theirs).unwrap_or_else(|e| panic!("{e}: {theirs}"));
    same(&R::decoded(otlp.bytes()), &expected);
}

proptest! {
    #![proptest_config(generate::config(128))]

    #[test]
    fn traces_come_back(message in generate::traces(everything())) {
        comes_back(&message);
    }

    #[test]
    fn metrics_come_back(message in generate::metrics(everything())) {
        comes_back(&message);
    }

    #[test]
    fn logs_come_back(message in generate::logs(everything())) {
        comes_back(&message);
    }

    #[test]
    fn traces_agree(message in generate::traces(plain())) {
        agrees(message);
    }

    #[test]
    fn metrics_agree(message in generate::metrics(plain())) {
        agrees(message);
    }

    #[test]
    fn logs_agree(message in generate::logs(plain())) {
        agrees(message);
    }

    /// What JSON cannot carry does not make the writer fail, and leaves the text JSON.
    #[test]
    fn anything_is_written(mut draw in generate::draws(Options { profile_fields: true, ..Options::default() })) {
        let signal = draw.pick(&Signal::ALL);
        let bytes = encoded(signal, &mut draw);
        let request = ExportRequest::from_protobuf(signal, bytes).expect("valid OTLP");
        let text = write(request.otlp());
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        prop_assert!(value.is_object());
    }
}
