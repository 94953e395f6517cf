//! Metrics as OTLP protobuf.
//!
//! Field numbers are those of `metrics.proto`, `resource.proto` and `common.proto` in
//! [opentelemetry-proto](https://github.com/open-telemetry/opentelemetry-proto) 1.10.

use crate::{
    layers::observe::histogram::Histogram,
    otlp::wire::{
        FIXED64, LEN, begin_len, end_len, put_len_field, put_tag, put_varint, put_varint_field,
    },
};

/// Keys and values of one point.
pub(super) type Attributes<'a> = Vec<(&'static str, &'a str)>;

/// What a metric is called. Units are those of UCUM.
#[derive(Clone, Copy)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
}

/// The kinds that are numbers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Counter,
    UpDown,
    Gauge,
}

#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(u64),
    Double(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Number::Int(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number::Double(value)
    }
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// Writes an `ExportMetricsServiceRequest` of one resource and one scope.
pub(super) struct Writer {
    out: Vec<u8>,
    resource: usize,
    scope: usize,
    /// Nanoseconds since 1970.
    start: u64,
    now: u64,
}

impl Writer {
    pub(super) fn new(resource: &Attributes<'_>, start: u64, now: u64) -> Self {
        let mut out = Vec::with_capacity(4096);
        let body = begin_len(&mut out, 1);
        let attributes_body = begin_len(&mut out, 1);
        attributes(&mut out, 1, resource);
        end_len(&mut out, attributes_body);
        let scope = begin_len(&mut out, 2);
        let name = begin_len(&mut out, 1);
        put_len_field(&mut out, 1, env!("CARGO_PKG_NAME").as_bytes());
        put_len_field(&mut out, 2, env!("CARGO_PKG_VERSION").as_bytes());
        end_len(&mut out, name);
        Self {
            out,
            resource: body,
            scope,
            start,
            now,
        }
    }

    /// A metric of numbers, unless there are none.
    pub(super) fn numbers<'a, N: Into<Number>>(
        &mut self,
        metric: Metric,
        kind: Kind,
        points: impl IntoIterator<Item = (Attributes<'a>, N)>,
    ) {
        let mut points = points.into_iter().peekable();
        if points.peek().is_none() {
            return;
        }
        let body = self.begin(metric);
        let data = begin_len(&mut self.out, if kind == Kind::Gauge { 5 } else { 7 });
        for (point_attributes, value) in points {
            let point = begin_len(&mut self.out, 1);
            self.times();
            match value.into() {
                Number::Int(value) => fixed64(&mut self.out, 6, value),
                Number::Double(value) => fixed64(&mut self.out, 4, value.to_bits()),
            }
            attributes(&mut self.out, 7, &point_attributes);
            end_len(&mut self.out, point);
        }
        if kind != Kind::Gauge {
            put_varint_field(&mut self.out, 2, CUMULATIVE);
        }
        if kind == Kind::Counter {
            put_varint_field(&mut self.out, 3, 1);
        }
        end_len(&mut self.out, data);
        end_len(&mut self.out, body);
    }

    /// A metric of histograms, unless there are none.
    pub(super) fn histograms<'a, const N: usize>(
        &mut self,
        metric: Metric,
        bounds: &[f64; N],
        points: impl IntoIterator<Item = (Attributes<'a>, Histogram<N>)>,
    ) {
        let mut points = points.into_iter().peekable();
        if points.peek().is_none() {
            return;
        }
        let body = self.begin(metric);
        let data = begin_len(&mut self.out, 9);
        for (point_attributes, histogram) in points {
            let point = begin_len(&mut self.out, 1);
            self.times();
            fixed64(&mut self.out, 4, histogram.count());
            fixed64(&mut self.out, 5, histogram.sum().to_bits());
            packed(&mut self.out, 6, N + 1, histogram.buckets());
            packed(
                &mut self.out,
                7,
                N,
                bounds.iter().map(|bound| bound.to_bits()),
            );
            attributes(&mut self.out, 9, &point_attributes);
            end_len(&mut self.out, point);
        }
        put_varint_field(&mut self.out, 2, CUMULATIVE);
        end_len(&mut self.out, data);
        end_len(&mut self.out, body);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        end_len(&mut self.out, self.scope);
        end_len(&mut self.out, self.resource);
        self.out
    }

    fn begin(&mut self, metric: Metric) -> usize {
        let body = begin_len(&mut self.out, 2);
        put_len_field(&mut self.out, 1, metric.name.as_bytes());
        put_len_field(&mut self.out, 2, metric.description.as_bytes());
        if !metric.unit.is_empty() {
            put_len_field(&mut self.out, 3, metric.unit.as_bytes());
        }
        body
    }

    fn times(&mut self) {
        fixed64(&mut self.out, 2, self.start);
        fixed64(&mut self.out, 3, self.now);
    }
}

fn attributes(out: &mut Vec<u8>, number: u32, attributes: &Attributes<'_>) {
    for (key, value) in attributes {
        let body = begin_len(out, number);
        put_len_field(out, 1, key.as_bytes());
        let any_value = begin_len(out, 2);
        put_len_field(out, 1, value.as_bytes());
        end_len(out, any_value);
        end_len(out, body);
    }
}

fn fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn packed(out: &mut Vec<u8>, number: u32, count: usize, values: impl Iterator<Item = u64>) {
    put_tag(out, number, LEN);
    put_varint(out, 8 * count as u64);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}
