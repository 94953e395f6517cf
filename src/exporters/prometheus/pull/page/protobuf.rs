//! The protobuf format: `io.prometheus.client.MetricFamily`, each behind its length.

use super::Family;
use crate::exporters::prometheus::{
    pull::{
        escape::unquoted,
        store::{Exemplar, Exponential, Histogram, Kind, LabelText, Series, Summary, Value},
    },
    translate::NativeBuckets,
};

/// Writes families; each is finished before its length is known.
#[derive(Default)]
pub(super) struct Protobuf {
    kind: Option<Kind>,
    family: Vec<u8>,
    unit: String,
    /// A metric, the value in it, and messages inside of that.
    metric: Vec<u8>,
    value: Vec<u8>,
    inner: Vec<u8>,
    innermost: Vec<u8>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The key of a field below 16, or of one of two bytes.
fn key(out: &mut Vec<u8>, number: u64, wire: u64) {
    varint(out, number << 3 | wire);
}

fn bytes(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    key(out, number, 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn double(out: &mut Vec<u8>, number: u64, value: f64) {
    key(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn uint(out: &mut Vec<u8>, number: u64, value: u64) {
    key(out, number, 0);
    varint(out, value);
}

fn sint(out: &mut Vec<u8>, number: u64, value: i64) {
    key(out, number, 0);
    varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn timestamp(out: &mut Vec<u8>, scratch: &mut Vec<u8>, number: u64, nanos: u64) {
    scratch.clear();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if seconds != 0 {
        uint(scratch, 1, seconds);
    }
    if rest != 0 {
        uint(scratch, 2, rest);
    }
    bytes(out, number, scratch);
}

fn label(out: &mut Vec<u8>, scratch: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    scratch.clear();
    bytes(scratch, 1, name);
    bytes(scratch, 2, &unquoted(value));
    bytes(out, 1, scratch);
}

impl Protobuf {
    /// Number of bytes of the family that is not finished.
    pub(super) fn pending(&self) -> usize {
        self.family.len()
    }

    pub(super) fn begin(&mut self, family: &Family) {
        let meta = &family.meta;
        self.kind = Some(meta.kind);
        self.family.clear();
        bytes(&mut self.family, 1, family.name.as_bytes());
        if !meta.help.is_empty() {
            bytes(&mut self.family, 2, meta.help.as_bytes());
        }
        let number = match meta.kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Summary => 2,
            Kind::Untyped => 3,
            Kind::Histogram => 4,
        };
        uint(&mut self.family, 3, number);
        self.unit.clone_from(&meta.unit);
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if !self.unit.is_empty() {
            bytes(&mut self.family, 5, self.unit.as_bytes());
        }
        varint(out, self.family.len() as u64);
        out.extend_from_slice(&self.family);
        self.family.clear();
    }

    /// Writes one `Metric`.
    #[inline]
    pub(super) fn series(&mut self, labels: &[u8], series: &Series) {
        let Self {
            metric,
            value,
            inner,
            innermost,
            ..
        } = self;
        metric.clear();
        value.clear();
        for (name, value) in LabelText(labels) {
            label(metric, inner, &name, value);
        }
        let started = |value: &mut Vec<u8>, inner: &mut Vec<u8>, number| {
            if series.start != 0 {
                timestamp(value, inner, number, series.start);
            }
        };
        let number = match (&series.value, self.kind) {
            (Value::Number(number, exemplar), Some(Kind::Counter)) => {
                double(value, 1, number.as_f64());
                if let Some(exemplar) = exemplar {
                    write_exemplar(value, inner, innermost, 2, exemplar);
                }
                started(value, inner, 3);
                3
            }
            (Value::Number(number, _), kind) => {
                double(value, 1, number.as_f64());
                if kind == Some(Kind::Untyped) { 5 } else { 2 }
            }
            (Value::Histogram(histogram), _) => {
                write_histogram(value, inner, innermost, histogram);
                started(value, inner, 15);
                7
            }
            (Value::Exponential(histogram), _) => {
                write_native(value, inner, innermost, histogram);
                started(value, inner, 15);
                for exemplar in &histogram.exemplars {
                    write_exemplar(value, inner, innermost, 16, exemplar);
                }
                7
            }
            (Value::Summary(summary), _) => {
                write_summary(value, inner, summary);
                started(value, inner, 4);
                4
            }
        };
        bytes(metric, number, value);
        bytes(&mut self.family, 4, metric);
    }
}

fn write_exemplar(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    inner: &mut Vec<u8>,
    number: u64,
    exemplar: &Exemplar,
) {
    scratch.clear();
    for (name, value) in LabelText(&exemplar.labels) {
        label(scratch, inner, &name, value);
    }
    double(scratch, 2, exemplar.value);
    if exemplar.time != 0 {
        timestamp(scratch, inner, 3, exemplar.time);
    }
    bytes(out, number, scratch);
}

fn write_histogram(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    inner: &mut Vec<u8>,
    histogram: &Histogram,
) {
    uint(out, 1, histogram.count);
    if let Some(sum) = histogram.sum.filter(|sum| !sum.is_nan()) {
        double(out, 2, sum);
    }
    let mut below = 0_u64;
    let bounds = histogram.bounds.values.iter().copied();
    let all = bounds
        .chain([f64::INFINITY])
        .zip(&histogram.counts)
        .enumerate();
    for (bucket, (bound, more)) in all {
        below = match bound {
            f64::INFINITY => histogram.count,
            _ => below.saturating_add(*more),
        };
        let exemplar = histogram.exemplars.get(bucket).and_then(Option::as_deref);
        if bound == f64::INFINITY && exemplar.is_none() && bucket > 0 {
            // The server knows it by the count.
            continue;
        }
        scratch.clear();
        uint(scratch, 1, below);
        double(scratch, 2, bound);
        if let Some(exemplar) = exemplar {
            let mut labels = Vec::new();
            write_exemplar(scratch, inner, &mut labels, 3, exemplar);
        }
        bytes(out, 3, scratch);
    }
}

fn write_native(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    inner: &mut Vec<u8>,
    histogram: &Exponential,
) {
    let _ = inner;
    uint(out, 1, histogram.count);
    double(out, 2, histogram.sum);
    sint(out, 5, histogram.scale.into());
    double(out, 6, histogram.zero_threshold);
    uint(out, 7, histogram.zero_count);
    for (buckets, spans_number, deltas_number) in
        [(&histogram.negative, 9, 10), (&histogram.positive, 12, 13)]
    {
        let NativeBuckets { spans, deltas } = buckets.native();
        for (offset, length) in spans {
            scratch.clear();
            sint(scratch, 1, offset.into());
            uint(scratch, 2, length.into());
            bytes(out, spans_number, scratch);
        }
        for delta in deltas {
            sint(out, deltas_number, delta);
        }
    }
}

fn write_summary(out: &mut Vec<u8>, scratch: &mut Vec<u8>, summary: &Summary) {
    uint(out, 1, summary.count);
    double(out, 2, summary.sum);
    for (quantile, value) in &summary.quantiles {
        scratch.clear();
        double(scratch, 1, *quantile);
        double(scratch, 2, *value);
        bytes(out, 3, scratch);
    }
}
