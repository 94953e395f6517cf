//! Reads every field of a request through its views.

use tower_otlp::{
    ExportRequest,
    otlp::{
        AnyValue, Attributes, Exemplar, LogRecord, Metric, MetricData, Number, NumberDataPoint,
        Resource, Scope, Span,
    },
};

/// Sums up all fields, so that none can be left out.
pub(crate) fn every_field(request: &ExportRequest) -> u64 {
    let mut sum = Sum(0);
    if let Some(traces) = request.traces() {
        for group in traces.resources() {
            sum.resource(&group.resource());
            sum.bytes(group.schema_url().as_bytes());
            for scope in group.scopes() {
                sum.scope(&scope.scope());
                sum.bytes(scope.schema_url().as_bytes());
                scope.items().for_each(|span| sum.span(&span));
            }
        }
    }
    if let Some(logs) = request.logs() {
        for group in logs.resources() {
            sum.resource(&group.resource());
            sum.bytes(group.schema_url().as_bytes());
            for scope in group.scopes() {
                sum.scope(&scope.scope());
                sum.bytes(scope.schema_url().as_bytes());
                scope.items().for_each(|record| sum.log_record(&record));
            }
        }
    }
    if let Some(metrics) = request.metrics() {
        for group in metrics.resources() {
            sum.resource(&group.resource());
            sum.bytes(group.schema_url().as_bytes());
            for scope in group.scopes() {
                sum.scope(&scope.scope());
                sum.bytes(scope.schema_url().as_bytes());
                scope.items().for_each(|metric| sum.metric(&metric));
            }
        }
    }
    sum.0
}

struct Sum(u64);

impl Sum {
    fn number(&mut self, value: u64) {
        self.0 = self.0.wrapping_add(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.number(bytes.last().copied().map_or(0, u64::from));
    }

    fn double(&mut self, value: f64) {
        self.number(value.to_bits());
    }

    fn value(&mut self, value: AnyValue<'_>) {
        match value {
            AnyValue::Str(value) => self.bytes(value.as_bytes()),
            AnyValue::Bool(value) => self.number(u64::from(value)),
            AnyValue::Int(value) => self.number(value.cast_unsigned()),
            AnyValue::Double(value) => self.double(value),
            AnyValue::Bytes(value) => self.bytes(value),
            AnyValue::Array(values) => values.iter().for_each(|value| self.value(value)),
            AnyValue::Map(values) => self.attributes(values),
            _ => {}
        }
    }

    fn attributes(&mut self, attributes: Attributes<'_>) {
        for (key, value) in attributes {
            self.bytes(key.as_bytes());
            self.value(value);
        }
    }

    fn resource(&mut self, resource: &Resource<'_>) {
        self.attributes(resource.attributes());
        self.number(u64::from(resource.dropped_attributes_count()));
        for entity in resource.entity_refs() {
            self.bytes(entity.kind().as_bytes());
            self.bytes(entity.schema_url().as_bytes());
            entity.id_keys().for_each(|key| self.bytes(key.as_bytes()));
            let keys = entity.description_keys();
            keys.for_each(|key| self.bytes(key.as_bytes()));
        }
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.bytes(scope.name().as_bytes());
        self.bytes(scope.version().as_bytes());
        self.attributes(scope.attributes());
        self.number(u64::from(scope.dropped_attributes_count()));
    }

    fn span(&mut self, span: &Span<'_>) {
        self.bytes(span.trace_id().as_bytes());
        self.bytes(span.span_id().as_bytes());
        self.bytes(span.parent_span_id().as_bytes());
        self.bytes(span.trace_state().as_bytes());
        self.bytes(span.name().as_bytes());
        self.number(u64::from(span.flags()));
        self.number(u64::from(span.kind().0.cast_unsigned()));
        self.number(span.start_time_unix_nano());
        self.number(span.end_time_unix_nano());
        self.attributes(span.attributes());
        self.number(u64::from(span.dropped_attributes_count()));
        self.number(u64::from(span.dropped_events_count()));
        self.number(u64::from(span.dropped_links_count()));
        self.bytes(span.status().message().as_bytes());
        self.number(u64::from(span.status().code().0.cast_unsigned()));
        for event in span.events() {
            self.number(event.time_unix_nano());
            self.bytes(event.name().as_bytes());
            self.attributes(event.attributes());
            self.number(u64::from(event.dropped_attributes_count()));
        }
        for link in span.links() {
            self.bytes(link.trace_id().as_bytes());
            self.bytes(link.span_id().as_bytes());
            self.bytes(link.trace_state().as_bytes());
            self.attributes(link.attributes());
            self.number(u64::from(link.dropped_attributes_count()));
            self.number(u64::from(link.flags()));
        }
    }

    fn log_record(&mut self, record: &LogRecord<'_>) {
        self.number(record.time_unix_nano());
        self.number(record.observed_time_unix_nano());
        self.number(u64::from(record.severity_number().0.cast_unsigned()));
        self.bytes(record.severity_text().as_bytes());
        self.value(record.body());
        self.attributes(record.attributes());
        self.number(u64::from(record.dropped_attributes_count()));
        self.number(u64::from(record.flags()));
        self.bytes(record.trace_id().as_bytes());
        self.bytes(record.span_id().as_bytes());
        self.bytes(record.event_name().as_bytes());
    }

    fn metric(&mut self, metric: &Metric<'_>) {
        self.bytes(metric.name().as_bytes());
        self.bytes(metric.description().as_bytes());
        self.bytes(metric.unit().as_bytes());
        self.attributes(metric.metadata());
        match metric.data() {
            Some(MetricData::Gauge(data)) => {
                data.points().for_each(|point| self.number_point(&point));
            }
            Some(MetricData::Sum(data)) => {
                self.number(u64::from(data.temporality().0.cast_unsigned()));
                self.number(u64::from(data.is_monotonic()));
                data.points().for_each(|point| self.number_point(&point));
            }
            Some(MetricData::Histogram(data)) => {
                self.number(u64::from(data.temporality().0.cast_unsigned()));
                for point in data.points() {
                    self.attributes(point.attributes());
                    self.number(point.start_time_unix_nano());
                    self.number(point.time_unix_nano());
                    self.number(point.count());
                    self.number(u64::from(point.flags()));
                    for value in [point.sum(), point.min(), point.max()] {
                        self.double(value.unwrap_or_default());
                    }
                    point.bucket_counts().for_each(|count| self.number(count));
                    point.explicit_bounds().for_each(|bound| self.double(bound));
                    point.exemplars().for_each(|sample| self.exemplar(&sample));
                }
            }
            Some(MetricData::ExponentialHistogram(data)) => {
                self.number(u64::from(data.temporality().0.cast_unsigned()));
                for point in data.points() {
                    self.attributes(point.attributes());
                    self.number(point.start_time_unix_nano());
                    self.number(point.time_unix_nano());
                    self.number(point.count());
                    self.number(point.zero_count());
                    self.number(u64::from(point.flags()));
                    self.number(u64::from(point.scale().cast_unsigned()));
                    self.double(point.zero_threshold());
                    for value in [point.sum(), point.min(), point.max()] {
                        self.double(value.unwrap_or_default());
                    }
                    for buckets in [point.positive(), point.negative()].into_iter().flatten() {
                        self.number(u64::from(buckets.offset().cast_unsigned()));
                        buckets.bucket_counts().for_each(|count| self.number(count));
                    }
                    point.exemplars().for_each(|sample| self.exemplar(&sample));
                }
            }
            Some(MetricData::Summary(data)) => {
                for point in data.points() {
                    self.attributes(point.attributes());
                    self.number(point.start_time_unix_nano());
                    self.number(point.time_unix_nano());
                    self.number(point.count());
                    self.number(u64::from(point.flags()));
                    self.double(point.sum());
                    for value in point.quantile_values() {
                        self.double(value.quantile());
                        self.double(value.value());
                    }
                }
            }
            _ => {}
        }
    }

    fn number_point(&mut self, point: &NumberDataPoint<'_>) {
        self.attributes(point.attributes());
        self.number(point.start_time_unix_nano());
        self.number(point.time_unix_nano());
        self.number(u64::from(point.flags()));
        self.measured(point.value());
        point.exemplars().for_each(|sample| self.exemplar(&sample));
    }

    fn measured(&mut self, value: Option<Number>) {
        match value {
            Some(Number::Int(value)) => self.number(value.cast_unsigned()),
            Some(Number::Double(value)) => self.double(value),
            None => {}
        }
    }

    fn exemplar(&mut self, sample: &Exemplar<'_>) {
        self.attributes(sample.filtered_attributes());
        self.number(sample.time_unix_nano());
        self.bytes(sample.span_id().as_bytes());
        self.bytes(sample.trace_id().as_bytes());
        self.measured(sample.value());
    }
}
