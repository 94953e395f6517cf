//! Receivers that do not answer, stalled, killed and started again under load.
//!
//! What can be lost on a bare socket is what the operating systems had taken and the peer had not
//! yet stored when it died. Over one connection that is one run of requests for each death, the
//! last ones before it, and no more bytes than these hold: the send buffer here, the receive
//! buffer there, and what the peer had read but not written down. A stall loses nothing. What was
//! written in part, or not in time, is sent again: then the peer may have it twice.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{sync::Semaphore, task::JoinHandle};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ExportRequest, Exporter, Lifecycle, ServiceBuilderExt, Signal,
    exporters::{socket::SocketOptions, syslog::SyslogExporter, tcp::TcpExporter},
    layers::{observe::Recorder, retry::RetryPolicy},
};

use crate::{
    collector::installed,
    servers::{Ready, Server, ports, syslog::Syslog, until},
};

/// The text of a record is so long, in bytes.
const TEXT: usize = 2_000;
/// What is asked for; Linux takes twice as much.
const SEND_BUFFER: usize = 64 * 1024;
/// More than either peer reads at a time before it writes.
const READ_AT_ONCE: u64 = 256 * 1024;

fn options() -> SocketOptions {
    SocketOptions::default()
        .connections(1)
        .send_buffer_bytes(SEND_BUFFER)
        .write_timeout(Duration::from_millis(500))
        .acknowledge_timeout(Duration::from_secs(2))
}

/// The most bytes that the death of a peer may cost.
fn may_be_lost() -> u64 {
    let receive = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").expect("Linux");
    let receive = receive.split_whitespace().last().expect("the largest");
    let receive: u64 = receive.parse().expect("bytes");
    2 * SEND_BUFFER as u64 + receive + READ_AT_ONCE
}

/// A log record with a number and much text.
fn record(number: u64) -> ExportRequest {
    let text = format!("{number} {}", "x".repeat(TEXT));
    let message = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
        "timeUnixNano": "1700000000000000000", "body": { "stringValue": text } }] }] }] });
    ExportRequest::from_json(Signal::Logs, message.to_string().as_bytes()).expect("valid")
}

/// The number of such a text, which must be whole.
fn number(text: &str) -> u64 {
    let (number, rest) = text.split_once(' ').expect("a number");
    assert_eq!(rest.len(), TEXT, "{number} is whole");
    assert!(rest.bytes().all(|byte| byte == b'x'), "{number}");
    number.parse().expect("a number")
}

/// Records on their way, one after the other.
struct Stream {
    lifecycle: Lifecycle,
    recorder: Recorder,
    offered: Arc<Semaphore>,
    acknowledged: Arc<AtomicU64>,
    sender: JoinHandle<()>,
}

impl Stream {
    fn start(exporter: impl Exporter, records: u64) -> Self {
        let lifecycle = Lifecycle::new();
        let recorder = Recorder::new();
        let retry = RetryPolicy::new()
            .initial_backoff(Duration::from_millis(10))
            .max_backoff(Duration::from_millis(100))
            .lifecycle(&lifecycle);
        let pipeline = ServiceBuilder::new()
            .tracked(&lifecycle)
            .export_retry(retry)
            .observed_attempts(recorder.clone())
            .service(exporter);
        let offered = Arc::new(Semaphore::new(0));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (offers, counter) = (offered.clone(), acknowledged.clone());
        let sender = tokio::spawn(async move {
            for number in 1..=records {
                offers.acquire().await.expect("open").forget();
                let answer = pipeline.clone().oneshot(record(number)).await;
                assert_eq!(answer.expect("accepted").delivered_items(), 1);
                counter.store(number, Ordering::SeqCst);
            }
        });
        Self {
            lifecycle,
            recorder,
            offered,
            acknowledged,
            sender,
        }
    }

    fn offer(&self, records: usize) {
        self.offered.add_permits(records);
    }

    async fn acknowledged(&self, records: u64) {
        until(&format!("{records} are acknowledged"), async || {
            (self.acknowledged.load(Ordering::SeqCst) >= records).then_some(())
        })
        .await;
    }

    fn failed_attempts(&self) -> u64 {
        self.recorder.snapshot().attempts().failed.requests
    }

    /// Waits until an attempt more than `before` has failed.
    async fn failed_since(&self, before: u64) {
        until("an attempt fails", async || {
            (self.failed_attempts() > before).then_some(())
        })
        .await;
    }

    /// Waits until all is sent, and asserts that the books say so, that what the peer lacks is at
    /// most what `deaths` may cost, and that what it has twice was sent twice.
    async fn settle(self, records: u64, deaths: usize, mut stored: impl FnMut() -> Vec<u64>) {
        let failed = {
            self.acknowledged(records).await;
            self.failed_attempts()
        };
        self.sender.await.expect("no panic");
        let report = self.lifecycle.shutdown(Duration::from_secs(10)).await;
        assert_eq!(report.accepted, records, "{report:?}");
        assert_eq!(report.delivered, records, "{report:?}");
        // The last one is there when all before it are: there is one connection.
        until("the last record is stored", async || {
            stored().contains(&records).then_some(())
        })
        .await;
        let mut times: BTreeMap<u64, u64> = BTreeMap::new();
        for number in stored() {
            *times.entry(number).or_default() += 1;
        }
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in (1..=records).filter(|number| !times.contains_key(number)) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => runs.push((number, number)),
            }
        }
        let twice: u64 = times.values().map(|times| times - 1).sum();
        eprintln!("lost {runs:?}, twice {twice}, failed attempts {failed}");
        assert!(runs.len() <= deaths, "{deaths} deaths, lost: {runs:?}");
        for (first, last) in runs {
            let bytes = (last - first + 1) * TEXT as u64;
            assert!(bytes <= may_be_lost(), "{first} to {last} are lost");
        }
        assert!(twice <= failed, "{twice} twice, {failed} attempts failed");
        assert!(times.keys().all(|number| (1..=records).contains(number)));
    }
}

/// Stalled twice: for a time, and until it is killed with its buffers full; then stopped in order.
async fn away(exporter: impl Exporter, server: &mut Server, stored: impl Fn(&Server) -> Vec<u64>) {
    const EACH: u64 = 4_000;
    let stream = Stream::start(exporter, 4 * EACH);
    let each = usize::try_from(EACH).expect("few");
    stream.offer(each);
    stream.acknowledged(200).await;
    let before = stream.failed_attempts();
    server.freeze();
    // The buffers are full when a write takes too long.
    stream.offer(each);
    stream.failed_since(before).await;
    server.thaw();
    stream.acknowledged(2 * EACH).await;
    until("what was stalled is all there", async || {
        let stored = stored(server);
        (1..=2 * EACH)
            .all(|number| stored.contains(&number))
            .then_some(())
    })
    .await;

    let before = stream.failed_attempts();
    server.freeze();
    stream.offer(each);
    stream.failed_since(before).await;
    let in_buffers = stream.acknowledged.load(Ordering::SeqCst);
    assert!(in_buffers > 2 * EACH, "the buffers took some");
    server.kill().await;
    server.restart().await;
    stream.acknowledged(3 * EACH).await;

    stream.offer(each);
    stream.acknowledged(3 * EACH + 200).await;
    let before = stream.failed_attempts();
    server.stop().await;
    stream.failed_since(before).await;
    server.restart().await;
    let server = &*server;
    stream.settle(4 * EACH, 2, || stored(server)).await;
}

#[tokio::test]
async fn syslog_loses_no_more_than_the_buffers_held() {
    let syslog = Syslog::start().await;
    let exporter = SyslogExporter::builder()
        .endpoint(&syslog.tcp)
        .socket(options())
        .build()
        .expect("builds");
    let Syslog { mut server, .. } = syslog;
    away(exporter, &mut server, |server| {
        let messages = crate::servers::syslog::messages_of(server);
        let texts = messages.iter().map(|message| message["message"].as_str());
        texts.map(|text| number(text.expect("a text"))).collect()
    })
    .await;
}

/// Writes each whole line of each connection to a file, in one go.
const WRITER: &str = "
import os, socketserver, sys
out = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            for line in self.rfile:
                if line.endswith(b'\\n'):
                    os.write(out, line)
        except ConnectionError:
            pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
Server(('127.0.0.1', int(sys.argv[1])), Lines).serve_forever()
";

#[tokio::test]
async fn tcp_loses_no_more_than_the_buffers_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let [port] = ports();
    let mut command = Command::new(installed("python"));
    command
        .args(["-c", WRITER, &port.to_string()])
        .arg(folder.path().join(LINES));
    let mut server = Server::start("the writer", folder, command, Ready::Port(port)).await;
    let exporter = TcpExporter::builder()
        .endpoint(format!("127.0.0.1:{port}"))
        .socket(options())
        .build()
        .expect("builds");
    away(exporter, &mut server, |server| {
        let text = std::fs::read(server.folder().join(LINES)).unwrap_or_default();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let whole = lines.filter(|line| line.ends_with(b"\n"));
        whole
            .map(|line| {
                let request = ExportRequest::from_json(Signal::Logs, line).expect("OTLP/JSON");
                assert_eq!(request.items(), 1);
                let line: serde_json::Value = serde_json::from_slice(line).expect("JSON");
                let record = &line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
                number(record["body"]["stringValue"].as_str().expect("a text"))
            })
            .collect()
    })
    .await;
}

const LINES: &str = "lines.jsonl";
