//! Fills a queue with a gigabyte and compares what it says it holds with what the process holds.

use std::process::Command;

use futures_util::FutureExt;
use tower::Service;
use tower_otlp::layers::queue::{Acknowledge, QueueConfig, QueueLayer};

use super::{Instant, record, support::allocations::kept};

/// Set for a process that fills one queue: each begins with a heap that nobody has used.
const CHILD: &str = "STACK_BENCH_BODY";

const GIGABYTE: u64 = 1 << 30;
const BODIES: [usize; 4] = [1 << 10, 10 << 10, 100 << 10, 1 << 20];
const TOLERANCE: f64 = 0.05;

pub(super) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// The resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Fills a queue with bodies of one size until it reports a gigabyte, and prints a row.
pub(super) fn child() {
    let body = std::env::var(CHILD).expect("set").parse().expect("bytes");
    let config = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .max_bytes(2 << 30)
        .max_requests(4 << 20);
    let layer = QueueLayer::new(config).expect("it works");
    let handle = layer.handle();
    // The worker does not run: what is stored stays.
    let (mut service, worker) = layer.pair(Instant);
    let before = resident();
    let ((), held) = kept(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let _in = runtime.enter();
        while handle.stats().bytes < GIGABYTE {
            for _ in 0..64 {
                ready(&mut service);
                let stored = service.call(record(body)).now_or_never();
                assert_eq!(stored.expect("at once").expect("taken").retained_items(), 1);
            }
        }
    });
    let rss = resident().zip(before).map(|(after, before)| after - before);
    let stats = handle.stats();
    let share = |bytes: u64| bytes as f64 / stats.bytes as f64;
    let met = (share(held) - 1.0).abs() <= TOLERANCE;
    println!(
        "| {} KiB | {} | {} | {} | {:.3} | {} | {} |",
        body >> 10,
        stats.requests,
        stats.bytes >> 20,
        held >> 20,
        share(held),
        rss.map_or("?".to_owned(), |rss| format!("{:.3}", share(rss))),
        if met { "yes" } else { "NO" },
    );
    drop(worker);
}

fn ready(service: &mut (impl Service<tower_otlp::ExportRequest> + ?Sized)) {
    let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).now_or_never();
    assert!(ready.is_some_and(|ready| ready.is_ok()));
}

pub(super) fn run() {
    println!(
        "\nA queue that reports a gigabyte, and what it holds of the allocator and of memory:\n"
    );
    println!(
        "| bodies | requests | MiB reported | MiB held | held / reported | resident / reported | within 5 % |"
    );
    println!("|---|---|---|---|---|---|---|");
    for body in BODIES {
        let itself = std::env::current_exe().expect("a path");
        let child = Command::new(itself).env(CHILD, body.to_string()).status();
        assert!(child.expect("it runs").success());
    }
}
