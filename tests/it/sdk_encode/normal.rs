//! One form for messages that say the same.
//!
//! What the encoders do differently on purpose is made alike here, and tested where it is done:
//! groups come in the order of their first items, resource attributes and maps in any order; a
//! status that is unset and buckets without counts are left out; so are identifiers of all zeros in
//! log records.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::metric::Data,
    resource::v1::Resource,
};
use tower_otlp::otlp::Decoded;

pub(crate) fn of(mut message: Decoded) -> Decoded {
    match &mut message {
        Decoded::Traces(message) => {
            for group in &mut message.resource_spans {
                resource(group.resource.as_mut());
                group
                    .scope_spans
                    .sort_by_cached_key(|group| scope(group.scope.as_ref(), &group.schema_url));
                for span in group
                    .scope_spans
                    .iter_mut()
                    .flat_map(|group| &mut group.spans)
                {
                    span.status.get_or_insert_default();
                }
            }
        }
        Decoded::Logs(message) => {
            for group in &mut message.resource_logs {
                resource(group.resource.as_mut());
                group
                    .scope_logs
                    .sort_by_cached_key(|group| scope(group.scope.as_ref(), &group.schema_url));
                let records = group.scope_logs.iter_mut();
                for record in records.flat_map(|group| &mut group.log_records) {
                    for id in [&mut record.trace_id, &mut record.span_id] {
                        if id.iter().all(|byte| *byte == 0) {
                            id.clear();
                        }
                    }
                    record.body.iter_mut().for_each(maps);
                    pairs(&mut record.attributes);
                }
            }
        }
        Decoded::Metrics(message) => {
            for group in &mut message.resource_metrics {
                resource(group.resource.as_mut());
                let metrics = group.scope_metrics.iter_mut();
                for metric in metrics.flat_map(|group| &mut group.metrics) {
                    if let Some(Data::ExponentialHistogram(data)) = &mut metric.data {
                        for point in &mut data.data_points {
                            point.positive.get_or_insert_default();
                            point.negative.get_or_insert_default();
                        }
                    }
                }
            }
        }
    }
    message
}

fn resource(resource: Option<&mut Resource>) {
    let resource = resource.expect("a resource is always told");
    resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
}

fn scope(scope: Option<&InstrumentationScope>, schema_url: &str) -> String {
    format!("{schema_url} {scope:?}")
}

fn pairs(values: &mut [KeyValue]) {
    for pair in values {
        pair.value.iter_mut().for_each(maps);
    }
}

fn maps(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::KvlistValue(map)) => {
            map.values.sort_by(|a, b| a.key.cmp(&b.key));
            pairs(&mut map.values);
        }
        Some(Value::ArrayValue(list)) => list.values.iter_mut().for_each(maps),
        _ => {}
    }
}
