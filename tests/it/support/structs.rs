//! Views, read field by field into the structs that prost would make.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1 as common,
    logs::v1 as logs,
    metrics::v1 as metrics,
    resource::v1 as resource,
    trace::v1 as trace,
};
use tower_otlp::{
    ExportRequest,
    otlp::{
        AnyValue, Attributes, Buckets, Decoded, Exemplar, LogRecord, Metric, MetricData, Number,
        NumberDataPoint, Resource, Scope, Span, Str,
    },
};

/// Reads every field of a request through its views.
pub(crate) fn from_views(request: &ExportRequest) -> Decoded {
    if let Some(traces) = request.traces() {
        let resource_spans = traces
            .resources()
            .map(|group| trace::ResourceSpans {
                resource: Some(resource(&group.resource())),
                scope_spans: group
                    .scopes()
                    .map(|scope_group| trace::ScopeSpans {
                        scope: Some(scope(&scope_group.scope())),
                        spans: scope_group.items().map(|item| span(&item)).collect(),
                        schema_url: text(scope_group.schema_url()),
                    })
                    .collect(),
                schema_url: text(group.schema_url()),
            })
            .collect();
        return ExportTraceServiceRequest { resource_spans }.into();
    }
    if let Some(logs) = request.logs() {
        let resource_logs = logs
            .resources()
            .map(|group| logs::ResourceLogs {
                resource: Some(resource(&group.resource())),
                scope_logs: group
                    .scopes()
                    .map(|scope_group| logs::ScopeLogs {
                        scope: Some(scope(&scope_group.scope())),
                        log_records: scope_group.items().map(|item| log_record(&item)).collect(),
                        schema_url: text(scope_group.schema_url()),
                    })
                    .collect(),
                schema_url: text(group.schema_url()),
            })
            .collect();
        return ExportLogsServiceRequest { resource_logs }.into();
    }
    let resource_metrics = request
        .metrics()
        .expect("one of three signals")
        .resources()
        .map(|group| metrics::ResourceMetrics {
            resource: Some(resource(&group.resource())),
            scope_metrics: group
                .scopes()
                .map(|scope_group| metrics::ScopeMetrics {
                    scope: Some(scope(&scope_group.scope())),
                    metrics: scope_group.items().map(|item| metric(&item)).collect(),
                    schema_url: text(scope_group.schema_url()),
                })
                .collect(),
            schema_url: text(group.schema_url()),
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }.into()
}

fn text(value: Str<'_>) -> String {
    assert_eq!(value.as_str().as_bytes(), value.as_bytes());
    value.as_str().to_owned()
}

fn any_value(value: AnyValue<'_>) -> common::AnyValue {
    use common::any_value::Value;
    let value = match value {
        AnyValue::Empty => None,
        AnyValue::Str(value) => Some(Value::StringValue(text(value))),
        AnyValue::Bool(value) => Some(Value::BoolValue(value)),
        AnyValue::Int(value) => Some(Value::IntValue(value)),
        AnyValue::Double(value) => Some(Value::DoubleValue(value)),
        AnyValue::Bytes(value) => Some(Value::BytesValue(value.to_vec())),
        AnyValue::Array(array) => {
            assert_eq!(array.is_empty(), array.iter().next().is_none());
            Some(Value::ArrayValue(common::ArrayValue {
                values: array.iter().map(any_value).collect(),
            }))
        }
        AnyValue::Map(map) => Some(Value::KvlistValue(common::KeyValueList {
            values: attributes(map),
        })),
        other => panic!("a kind of value that nobody reads: {other:?}"),
    };
    common::AnyValue { value }
}

fn attributes(all: Attributes<'_>) -> Vec<common::KeyValue> {
    assert_eq!(all.is_empty(), all.iter().next().is_none());
    all.iter()
        .map(|(key, value)| {
            assert!(all.get(key.as_str()).is_some());
            common::KeyValue {
                key: text(key),
                value: Some(any_value(value)),
                key_strindex: 0,
            }
        })
        .collect()
}

fn resource(view: &Resource<'_>) -> resource::Resource {
    resource::Resource {
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        entity_refs: view
            .entity_refs()
            .map(|entity| common::EntityRef {
                schema_url: text(entity.schema_url()),
                r#type: text(entity.kind()),
                id_keys: entity.id_keys().map(text).collect(),
                description_keys: entity.description_keys().map(text).collect(),
            })
            .collect(),
    }
}

fn scope(view: &Scope<'_>) -> common::InstrumentationScope {
    common::InstrumentationScope {
        name: text(view.name()),
        version: text(view.version()),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
    }
}

fn span(view: &Span<'_>) -> trace::Span {
    trace::Span {
        trace_id: view.trace_id().as_bytes().to_vec(),
        span_id: view.span_id().as_bytes().to_vec(),
        trace_state: text(view.trace_state()),
        parent_span_id: view.parent_span_id().as_bytes().to_vec(),
        flags: view.flags(),
        name: text(view.name()),
        kind: view.kind().0,
        start_time_unix_nano: view.start_time_unix_nano(),
        end_time_unix_nano: view.end_time_unix_nano(),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        events: view
            .events()
            .map(|event| trace::span::Event {
                time_unix_nano: event.time_unix_nano(),
                name: text(event.name()),
                attributes: attributes(event.attributes()),
                dropped_attributes_count: event.dropped_attributes_count(),
            })
            .collect(),
        dropped_events_count: view.dropped_events_count(),
        links: view
            .links()
            .map(|link| trace::span::Link {
                trace_id: link.trace_id().as_bytes().to_vec(),
                span_id: link.span_id().as_bytes().to_vec(),
                trace_state: text(link.trace_state()),
                attributes: attributes(link.attributes()),
                dropped_attributes_count: link.dropped_attributes_count(),
                flags: link.flags(),
            })
            .collect(),
        dropped_links_count: view.dropped_links_count(),
        status: Some(trace::Status {
            message: text(view.status().message()),
            code: view.status().code().0,
        }),
    }
}

fn log_record(view: &LogRecord<'_>) -> logs::LogRecord {
    logs::LogRecord {
        time_unix_nano: view.time_unix_nano(),
        observed_time_unix_nano: view.observed_time_unix_nano(),
        severity_number: view.severity_number().0,
        severity_text: text(view.severity_text()),
        body: Some(any_value(view.body())),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        flags: view.flags(),
        trace_id: view.trace_id().as_bytes().to_vec(),
        span_id: view.span_id().as_bytes().to_vec(),
        event_name: text(view.event_name()),
    }
}

fn metric(view: &Metric<'_>) -> metrics::Metric {
    use metrics::metric::Data;
    metrics::Metric {
        name: text(view.name()),
        description: text(view.description()),
        unit: text(view.unit()),
        metadata: attributes(view.metadata()),
        data: view.data().map(|data| match data {
            MetricData::Gauge(data) => Data::Gauge(metrics::Gauge {
                data_points: data.points().map(|point| number_point(&point)).collect(),
            }),
            MetricData::Sum(data) => Data::Sum(metrics::Sum {
                data_points: data.points().map(|point| number_point(&point)).collect(),
                aggregation_temporality: data.temporality().0,
                is_monotonic: data.is_monotonic(),
            }),
            MetricData::Histogram(data) => Data::Histogram(metrics::Histogram {
                data_points: histogram_points(&data),
                aggregation_temporality: data.temporality().0,
            }),
            MetricData::ExponentialHistogram(data) => {
                Data::ExponentialHistogram(metrics::ExponentialHistogram {
                    data_points: exponential_points(&data),
                    aggregation_temporality: data.temporality().0,
                })
            }
            MetricData::Summary(data) => Data::Summary(metrics::Summary {
                data_points: summary_points(&data),
            }),
            other => panic!("a kind of metric that nobody reads: {other:?}"),
        }),
    }
}

fn number_point(view: &NumberDataPoint<'_>) -> metrics::NumberDataPoint {
    use metrics::number_data_point::Value;
    metrics::NumberDataPoint {
        attributes: attributes(view.attributes()),
        start_time_unix_nano: view.start_time_unix_nano(),
        time_unix_nano: view.time_unix_nano(),
        exemplars: view.exemplars().map(|sample| exemplar(&sample)).collect(),
        flags: view.flags(),
        value: view.value().map(|value| match value {
            Number::Int(value) => Value::AsInt(value),
            Number::Double(value) => Value::AsDouble(value),
        }),
    }
}

fn exemplar(view: &Exemplar<'_>) -> metrics::Exemplar {
    use metrics::exemplar::Value;
    metrics::Exemplar {
        filtered_attributes: attributes(view.filtered_attributes()),
        time_unix_nano: view.time_unix_nano(),
        span_id: view.span_id().as_bytes().to_vec(),
        trace_id: view.trace_id().as_bytes().to_vec(),
        value: view.value().map(|value| match value {
            Number::Int(value) => Value::AsInt(value),
            Number::Double(value) => Value::AsDouble(value),
        }),
    }
}

fn histogram_points(view: &tower_otlp::otlp::Histogram<'_>) -> Vec<metrics::HistogramDataPoint> {
    view.points()
        .map(|point| {
            assert_eq!(point.bucket_counts().len(), point.bucket_counts().count());
            metrics::HistogramDataPoint {
                attributes: attributes(point.attributes()),
                start_time_unix_nano: point.start_time_unix_nano(),
                time_unix_nano: point.time_unix_nano(),
                count: point.count(),
                sum: point.sum(),
                bucket_counts: point.bucket_counts().collect(),
                explicit_bounds: point.explicit_bounds().collect(),
                exemplars: point.exemplars().map(|sample| exemplar(&sample)).collect(),
                flags: point.flags(),
                min: point.min(),
                max: point.max(),
            }
        })
        .collect()
}

fn exponential_points(
    view: &tower_otlp::otlp::ExponentialHistogram<'_>,
) -> Vec<metrics::ExponentialHistogramDataPoint> {
    view.points()
        .map(|point| metrics::ExponentialHistogramDataPoint {
            attributes: attributes(point.attributes()),
            start_time_unix_nano: point.start_time_unix_nano(),
            time_unix_nano: point.time_unix_nano(),
            count: point.count(),
            sum: point.sum(),
            scale: point.scale(),
            zero_count: point.zero_count(),
            positive: point.positive().map(|view| buckets(&view)),
            negative: point.negative().map(|view| buckets(&view)),
            flags: point.flags(),
            exemplars: point.exemplars().map(|sample| exemplar(&sample)).collect(),
            min: point.min(),
            max: point.max(),
            zero_threshold: point.zero_threshold(),
        })
        .collect()
}

fn buckets(view: &Buckets<'_>) -> metrics::exponential_histogram_data_point::Buckets {
    metrics::exponential_histogram_data_point::Buckets {
        offset: view.offset(),
        bucket_counts: view.bucket_counts().collect(),
    }
}

fn summary_points(view: &tower_otlp::otlp::Summary<'_>) -> Vec<metrics::SummaryDataPoint> {
    view.points()
        .map(|point| metrics::SummaryDataPoint {
            attributes: attributes(point.attributes()),
            start_time_unix_nano: point.start_time_unix_nano(),
            time_unix_nano: point.time_unix_nano(),
            count: point.count(),
            sum: point.sum(),
            quantile_values: point
                .quantile_values()
                .map(|value| metrics::summary_data_point::ValueAtQuantile {
                    quantile: value.quantile(),
                    value: value.value(),
                })
                .collect(),
            flags: point.flags(),
        })
        .collect()
}
