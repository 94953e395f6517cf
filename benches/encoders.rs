//! What writing a backend's own format costs, from checked bytes, against the ways it is
//! usually done: each baseline stands beside its own in the same run.
//!
//! `cargo bench --bench encoders -- zipkin` runs the groups with that in their name.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[path = "encoders/file.rs"]
mod file;

use support::table;

fn main() {
    let mut groups = Vec::new();
    groups.extend(file::groups());
    table::run(groups);
}
