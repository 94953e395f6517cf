//! Syslog to syslog-ng and to the Collector's syslog receiver, and what they made of it.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, ExportRequest, Signal, TlsOptions,
    exporters::syslog::{Facility, Framing, SyslogExporter, SyslogFormat},
};

use crate::{
    certificates::Certificates,
    collector::{Collector, installed},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A syslog-ng that writes messages down, one a line.
struct SyslogNg {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl SyslogNg {
    fn start(driver: &str, options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let path = folder.path().display();
        let config = format!(
            r#"@version: 3.35
options {{ keep-hostname(yes); stats-freq(0); log-msg-size(1048576); }};
source s {{ {driver}(ip("127.0.0.1") port({port}) {options}); }};
destination d {{ file("{path}/messages" time-zone("UTC") frac-digits(6) template(
  "$(format-json --omit-empty-values pri=$PRI time=$ISODATE host=$HOST app=$PROGRAM pid=$PID msgid=$MSGID text=$MSG data=$SDATA)\n")); }};
log {{ source(s); destination(d); }};
"#
        );
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("config"), config).expect("writes");
        let child = Command::new(installed("syslog"))
            .args(["--foreground", "--no-caps", "--stderr", "--cfgfile"])
            .arg(file("config"))
            .arg("--persist-file")
            .arg(file("persist"))
            .arg("--control")
            .arg(file("control"))
            .arg("--pidfile")
            .arg(file("pid"))
            .stderr(Stdio::inherit())
            .spawn()
            .expect("syslog-ng starts");
        Self {
            child,
            folder,
            port,
        }
    }

    fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until this many messages are written down.
    async fn messages(&self, count: usize) -> Vec<Json> {
        let path = self.folder.path().join("messages");
        lines(&path, count).await
    }
}

impl Drop for SyslogNg {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn lines(path: &Path, count: usize) -> Vec<Json> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let read: Vec<Json> = whole
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        if read.len() >= count {
            assert_eq!(read.len(), count);
            return read;
        }
        assert!(Instant::now() < deadline, "{} of {count}", read.len());
        // Another process has no event to wait for: its file is polled.
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends as soon as the server has opened its port.
async fn deliver(exporter: SyslogExporter, request: ExportRequest) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match exporter.clone().oneshot(request.clone()).await {
            Ok(response) => {
                assert_eq!(response.delivered_items(), request.items());
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(Instant::now() < deadline, "{error}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A full record, one with everything that must be escaped, one with next to nothing.
fn records() -> ExportRequest {
    let json = r#"{"resourceLogs":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"cart"}},
        {"key":"host.name","value":{"stringValue":"h1"}},
        {"key":"process.pid","value":{"intValue":"42"}},
        {"key":"service.version","value":{"stringValue":"1.2.0"}}]},
      "scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1700000000123456789","severityNumber":17,"eventName":"order.failed",
         "body":{"stringValue":"payment \"failed\""},
         "attributes":[{"key":"path","value":{"stringValue":"a]b\\c \"d\""}}],
         "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","flags":1},
        {"timeUnixNano":"1700000000000000000","severityNumber":9,
         "body":{"stringValue":"größe\nsecond line 🦀"}},
        {"timeUnixNano":"1700000000000000000",
         "body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}}]}]}]}"#;
    ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("OTLP/JSON")
}

fn assert_records(messages: &[Json], line_break: &str) {
    let [full, text, map] = messages else {
        panic!("{messages:?}");
    };
    for (field, value) in [
        ("pri", "131"),
        ("time", "2023-11-14T22:13:20.123456+00:00"),
        ("host", "h1"),
        ("app", "cart"),
        ("pid", "42"),
        ("msgid", "order.failed"),
        ("text", "payment \"failed\""),
    ] {
        assert_eq!(full[field], value, "{field}");
    }
    let data = full["data"].as_str().expect("structured data");
    for part in [
        r#"trace_id="4bf92f3577b34da6a3ce929d0e0e4736""#,
        r#"span_id="1112131415161718""#,
        r#"trace_flags="01""#,
        r#"path="a\]b\\c \"d\"""#,
        r#"[origin swVersion="1.2.0"]"#,
    ] {
        assert!(data.contains(part), "{part}: {data}");
    }
    assert_eq!(text["text"], format!("größe{line_break}second line 🦀"));
    assert_eq!(text["pri"], "134");
    assert_eq!(map["text"], r#"{"a":1}"#);
}

fn local0() -> SyslogFormat {
    SyslogFormat::default().facility(Facility::LOCAL0)
}

#[tokio::test]
async fn syslog_ng_reads_counted_messages() {
    let server = SyslogNg::start("syslog", r#"transport("tcp")"#);
    let exporter = SyslogExporter::builder()
        .endpoint(server.endpoint())
        .format(local0())
        .build()
        .expect("builds");
    deliver(exporter.clone(), records()).await;
    assert_records(&server.messages(3).await, "\n");
    for _ in 0..100 {
        deliver(exporter.clone(), records()).await;
    }
    server.messages(303).await;
}

#[tokio::test]
async fn syslog_ng_reads_lines() {
    let server = SyslogNg::start("network", r#"transport("tcp") flags(syslog-protocol)"#);
    let exporter = SyslogExporter::builder()
        .endpoint(server.endpoint())
        .format(local0().framing(Framing::LineFeed))
        .build()
        .expect("builds");
    deliver(exporter, records()).await;
    assert_records(&server.messages(3).await, " ");
}

#[tokio::test]
async fn syslog_ng_reads_messages_over_mutual_tls_and_refuses_strangers() {
    let certificates = Certificates::new();
    let [(_, certificate), (_, key), (_, ca)] = &certificates.collector_env()[..] else {
        panic!("three files");
    };
    let options = format!(
        r#"transport("tls") tls(cert-file("{certificate}") key-file("{key}") ca-file("{ca}") peer-verify(required-trusted))"#
    );
    let server = SyslogNg::start("syslog", &options);
    let (certificate, key) = certificates.client.clone();
    let tls = TlsOptions::default().ca_pem(certificates.ca.as_str());
    let builder = SyslogExporter::builder()
        .endpoint(server.endpoint())
        .format(local0());
    let known = builder
        .clone()
        .tls(tls.clone().identity_pem(certificate, key));
    deliver(known.build().expect("builds"), records()).await;
    assert_records(&server.messages(3).await, "\n");
    let stranger = builder.tls(tls).build().expect("builds");
    let error = stranger.oneshot(records()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    server.messages(3).await;
}

#[tokio::test]
async fn the_collector_reads_counted_messages() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let collector = Collector::start("sink-syslog.yaml", &[("SYSLOG_ADDR", &address)]);
    let exporter = SyslogExporter::builder()
        .endpoint(address)
        .format(local0())
        .build()
        .expect("builds");
    deliver(exporter, records()).await;
    let received = collector.wait_for(Signal::Logs, 3).await;
    let json: String = received
        .iter()
        .map(|request| {
            String::from_utf8(tower_otlp::otlp::json::write(request.otlp())).expect("UTF-8")
        })
        .collect();
    for part in [
        r#""timeUnixNano":"1700000000123456000""#,
        r#""severityNumber":17"#,
        r#"{"key":"hostname","value":{"stringValue":"h1"}}"#,
        r#"{"key":"appname","value":{"stringValue":"cart"}}"#,
        r#"{"key":"proc_id","value":{"stringValue":"42"}}"#,
        r#"{"key":"msg_id","value":{"stringValue":"order.failed"}}"#,
        r#"{"key":"message","value":{"stringValue":"payment \"failed\""}}"#,
        r#"{"key":"path","value":{"stringValue":"a]b\\c \"d\""}}"#,
        r#"{"key":"trace_id","value":{"stringValue":"4bf92f3577b34da6a3ce929d0e0e4736"}}"#,
        r#"{"key":"message","value":{"stringValue":"größe\nsecond line 🦀"}}"#,
        r#"{"key":"message","value":{"stringValue":"{\"a\":1}"}}"#,
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
}
