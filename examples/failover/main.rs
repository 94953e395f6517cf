//! Two endpoints, a dead-letter file for when both are down, and its replay.
//!
//! `cargo run --example failover`
//!
//! The fallback stands outside the retry, or it would take over at the first error, and below the
//! queue, which keeps what both refuse: here it gives that to a file at once. In earnest, let it
//! try for an hour or so: `max_age`.

mod endpoint;

use std::{path::Path, time::Duration};

use endpoint::Endpoint;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_otlp::{
    BoxExporter, ExportError, ExportRequest, ExporterExt, ServiceBuilderExt, Signal,
    exporters::{file::FileExporter, otlp::OtlpGrpcExporter},
    layers::{
        fallback::{FallbackLayer, FallbackPolicy},
        queue::{QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    receivers::file::{Checkpoint, FileReadError, FileReader},
};

fn pipeline(first: &Endpoint, second: &Endpoint, file: &Path) -> Result<BoxExporter, BoxError> {
    let retried = |endpoint: &Endpoint| {
        // In earnest: as long as one is willing to wait before the other takes over.
        let retry = RetryPolicy::new()
            .initial_backoff(Duration::from_millis(10))
            .max_elapsed(Duration::from_millis(50));
        let exporter = OtlpGrpcExporter::builder().endpoint(endpoint.address.to_string());
        let stack = ServiceBuilder::new().export_retry(retry);
        Ok::<_, ExportError>(stack.service(exporter.build()?))
    };
    let fallback = FallbackPolicy::new().probe_interval(Duration::from_millis(20));
    let letters = FileExporter::builder(file).build()?;
    let queue = QueueConfig::new().max_redeliveries(0).dead_letter(letters);
    Ok(ServiceBuilder::new()
        .queue(QueueLayer::new(queue)?)
        .layer(FallbackLayer::with_policy(retried(second)?, fallback)?)
        .service(retried(first)?)
        .boxed_exporter())
}

/// Four requests of ten records: ResourceLogs { scope_logs { log_records { } } }, ten times.
async fn send_40(pipeline: &BoxExporter) -> Result<(), BoxError> {
    let ten = b"\x0a\x04\x12\x02\x12\x00".repeat(10);
    let ten = ExportRequest::from_protobuf(Signal::Logs, ten)?;
    for _ in 0..4 {
        pipeline.clone().oneshot(ten.clone()).await?;
    }
    Ok(())
}

/// Where all that was sent so far is at rest.
fn show(phase: &str, sent: u64, at: [u64; 3]) {
    let [first, second, file] = at;
    println!("{phase:<14}{sent:>6}{first:>9}{second:>11}{file:>6}");
    assert_eq!(at.iter().sum::<u64>(), sent, "the books do not balance");
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (mut first, mut second) = (Endpoint::start().await?, Endpoint::start().await?);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dead-letters.jsonl");
    let pipeline = pipeline(&first, &second, &file)?;
    // How far the file was replayed; saved next to it, it outlives the process.
    let mut replayed = Checkpoint::new();
    let letters = |replayed: &Checkpoint| {
        let reader = FileReader::builder().file(&file).resume(replayed.clone());
        reader.build()?.collect::<Result<Vec<_>, _>>()
    };
    let waiting = |replayed: &Checkpoint| {
        let items = letters(replayed)?
            .iter()
            .map(|letter| letter.request.items())
            .sum::<u64>();
        Ok::<_, FileReadError>(items)
    };

    println!("log records     sent  primary  secondary  file");
    send_40(&pipeline).await?;
    show(
        "both up",
        40,
        [first.stored(), second.stored(), waiting(&replayed)?],
    );
    first.off().await?;
    send_40(&pipeline).await?;
    show(
        "primary down",
        80,
        [first.stored(), second.stored(), waiting(&replayed)?],
    );
    second.off().await?;
    send_40(&pipeline).await?;
    show(
        "both down",
        120,
        [first.stored(), second.stored(), waiting(&replayed)?],
    );
    assert_eq!(waiting(&replayed)?, 40, "not in the file");
    first.on().await?;
    second.on().await?;
    send_40(&pipeline).await?;
    show(
        "both back",
        160,
        [first.stored(), second.stored(), waiting(&replayed)?],
    );
    for letter in letters(&replayed)? {
        pipeline.clone().oneshot(letter.request).await?;
        replayed.advance(&letter.position);
    }
    show(
        "replayed",
        160,
        [first.stored(), second.stored(), waiting(&replayed)?],
    );
    assert_eq!(waiting(&replayed)?, 0, "not replayed");
    Ok(())
}
