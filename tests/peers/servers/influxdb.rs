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
             [http]\nbind-address = \"127.0.0.1:{port}\"\nmax-body-size = 25000000\n"
        );
        let file = folder.path().join("influxdb.conf");
        std::fs::write(&file, config).expect("writes");
        let mut command = Command::new(installed("influxdb"));
        command.arg("run").arg("-config").arg(&file);
        let url = format!("http://127.0.0.1:{port}");
        let ready = Ready::Url(format!("{url}/query?q=SHOW+DATABASES"));
        let server = Server::start("InfluxDB", folder, command, ready).await;
        let create = format!("{url}/query?q=CREATE+DATABASE+{DATABASE}");
        super::post(&create, "application/x-www-form-urlencoded", "", 200).await;
        Self { server, url }
    }

    /// Where it takes lines with times in nanoseconds.
    pub fn write_url(&self) -> String {
        format!("{}/write?db={DATABASE}&precision=ns", self.url)
    }

    /// The series of an InfluxQL query: objects with `name`, `tags`, `columns` and `values`, times
    /// in nanoseconds.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let url = format!("{}/query?db={DATABASE}&epoch=ns&q={query}", self.url);
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
