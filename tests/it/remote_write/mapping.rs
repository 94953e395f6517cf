//! The rules of the mapping, and what other implementations got wrong.

mod exemplars;
mod histograms;
mod labels;
mod messages;
mod samples;
mod target_info;

use tower_otlp::exporters::prometheus::{TranslationStrategy, remote_write::encode::HistogramForm};

use super::*;

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn point(fields: &str) -> String {
    format!(r#"{{"timeUnixNano":"1700000000123456789"{fields}}}"#)
}

fn gauges(name: &str, points: &[String]) -> String {
    let points = points.join(",");
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{points}]}}}}"#)
}

fn sum(name: &str, temporality: u8, monotonic: bool, points: &[String]) -> String {
    let points = points.join(",");
    format!(
        r#"{{"name":"{name}","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},"dataPoints":[{points}]}}}}"#
    )
}

fn histogram(fields: &str) -> String {
    let point = point(fields);
    format!(r#"{{"name":"d","histogram":{{"aggregationTemporality":2,"dataPoints":[{point}]}}}}"#)
}

fn rejection(request: &tower_otlp::ExportRequest) -> (u64, String) {
    let (_, rejected, reason) =
        encode_with(request, EncodeOptions::default(), Protocol::V2, NO_LIMITS);
    (rejected, reason.unwrap_or_default())
}
