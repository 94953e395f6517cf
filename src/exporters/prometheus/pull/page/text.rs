//! The text formats: Prometheus' own, version 0.0.4, and OpenMetrics 1.0.

use super::{
    Family, created,
    number::{count, float, recognisable, seconds},
};
use crate::exporters::prometheus::pull::{
    escape::{self, NameOf},
    store::{Dense, Exemplar, Exponential, Histogram, Kind, Series, Summary, Value, bound},
};

/// Writes samples as lines.
pub(super) struct Text {
    openmetrics: bool,
    created_lines: bool,
    kind: Kind,
    /// The names of the current family's samples.
    plain: Name,
    bucket: Name,
    sum: Name,
    count: Name,
    created: Option<Name>,
    /// Upper bounds of the buckets of an exponential histogram, and how many are below.
    cumulative: Vec<(f64, u64)>,
    le: Vec<u8>,
}

/// How lines with this name begin.
#[derive(Default)]
struct Name {
    /// With the brace, and in it the name if it needs quotes.
    open: Vec<u8>,
    /// Without labels.
    bare: Vec<u8>,
    is_classic: bool,
}

impl Name {
    fn new(name: &str, suffix: &str) -> Self {
        let mut this = Self {
            is_classic: escape::is_classic(name, NameOf::Metric),
            ..Self::default()
        };
        if this.is_classic {
            this.bare.extend_from_slice(name.as_bytes());
            this.bare.extend_from_slice(suffix.as_bytes());
            this.open.clone_from(&this.bare);
            this.open.push(b'{');
        } else {
            this.open.extend_from_slice(b"{\"");
            escape::quoted(&mut this.open, name.as_bytes());
            this.open.extend_from_slice(suffix.as_bytes());
            this.open.push(b'"');
            this.bare.clone_from(&this.open);
            this.bare.push(b'}');
            this.open.push(b',');
        }
        this
    }

    /// Writes all that stands before the value.
    #[inline]
    fn write(&self, out: &mut Vec<u8>, labels: &[u8], more: Option<(&[u8], &[u8])>) {
        if labels.is_empty() && more.is_none() {
            out.extend_from_slice(&self.bare);
        } else {
            out.extend_from_slice(&self.open);
            out.extend_from_slice(labels);
            if let Some((name, value)) = more {
                if !labels.is_empty() {
                    out.push(b',');
                }
                out.extend_from_slice(name);
                out.extend_from_slice(b"=\"");
                out.extend_from_slice(value);
                out.push(b'"');
            }
            out.push(b'}');
        }
        out.push(b' ');
    }
}

impl Text {
    pub(super) fn new(openmetrics: bool, created_lines: bool) -> Self {
        Self {
            openmetrics,
            created_lines,
            kind: Kind::Untyped,
            plain: Name::default(),
            bucket: Name::default(),
            sum: Name::default(),
            count: Name::default(),
            created: None,
            cumulative: Vec::new(),
            le: Vec::new(),
        }
    }

    pub(super) fn finish(&self, out: &mut Vec<u8>) {
        if self.openmetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }

    /// Writes what stands above the samples of a family.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>, family: &Family) {
        let meta = &family.meta;
        let mut name = family.name.as_str();
        let mut kind = meta.kind.as_str();
        self.kind = meta.kind;
        if self.openmetrics && (family.is_untold || kind == "untyped") {
            self.kind = Kind::Untyped;
            kind = "unknown";
        } else if self.openmetrics && meta.kind == Kind::Counter {
            name = name.strip_suffix("_total").unwrap_or(name);
        }
        let total = if name.len() < family.name.len() {
            "_total"
        } else {
            ""
        };
        self.plain = Name::new(name, total);
        self.bucket = Name::new(name, "_bucket");
        self.sum = Name::new(name, "_sum");
        self.count = Name::new(name, "_count");
        let has_created = matches!(self.kind, Kind::Counter | Kind::Histogram | Kind::Summary);
        self.created = (self.created_lines && has_created).then(|| Name::new(name, "_created"));

        let line = |out: &mut Vec<u8>, what: &str| {
            out.extend_from_slice(what.as_bytes());
            if escape::is_classic(name, NameOf::Metric) {
                out.extend_from_slice(name.as_bytes());
            } else {
                out.push(b'"');
                escape::quoted(out, name.as_bytes());
                out.push(b'"');
            }
            out.push(b' ');
        };
        let help = |out: &mut Vec<u8>| {
            if !meta.help.is_empty() {
                line(out, "# HELP ");
                escape::escaped(out, meta.help.as_bytes(), self.openmetrics);
                out.push(b'\n');
            }
        };
        if !self.openmetrics {
            help(out);
        }
        line(out, "# TYPE ");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'\n');
        if self.openmetrics {
            let stem = name.strip_suffix(meta.unit.as_str()).unwrap_or_default();
            // A strict parser refuses the page for a unit that the name does not end with.
            if !meta.unit.is_empty()
                && stem.ends_with('_')
                && escape::is_classic(&meta.unit, NameOf::Metric)
            {
                line(out, "# UNIT ");
                out.extend_from_slice(meta.unit.as_bytes());
                out.push(b'\n');
            }
            help(out);
        }
    }

    #[inline]
    fn float(&self, out: &mut Vec<u8>, value: f64) {
        if self.openmetrics {
            recognisable(out, value);
        } else {
            float(out, value);
        }
    }

    /// Writes the samples of a series.
    #[inline]
    pub(super) fn series(&mut self, out: &mut Vec<u8>, labels: &[u8], series: &Series) {
        match &series.value {
            Value::Number(number, exemplar) => {
                self.plain.write(out, labels, None);
                self.float(out, number.as_f64());
                if let (Some(exemplar), Kind::Counter) = (exemplar, self.kind) {
                    self.exemplar(out, exemplar);
                }
                out.push(b'\n');
            }
            Value::Histogram(histogram) => self.histogram(out, labels, histogram),
            Value::Exponential(histogram) => self.exponential(out, labels, histogram),
            Value::Summary(summary) => self.summary(out, labels, summary),
        }
        if let (Some(name), Some(start)) = (&self.created, created(series)) {
            name.write(out, labels, None);
            seconds(out, start);
            out.push(b'\n');
        }
    }

    fn histogram(&self, out: &mut Vec<u8>, labels: &[u8], histogram: &Histogram) {
        let mut below = 0_u64;
        let bounds = &histogram.bounds;
        let all = bounds.text.iter().zip(&histogram.counts).enumerate();
        for (bucket, (le, more)) in all {
            below = below.saturating_add(*more);
            let exemplar = histogram.exemplars.get(bucket);
            // `0.5` is a float in either format, `1` in one of them only.
            if self.openmetrics && le.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
                let mut told = [0_u8; 24];
                let told = told_apart(&mut told, le);
                self.bucket(
                    out,
                    labels,
                    told,
                    below,
                    exemplar.and_then(Option::as_deref),
                );
            } else {
                self.bucket(out, labels, le, below, exemplar.and_then(Option::as_deref));
            }
        }
        let last = histogram.exemplars.get(bounds.values.len());
        let last = last.and_then(Option::as_deref);
        self.bucket(out, labels, b"+Inf", histogram.count, last);
        let below_zero = bounds.values.first().is_some_and(|bound| *bound < 0.0);
        self.sum_and_count(out, labels, histogram.sum, histogram.count, below_zero);
    }

    fn bucket(
        &self,
        out: &mut Vec<u8>,
        labels: &[u8],
        le: &[u8],
        below: u64,
        exemplar: Option<&Exemplar>,
    ) {
        self.bucket.write(out, labels, Some((b"le", le)));
        count(out, below);
        if let Some(exemplar) = exemplar {
            self.exemplar(out, exemplar);
        }
        out.push(b'\n');
    }

    fn sum_and_count(
        &self,
        out: &mut Vec<u8>,
        labels: &[u8],
        sum: Option<f64>,
        total: u64,
        has_negative_bounds: bool,
    ) {
        let sum = sum.filter(|sum| !sum.is_nan());
        if self.openmetrics && (has_negative_bounds || sum.is_none_or(|sum| sum < 0.0)) {
            // There it is both of them or none.
            return;
        }
        if let Some(sum) = sum {
            self.sum.write(out, labels, None);
            self.float(out, sum);
            out.push(b'\n');
        }
        self.count.write(out, labels, None);
        count(out, total);
        out.push(b'\n');
    }

    /// The text formats have no native histograms: each bucket that holds something becomes one
    /// with a bound.
    fn exponential(&mut self, out: &mut Vec<u8>, labels: &[u8], histogram: &Exponential) {
        let mut bounds = std::mem::take(&mut self.cumulative);
        bounds.clear();
        let scale = histogram.scale;
        let filled = |buckets: &Dense| {
            let indices = i64::from(buckets.offset)..;
            let all: Vec<_> = indices.zip(buckets.counts.iter().copied()).collect();
            all.into_iter().filter(|(_, count)| *count > 0)
        };
        for (index, count) in filled(&histogram.negative).rev() {
            bounds.push((-bound(scale, index), count));
        }
        if histogram.zero_count > 0 {
            bounds.push((histogram.zero_threshold, histogram.zero_count));
        }
        for (index, count) in filled(&histogram.positive) {
            bounds.push((bound(scale, index + 1), count));
        }
        // Beyond the range of doubles bounds run together.
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0_u64;
        let mut le = std::mem::take(&mut self.le);
        for same in bounds.chunk_by(|a, b| a.0 == b.0) {
            let Some((bound, _)) = same.first() else {
                continue;
            };
            for (_, count) in same {
                below = below.saturating_add(*count);
            }
            if bound.is_finite() {
                le.clear();
                self.float(&mut le, *bound);
                self.bucket(out, labels, &le, below, None);
            }
        }
        self.bucket(out, labels, b"+Inf", histogram.count, None);
        let below_zero = bounds.first().is_some_and(|(bound, _)| *bound < 0.0);
        self.sum_and_count(
            out,
            labels,
            Some(histogram.sum),
            histogram.count,
            below_zero,
        );
        (self.cumulative, self.le) = (bounds, le);
    }

    fn summary(&mut self, out: &mut Vec<u8>, labels: &[u8], summary: &Summary) {
        let mut text = std::mem::take(&mut self.le);
        for (quantile, value) in &summary.quantiles {
            if self.openmetrics && *value < 0.0 {
                // It allows none.
                continue;
            }
            text.clear();
            self.float(&mut text, *quantile);
            self.plain.write(out, labels, Some((b"quantile", &text)));
            self.float(out, *value);
            out.push(b'\n');
        }
        self.le = text;
        let sum = summary.sum;
        if !(sum.is_nan() || self.openmetrics && sum < 0.0) {
            self.sum.write(out, labels, None);
            self.float(out, sum);
            out.push(b'\n');
        }
        self.count.write(out, labels, None);
        count(out, summary.count);
        out.push(b'\n');
    }

    fn exemplar(&self, out: &mut Vec<u8>, exemplar: &Exemplar) {
        if !self.openmetrics {
            return;
        }
        out.extend_from_slice(b" # {");
        out.extend_from_slice(&exemplar.labels);
        out.extend_from_slice(b"} ");
        recognisable(out, exemplar.value);
        if exemplar.time != 0 {
            out.push(b' ');
            seconds(out, exemplar.time);
        }
    }
}

/// A whole number as one that can be told from a whole number.
fn told_apart<'a>(buffer: &'a mut [u8; 24], digits: &'a [u8]) -> &'a [u8] {
    let end = digits.len();
    match buffer.get_mut(..end + 2) {
        Some(told) => {
            let (number, point) = told.split_at_mut(end);
            number.copy_from_slice(digits);
            point.copy_from_slice(b".0");
            told
        }
        None => digits,
    }
}
