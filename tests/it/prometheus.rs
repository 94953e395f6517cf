//! The Prometheus exporter: the mapping, the formats, and the pages over HTTP.

mod delta;
mod examples;
mod http;
mod mapping;
pub(crate) mod model;
mod parser;
mod random;
mod wire;

use tower::ServiceExt as _;
use tower_otlp::{
    ErrorKind, ExportRequest, ExportResponse, Signal,
    exporters::prometheus::{EscapingScheme, Format, PrometheusBuilder, PrometheusExporter},
};

/// Metrics of one service without other attributes, one scope without a name.
pub(crate) fn metrics(metrics: &str) -> ExportRequest {
    with_resource("", metrics)
}

/// The same with these resource attributes: `"service.name":"cart"`.
pub(crate) fn with_resource(attributes: &str, metrics: &str) -> ExportRequest {
    let attributes = attributes_of(attributes);
    json(&format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{attributes}]}},"scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#
    ))
}

/// `"a":"b","c":"d"` as a list of attributes with texts.
pub(crate) fn attributes_of(pairs: &str) -> String {
    let pairs: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&format!("{{{pairs}}}")).expect("pairs");
    let pairs = pairs.iter().map(|(key, value)| {
        format!(
            r#"{{"key":{},"value":{{"stringValue":{value}}}}}"#,
            serde_json::json!(key)
        )
    });
    pairs.collect::<Vec<_>>().join(",")
}

pub(crate) fn json(text: &str) -> ExportRequest {
    ExportRequest::from_json(Signal::Metrics, text.as_bytes()).expect("OTLP/JSON")
}

/// A gauge with one point.
pub(crate) fn gauge(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{{"asDouble":{value}}}]}}}}"#)
}

/// A counter with one point at this second.
pub(crate) fn counter(name: &str, value: u64, second: u64) -> String {
    format!(
        r#"{{"name":"{name}","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{{"asInt":"{value}","startTimeUnixNano":"1","timeUnixNano":"{second}000000000"}}]}}}}"#
    )
}

pub(crate) fn built(builder: PrometheusBuilder) -> PrometheusExporter {
    builder.build().expect("built")
}

pub(crate) fn plain() -> PrometheusExporter {
    built(PrometheusExporter::builder())
}

pub(crate) fn export(exporter: &PrometheusExporter, request: &ExportRequest) -> ExportResponse {
    let answer = futures_util::FutureExt::now_or_never(exporter.clone().oneshot(request.clone()));
    let answer = answer.expect("at once").expect("accepted");
    assert_eq!(
        answer.delivered_items() + answer.rejected_items(),
        request.items()
    );
    answer
}

/// Exports all of it.
pub(crate) fn take(exporter: &PrometheusExporter, request: &ExportRequest) {
    let answer = export(exporter, request);
    assert_eq!(answer.rejected_items(), 0, "{answer:?}");
}

/// Exports nothing of it, for this reason.
pub(crate) fn refuse(exporter: &PrometheusExporter, request: &ExportRequest, why: &str) {
    let answer = export(exporter, request);
    assert_eq!(answer.delivered_items(), 0, "{answer:?}");
    let message = answer.message().expect("a message");
    assert!(message.contains(why), "{message}");
}

pub(crate) fn page(exporter: &PrometheusExporter, format: Format) -> String {
    page_in(exporter, format, EscapingScheme::Underscores)
}

pub(crate) fn page_in(
    exporter: &PrometheusExporter,
    format: Format,
    scheme: EscapingScheme,
) -> String {
    let page = String::from_utf8(exporter.render(format, scheme)).expect("UTF-8");
    match format {
        Format::Text => parser::text(&page),
        _ => parser::openmetrics(&page),
    };
    page
}

pub(crate) fn text(exporter: &PrometheusExporter) -> String {
    page(exporter, Format::Text)
}

pub(crate) fn openmetrics(exporter: &PrometheusExporter) -> String {
    page(exporter, Format::OpenMetrics1)
}

#[test]
fn traces_and_logs_are_unsupported() {
    for (signal, bytes) in [
        (Signal::Traces, vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00]),
        (Signal::Logs, vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00]),
    ] {
        let request = ExportRequest::from_protobuf(signal, bytes).expect("OTLP");
        let answer = futures_util::FutureExt::now_or_never(plain().oneshot(request));
        let error = answer.expect("at once").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_retryable());
        let shown = error.to_string();
        assert!(shown.starts_with("prometheus exporter"), "{shown}");
        assert!(shown.contains(signal.as_str()), "{shown}");
    }
}

#[test]
fn an_empty_page_is_valid() {
    assert_eq!(text(&plain()), "");
    assert_eq!(openmetrics(&plain()), "# EOF\n");
    let page = plain().render(Format::Protobuf, EscapingScheme::Underscores);
    assert_eq!(page, b"");
}
