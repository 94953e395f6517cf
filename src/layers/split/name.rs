//! How an item is called in a message for people.

use crate::{
    ExportRequest,
    otlp::{AnyValue, MetricData},
};

/// The most characters of a text that telemetry holds.
const LONGEST: usize = 48;

/// A name for the only item of a request.
pub(super) fn name(request: &ExportRequest) -> String {
    let found = span(request)
        .or_else(|| metric(request))
        .or_else(|| log(request));
    found.unwrap_or_else(|| format!("one of the {}", request.signal().item_name()))
}

fn span(request: &ExportRequest) -> Option<String> {
    let span = request
        .traces()?
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .next()?;
    Some(format!(
        "span {} ({})",
        quoted(span.name().as_str()),
        span.span_id()
    ))
}

fn metric(request: &ExportRequest) -> Option<String> {
    // A metric without data points may stand before the one that is meant.
    let metric = request
        .metrics()?
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .find(|metric| metric.data().is_some_and(has_points))?;
    Some(format!(
        "data point of metric {}",
        quoted(metric.name().as_str())
    ))
}

fn has_points(data: MetricData<'_>) -> bool {
    !match data {
        MetricData::Gauge(data) => data.points().is_empty(),
        MetricData::Sum(data) => data.points().is_empty(),
        MetricData::Histogram(data) => data.points().is_empty(),
        MetricData::ExponentialHistogram(data) => data.points().is_empty(),
        MetricData::Summary(data) => data.points().is_empty(),
    }
}

fn log(request: &ExportRequest) -> Option<String> {
    let record = request
        .logs()?
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .next()?;
    Some(match record.body() {
        AnyValue::Str(body) if !body.is_empty() => {
            format!("log record {}", quoted(body.as_str()))
        }
        _ => format!(
            "log record of {} ns since the epoch",
            record.time_unix_nano()
        ),
    })
}

/// The beginning of a text, without what could disturb a log or a terminal.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    let mut rest = text.chars();
    for char in rest.by_ref().take(LONGEST) {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            // Marks that change the direction of a text are not control characters to Rust.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('?');
            }
            char if char.is_control() => out.push('?'),
            char => out.push(char),
        }
    }
    if rest.next().is_some() {
        out.push('…');
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_harmless() {
        assert_eq!(quoted("GET /orders"), "\"GET /orders\"");
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("a\nb\u{1b}[31m\u{202e}"), "\"a?b?[31m?\"");
        let long = "ä".repeat(1000);
        assert_eq!(quoted(&long).chars().count(), LONGEST + 3);
        assert_eq!(quoted(&"ä".repeat(LONGEST)).chars().count(), LONGEST + 2);
    }
}
