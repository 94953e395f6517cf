//! The Collector as a sink for what is not OTLP: it writes down as OTLP/JSON what it made of it.

use std::{path::Path, process::Command};

use tower_otlp::{ExportRequest, Signal};

use super::{PATIENCE, Ready, Server, ports};
use crate::{
    certificates::Certificates,
    collector::{folder, installed, written},
};

/// A running Collector with one of the configurations in `collector/`.
pub struct Sink {
    pub server: Server,
}

impl Sink {
    async fn start(config: &str, env: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(installed("collector"));
        command
            .arg("--config")
            .arg(folder().join("collector").join(config))
            .env("OUT_DIR", data.path())
            .envs(env.iter().copied());
        let ready = Ready::Logged("Everything is ready");
        Self {
            server: Server::start("the Collector", data, command, ready).await,
        }
    }

    /// All requests of a signal that it has written down so far, in order.
    pub fn received(&self, signal: Signal) -> Vec<ExportRequest> {
        written(self.server.folder(), signal)
    }

    /// Waits until it has written down this many items of a signal.
    pub async fn wait_for(&self, signal: Signal, items: u64) -> Vec<ExportRequest> {
        let name = signal.item_name();
        super::until(&format!("{items} {name} in {PATIENCE:?}"), async || {
            let received = self.received(signal);
            let count: u64 = received.iter().map(ExportRequest::items).sum();
            (count >= items).then_some(received)
        })
        .await
    }
}

/// A Collector that takes spans in the older protocols.
pub struct Legacy {
    pub sink: Sink,
    /// Jaeger's Thrift over HTTP: a URL without a path.
    pub jaeger_http: String,
    /// Jaeger's compact Thrift over UDP: `host:port`.
    pub jaeger_compact: String,
    /// Jaeger's binary Thrift over UDP: `host:port`.
    pub jaeger_binary: String,
    /// Zipkin: a URL without a path.
    pub zipkin: String,
}

impl Legacy {
    pub async fn start() -> Self {
        let addresses = ports::<5>().map(|port| format!("127.0.0.1:{port}"));
        let [grpc, http, compact, binary, zipkin] = &addresses;
        let env = [
            ("JAEGER_GRPC_ADDR", grpc.as_str()),
            ("JAEGER_HTTP_ADDR", http),
            ("JAEGER_COMPACT_ADDR", compact),
            ("JAEGER_BINARY_ADDR", binary),
            ("ZIPKIN_ADDR", zipkin),
        ];
        Self {
            sink: Sink::start("sink-legacy.yaml", &env).await,
            jaeger_http: format!("http://{http}"),
            jaeger_compact: compact.clone(),
            jaeger_binary: binary.clone(),
            zipkin: format!("http://{zipkin}"),
        }
    }
}

/// A Collector that takes RFC 5424.
pub struct SyslogSink {
    pub sink: Sink,
    /// Octet-counted frames over TCP: `host:port`.
    pub tcp: String,
    /// The same over TLS, with a certificate for 127.0.0.1.
    pub tls: String,
    /// Datagrams.
    pub udp: String,
    /// PEM of the authority of its certificate.
    pub ca: String,
    _certificates: Certificates,
}

impl SyslogSink {
    pub async fn start() -> Self {
        let certificates = Certificates::new();
        let [tcp, tls, udp] = ports::<3>().map(|port| format!("127.0.0.1:{port}"));
        let files = certificates.collector_env();
        let mut env = vec![
            ("SYSLOG_TCP_ADDR", tcp.as_str()),
            ("SYSLOG_TLS_ADDR", &tls),
            ("SYSLOG_UDP_ADDR", &udp),
        ];
        env.extend(files.iter().map(|(name, path)| (*name, path.as_str())));
        let sink = Sink::start("sink-rfc5424.yaml", &env).await;
        Self {
            sink,
            tcp,
            tls,
            udp,
            ca: certificates.ca.clone(),
            _certificates: certificates,
        }
    }
}

/// A Collector that reads the files `*.jsonl` of a folder, as they grow: OTLP/JSON, one request a
/// line.
pub async fn file_reader(folder: &Path) -> Sink {
    let folder = folder.display().to_string();
    Sink::start("sink-file.yaml", &[("IN_DIR", &folder)]).await
}

#[tokio::test]
async fn the_older_protocols_are_read() {
    let legacy = Legacy::start().await;
    let span =
        r#"[{"traceId":"0af7651916cd43dd8448eb211c80319c","id":"b7ad6b7169203331","name":"a"}]"#;
    super::post(
        &format!("{}/api/v2/spans", legacy.zipkin),
        "application/json",
        span,
        202,
    )
    .await;
    super::post(
        &format!("{}/api/traces", legacy.jaeger_http),
        "application/vnd.apache.thrift.binary",
        super::jaeger::BATCH,
        202,
    )
    .await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let call = [
        b"\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\x00\x00\x00\x00\x0c\x00\x01",
        super::jaeger::BATCH,
        b"\x00",
    ];
    socket
        .send_to(&call.concat(), &legacy.jaeger_binary)
        .await
        .expect("sends");
    let received = legacy.sink.wait_for(Signal::Traces, 3).await;
    let spans: u64 = received.iter().map(ExportRequest::items).sum();
    assert_eq!(spans, 3);
}

#[tokio::test]
async fn syslog_is_read() {
    use tokio::{io::AsyncWriteExt, net::TcpStream};

    let syslog = SyslogSink::start().await;
    let message = "<165>1 2003-10-11T22:14:15.003123Z host app 77 ID47 [a@32473 b=\"c\"] text";
    let mut tcp = TcpStream::connect(&syslog.tcp).await.expect("connects");
    let framed = format!("{} {message}", message.len());
    tcp.write_all(framed.as_bytes()).await.expect("writes");
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("binds");
    socket
        .send_to(message.as_bytes(), &syslog.udp)
        .await
        .expect("sends");
    let received = syslog.sink.wait_for(Signal::Logs, 2).await;
    for request in &received {
        let text = format!("{:?}", request.decode().expect("valid"));
        for part in ["appname", "a@32473", "ID47", "text"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let sent = crate::workload::numbered_span(7);
    let mut line = tower_otlp::otlp::json::write(sent.otlp());
    line.push(b'\n');
    std::fs::write(folder.path().join("traces.jsonl"), line).expect("writes");
    let reader = file_reader(folder.path()).await;
    let received = reader.wait_for(Signal::Traces, 1).await;
    assert_eq!(crate::workload::numbers(&received), [7]);
}
