//! InfluxDB 1.

use std::process::Command;

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::{Ready, Server, get_json, ports};
use crate::collector::installed;

/// A running InfluxDB with one database, [`DATABASE`].
pub struct InfluxDb {
    pub server: Server,
    /// Where it takes lines and answers: a URL without a path.
    pub url: String,
}

/// The name of its database.
pub const DATABASE: &str = "telemetry";

impl InfluxDb {
    pub async fn start() -> Self {
        let influxdb = Self::start_with("").await;
        let create = format!("CREATE DATABASE {DATABASE}");
        influxdb.execute(&create, None).await;
        influxdb
    }

    /// With these lines in the section `http` of its configuration, and without a database.
    pub async fn start_with(http: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [port, backup] = ports();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (meta, data, wal) = (path("meta"), path("data"), path("wal"));
        let config = format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:{backup}\"\n\
             [meta]\ndir = \"{meta}\"\n\
             [data]\ndir = \"{data}\"\nwal-dir = \"{wal}\"\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\n{http}\n"
        );
        let file = folder.path().join("influxdb.conf");
        std::fs::write(&file, config).expect("writes");
        let mut command = Command::new(installed("influxdb"));
        command.arg("run").arg("-config").arg(&file);
        let url = format!("http://127.0.0.1:{port}");
        let ready = Ready::Port(port);
        let server = Server::start("InfluxDB", folder, command, ready).await;
        Self { server, url }
    }

    /// Makes a change, as a user with a password where there are users.
    pub async fn execute(&self, statement: &str, user: Option<(&str, &str)>) {
        let query: String = byte_serialize(statement.as_bytes()).collect();
        let request = reqwest::Client::new().post(format!("{}/query?q={query}", self.url));
        let request = match user {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let answer = request.send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        assert!(!text.contains("error"), "{statement}: {text}");
    }

    /// Where it takes lines with times in nanoseconds.
    pub fn write_url(&self) -> String {
        format!("{}/write?db={DATABASE}&precision=ns", self.url)
    }

    /// The series of an InfluxQL query: objects with `name`, `tags`, `columns` and `values`, times
    /// in nanoseconds.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        self.query_in(DATABASE, query).await
    }

    /// The same of another database.
    pub async fn query_in(&self, database: &str, query: &str) -> Vec<Value> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let url = format!("{}/query?db={database}&epoch=ns&q={query}", self.url);
        let answer = get_json(&url).await;
        let series = answer.and_then(|answer| answer["results"][0]["series"].as_array().cloned());
        series.unwrap_or_default()
    }
}

#[tokio::test]
async fn it_keeps_a_line() {
    let mut influxdb = InfluxDb::start().await;
    let line = "cpu,host=a\\ b used=4.5,n=7i,up=true,text=\"c \\\"d\\\"\" 1700000000123456789\n";
    super::post(&influxdb.write_url(), "text/plain", line, 204).await;
    for killed in [false, true] {
        if killed {
            influxdb.server.kill().await;
            influxdb.server.restart().await;
        }
        let series = influxdb.query("SELECT * FROM cpu").await;
        assert_eq!(
            series[0]["columns"],
            serde_json::json!(["time", "host", "n", "text", "up", "used"])
        );
        let row = serde_json::json!([
            1_700_000_000_123_456_789_u64,
            "a b",
            7,
            "c \"d\"",
            true,
            4.5
        ]);
        assert_eq!(series[0]["values"][0], row);
    }
}
