//! The gateway as a user runs it: a process between the Python SDK and a Collector.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
};

use tower_otlp::Signal;

use crate::{
    collector::{Collector, terminate},
    python,
};

struct Gateway {
    child: Child,
    stderr: BufReader<ChildStderr>,
    grpc: String,
    http: String,
}

impl Gateway {
    fn start(targets: &[String]) -> Self {
        let mut command = Command::new(example("gateway"));
        command.args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        for target in targets {
            command.args(["--to", target]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert_ne!(
                stderr.read_line(&mut line).expect("readable"),
                0,
                "not ready"
            );
        }
        let address = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .expect("an address")
                .to_owned()
        };
        Self {
            grpc: address("grpc="),
            http: address("http="),
            child,
            stderr,
        }
    }

    /// Stops it; its exit status and its last line.
    fn stop(mut self) -> (bool, String) {
        let status = terminate(&mut self.child);
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).expect("readable");
        let last = text.lines().last().unwrap_or_default().to_owned();
        (status.success(), last)
    }
}

/// The built example, which cargo puts beside the folder of this binary.
pub fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("own path");
    path.pop();
    path.pop();
    path.join("examples").join(name)
}

#[tokio::test]
async fn a_gateway_between_an_sdk_and_two_collectors() {
    let collectors = [
        Collector::start("sink.yaml", &[]),
        Collector::start("sink.yaml", &[]),
    ];
    let gateway = Gateway::start(&[
        format!("otlp+grpc://{}?compression=gzip", collectors[0].grpc),
        format!(
            "otlp+http://{}?encoding=json&compression=zstd",
            collectors[1].http
        ),
    ]);
    let sent = [
        python::send("grpc", &format!("http://{}", gateway.grpc), "gzip", 11).await,
        python::send("http", &format!("http://{}", gateway.http), "gzip", 12).await,
    ];
    let total = |name| sent.iter().map(|sent| sent.count(name)).sum::<u64>();
    for collector in &collectors {
        collector.wait_for(Signal::Traces, total("spans")).await;
        collector.wait_for(Signal::Logs, total("logs")).await;
        collector
            .wait_for(Signal::Metrics, total("metric_points"))
            .await;
        python::check(collector.out(), &sent).await;
    }
    let items = total("spans") + total("logs") + total("metric_points");
    let (success, last) = gateway.stop();
    assert_eq!(
        last,
        format!("drained delivered={items} retained=0 dropped=0")
    );
    assert!(success);
}
