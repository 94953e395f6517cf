//! A real Collector as a child process.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_otlp::{ExportRequest, Signal};

/// The folder of this test.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// Where a peer was installed, by a name that `install.sh` prints.
pub fn installed(peer: &str) -> &'static str {
    static PATHS: OnceLock<(HashMap<String, String>, String)> = OnceLock::new();
    let (paths, missing) = PATHS.get_or_init(|| {
        let output = Command::new("bash")
            .arg(folder().join("install.sh"))
            .arg("--paths")
            .output()
            .expect("bash");
        let paths = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(peer, path)| (peer.to_owned(), path.to_owned()))
            .collect();
        // Which one is missing matters only to the tests that need it.
        (paths, String::from_utf8_lossy(&output.stderr).into_owned())
    });
    paths
        .get(peer)
        .unwrap_or_else(|| panic!("{peer} is not installed; tests/peers/run.sh does it: {missing}"))
}

/// A running Collector.
pub struct Collector {
    config: String,
    env: Vec<(String, String)>,
    child: Child,
    /// Where it takes OTLP over gRPC: `host:port`.
    pub grpc: String,
    /// Where it takes OTLP over HTTP: `host:port`.
    pub http: String,
    out: tempfile::TempDir,
}

impl Collector {
    /// Starts it with one of the configurations in `collector/` and waits until it is ready.
    pub fn start(config: &str, env: &[(&str, &str)]) -> Self {
        let out = tempfile::tempdir().expect("a folder");
        let env: Vec<(String, String)> = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let any = "127.0.0.1:0";
        let (child, grpc, http) = spawn(config, &env, out.path(), any, any);
        Self {
            config: config.to_owned(),
            env,
            child,
            grpc,
            http,
            out,
        }
    }

    /// Stops it as an operator would, and waits until it is gone.
    pub fn stop(&mut self) {
        terminate(&mut self.child);
    }

    /// Starts it again, at the same addresses, writing to the same files.
    pub fn restart(&mut self) {
        let (child, grpc, http) = spawn(
            &self.config,
            &self.env,
            self.out.path(),
            &self.grpc,
            &self.http,
        );
        assert_eq!((&grpc, &http), (&self.grpc, &self.http));
        self.child = child;
    }

    /// The folder with what it received.
    pub fn out(&self) -> &Path {
        self.out.path()
    }

    /// All requests of a signal that it has written down so far, in order.
    pub fn received(&self, signal: Signal) -> Vec<ExportRequest> {
        written(self.out.path(), signal)
    }

    /// Waits until it has written down this many items of a signal.
    pub async fn wait_for(&self, signal: Signal, items: u64) -> Vec<ExportRequest> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let received = self.received(signal);
            let count: u64 = received.iter().map(ExportRequest::items).sum();
            if count >= items {
                return received;
            }
            assert!(
                Instant::now() < deadline,
                "the Collector has {count} of {items} {}",
                signal.item_name()
            );
            // Another process has no event to wait for: its file is polled.
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All requests of a signal that a Collector has written down in a folder, in order.
pub fn written(folder: &Path, signal: Signal) -> Vec<ExportRequest> {
    let text = std::fs::read(folder.join(format!("{signal}.jsonl"))).unwrap_or_default();
    text.split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .map(|line| ExportRequest::from_json(signal, line).expect("the Collector's JSON"))
        .collect()
}

/// Asks a process to end and waits for it.
pub fn terminate(child: &mut Child) -> std::process::ExitStatus {
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(status.success());
    child.wait().expect("it ends")
}

fn spawn(
    config: &str,
    env: &[(String, String)],
    out: &Path,
    grpc: &str,
    http: &str,
) -> (Child, String, String) {
    let mut child = Command::new(installed("collector"))
        .arg("--config")
        .arg(folder().join("collector").join(config))
        .env("GRPC_ADDR", grpc)
        .env("HTTP_ADDR", http)
        .env("OUT_DIR", out)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Collector starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (mut grpc, mut http) = (None, None);
    let mut said = String::new();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| {
        if line.contains("Starting GRPC server") {
            grpc = endpoint(&line);
        }
        if line.contains("Starting HTTP server") {
            http = endpoint(&line);
        }
        said.push_str(&line);
        said.push('\n');
        line.contains("Everything is ready")
    });
    assert!(ready, "the Collector did not start:\n{said}");
    // It must never block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (
        child,
        grpc.expect("gRPC address"),
        http.expect("HTTP address"),
    )
}

/// The address in a log line of the Collector: `... {... "endpoint": "127.0.0.1:4317"}`.
fn endpoint(line: &str) -> Option<String> {
    let rest = line.split_once("\"endpoint\": \"")?.1;
    Some(rest.split_once('"')?.0.to_owned())
}
