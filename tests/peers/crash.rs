//! A process that writes a file is killed: what it had acknowledged is there, for the Collector
//! to read.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use tower::ServiceExt;
use tower_otlp::{
    Signal,
    exporters::file::{FileExporter, Fsync},
};

use crate::{
    servers::sink::file_reader,
    workload::{numbered_span, numbers},
};

/// Set in the process that writes: the file, and the number of the first span.
const FILE: &str = "TOWER_OTLP_CRASH_FILE";
const FIRST: &str = "TOWER_OTLP_CRASH_FIRST";
/// What it prints before the number of each span that is acknowledged.
const SAFE: &str = "safe: ";

/// Writes spans until it is killed, eight at a time.
async fn write(path: &str, first: u64) {
    let exporter = FileExporter::builder(path)
        .fsync(Fsync::EveryWrite)
        .build()
        .expect("opened");
    let mut writers = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let exporter = exporter.clone();
        writers.spawn(async move {
            for number in (first + lane..).step_by(8) {
                let answer = exporter.clone().oneshot(numbered_span(number)).await;
                assert_eq!(answer.expect("written").delivered_items(), 1);
                let line = format!("{SAFE}{number}\n");
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes()).expect("someone reads");
                out.flush().expect("someone reads");
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("no panic");
    }
}

/// Starts this test once more as the process that writes, and kills it when it has acknowledged
/// 300 spans. Gives those that it acknowledged.
fn write_and_be_killed(path: &Path, first: u64) -> BTreeSet<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "--nocapture",
            "crash::what_was_acknowledged_survives_a_kill",
        ])
        .env(FILE, path)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut read = |count: usize| -> Vec<u64> {
        let lines = lines.by_ref().map_while(Result::ok);
        let safe = lines.filter_map(|line| {
            let (_, number) = line.split_once(SAFE)?;
            number.parse().ok()
        });
        safe.take(count).collect()
    };
    let mut safe: BTreeSet<u64> = read(300).into_iter().collect();
    assert_eq!(safe.len(), 300, "it writes");
    // SIGKILL: it has no time to put anything in order.
    child.kill().expect("alive");
    child.wait().expect("a child");
    safe.extend(read(usize::MAX));
    safe
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    if let (Ok(path), Ok(first)) = (std::env::var(FILE), std::env::var(FIRST)) {
        write(&path, first.parse().expect("a number")).await;
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("traces.jsonl");
    let mut safe = BTreeSet::new();
    for round in 0..4 {
        safe.append(&mut write_and_be_killed(&path, round * 1_000_000 + 1));
    }
    // What the last one left unfinished is cut off when the file is opened.
    let exporter = FileExporter::builder(&path).build().expect("opened");
    let last = 9_000_000;
    exporter
        .oneshot(numbered_span(last))
        .await
        .expect("written");
    safe.insert(last);
    let reader = file_reader(folder.path()).await;
    let found = crate::servers::until("the Collector has read the last span", async || {
        let found = numbers(&reader.received(Signal::Traces));
        found.contains(&last).then_some(found)
    })
    .await;
    let all: BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!(all.len(), found.len(), "nothing is there twice");
    assert!(safe.is_subset(&all), "lost: {:?}", safe.difference(&all));
}
