//! The SDK's types to OTLP: this crate's encoders and exporters, and opentelemetry-otlp's.
//!
//! An argument that is no option leaves the parts with that in their name: `encode`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[path = "sdk/allocations.rs"]
mod allocations;
#[path = "sdk/encode.rs"]
mod encode;
#[path = "sdk/workload.rs"]
mod workload;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| name.contains(part));
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    if wanted("encode") {
        encode::run();
    }
}
