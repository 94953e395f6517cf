//! The second tier: everything against real servers. `tests/peers/run.sh` installs them and runs
//! it; a server that is missing is a failure.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod certificates;
mod collector;
mod compare;
mod gate;
#[path = "../it/support/generate.rs"]
#[allow(dead_code)]
mod generate;
mod outage;
mod python;
mod receivers;
#[allow(dead_code, reason = "the exporters' tests take what they need")]
mod servers;
mod workload;

mod crash;
mod elasticsearch;
mod exporters;
mod file;
mod gateway;
mod influxdb;
mod jaeger;
mod pipeline;
mod prometheus;
mod relay;
mod remote_write;
mod restart;
mod sockets;
mod status_page;
mod syslog;
mod tls;
mod zipkin;
