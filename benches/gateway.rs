//! The gateway as a process of its own, beside two yardsticks in the same run.
//!
//! Requests of 512 spans go over loopback to a relay, from it to a sink, and the answer comes
//! back after delivery. Measured for each relay: items per second, CPU seconds per million
//! items, peak memory.
//!
//! - `tower-otlp` is `examples/gateway.rs` as it is.
//! - `obvious` is what one writes first: opentelemetry-proto's generated server and client.
//! - `bytes` is a relay with a bytes codec, which never looks at what it carries.
//!
//! With gzip the yardsticks decompress and compress again, as tonic does. They are a package of
//! their own, built with the defaults of their dependencies: `benches/yardsticks`.
//!
//! Run it with `cargo bench --bench gateway`; `-- --requests N` and `-- --rounds N` change its
//! size.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark stops at the first surprise"
)]

#[allow(dead_code)]
#[path = "../examples/gateway.rs"]
mod gateway;

#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/report.rs"]
mod report;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Which part of the benchmark this process plays.
const ROLE: &str = "TOWER_OTLP_BENCH_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("tower-otlp") => gateway::main(),
        _ => bench(),
    }
}

fn bench() {
    let yardsticks = build_yardsticks();
    let number = |name: &str, default: usize| {
        let mut args = std::env::args().skip_while(|arg| arg != name);
        args.nth(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let requests = number("--requests", 3000);
    let rounds = number("--rounds", 3);
    let mut results = Vec::new();
    for gzip in [false, true] {
        for round in 0..rounds {
            for relay in ["tower-otlp", "obvious", "bytes"] {
                eprintln!("{relay}, gzip {gzip}, round {} of {rounds}", round + 1);
                results.push(one_run(&yardsticks, relay, gzip, requests));
            }
        }
    }
    report::print(&results);
}

fn one_run(yardsticks: &Path, relay: &str, gzip: bool, requests: usize) -> report::Run {
    let mut sink = start(yardsticks, "sink", &[]);
    let sink_address = ready(&mut sink);
    let mut options = String::new();
    if gzip {
        options.push_str("?compression=gzip");
    }
    let to = format!("otlp+grpc://{sink_address}{options}");
    let arguments = [
        "--grpc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--to",
        &to,
    ];
    let own = std::env::current_exe().expect("own path");
    let program = if relay == "tower-otlp" {
        &own
    } else {
        yardsticks
    };
    let mut child = start(program, relay, &arguments);
    let address = ready(&mut child);
    let load = load::run(&address, gzip, requests);
    let usage = report::usage(child.id());
    for mut process in [child, sink] {
        let _ = process.kill();
        let _ = process.wait();
    }
    report::Run {
        relay: relay.to_owned(),
        gzip,
        items: load.items,
        elapsed: load.elapsed,
        cpu: usage.cpu,
        peak_kib: usage.peak_kib,
    }
}

fn build_yardsticks() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks");
    let target = std::env::current_exe()
        .expect("own path")
        .with_file_name("yardsticks");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo");
    assert!(status.success(), "the yardsticks do not build");
    target.join("release/yardsticks")
}

fn start(program: &Path, role: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    // The gateway takes its role from the environment, as its arguments are a user's.
    if role == "tower-otlp" {
        command.env(ROLE, role);
    } else {
        command.arg(role);
    }
    command
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// Waits for `ready grpc=ADDR ...` on standard error.
fn ready(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let rest = line.strip_prefix("ready grpc=")?;
            Some(rest.split_whitespace().next()?.to_owned())
        })
        .expect("the process says that it is ready");
    // Nobody must block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    address
}
