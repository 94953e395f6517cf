//! What OTLP/JSON has no form for: ids of a wrong length, for which a reader refuses a whole request.

use super::LeftOut;
use crate::otlp::{Exemplar, Limits, MetricData, OtlpBytes};

/// The items that OTLP/JSON has a form for, if there are any, and what is to be said of the others.
/// `None` if all have one.
pub(crate) fn without_formless(otlp: &OtlpBytes) -> Option<(Option<OtlpBytes>, LeftOut)> {
    if has_form(otlp) {
        return None;
    }
    // Rare, and slow: item by item.
    let mut good = Vec::new();
    let mut left_out = 0;
    let mut first = None;
    for item in otlp.split(&Limits::default().max_bytes(usize::MAX).max_items(1)) {
        if has_form(&item) {
            good.push(item);
        } else {
            left_out += item.items();
            first = first.or_else(|| Some(name(&item)));
        }
    }
    let first = first.unwrap_or_default();
    let message = format!(
        "OTLP/JSON has no form for ids of a wrong length: left out {left_out} {}, the first is \
         {first}",
        otlp.signal().item_name()
    );
    let items = left_out;
    Some((
        OtlpBytes::merge_all(good.iter()).ok(),
        LeftOut { items, message },
    ))
}

/// Whether every id has the length that it must have, or none.
fn has_form(otlp: &OtlpBytes) -> bool {
    let fits = |id: &[u8], length: usize| id.is_empty() || id.len() == length;
    let ids = |trace: &[u8], span: &[u8]| fits(trace, 16) && fits(span, 8);
    if let Some(traces) = otlp.traces() {
        let mut spans = traces
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items());
        return spans.all(|span| {
            ids(span.trace_id().as_bytes(), span.span_id().as_bytes())
                && fits(span.parent_span_id().as_bytes(), 8)
                && span
                    .links()
                    .all(|link| ids(link.trace_id().as_bytes(), link.span_id().as_bytes()))
        });
    }
    if let Some(logs) = otlp.logs() {
        let mut records = logs
            .resources()
            .flat_map(|resource| resource.scopes())
            .flat_map(|scope| scope.items());
        return records
            .all(|record| ids(record.trace_id().as_bytes(), record.span_id().as_bytes()));
    }
    let sample =
        |sample: Exemplar<'_>| ids(sample.trace_id().as_bytes(), sample.span_id().as_bytes());
    let mut metrics = otlp
        .metrics()
        .into_iter()
        .flat_map(|metrics| metrics.resources())
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items());
    metrics.all(|metric| match metric.data() {
        Some(MetricData::Gauge(data)) => data.points().all(|p| p.exemplars().all(sample)),
        Some(MetricData::Sum(data)) => data.points().all(|p| p.exemplars().all(sample)),
        Some(MetricData::Histogram(data)) => data.points().all(|p| p.exemplars().all(sample)),
        Some(MetricData::ExponentialHistogram(data)) => {
            data.points().all(|p| p.exemplars().all(sample))
        }
        Some(MetricData::Summary(_)) | None => true,
    })
}

/// How the first item is called.
fn name(otlp: &OtlpBytes) -> String {
    // Nobody can tell what a name holds: as a quoted string it disturbs neither log nor terminal.
    let quoted = |text: &str| format!("{:?}", text.chars().take(48).collect::<String>());
    let span = otlp.traces().and_then(|traces| {
        let mut groups = traces.resources().flat_map(|group| group.scopes());
        let span = groups.find_map(|scope| scope.items().next())?;
        Some(format!("span {}", quoted(span.name().as_str())))
    });
    let record = || {
        let mut groups = otlp.logs()?.resources().flat_map(|group| group.scopes());
        let record = groups.find_map(|scope| scope.items().next())?;
        let time = record.time_unix_nano();
        Some(format!("the log record of {time} ns since the epoch"))
    };
    let metric = || {
        let mut groups = otlp.metrics()?.resources().flat_map(|group| group.scopes());
        let metric = groups.find_map(|scope| scope.items().last())?;
        let name = quoted(metric.name().as_str());
        Some(format!("a data point of metric {name}"))
    };
    span.or_else(record).or_else(metric).unwrap_or_default()
}
