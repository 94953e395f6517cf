//! Metrics: one point or several for each data point, by the schema.

mod histogram;
mod number;
mod schema;
mod summary;

use self::schema::{Key, is_field};
use super::{
    LineProtocol, MetricsSchema, Unfit, Writer,
    attributes::{Rendered, Sorted, plain, sort, tags},
    text::{field_key, id_tag, measurement, tag, tag_key, trimmed},
};
use crate::otlp::views::{
    AnyValue, Attributes, Exemplar, Metric, MetricData, Metrics, Repeated, Scope, Str,
};

/// What the points of one metric have in common.
struct Series<'m, 'a> {
    metric: Metric<'a>,
    schema: MetricsSchema,
    is_field: fn(&[u8]) -> bool,
    /// The tags of resource and scope.
    group: &'m Rendered<'a>,
    /// The attributes of the present point.
    own: &'m mut Sorted<'a>,
    /// Room for the keys of fields.
    key: &'m mut Key,
}

impl Writer<'_> {
    pub(super) fn metrics(&mut self, metrics: Metrics<'_>) {
        let &LineProtocol { schema, .. } = self.options;
        let is_field = is_field(schema);
        let mut own = Sorted::new();
        let mut key = Key::default();
        for resource in metrics.resources() {
            for scope in resource.scopes() {
                let all = group_attributes(resource.attributes(), scope.scope());
                sort(&mut own, all, |_| true);
                let group = Rendered::new(&own, |out, key, value| {
                    let value = plain(&mut self.scratch, value);
                    tag(out, key.as_bytes(), value, is_field)
                });
                for metric in scope.items() {
                    self.metric(&mut Series {
                        metric,
                        schema,
                        is_field,
                        group: &group,
                        own: &mut own,
                        key: &mut key,
                    });
                }
            }
        }
    }

    fn metric<'a>(&mut self, series: &mut Series<'_, 'a>) {
        let name = Some(series.metric.name());
        // A metric without a type has no points.
        match series.metric.data() {
            Some(MetricData::Gauge(gauge)) => {
                for point in gauge.points() {
                    self.item(name, |writer| writer.gauge(series, &point));
                }
            }
            Some(MetricData::Sum(sum)) => {
                for point in sum.points() {
                    self.item(name, |writer| writer.sum(series, &sum, &point));
                }
            }
            Some(MetricData::Histogram(histogram)) => {
                for point in histogram.points() {
                    self.item(name, |writer| {
                        writer.histogram(series, histogram.temporality(), &point)
                    });
                }
            }
            Some(MetricData::Summary(summary)) => {
                for point in summary.points() {
                    self.item(name, |writer| writer.summary(series, &point));
                }
            }
            Some(MetricData::ExponentialHistogram(histogram)) => {
                for _ in histogram.points() {
                    self.item(name, |_| {
                        Err(Unfit("exponential histograms have no form in any schema"))
                    });
                }
            }
            None => {}
        }
    }

    /// Begins a line of the metric: measurement and tags.
    fn begin(&mut self, series: &Series<'_, '_>, extra: Option<(&'static str, &[u8])>) {
        let out = &mut self.line.out;
        if out.len() > self.most {
            // It is given up, and a point may have as many lines as it has buckets.
            return self.line.begin_fields();
        }
        let start = out.len();
        series.measurement(out);
        let has_other_keys = tags(
            out,
            &mut self.scratch,
            series.group,
            series.own,
            extra,
            series.is_field,
        );
        self.check_tags(start, has_other_keys);
        self.line.begin_fields();
    }

    /// Writes a line for each exemplar that knows its span.
    fn exemplars<'a>(
        &mut self,
        series: &mut Series<'_, 'a>,
        exemplars: Repeated<'a, Exemplar<'a>>,
        point_time: u64,
    ) -> Result<(), Unfit> {
        for exemplar in exemplars {
            let (trace, span) = (exemplar.trace_id(), exemplar.span_id());
            let Some(value) = exemplar.value() else {
                continue;
            };
            if trace.is_empty() || span.is_empty() {
                continue;
            }
            let time = self.time([exemplar.time_unix_nano(), point_time])?;
            let line = &mut self.line;
            let start = line.out.len();
            measurement(&mut line.out, series.metric.name().as_bytes());
            line.out.extend_from_slice(b"_exemplar");
            sort(series.own, exemplar.filtered_attributes().iter(), |_| true);
            let is_field: fn(&[u8]) -> bool =
                |key| matches!(key, b"gauge" | b"trace_id" | b"span_id");
            let mut has_other_keys = false;
            for (key, value) in &*series.own {
                let value = plain(&mut self.scratch, *value);
                has_other_keys |= tag(&mut line.out, key.as_bytes(), value, is_field);
            }
            id_tag(&mut line.out, b"span_id", span.as_bytes());
            id_tag(&mut line.out, b"trace_id", trace.as_bytes());
            let time = self.moments.free(&line.out[start..], time);
            self.check_tags(start, has_other_keys);
            let line = &mut self.line;
            line.begin_fields();
            line.measured(b"gauge", value);
            if line.has_no_field() {
                // Its value is no number: there is nothing to say.
                line.out.truncate(start);
                continue;
            }
            self.end(time);
        }
        Ok(())
    }
}

impl<'a> Series<'_, 'a> {
    /// Takes the attributes of a point.
    fn enter(&mut self, attributes: Attributes<'a>) -> Result<(), Unfit> {
        if trimmed(self.metric.name().as_bytes()).is_empty() {
            return Err(Unfit("it has no name"));
        }
        sort(self.own, attributes.iter(), |_| true);
        if self.schema == MetricsSchema::TelegrafPrometheusV2 {
            self.check_keys()?;
        }
        Ok(())
    }

    /// In this schema the fields have the name of the metric, which a tag may have, too.
    fn check_keys(&mut self) -> Result<(), Unfit> {
        self.key.stem(self.metric.name().as_bytes());
        let name = self.key.with(b"");
        let mut written = Vec::new();
        let own = self.own.iter().map(|(key, _)| key.as_bytes());
        let taken = self.group.keys().chain(own).find(|key| {
            written.clear();
            tag_key(&mut written, key, self.is_field);
            written.strip_prefix(name).is_some_and(|suffix| {
                matches!(
                    suffix,
                    b"" | b"_count" | b"_sum" | b"_min" | b"_max" | b"_bucket"
                )
            })
        });
        match taken {
            Some(_) => Err(Unfit("an attribute has the name of its field")),
            None => Ok(()),
        }
    }

    fn measurement(&self, out: &mut Vec<u8>) {
        match self.schema {
            MetricsSchema::TelegrafPrometheusV1 => {
                measurement(out, self.metric.name().as_bytes());
            }
            MetricsSchema::TelegrafPrometheusV2 => out.extend_from_slice(b"prometheus"),
            MetricsSchema::OtelV1 => {
                measurement(out, self.metric.name().as_bytes());
                out.push(b'_');
                measurement_part(out, self.metric.unit().as_bytes());
                out.extend_from_slice(match self.metric.data() {
                    Some(MetricData::Histogram(_)) => b"_histogram",
                    _ => b"_sum",
                });
            }
        }
    }
}

/// A part of a measurement that is not its first.
fn measurement_part(out: &mut Vec<u8>, part: &[u8]) {
    // Keys have the escapes of measurements and one more, which a unit has no need of.
    field_key(out, part);
}

/// What resource and scope say of all their points, the later ones to win.
fn group_attributes<'a>(
    resource: Attributes<'a>,
    scope: Scope<'a>,
) -> impl Iterator<Item = (Str<'a>, AnyValue<'a>)> {
    let library = [
        ("otel.library.name", scope.name()),
        ("otel.library.version", scope.version()),
    ];
    let library = library
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (Str::new(key.as_bytes()), AnyValue::Str(value)));
    resource.iter().chain(library).chain(scope.attributes())
}
