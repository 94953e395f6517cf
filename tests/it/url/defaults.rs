//! Where a URL without a port leads, and an exporter that is told nothing.

use tower::ServiceExt as _;
use tower_otlp::{
    BoxExporter, Signal,
    exporters::{
        elasticsearch::{ElasticsearchExporter, Mapping},
        influxdb::InfluxDbExporter,
        jaeger::{AgentProtocol, JaegerHttpExporter, JaegerUdpExporter},
        prometheus::remote_write::PrometheusRemoteWriteExporter,
        syslog::SyslogExporter,
        zipkin::ZipkinExporter,
    },
    from_url,
};

use crate::support::backend::telemetry;

/// What an exporter calls its endpoint when it refuses this: nothing is connected for it.
async fn endpoint(exporter: BoxExporter, signal: Signal) -> String {
    let error = exporter.oneshot(telemetry(signal, 1)).await;
    let error = error.expect_err("refused");
    assert!(!error.is_retryable(), "{error}");
    error.endpoint().expect("named").to_owned()
}

#[tokio::test]
async fn a_url_without_a_port_leads_to_the_usual_one() {
    use Signal::{Logs, Metrics, Traces};
    for (url, signal, expected) in [
        (
            "jaeger+http://h?proxy=none",
            Logs,
            "http://h:14268/api/traces",
        ),
        ("jaeger+udp://h", Logs, "udp://h:6831"),
        ("jaeger+udp://h?protocol=binary", Logs, "udp://h:6832"),
        (
            "zipkin+http://h?proxy=none",
            Metrics,
            "http://h:9411/api/v2/spans",
        ),
        (
            "prometheus+rw://h?proxy=none",
            Traces,
            "http://h:9090/api/v1/write",
        ),
        (
            "elasticsearch+http://h?mapping=bodymap&proxy=none",
            Traces,
            "http://h:9200/_bulk",
        ),
        (
            "opensearch+http://h?mapping=bodymap&proxy=none",
            Traces,
            "http://h:9200/_bulk",
        ),
        (
            "influxdb+http://h?db=d&max_request_bytes=1&proxy=none",
            Logs,
            "http://h:8086/write",
        ),
        (
            "otlp+http://h?max_request_bytes=1&proxy=none",
            Logs,
            "http://h:4318/v1/logs",
        ),
        ("otlp+grpc://h?max_request_bytes=1", Logs, "http://h:4317"),
        ("syslog+tcp://h", Traces, "syslog+tcp://h:514"),
    ] {
        let exporter = from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(endpoint(exporter, signal).await, expected, "{url}");
    }
}

#[tokio::test]
async fn an_exporter_that_is_told_nothing_leads_to_this_host() {
    let jaeger = JaegerHttpExporter::builder().no_proxy().build();
    let agent = JaegerUdpExporter::builder();
    let binary = agent.clone().protocol(AgentProtocol::Binary).build();
    let zipkin = ZipkinExporter::builder().no_proxy().build();
    let remote_write = PrometheusRemoteWriteExporter::builder().no_proxy().build();
    let elasticsearch = ElasticsearchExporter::builder()
        .mapping(Mapping::BodyMap)
        .no_proxy()
        .build();
    let influxdb = InfluxDbExporter::builder()
        .database("d")
        .max_request_bytes(1)
        .no_proxy()
        .build();
    let syslog = SyslogExporter::builder().build();
    for (exporter, expected) in [
        (
            BoxExporter::new(jaeger.expect("valid")),
            "http://localhost:14268/api/traces",
        ),
        (
            BoxExporter::new(agent.build().expect("valid")),
            "udp://localhost:6831",
        ),
        (
            BoxExporter::new(binary.expect("valid")),
            "udp://localhost:6832",
        ),
        (
            BoxExporter::new(zipkin.expect("valid")),
            "http://localhost:9411/api/v2/spans",
        ),
        (
            BoxExporter::new(remote_write.expect("valid")),
            "http://localhost:9090/api/v1/write",
        ),
        (
            BoxExporter::new(elasticsearch.expect("valid")),
            "http://localhost:9200/_bulk",
        ),
        (
            BoxExporter::new(influxdb.expect("valid")),
            "http://localhost:8086/write",
        ),
        (
            BoxExporter::new(syslog.expect("valid")),
            "syslog+tcp://localhost:514",
        ),
    ] {
        let signal = match expected.ends_with("/api/v1/write") || expected.contains("syslog") {
            true => Signal::Traces,
            false => Signal::Metrics,
        };
        assert_eq!(endpoint(exporter, signal).await, expected);
    }
}
