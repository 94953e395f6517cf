//! Zipkin's server. Its store is in memory: what it has is gone when it ends.

use std::process::Command;

use serde_json::Value;

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running Zipkin.
pub struct Zipkin {
    pub server: Server,
    /// Where it takes spans and answers: a URL without a path.
    pub url: String,
}

impl Zipkin {
    pub async fn start() -> Self {
        let [port] = ports();
        let mut command = Command::new("java");
        command
            .args([
                "-Xmx384m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-jar",
            ])
            .arg(installed("zipkin"))
            .arg("--armeria.ports[0].address=127.0.0.1")
            .arg(format!("--armeria.ports[0].port={port}"))
            .arg("--armeria.ports[0].protocols[0]=http")
            .env("STORAGE_TYPE", "mem")
            .env("MEM_MAX_SPANS", "500000");
        let url = format!("http://127.0.0.1:{port}");
        let ready = Ready::Url(format!("{url}/health"));
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            server: Server::start("Zipkin", folder, command, ready).await,
            url,
        }
    }

    /// The spans of a trace, by its id in hexadecimal; empty if there is none.
    pub async fn trace(&self, id: &str) -> Vec<Value> {
        match get_json(&format!("{}/api/v2/trace/{id}", self.url)).await {
            Some(Value::Array(spans)) => spans,
            _ => Vec::new(),
        }
    }

    /// What depends on what, by what it has seen in a day before `end_ms`, in milliseconds of the
    /// epoch.
    pub async fn dependencies(&self, end_ms: u64) -> Option<Value> {
        get_json(&format!(
            "{}/api/v2/dependencies?endTs={end_ms}&lookback=86400000",
            self.url
        ))
        .await
    }
}

#[tokio::test]
async fn it_keeps_a_span() {
    let zipkin = Zipkin::start().await;
    let span =
        r#"[{"traceId":"0af7651916cd43dd8448eb211c80319c","id":"b7ad6b7169203331","name":"a"}]"#;
    super::post(
        &format!("{}/api/v2/spans", zipkin.url),
        "application/json",
        span,
        202,
    )
    .await;
    let spans = super::until("the span is there", async || {
        let spans = zipkin.trace("0af7651916cd43dd8448eb211c80319c").await;
        (!spans.is_empty()).then_some(spans)
    });
    assert_eq!(spans.await[0]["name"], "a");
}
