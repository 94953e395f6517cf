//! The real Python SDK.

use std::{path::Path, process::Output};

use tokio::process::Command;

use crate::collector::{folder, installed};

/// What one run of the SDK sent.
pub struct Sent {
    /// Its own account, as JSON.
    pub account: serde_json::Value,
}

impl Sent {
    /// A count in the account.
    pub fn count(&self, name: &str) -> u64 {
        self.account[name].as_u64().expect("a count")
    }
}

/// Sends a workload of traces, logs and metrics.
pub async fn send(protocol: &str, endpoint: &str, compression: &str, seed: u32) -> Sent {
    let output = Command::new(installed("python"))
        .arg(folder().join("python/send.py"))
        .args(["--protocol", protocol, "--endpoint", endpoint])
        .args(["--compression", compression, "--seed", &seed.to_string()])
        .args(["--spans", "60", "--logs", "40", "--metrics"])
        .output()
        .await
        .expect("Python");
    let text = succeeded("send.py", &output);
    Sent {
        account: serde_json::from_str(&text).expect("one JSON line"),
    }
}

/// Compares what the Collector wrote down with what was sent.
pub async fn check(out: &Path, sent: &[Sent]) {
    let folder_of_accounts = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for (number, sent) in sent.iter().enumerate() {
        let file = folder_of_accounts.path().join(format!("{number}.json"));
        std::fs::write(&file, sent.account.to_string()).expect("writes");
        files.push(file);
    }
    let output = Command::new(installed("python"))
        .arg(folder().join("python/check.py"))
        .arg(out)
        .args(files)
        .output()
        .await
        .expect("Python");
    succeeded("check.py", &output);
}

fn succeeded(script: &str, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{script}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
