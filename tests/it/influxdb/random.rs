//! Random telemetry: every line reads back, and what the schema keeps is there.

use prost::Message as _;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{LineProtocol, MetricsSchema},
};

use super::parser::{Point, parse};
use crate::support::generate::{Draw, Options};

fn points(protocol: &LineProtocol, request: &ExportRequest) -> Vec<Point> {
    let lines = protocol.encode(request, 1);
    let in_bodies: u64 = lines.bodies().iter().map(|body| body.items).sum();
    assert_eq!(in_bodies + lines.skipped_items(), request.items());
    assert_eq!(lines.skipped_items() == 0, lines.reason().is_none());
    let points = parse(str::from_utf8(lines.as_bytes()).expect("UTF-8"));
    let counted: usize = lines.bodies().iter().map(|body| body.lines).sum();
    assert_eq!(counted, points.len());
    points
}

#[test]
fn every_line_reads_back() {
    for seed in 0..300 {
        let mut draw = Draw::seeded(seed, Options::default());
        for (signal, bytes) in [
            (Signal::Traces, draw.traces().encode_to_vec()),
            (Signal::Metrics, draw.metrics().encode_to_vec()),
            (Signal::Logs, draw.logs().encode_to_vec()),
        ] {
            let request = ExportRequest::from_protobuf(signal, bytes).expect("generated");
            for schema in MetricsSchema::ALL {
                let protocol = LineProtocol::default().metrics_schema(schema);
                points(&protocol, &request);
            }
        }
    }
}

#[test]
fn spans_and_records_keep_what_they_say() {
    for seed in 0..200 {
        let mut draw = Draw::seeded(seed, Options::default());
        let sent = draw.traces();
        let request = ExportRequest::from_protobuf(Signal::Traces, sent.encode_to_vec());
        let points_found = points(&LineProtocol::default(), &request.expect("generated"));
        let mut names = points_found
            .iter()
            .filter(|point| point.measurement == "spans" && point.tag("span.name").is_none())
            .map(|point| point.text("span.name").unwrap_or_default());
        for resource in &sent.resource_spans {
            for scope in &resource.scope_spans {
                for span in &scope.spans {
                    let is_tag = [
                        &span.attributes,
                        scope
                            .scope
                            .as_ref()
                            .map_or(&Vec::new(), |scope| &scope.attributes),
                        resource
                            .resource
                            .as_ref()
                            .map_or(&Vec::new(), |one| &one.attributes),
                    ]
                    .iter()
                    .any(|all| all.iter().any(|pair| pair.key == "span.name"));
                    let is_late = span
                        .events
                        .iter()
                        .map(|event| event.time_unix_nano)
                        .chain([match span.start_time_unix_nano {
                            0 => span.end_time_unix_nano,
                            start => start,
                        }])
                        .any(|time| time >= i64::MAX.unsigned_abs());
                    if !is_tag && !is_late {
                        assert_eq!(names.next(), Some(&*span.name));
                    }
                }
            }
        }
        let sent = draw.logs();
        let request = ExportRequest::from_protobuf(Signal::Logs, sent.encode_to_vec());
        let found = points(&LineProtocol::default(), &request.expect("generated"));
        let texts: Vec<&str> = found
            .iter()
            .filter_map(|point| point.text("severity_text"))
            .collect();
        let sent: Vec<&str> = sent
            .resource_logs
            .iter()
            .flat_map(|resource| &resource.scope_logs)
            .flat_map(|scope| &scope.log_records)
            .filter(|record| {
                let time = match record.time_unix_nano {
                    0 => record.observed_time_unix_nano,
                    time => time,
                };
                !record.severity_text.is_empty() && time < i64::MAX.unsigned_abs()
            })
            .map(|record| &*record.severity_text)
            .collect();
        assert_eq!(texts, sent);
    }
}
