//! What a process used, and the table.

use std::time::Duration;

pub struct Run {
    pub relay: String,
    pub gzip: bool,
    pub items: u64,
    pub elapsed: Duration,
    pub cpu: Duration,
    pub peak_kib: u64,
}

pub struct Usage {
    pub cpu: Duration,
    pub peak_kib: u64,
}

/// CPU time and peak memory of a running process, as Linux counts them.
pub fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux's /proc");
    // The second field is the name in parentheses, which may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 =
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux's /proc");
    let peak_kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("VmHWM");
    Usage {
        // A tick is 10 ms in every Linux that people run.
        cpu: Duration::from_millis(ticks * 10),
        peak_kib,
    }
}

fn cpu_per_million(run: &Run) -> f64 {
    run.cpu.as_secs_f64() / run.items as f64 * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn print(runs: &[Run]) {
    println!(
        "| relay | gzip | spans/s | CPU s per million spans | peak MiB |\n|---|---|---|---|---|"
    );
    let of = |relay: &str, gzip: bool, value: &dyn Fn(&Run) -> f64| {
        median(
            runs.iter()
                .filter(|run| run.relay == relay && run.gzip == gzip)
                .map(value)
                .collect(),
        )
    };
    for gzip in [false, true] {
        for relay in ["tower-otlp", "bytes", "obvious"] {
            println!(
                "| {relay} | {} | {:.0} | {:.3} | {:.1} |",
                if gzip { "yes" } else { "no" },
                of(relay, gzip, &|run| run.items as f64
                    / run.elapsed.as_secs_f64()),
                of(relay, gzip, &cpu_per_million),
                of(relay, gzip, &|run| run.peak_kib as f64 / 1024.0),
            );
        }
    }
    let cpu = |relay, gzip| of(relay, gzip, &cpu_per_million);
    let ours = cpu("tower-otlp", false);
    let peak = runs
        .iter()
        .filter(|run| run.relay == "tower-otlp")
        .map(|run| run.peak_kib as f64 / 1024.0)
        .fold(0.0, f64::max);
    println!("\n| goal | measured | met |\n|---|---|---|");
    for (goal, measured, met) in [
        (
            "at least 5 times the obvious relay per CPU second",
            cpu("obvious", false) / ours,
            cpu("obvious", false) / ours >= 5.0,
        ),
        (
            "at least 0.8 of the bytes relay per CPU second",
            cpu("bytes", false) / ours,
            cpu("bytes", false) / ours >= 0.8,
        ),
        (
            "with gzip, at least 8 times the bytes relay per CPU second",
            cpu("bytes", true) / cpu("tower-otlp", true),
            cpu("bytes", true) / cpu("tower-otlp", true) >= 8.0,
        ),
        ("peak memory under 30 MiB", peak, peak < 30.0),
    ] {
        println!(
            "| {goal} | {measured:.2} | {} |",
            if met { "yes" } else { "no" }
        );
    }
}
