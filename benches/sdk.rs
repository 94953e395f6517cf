//! The SDK's types to OTLP and to a server: this crate's encoders and exporters, and
//! opentelemetry-otlp's. Linux only.
//!
//! An argument that is no option leaves the parts with that in their name: `encode`, `export`,
//! `outage`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[path = "sdk/allocations.rs"]
mod allocations;
#[path = "sdk/encode.rs"]
mod encode;
#[path = "sdk/export.rs"]
mod export;
#[path = "sdk/outage.rs"]
mod outage;
#[path = "sdk/server.rs"]
mod server;
#[path = "sdk/workload.rs"]
mod workload;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // Criterion's own option, which the other benches know: does it start?
    if has("--test") {
        return;
    }
    if has(server::SERVE) {
        return server::serve();
    }
    let mut arguments = std::env::args().skip(1);
    let part = arguments.find(|argument| !argument.starts_with('-'));
    for (name, run) in [
        ("encode", encode::run as fn()),
        ("export", export::run),
        ("outage", outage::run),
    ] {
        if part.as_deref().is_none_or(|part| name.contains(part)) {
            run();
            println!();
        }
    }
}
