//! Datagrams to agents on real sockets.

use std::time::Duration;

use tokio::net::UdpSocket;
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, ServiceBuilderExt, Signal,
    exporters::jaeger::{
        AgentProtocol, JaegerUdpBuilder, JaegerUdpExporter,
        encode::{EncodeOptions, Format},
    },
    from_url,
    layers::retry::RetryPolicy,
};

use super::{encode, read, traces};
use crate::support::{backend::telemetry, jaeger_idl::Batch};

/// An agent that reads as much of a datagram as agents do by default.
struct Agent {
    socket: UdpSocket,
    port: u16,
}

impl Agent {
    async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let port = socket.local_addr().expect("an address").port();
        Self { socket, port }
    }

    fn exporter(&self) -> JaegerUdpBuilder {
        JaegerUdpExporter::builder()
            .host("127.0.0.1")
            .port(self.port)
    }

    async fn datagram(&self) -> Vec<u8> {
        let mut datagram = vec![0; 65_000];
        let received = self.socket.recv(&mut datagram);
        let received = tokio::time::timeout(Duration::from_secs(30), received).await;
        let size = received.expect("a datagram in time").expect("a datagram");
        datagram.truncate(size);
        datagram
    }

    async fn batches(&self, format: Format, spans: usize) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        while batches.iter().map(|batch| batch.spans.len()).sum::<usize>() < spans {
            batches.push(read(format, &self.datagram().await));
        }
        batches
    }
}

/// Spans with a name of this length, in one resource.
fn named(lengths: &[usize]) -> ExportRequest {
    let spans: Vec<String> = lengths
        .iter()
        .enumerate()
        .map(|(id, length)| {
            format!(
                r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{:016x}","name":"{}"}}"#,
                id + 1,
                "n".repeat(*length)
            )
        })
        .collect();
    traces(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    ))
}

fn ids(batches: &[Batch]) -> Vec<i64> {
    let spans = batches.iter().flat_map(|batch| &batch.spans);
    spans.map(|span| span.span_id).collect()
}

#[tokio::test]
async fn both_protocols_arrive() {
    for (protocol, format) in [
        (AgentProtocol::Compact, Format::AgentCompact),
        (AgentProtocol::Binary, Format::AgentBinary),
    ] {
        let agent = Agent::new().await;
        let exporter = agent.exporter().protocol(protocol).build().expect("valid");
        for _ in 0..2 {
            let response = exporter.clone().oneshot(named(&[1, 2, 3])).await;
            let response = response.expect("sent");
            assert_eq!(
                (response.delivered_items(), response.rejected_items()),
                (3, 0)
            );
            let to = format!("jaeger-udp exporter (udp://127.0.0.1:{})", agent.port);
            assert_eq!(response.destination(), Some(to.as_str()));
            let batches = agent.batches(format, 3).await;
            assert_eq!(ids(&batches), [1, 2, 3]);
            assert_eq!(batches.len(), 1);
        }
    }
}

#[tokio::test]
async fn datagrams_are_filled_to_the_limit_and_never_beyond() {
    let agent = Agent::new().await;
    let exporter = agent
        .exporter()
        .max_packet_bytes(1000)
        .build()
        .expect("valid");
    let response = exporter.oneshot(named(&[50; 60])).await.expect("sent");
    assert_eq!(response.delivered_items(), 60);
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    while seen.len() < 60 {
        let datagram = agent.datagram().await;
        sizes.push(datagram.len());
        seen.extend(ids(&[read(Format::AgentCompact, &datagram)]));
    }
    assert_eq!(seen, (1..=60).collect::<Vec<i64>>());
    let (_, full) = sizes.split_last().expect("some");
    assert!(
        full.iter().all(|size| (900..=1000).contains(size)),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn a_datagram_of_the_default_limit_arrives_whole() {
    let agent = Agent::new().await;
    let exporter = agent.exporter().build().expect("valid");
    let response = exporter.oneshot(named(&[1000; 90])).await.expect("sent");
    assert_eq!(response.delivered_items(), 90);
    let datagram = agent.datagram().await;
    assert!(
        (64_000..=65_000).contains(&datagram.len()),
        "{}",
        datagram.len()
    );
    let first = read(Format::AgentCompact, &datagram).spans.len();
    assert_eq!(
        agent.batches(Format::AgentCompact, 90 - first).await.len(),
        1
    );
}

#[tokio::test]
async fn a_span_too_large_for_a_datagram_is_rejected_alone() {
    let agent = Agent::new().await;
    let exporter = agent.exporter().build().expect("valid");
    let plain = named(&[60_000]);
    let (messages, _, _) = encode(
        &plain,
        &EncodeOptions::default(),
        Format::AgentCompact,
        65_000,
    );
    let largest = 65_000 - (messages[0].len() - 60_000);
    // 200 kB in one span; the largest that fits; one that is larger by a byte.
    let request = named(&[5, 200_000, 6, largest, largest + 1, 7]);
    let response = exporter
        .oneshot(request)
        .await
        .expect("the others are sent");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (4, 2)
    );
    let message = response.message().expect("a reason");
    assert!(
        message.starts_with("2 spans cannot be sent, the first: span 1 (\"nnn"),
        "{message}"
    );
    assert!(message.contains("the limit is 65000 bytes"), "{message}");
    assert_eq!(
        ids(&agent.batches(Format::AgentCompact, 4).await),
        [1, 3, 4, 6]
    );
}

#[tokio::test]
async fn the_limit_is_at_most_that_of_a_datagram() {
    for bytes in [0, 65_508] {
        let error = JaegerUdpExporter::builder().max_packet_bytes(bytes).build();
        let error = error.expect_err("no size of a datagram");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("65507"), "{error}");
    }
    let agent = Agent::new().await;
    let exporter = agent
        .exporter()
        .max_packet_bytes(65_507)
        .build()
        .expect("valid");
    let response = exporter.oneshot(named(&[1000; 70])).await.expect("sent");
    assert_eq!(response.delivered_items(), 70);
}

#[tokio::test]
async fn three_resources_are_three_datagrams() {
    let group = |name: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{name}"}}}}]}},
            "scopeSpans":[{{"spans":[{{"traceId":"0102030405060708090a0b0c0d0e0f10",
            "spanId":"0000000000000001"}}]}}]}}"#
        )
    };
    let groups = ["a", "b", "c"].map(group).join(",");
    let request = traces(&format!(r#"{{"resourceSpans":[{groups}]}}"#));
    let agent = Agent::new().await;
    let exporter = agent.exporter().build().expect("valid");
    exporter.oneshot(request).await.expect("sent");
    for name in ["a", "b", "c"] {
        let batch = read(Format::AgentCompact, &agent.datagram().await);
        assert_eq!(batch.process.service_name, name);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_agent_that_is_not_there_is_unavailable() {
    let port = Agent::new().await.port;
    let exporter = JaegerUdpExporter::builder()
        .host("127.0.0.1")
        .port(port)
        .build();
    let exporter = exporter.expect("valid");
    let error = exporter
        .clone()
        .oneshot(named(&[1, 2]))
        .await
        .expect_err("nobody listens");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, RetryAdvice::Backoff)
    );
    assert_eq!(error.exporter(), Some("jaeger-udp"));
    assert_eq!(
        error.endpoint(),
        Some(format!("udp://127.0.0.1:{port}").as_str())
    );
    assert!(
        error.to_string().contains("no agent listens there"),
        "{error}"
    );
    assert!(error.remainder().is_none(), "all of it");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_agent_that_goes_leaves_the_rest_and_is_found_when_it_comes_back() {
    let Agent { socket, port } = Agent::new().await;
    let exporter = JaegerUdpExporter::builder()
        .host("127.0.0.1")
        .port(port)
        .max_packet_bytes(160)
        .build()
        .expect("valid");
    exporter.clone().oneshot(named(&[1])).await.expect("sent");
    drop(socket);
    let error = exporter
        .clone()
        .oneshot(named(&[1, 2]))
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let (failed, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(1)))
        .map_result(move |result: Result<ExportResponse, ExportError>| {
            if result.is_err() {
                let _ = failed.send(());
            }
            result
        })
        .service(exporter);
    let task = tokio::spawn(pipeline.oneshot(named(&[50, 51, 52])));
    failures.recv().await.expect("a failure");
    let socket = UdpSocket::bind(("127.0.0.1", port))
        .await
        .expect("the same port");
    let response = task.await.expect("no panic").expect("sent at last");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (3, 0)
    );
    let agent = Agent { socket, port };
    assert_eq!(
        ids(&agent.batches(Format::AgentCompact, 3).await),
        [1, 2, 3]
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // `localhost` is often ::1 first, and the agent listens on 127.0.0.1 alone.
    let agent = Agent::new().await;
    let exporter = agent.exporter().host("localhost").build().expect("valid");
    let response = exporter.oneshot(named(&[1])).await.expect("sent");
    assert_eq!(response.delivered_items(), 1);
    assert_eq!(ids(&agent.batches(Format::AgentCompact, 1).await), [1]);
}

#[tokio::test]
async fn metrics_and_logs_are_unsupported_at_once() {
    let exporter = JaegerUdpExporter::builder().build().expect("valid");
    for signal in [Signal::Metrics, Signal::Logs] {
        let error = exporter.clone().oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("not carried");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Unsupported, false)
        );
        assert_eq!(error.exporter(), Some("jaeger-udp"));
        assert!(error.message().contains(&signal.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable() {
    let exporter = JaegerUdpExporter::builder()
        .host("no such host")
        .build()
        .expect("valid");
    let error = exporter.oneshot(named(&[1])).await.expect_err("no address");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, RetryAdvice::Backoff)
    );
    assert_eq!(error.endpoint(), Some("udp://no such host:6831"));
}

#[tokio::test]
async fn from_urls() {
    for (protocol, format) in [
        ("", Format::AgentCompact),
        ("&protocol=compact", Format::AgentCompact),
        ("&protocol=binary", Format::AgentBinary),
    ] {
        let agent = Agent::new().await;
        let port = agent.port;
        let url = format!(
            "jaeger+udp://127.0.0.1:{port}?max_packet_bytes=500&timeout=5s&unknown_service=edge{protocol}"
        );
        let exporter = from_url(&url).expect("a URL");
        exporter.oneshot(named(&[100; 6])).await.expect("sent");
        let batches = agent.batches(format, 6).await;
        assert!(batches.len() >= 2);
        assert!(
            batches
                .iter()
                .all(|batch| batch.process.service_name == "edge")
        );
    }
    for (url, says) in [
        (
            "jaeger+udp://h?protocol=thrift",
            "`thrift` is not one of compact, binary",
        ),
        ("jaeger+udp://user:s3cret@h", "user information"),
        ("jaeger+udp://h/path", "path"),
        (
            "jaeger+udp://h?max_packet_bytes=70KB",
            "a datagram has 1 to 65507 bytes",
        ),
        ("jaeger+udp://h?header.x=1", "knows no such parameter"),
        ("jaeger+udp:", "host"),
    ] {
        let Err(error) = from_url(url) else {
            panic!("{url} is accepted");
        };
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    for url in ["jaeger+udp://h", "jaeger+udp://[::1]:1234?timeout=none"] {
        assert!(from_url(url).is_ok(), "{url}");
    }
}

#[test]
fn debug_shows_where_it_goes() {
    let builder = JaegerUdpExporter::builder()
        .host("::1")
        .protocol(AgentProtocol::Binary)
        .encode(EncodeOptions::default().unknown_service("edge"));
    let exporter = builder.build().expect("valid");
    let shown = format!("{exporter:?}");
    assert!(
        shown.contains("udp://[::1]:6832") && shown.contains("edge"),
        "{shown}"
    );
}
