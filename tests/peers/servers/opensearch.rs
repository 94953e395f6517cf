//! OpenSearch, one node.

use std::process::Command;

use serde_json::{Value, json};

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running OpenSearch.
pub struct OpenSearch {
    pub server: Server,
    /// Where it takes documents and answers: a URL without a path.
    pub url: String,
}

impl OpenSearch {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [http, transport] = ports();
        let config = folder.path().join("config");
        for name in ["config", "lib", "modules", "plugins", "extensions"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let settings = json!({
            "cluster.name": "peers",
            "node.name": "peer",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": http,
            "transport.port": transport,
            // A full disk of the machine is not what is tested.
            "cluster.routing.allocation.disk.threshold_enabled": false,
        });
        // JSON is YAML.
        std::fs::write(config.join("opensearch.yml"), settings.to_string()).expect("writes");
        std::fs::write(config.join("log4j2.properties"), LOGGING).expect("writes");
        let lib = installed("opensearch");
        let mut command = Command::new("java");
        command
            .args(["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC"])
            .arg(format!("-Djava.io.tmpdir={}", folder.path().display()))
            .args(["-cp", &format!("{lib}:{lib}/*"), "PeerNode"])
            .arg(folder.path());
        let url = format!("http://127.0.0.1:{http}");
        let ready = Ready::Url(format!(
            "{url}/_cluster/health?wait_for_status=yellow&timeout=1s"
        ));
        Self {
            server: Server::start("OpenSearch", folder, command, ready).await,
            url,
        }
    }

    /// Sends a request with a JSON body and gives status and answer.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = reqwest::Client::new()
            .request(method, format!("{}/{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Makes data streams of all indices whose names match a pattern; `mappings` may be `{}`.
    pub async fn data_streams(&self, pattern: &str, mappings: Value) {
        let template = json!({
            "index_patterns": [pattern],
            "data_stream": {},
            "priority": 200,
            "template": { "settings": { "number_of_replicas": 0 }, "mappings": mappings },
        });
        let (status, answer) = self.send("PUT", "_index_template/peers", &template).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Up to 10,000 documents of the indices that match a pattern, as they were sent
    /// (`_source`), with `_index` and `_id` beside.
    pub async fn documents(&self, pattern: &str) -> Vec<Value> {
        // What has come in is otherwise seen after up to a second.
        let _ = get_json(&format!("{}/{pattern}/_refresh", self.url)).await;
        let url = format!(
            "{}/{pattern}/_search?size=10000&allow_no_indices=true",
            self.url
        );
        let answer = get_json(&url).await;
        let hits = answer.and_then(|answer| answer["hits"]["hits"].as_array().cloned());
        hits.unwrap_or_default()
    }

    /// How many documents the indices have that match a pattern.
    pub async fn count(&self, pattern: &str) -> u64 {
        let _ = get_json(&format!("{}/{pattern}/_refresh", self.url)).await;
        let answer = get_json(&format!(
            "{}/{pattern}/_count?allow_no_indices=true",
            self.url
        ))
        .await;
        answer
            .and_then(|answer| answer["count"].as_u64())
            .unwrap_or(0)
    }
}

const LOGGING: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

#[tokio::test]
async fn it_keeps_a_document() {
    let mut server = OpenSearch::start().await;
    server.data_streams("logs-*", json!({})).await;
    let lines = "{\"create\":{\"_index\":\"logs-a-b\"}}\n{\"@timestamp\":\"2024-01-01T00:00:00.123456789Z\",\"a\":1}\n\
                 {\"create\":{\"_index\":\"logs-a-b\"}}\n{\"a\":\"no time\"}\n";
    let url = format!("{}/_bulk", server.url);
    let answer = super::post(&url, "application/x-ndjson", lines, 200).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["items"][0]["create"]["status"], 201, "{answer}");
    assert_eq!(answer["items"][1]["create"]["status"], 400, "{answer}");
    server.server.kill().await;
    server.server.restart().await;
    let documents = super::until("the document is there", async || {
        let documents = server.documents("logs-*").await;
        (!documents.is_empty()).then_some(documents)
    });
    assert_eq!(documents.await[0]["_source"]["a"], 1);
    assert_eq!(server.count("logs-*").await, 1);
}
