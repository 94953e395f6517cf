//! The law of conservation, over thousands of random pipelines: every item that is accepted is
//! delivered, or kept, or counted as rejected or dropped with a reason.
//!
//! Time is simulated, and a seed decides the layers and their order, the backends and how they
//! fail, the callers, and the shutdown. Windows between all layers show which call made which: what
//! a layer answers must follow from the answers that it had. A run is *exact* if every count that
//! callers and the report are given is the number of items that it is about, known by identity; in
//! the others a batch has shared out the rejections of its members, a fan-out speaks for branches
//! that lack different items, or an answer came just as its caller went.
//!
//! With a network, exporters and receivers speak HTTP/1.1 and HTTP/2 over simulated TCP, whose
//! links are slow and break, and whose hosts crash.
//!
//! ```text
//! cargo test --test simulation                                    2,000 seeds, 200 with a network
//! cargo test --test simulation -- --seeds 0..100000               a range
//! cargo test --test simulation -- --minutes 8 --seeds 0..9999999   as many as fit
//! cargo test --test simulation -- --seed 42                       one, with everything that is seen
//! cargo test --test simulation -- --network --seeds 0..1000       a range, with a network
//! ```

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]
// The progress line and the watchdog go by real time; everything simulated by tokio's clock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod backend;
mod branches;
mod check;
mod groups;
mod items;
mod layers;
mod ledger;
mod network;
mod pipeline;
mod run;
mod tap;
mod wire;
mod workers;
mod world;

use std::{
    io::{IsTerminal, Write},
    ops::Range,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use run::{Detail, Totals, Violation, run};

/// A seed takes milliseconds; one that takes so long spins.
const STUCK: Duration = Duration::from_secs(30);

static DONE: AtomicU64 = AtomicU64::new(0);
static AT: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        default_hook(info);
    }));
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let (seeds, detail) = match (value("--seed"), value("--seeds")) {
        (Some(seed), _) => {
            let seed: u64 = seed.parse().expect("--seed wants a number");
            (Some(seed..seed + 1), Detail::Everything)
        }
        (_, Some(range)) => {
            let range = parse(&range).expect("--seeds wants a range, such as 0..5000");
            (Some(range), Detail::Result)
        }
        _ => (None, Detail::Result),
    };
    watch();
    let mut runs = Vec::new();
    if !has("--network") {
        runs.push((run as Kind, "", seeds.clone().unwrap_or(0..2_000)));
    }
    if has("--network") || seeds.is_none() {
        runs.push((network::run, "--network ", seeds.unwrap_or(0..200)));
    }
    let how = How {
        detail,
        keep_going: has("--keep-going"),
        time: value("--minutes").map(|text| {
            let minutes: u64 = text.parse().expect("--minutes wants a number");
            Duration::from_secs(minutes * 60)
        }),
    };
    for (kind, option, seeds) in runs {
        if !simulate(kind, option, seeds, &how) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

struct How {
    detail: Detail,
    /// After a violation.
    keep_going: bool,
    /// When to stop if the seeds take longer.
    time: Option<Duration>,
}

type Kind = fn(u64, Detail) -> Result<Totals, Violation>;

fn parse(range: &str) -> Option<Range<u64>> {
    let (start, end) = range.split_once("..")?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// Runs seeds. Whether no law was broken.
fn simulate(kind: Kind, option: &str, seeds: Range<u64>, how: &How) -> bool {
    let start = Instant::now();
    let count = seeds.end.saturating_sub(seeds.start);
    let mut totals = Totals::default();
    let mut violations = 0_u64;
    let mut shown = Instant::now();
    let mut done = 0;
    for seed in seeds {
        if how.time.is_some_and(|time| start.elapsed() >= time) {
            break;
        }
        done += 1;
        AT.store(seed, Ordering::Relaxed);
        let result = kind(seed, how.detail);
        // Most runs need no trail: one that does runs again.
        let result = match result {
            Err(_) if how.detail == Detail::Result && !how.keep_going => kind(seed, Detail::Trail),
            other => other,
        };
        let panicked = PANICS.swap(0, Ordering::Relaxed) > 0;
        let result = match result {
            Ok(_) if panicked => Err(Violation {
                what: "something panicked".to_owned(),
                plan: Vec::new(),
                trail: String::new(),
            }),
            other => other,
        };
        match result {
            Ok(one) => {
                totals.items += one.items;
                totals.requests += one.requests;
                totals.duplicates += one.duplicates;
                totals.calls += one.calls;
                totals.exact += one.exact;
                totals.workers += one.workers;
            }
            Err(violation) => {
                violations += 1;
                let Violation { what, plan, trail } = violation;
                if how.keep_going {
                    println!("\nseed {seed}: {what}");
                } else {
                    println!("\nVIOLATION at seed {seed}: {what}\n");
                    println!("pipeline, outermost first:\n{}\n", plan.join("\n"));
                    println!("trail:\n{trail}");
                    println!("replay: cargo test --test simulation -- {option}--seed {seed}");
                    return false;
                }
            }
        }
        DONE.fetch_add(1, Ordering::Relaxed);
        let every = if std::io::stdout().is_terminal() {
            200
        } else {
            5_000
        };
        if shown.elapsed() > Duration::from_millis(every) || done == count {
            shown = Instant::now();
            progress(done, count, start.elapsed());
        }
    }
    println!(
        "\n{done} {option}schedules ({} with workers, {} exact to the item), {} requests, {} items, \
         {} calls, {} duplicates, {violations} violations, {:.1} s",
        totals.workers,
        totals.exact,
        totals.requests,
        totals.items,
        totals.calls,
        totals.duplicates,
        start.elapsed().as_secs_f64()
    );
    violations == 0
}

#[allow(clippy::cast_precision_loss)]
fn progress(done: u64, count: u64, elapsed: Duration) {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = (count - done) as f64 / rate.max(0.001);
    let end = if std::io::stdout().is_terminal() {
        "\r"
    } else {
        "\n"
    };
    print!("simulation: {done}/{count} seeds, {rate:.0}/s, {left:.0} s left   {end}");
    let _ = std::io::stdout().flush();
}

/// Ends the process if a seed spins: simulated time then stands still, and no check would come.
fn watch() {
    std::thread::spawn(|| {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let done = DONE.load(Ordering::Relaxed);
            if done != last {
                (last, since) = (done, Instant::now());
            } else if since.elapsed() > STUCK {
                println!(
                    "\nVIOLATION: seed {} does not end",
                    AT.load(Ordering::Relaxed)
                );
                std::process::exit(1);
            }
        }
    });
}
