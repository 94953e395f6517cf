//! Files that the Collector writes, read by us, and files that we write, read by the Collector.

use std::path::Path;

use tower::ServiceExt as _;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::{file::FileExporter, otlp::OtlpGrpcExporter},
    receivers::FileReader,
};

use crate::{
    collector::{self, Collector},
    compare::assert_same,
    workload,
};

const REQUESTS: u64 = 40;

fn read(path: &Path, signal: Signal) -> Vec<ExportRequest> {
    let reader = FileReader::builder().file(path).signal(signal).build();
    let records = reader.expect("a file").map(|record| record.expect("reads"));
    records.map(|record| record.request).collect()
}

/// Sends all signals, and compares the files that the Collector makes of them.
async fn written_by_the_collector(format: &str, compression: &str) {
    let env = [("FORMAT", format), ("FILE_COMPRESSION", compression)];
    let mut collector = Collector::start("write-file.yaml", &env);
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(format!("http://{}", collector.grpc))
        .build()
        .expect("options");
    let mut all = Vec::new();
    for signal in Signal::ALL {
        let sent = workload::requests(signal, REQUESTS);
        for request in &sent {
            let response = exporter.clone().oneshot(request.clone()).await;
            assert_eq!(
                response.expect("delivered").delivered_items(),
                request.items()
            );
        }
        all.push((signal, sent));
    }
    // It writes what it still holds when it stops.
    collector.stop();
    for (signal, sent) in all {
        let found = read(&collector.out().join(signal.as_str()), signal);
        assert_same(signal, &sent, &found);
    }
}

#[tokio::test]
async fn collector_json_lines_are_read() {
    written_by_the_collector("json", "").await;
}

#[tokio::test]
async fn collector_protobuf_records_are_read() {
    written_by_the_collector("proto", "").await;
}

#[tokio::test]
async fn collector_compressed_json_is_read() {
    written_by_the_collector("json", "zstd").await;
}

#[tokio::test]
async fn collector_compressed_protobuf_is_read() {
    written_by_the_collector("proto", "zstd").await;
}

/// Writes all signals to this path, and compares what the Collector reads there.
async fn read_by_the_collector(name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = FileExporter::builder(folder.path().join(name))
        .build()
        .expect("opened");
    let mut all = Vec::new();
    for signal in Signal::ALL {
        let sent = workload::requests(signal, REQUESTS);
        for request in &sent {
            let response = exporter.clone().oneshot(request.clone()).await;
            assert_eq!(
                response.expect("written").delivered_items(),
                request.items()
            );
        }
        all.push((signal, sent));
    }
    let files = folder.path().join("*.jsonl").display().to_string();
    let collector = Collector::start("read-file.yaml", &[("IN_FILES", &files)]);
    for (signal, sent) in all {
        let items = sent.iter().map(ExportRequest::items).sum();
        let received = collector.wait_for(signal, items).await;
        assert_same(signal, &sent, &received);
    }
}

/// Whether the Collector that is installed has the receiver.
fn assert_reads_files() {
    let output = std::process::Command::new(collector::installed("collector"))
        .arg("components")
        .output()
        .expect("the Collector starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("otlp_json_file"), "{text}");
}

#[tokio::test]
async fn our_lines_of_all_signals_in_one_file_are_read_by_the_collector() {
    assert_reads_files();
    read_by_the_collector("otel.jsonl").await;
}

#[tokio::test]
async fn our_lines_of_a_file_for_each_signal_are_read_by_the_collector() {
    assert_reads_files();
    read_by_the_collector("otel-{signal}.jsonl").await;
}
