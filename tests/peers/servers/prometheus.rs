//! Prometheus: it scrapes, and takes remote writes.

use std::process::Command;

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running Prometheus.
pub struct Prometheus {
    pub server: Server,
    /// Where it answers: a URL without a path.
    pub url: String,
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    /// 3, as it is now.
    Current,
    /// 2.42, as Debian has it.
    Debian,
}

impl Prometheus {
    /// Starts it; it scrapes `/metrics` of each `host:port` of `targets` five times a second.
    pub async fn start(version: Version, targets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [port] = ports();
        let current = version == Version::Current;
        let config = serde_json::json!({
            "global": { "scrape_interval": "200ms", "scrape_timeout": "200ms" },
            // What is written to it may be older than what it has.
            "storage": { "tsdb": { "out_of_order_time_window": "2h" } },
            "scrape_configs": [{
                "job_name": "peer",
                "honor_timestamps": true,
                "static_configs": [{ "targets": targets }],
            }],
        });
        let mut config = config;
        if current {
            config["scrape_configs"][0]["scrape_native_histograms"] = Value::Bool(true);
        }
        // JSON is YAML.
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("writes");
        let mut features = "exemplar-storage,native-histograms".to_owned();
        if current {
            features.push_str(",metadata-wal-records");
        }
        let mut command = Command::new(installed(match version {
            Version::Current => "prometheus",
            Version::Debian => "prometheus-debian",
        }));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--web.enable-lifecycle")
            .arg(format!("--enable-feature={features}"));
        let url = format!("http://127.0.0.1:{port}");
        let ready = Ready::Url(format!("{url}/-/ready"));
        Self {
            server: Server::start("Prometheus", folder, command, ready).await,
            url,
        }
    }

    /// Where it takes remote writes.
    pub fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url)
    }

    /// The result of an instant query now, or at a time in seconds of the epoch.
    pub async fn query(&self, query: &str, time: Option<f64>) -> Vec<Value> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let time = time.map(|time| format!("&time={time}")).unwrap_or_default();
        let answer = self.get(&format!("query?query={query}{time}")).await;
        answer
            .and_then(|data| data["result"].as_array().cloned())
            .unwrap_or_default()
    }

    /// The exemplars of the series that a query names, between two times in seconds.
    pub async fn exemplars(&self, query: &str, start: f64, end: f64) -> Vec<Value> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let answer = self
            .get(&format!(
                "query_exemplars?query={query}&start={start}&end={end}"
            ))
            .await;
        answer
            .and_then(|data| data.as_array().cloned())
            .unwrap_or_default()
    }

    /// Type, help and unit of the metrics that it scrapes, by name.
    pub async fn metadata(&self) -> Value {
        self.get("metadata").await.unwrap_or_default()
    }

    /// What it scrapes and how the last scrape of each went.
    pub async fn targets(&self) -> Vec<Value> {
        let answer = self.get("targets").await;
        answer
            .and_then(|data| data["activeTargets"].as_array().cloned())
            .unwrap_or_default()
    }

    /// The `data` of an answer of the API.
    async fn get(&self, path: &str) -> Option<Value> {
        Some(get_json(&format!("{}/api/v1/{path}", self.url)).await?["data"].take())
    }
}

/// What `promtool check metrics` says about a text: its exit status and all that it printed.
pub fn lint(text: &str) -> (bool, String) {
    use std::io::Write;

    let mut child = Command::new(installed("promtool"))
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

async fn scrapes(version: Version) {
    let body = "# HELP up_and_down A gauge.\n# TYPE up_and_down gauge\nup_and_down{a=\"b\"} 4.5\n";
    assert_eq!(lint(body), (true, String::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let target = listener.local_addr().expect("bound").to_string();
    let page = axum::routing::get(move || async move {
        ([("content-type", "text/plain; version=0.0.4")], body)
    });
    let router = axum::Router::new().route("/metrics", page);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut prometheus = Prometheus::start(version, &[&target]).await;
    let asked = async |prometheus: &Prometheus| {
        super::until("the gauge is there", async || {
            prometheus.query("up_and_down{a=\"b\"}", None).await.pop()
        })
        .await
    };
    let sample = asked(&prometheus).await;
    assert_eq!(sample["value"][1], "4.5");
    assert_eq!(sample["metric"]["job"], "peer");
    assert_eq!(
        prometheus.metadata().await["up_and_down"][0]["help"],
        "A gauge."
    );
    assert_eq!(prometheus.targets().await[0]["health"], "up");
    let then = sample["value"][0].as_f64();
    prometheus.server.stop().await;
    prometheus.server.restart().await;
    let sample = prometheus.query("up_and_down", then).await;
    assert_eq!(
        sample[0]["value"][1], "4.5",
        "the data is there after a restart"
    );
}

#[tokio::test]
async fn the_current_one_scrapes() {
    scrapes(Version::Current).await;
}

#[tokio::test]
async fn debians_scrapes() {
    scrapes(Version::Debian).await;
}

#[test]
fn promtool_sees_what_is_wrong() {
    let (fine, said) = lint("a 1\na 2\nb{ 3\n");
    assert!(!fine, "{said}");
}
