//! Jaeger, all in one: collector, agent, store and query API, with its store on disk.

use std::process::Command;

use serde_json::Value;

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running Jaeger.
pub struct Jaeger {
    pub server: Server,
    /// Where the collector takes Thrift over HTTP: a URL without a path.
    pub collector: String,
    /// Where the agent takes compact Thrift over UDP: `host:port`.
    pub compact: String,
    /// Where the agent takes binary Thrift over UDP: `host:port`.
    pub binary: String,
    /// Where the query API is: a URL without a path.
    pub query: String,
}

impl Jaeger {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [collector, compact, binary, query, admin, others @ ..] = ports::<11>();
        let mut command = Command::new(installed("jaeger"));
        command.env("SPAN_STORAGE_TYPE", "badger");
        command.arg("--badger.ephemeral=false");
        // It answers 202 even for what its queue has no room for, and drops that.
        command.arg("--collector.queue-size=200000");
        // It would send traces of its own.
        command.env("OTEL_TRACES_SAMPLER", "always_off");
        command.arg("--log-level=warn");
        for kind in ["key", "value"] {
            let data = folder.path().join(kind);
            std::fs::create_dir(&data).expect("a folder");
            command.arg(format!("--badger.directory-{kind}={}", data.display()));
        }
        let addresses = [
            ("collector.http-server.host-port", collector),
            ("processor.jaeger-compact.server-host-port", compact),
            ("processor.jaeger-binary.server-host-port", binary),
            ("query.http-server.host-port", query),
            ("admin.http.host-port", admin),
        ];
        // Not used here, and they would else take well-known ports.
        let unused = [
            "collector.grpc-server.host-port",
            "collector.otlp.grpc.host-port",
            "collector.otlp.http.host-port",
            "query.grpc-server.host-port",
            "processor.zipkin-compact.server-host-port",
            "http-server.host-port",
        ];
        for (name, port) in addresses.into_iter().chain(unused.into_iter().zip(others)) {
            command.arg(format!("--{name}=127.0.0.1:{port}"));
        }
        let ready = Ready::Url(format!("http://127.0.0.1:{admin}/"));
        Self {
            server: Server::start("Jaeger", folder, command, ready).await,
            collector: format!("http://127.0.0.1:{collector}"),
            compact: format!("127.0.0.1:{compact}"),
            binary: format!("127.0.0.1:{binary}"),
            query: format!("http://127.0.0.1:{query}"),
        }
    }

    /// The names of the services that it has spans of.
    pub async fn services(&self) -> Vec<String> {
        let answer = get_json(&format!("{}/api/services", self.query)).await;
        let names = answer.as_ref().and_then(|answer| answer["data"].as_array());
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    /// A trace as it is stored, by its id in hexadecimal; `None` if there is none.
    pub async fn trace(&self, id: &str) -> Option<Value> {
        let answer = get_json(&format!("{}/api/traces/{id}?raw=true", self.query)).await?;
        answer["data"].get(0).cloned()
    }

    /// How many spans of a trace it has.
    pub async fn spans(&self, id: &str) -> usize {
        let trace = self.trace(id).await;
        let spans = trace.as_ref().and_then(|trace| trace["spans"].as_array());
        spans.map_or(0, Vec::len)
    }
}

#[tokio::test]
async fn it_keeps_what_the_collector_takes() {
    let mut jaeger = Jaeger::start().await;
    let url = format!("{}/api/traces", jaeger.collector);
    super::post(&url, "application/vnd.apache.thrift.binary", BATCH, 202).await;
    let asked = async || jaeger.trace("64").await;
    let trace = super::until("the span is there", asked).await;
    assert_eq!(trace["spans"][0]["operationName"], "x");
    assert_eq!(jaeger.services().await, ["a"]);
    jaeger.server.kill().await;
    jaeger.server.restart().await;
    assert_eq!(jaeger.spans("64").await, 1);
}

/// One span in the binary protocol: process `a`, trace 100, span 2, name `x`.
pub const BATCH: &[u8] = b"\
    \x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01a\x00\
    \x0f\x00\x02\x0c\x00\x00\x00\x01\
    \x0a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x64\
    \x0a\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\
    \x0a\x00\x03\x00\x00\x00\x00\x00\x00\x00\x02\
    \x0a\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\
    \x0b\x00\x05\x00\x00\x00\x01x\
    \x08\x00\x07\x00\x00\x00\x01\
    \x0a\x00\x08\x00\x06\x09\x8a\x9a\xe2\x40\x00\
    \x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x02\x00\
    \x00";
