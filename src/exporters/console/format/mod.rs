//! The text of a request. Pure: views in, a string out.

mod detailed;
mod normal;
mod text;

use self::text::Text;
use super::Verbosity;
use crate::{
    ExportRequest,
    otlp::{Buckets, Metrics, ResourceGroup, ScopeGroup, Telemetry},
};

/// Writes `request` as text, as [`ConsoleExporter`](super::ConsoleExporter) prints it: the
/// summary line, and with a [`Verbosity`] above basic the block with the items.
///
/// Every line ends with a line feed.
///
/// ```
/// use tower_otlp::{ExportRequest, Signal, exporters::console::{self, Verbosity}};
///
/// // ResourceSpans { scope_spans { spans { name: "GET /" } } }
/// let bytes = b"\x0a\x0b\x12\x09\x12\x07\x2a\x05GET /".to_vec();
/// let request = ExportRequest::from_protobuf(Signal::Traces, bytes)?;
/// assert_eq!(
///     console::format(&request, Verbosity::Normal),
///     "Traces: 1 resource spans, 1 spans\n\
///      ResourceTraces #0\n\
///      ScopeTraces #0\n\
///      GET /  \n",
/// );
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
#[must_use]
pub fn format(request: &ExportRequest, verbosity: Verbosity) -> String {
    let mut text = Summary::of(request).line();
    text.push_str(&block(request, verbosity, None));
    text
}

/// The block with the items; empty if only a summary is wanted.
pub(super) fn block(
    request: &ExportRequest,
    verbosity: Verbosity,
    max_value_bytes: Option<usize>,
) -> String {
    let mut text = Text::new(max_value_bytes);
    match verbosity {
        Verbosity::Basic => {}
        Verbosity::Normal => normal::write(&mut text, request),
        Verbosity::Detailed => detailed::write(&mut text, request),
    }
    text.into_string()
}

/// What is in a request, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summary {
    /// Resources and spans.
    Traces { resources: u64, spans: u64 },
    /// Resources, metrics and data points.
    Metrics {
        resources: u64,
        metrics: u64,
        points: u64,
    },
    /// Resources and log records.
    Logs { resources: u64, records: u64 },
}

impl Summary {
    pub(super) fn of(request: &ExportRequest) -> Self {
        if let Some(metrics) = request.metrics() {
            return Summary::Metrics {
                resources: count(metrics.resources()),
                metrics: count_metrics(metrics),
                points: request.items(),
            };
        }
        match request.logs() {
            Some(logs) => Summary::Logs {
                resources: count(logs.resources()),
                records: request.items(),
            },
            None => Summary::Traces {
                resources: request
                    .traces()
                    .map_or(0, |traces| count(traces.resources())),
                spans: request.items(),
            },
        }
    }

    pub(super) fn line(self) -> String {
        match self {
            Summary::Traces { resources, spans } => {
                format!("Traces: {resources} resource spans, {spans} spans\n")
            }
            Summary::Metrics {
                resources,
                metrics,
                points,
            } => format!(
                "Metrics: {resources} resource metrics, {metrics} metrics, {points} data points\n"
            ),
            Summary::Logs { resources, records } => {
                format!("Logs: {resources} resource logs, {records} log records\n")
            }
        }
    }
}

fn count(items: impl Iterator) -> u64 {
    items.fold(0, |count, _| count + 1)
}

fn count_metrics(metrics: Metrics<'_>) -> u64 {
    let scopes = metrics.resources().flat_map(|resource| resource.scopes());
    scopes.map(|scope| count(scope.items())).sum()
}

/// Walks the groups of a request, which have the same shape for all signals.
///
/// `item` gets the number of an item within its scope, from 0.
fn walk<'a, T: crate::otlp::views::View<'a>>(
    text: &mut Text,
    telemetry: Telemetry<'a, T>,
    resource: impl Fn(&mut Text, usize, &ResourceGroup<'a, T>),
    scope: impl Fn(&mut Text, usize, &ScopeGroup<'a, T>),
    item: impl Fn(&mut Text, usize, &T),
) {
    for (index, group) in telemetry.resources().enumerate() {
        resource(text, index, &group);
        for (index, group) in group.scopes().enumerate() {
            scope(text, index, &group);
            for (index, one) in group.items().enumerate() {
                item(text, index, &one);
            }
        }
    }
}

/// The buckets of an exponential histogram on one side of zero: lower bound, upper bound, count,
/// by rising magnitude. OTLP: bucket `i` holds values in `(base^i, base^(i+1)]` with
/// `base = 2^(2^-scale)`.
fn exponential_buckets(buckets: Buckets<'_>, scale: i32) -> impl Iterator<Item = (f64, f64, u64)> {
    let factor = std::f64::consts::LN_2 * 2_f64.powi(scale.saturating_neg());
    let first = f64::from(buckets.offset());
    buckets
        .bucket_counts()
        .zip(0_u32..)
        .map(move |(count, position)| {
            let index = first + f64::from(position);
            (exp(index * factor), exp((index + 1.0) * factor), count)
        })
}

/// `e` to the power of `x`, the same on every platform, so that output can be compared.
///
/// The exponent is reduced to within half of ln 2, then by 16; a Taylor series gives
/// `e^r - 1`, which four squarings bring back.
fn exp(x: f64) -> f64 {
    /// ln 2 in two parts, so that a small multiple of the first is exact.
    const LN_2_HIGH: f64 = 0.693_147_180_559_662_956_511_601_805_686_950_683_593_75;
    const LN_2_LOW: f64 = 0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12;
    /// One over the factorials of 7 to 1.
    const SERIES: [f64; 7] = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    if x.is_nan() || x > 709.782_712_893_384 {
        return if x.is_nan() { x } else { f64::INFINITY };
    }
    if x < -745.2 {
        return 0.0;
    }
    let power = (x * std::f64::consts::LOG2_E).round_ties_even();
    let r = power.mul_add(-LN_2_LOW, power.mul_add(-LN_2_HIGH, x)) / 16.0;
    let series = SERIES
        .iter()
        .fold(1.0 / 40320.0, |sum: f64, term| sum.mul_add(r, *term));
    let mut less_one = series * r;
    for _ in 0..3 {
        less_one *= less_one + 2.0;
    }
    let fraction = (less_one + 2.0).mul_add(less_one, 1.0);
    // In two steps: the power alone may be too small, or too large by one, for a double.
    let half = (power / 2.0).trunc();
    fraction * half.exp2() * (power - half).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_platform_to_the_last_digits() {
        for step in -7450..=7097 {
            let x = f64::from(step) / 10.0;
            let (ours, theirs) = (exp(x), x.exp());
            let error = (ours - theirs).abs() / theirs.max(f64::MIN_POSITIVE);
            assert!(error < 1e-14, "exp({x}) = {ours}, not {theirs}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(1e9), f64::INFINITY);
        assert_eq!(exp(-1e9), 0.0);
    }
}
