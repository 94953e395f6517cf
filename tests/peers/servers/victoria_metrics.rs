//! VictoriaMetrics, a single node: it takes Prometheus's remote writes, InfluxDB's line protocol
//! and Graphite's.

use std::process::Command;

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running VictoriaMetrics.
pub struct VictoriaMetrics {
    pub server: Server,
    /// Where it takes data over HTTP and answers: a URL without a path.
    pub url: String,
    /// Where it takes Graphite's plain text, over TCP and UDP: `host:port`.
    pub graphite: String,
}

impl VictoriaMetrics {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [port, graphite] = ports();
        let mut command = Command::new(installed("victoria-metrics"));
        command
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-graphiteListenAddr=127.0.0.1:{graphite}"))
            .arg(format!(
                "-storageDataPath={}",
                folder.path().join("data").display()
            ))
            // The data of tests is as old as it likes.
            .arg("-retentionPeriod=100y")
            .arg("-search.latencyOffset=0s")
            .arg("-search.disableCache")
            .arg("-memory.allowedBytes=256MB");
        let url = format!("http://127.0.0.1:{port}");
        let ready = Ready::Url(format!("{url}/health"));
        Self {
            server: Server::start("VictoriaMetrics", folder, command, ready).await,
            url,
            graphite: format!("127.0.0.1:{graphite}"),
        }
    }

    /// Where it takes remote writes.
    pub fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url)
    }

    /// All samples of the series that match: one object a series, with `metric`, `values` and
    /// `timestamps` in milliseconds.
    pub async fn export(&self, series: &str) -> Vec<Value> {
        // What has come in is otherwise seen after up to a second.
        let _ = reqwest::get(format!("{}/internal/force_flush", self.url)).await;
        let series: String = byte_serialize(series.as_bytes()).collect();
        let url = format!("{}/api/v1/export?match[]={series}", self.url);
        let Ok(answer) = reqwest::get(url).await else {
            return Vec::new();
        };
        let text = answer.text().await.unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The result of an instant query at a time in seconds of the epoch.
    pub async fn query(&self, query: &str, time: f64) -> Vec<Value> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let url = format!("{}/api/v1/query?query={query}&time={time}", self.url);
        let answer = get_json(&url).await;
        let result = answer.and_then(|answer| answer["data"]["result"].as_array().cloned());
        result.unwrap_or_default()
    }
}

#[tokio::test]
async fn it_keeps_a_sample() {
    let mut server = VictoriaMetrics::start().await;
    let text = "a{b=\"c\"} 4.5 1700000000000\n";
    let url = format!("{}/api/v1/import/prometheus", server.url);
    super::post(&url, "text/plain", text, 204).await;
    let found = super::until("the sample is there", async || {
        server.export("a").await.pop()
    })
    .await;
    assert_eq!(found["metric"]["b"], "c");
    assert_eq!(found["values"][0], 4.5);
    assert_eq!(found["timestamps"][0], 1_700_000_000_000_u64);
    server.server.stop().await;
    server.server.restart().await;
    let found = server.query("a", 1_700_000_000.0).await;
    assert_eq!(found[0]["value"][1], "4.5");
}
