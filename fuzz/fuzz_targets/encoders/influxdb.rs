//! Line protocol: each line is read by the strict reader of the tests, and bodies are cut between
//! items.

#[path = "../../../tests/it/influxdb/parser.rs"]
mod parser;

use tower_otlp::{
    ExportRequest,
    exporters::influxdb::{LineProtocol, MetricsSchema, Precision},
};

use crate::Choices;

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    let (max_lines, max_bytes) = choices.pick(0, [(10_000, 10_000_000), (2, 10_000), (9, 300)]);
    let precisions = [
        Precision::Nanoseconds,
        Precision::Microseconds,
        Precision::Milliseconds,
        Precision::Seconds,
    ];
    let dimensions: &[&str] = choices.pick(
        2,
        [
            &["service.name", "span.name"],
            &[],
            &["time", "body", "_x", "span.name", ""],
        ],
    );
    let protocol = LineProtocol::default()
        .precision(choices.pick(4, precisions))
        .span_dimensions(dimensions.iter().copied())
        .log_record_dimensions(dimensions.iter().copied())
        .unsigned_integers(choices.is(6))
        .integers_as_floats(choices.is(7))
        .max_lines(max_lines)
        .max_bytes(max_bytes);
    for schema in MetricsSchema::ALL {
        let lines = protocol
            .clone()
            .metrics_schema(schema)
            .encode(request, 1_700_000_000_000_000_000);
        let in_bodies: u64 = lines.bodies().iter().map(|body| body.items).sum();
        assert_eq!(in_bodies + lines.skipped_items(), request.items());
        assert_eq!(lines.reason().is_some(), lines.skipped_items() > 0);
        let text = std::str::from_utf8(lines.as_bytes()).expect("UTF-8");
        let points = parser::parse(text);
        crate::within(text.len(), request, points.len() as u64);
        let mut at = 0;
        for body in lines.bodies() {
            assert_eq!(body.range.start, at, "a gap");
            assert!(body.items > 0);
            at = body.range.end;
            let is_small = body.range.len() <= max_bytes && body.lines <= max_lines;
            assert!(is_small || body.items == 1, "{body:?}");
            let found = parser::parse(&text[body.range.clone()]).len();
            assert_eq!(found, body.lines);
        }
        assert_eq!(at, text.len());
        if request.metrics().is_none() {
            // Schemas are for metrics.
            break;
        }
    }
}
