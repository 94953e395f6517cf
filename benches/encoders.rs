//! What writing a backend's own format costs, from checked bytes, against the ways it is
//! usually done: each baseline stands beside its own in the same run.
//!
//! `cargo bench --bench encoders -- influxdb` runs the groups with that in their name.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[path = "encoders/syslog.rs"]
mod syslog;
#[path = "encoders/tcp.rs"]
mod tcp;

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[path = "encoders/elasticsearch.rs"]
mod elasticsearch;
#[path = "encoders/file.rs"]
mod file;
#[path = "encoders/influxdb.rs"]
mod influxdb;
#[path = "encoders/jaeger.rs"]
mod jaeger;
#[path = "encoders/prometheus.rs"]
mod prometheus_pages;
#[path = "encoders/remote_write.rs"]
mod remote_write;
#[path = "encoders/zipkin/mod.rs"]
mod zipkin;

use support::table;

fn main() {
    let mut groups = vec![tcp::group(), syslog::group()];
    groups.extend(jaeger::groups());
    groups.extend(elasticsearch::groups());
    groups.extend(influxdb::groups());
    groups.extend(remote_write::groups());
    groups.extend(zipkin::groups());
    groups.extend(file::groups());
    groups.extend(prometheus_pages::groups());
    table::run(groups);
}
