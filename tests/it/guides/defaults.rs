//! The defaults that the guide for those who come from the Collector gives for ours.

use tower_otlp::layers::{batch::BatchConfig, queue::QueueConfig, retry::RetryPolicy};

const GUIDE: &str = include_str!("../../../src/guides/from_a_collector_yaml.md");

#[test]
fn our_defaults_are_those_of_the_guide() {
    let shown = format!(
        "{:?} {:?} {:?}",
        QueueConfig::new(),
        BatchConfig::new(),
        RetryPolicy::new()
    );
    for (row, setting) in [
        (
            "`QueueConfig::max_bytes` **and** `max_requests` | 64 MiB, 4096 |",
            "max_bytes: 67108864, max_requests: 4096",
        ),
        ("`QueueConfig::concurrency` | 8 |", "concurrency: 8"),
        (
            "`Overflow::RejectNew`; true is `Block` | `Block` |",
            "overflow: Block",
        ),
        (
            "`Acknowledge::OnEnqueue`; true is `OnDelivery` | `OnDelivery` |",
            "acknowledge: OnDelivery",
        ),
        (
            "`max_bytes` | 8192, 4,000,000 bytes |",
            "max_items: 8192, max_bytes: 4000000",
        ),
        ("`BatchConfig::timeout` | 200 ms |", "timeout: 200ms"),
        ("`BatchConfig::max_keys` | 1000 |", "max_keys: 1000"),
        (
            "`RetryPolicy::initial_backoff` | 1 s |",
            "initial_backoff: 1s",
        ),
        ("`RetryPolicy::multiplier` | 2 |", "multiplier: 2.0"),
        ("`RetryPolicy::max_backoff` | 30 s |", "max_backoff: 30s"),
        (
            "with a queue above `QueueConfig::max_age` | 5 min; no bound |",
            "max_elapsed: Some(300s)",
        ),
    ] {
        assert!(GUIDE.contains(row), "{row}");
        assert!(shown.contains(setting), "{setting} is not in {shown}");
    }
    assert!(shown.contains("max_age: None"), "{shown}");
}
