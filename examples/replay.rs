//! Sends telemetry from files to any exporter: what a dead-letter file is for.
//!
//! ```sh
//! cargo run --release --example replay -- --to otlp+grpc://collector:4317 \
//!     --state replay.state /var/log/dead-letters.jsonl
//! ```
//!
//! Each path stands for all that was rotated away from it, too. With `--state` a replay that was
//! interrupted goes on where it was. It stops at the first record that the destination cannot be
//! given now; what the destination refuses for good is counted, and the replay goes on.
//!
//! Exit status: 0 if everything was delivered, 1 if something was refused, or could not be read,
//! 2 if the replay stopped early.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use futures_util::StreamExt as _;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    ExporterExt as _, ServiceBuilderExt as _, Signal, from_url,
    layers::retry::RetryPolicy,
    receivers::file::{Checkpoint, FileReader},
};

const USAGE: &str = "\
usage: replay --to URL [OPTION ...] FILE ...

  --to URL          otlp+grpc://host:4317, otlp+http://host:4318, console:, ...
  --state FILE      keeps how far the replay has come, and goes on from there
  --signal NAME     traces, metrics or logs: what protobuf records are
  --concurrency N   requests in flight (default 8)
  --give-up TIME    how long a request is tried again (default 300s)";

/// After so many records the state is saved.
const SAVE_EVERY: u64 = 64;

struct Options {
    to: String,
    state: Option<PathBuf>,
    signal: Option<Signal>,
    concurrency: usize,
    give_up: Duration,
    files: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments
        .iter()
        .all(|argument| argument == "--help" || argument == "-h")
    {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let ended = options(arguments).and_then(|options| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(replay(&options))
    });
    ended.unwrap_or_else(|error| {
        eprintln!("replay: {error}\n(--help shows all options)");
        ExitCode::from(2)
    })
}

fn options(arguments: Vec<String>) -> Result<Options, BoxError> {
    let (mut to, mut files) = (None, Vec::new());
    let (mut state, mut signal) = (None, None);
    let (mut concurrency, mut give_up) = (8, Duration::from_secs(300));
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        if !name.starts_with("--") {
            files.push(name);
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--to" => to = Some(value),
            "--state" => state = Some(value.into()),
            "--signal" => {
                let known = Signal::ALL
                    .into_iter()
                    .find(|signal| signal.as_str() == value);
                signal = Some(known.ok_or("--signal is traces, metrics or logs")?);
            }
            "--concurrency" => concurrency = value.parse::<usize>()?.max(1),
            "--give-up" => give_up = Duration::from_secs_f64(value.trim_end_matches('s').parse()?),
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    Ok(Options {
        to: to.ok_or("--to is needed")?,
        state,
        signal,
        concurrency,
        give_up,
        files,
    })
}

/// What became of the items, in the order of the table.
#[derive(Default)]
struct Counts {
    records: u64,
    items: u64,
    delivered: u64,
    refused: u64,
    unreadable: u64,
}

async fn replay(options: &Options) -> Result<ExitCode, BoxError> {
    let pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().max_elapsed(options.give_up))
        .concurrency_limit(options.concurrency)
        .attempt_timeout(Duration::from_secs(30))
        .service(from_url(&options.to)?)
        .boxed_exporter();

    let mut checkpoint = match &options.state {
        Some(path) => Checkpoint::load(path)?,
        None => Checkpoint::new(),
    };
    let mut files = FileReader::builder().resume(checkpoint.clone());
    for file in &options.files {
        files = files.rotated_set(file);
    }
    if let Some(signal) = options.signal {
        files = files.signal(signal);
    }
    let reader = files.build()?;
    let progress = reader.progress();
    let start = Instant::now();
    let bar = ProgressBar::new(progress.total_bytes());
    let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left, {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);

    // Answers come in the order of records: the state never says more than is true.
    let mut answers = reader
        .into_stream()
        .map(|record| {
            let pipeline = pipeline.clone();
            async move {
                let record = record?;
                let answer = pipeline.oneshot(record.request.clone()).await;
                Ok((record, answer))
            }
        })
        .buffered(options.concurrency);
    let mut counts = Counts::default();
    let mut stopped = None;
    while let Some(answer) = answers.next().await {
        let (record, answer) = match answer {
            Ok(answered) => answered,
            Err(error) => {
                let error: tower_otlp::receivers::file::FileReadError = error;
                counts.unreadable += 1;
                bar.suspend(|| eprintln!("{error}"));
                continue;
            }
        };
        let items = record.request.items();
        match answer {
            Ok(response) => {
                counts.delivered += items - response.rejected_items();
                counts.refused += response.rejected_items();
            }
            Err(error) if error.is_retryable() => {
                stopped = Some(error);
                break;
            }
            Err(error) => {
                counts.refused += items;
                let place = record.position.path.display();
                let number = record.position.record;
                bar.suspend(|| eprintln!("{place}, record {number}: {error}"));
            }
        }
        counts.records += 1;
        counts.items += items;
        checkpoint.advance(&record.position);
        if let Some(path) = &options.state
            && counts.records % SAVE_EVERY == 0
        {
            checkpoint.save(path)?;
        }
        bar.set_position(progress.bytes_read());
        bar.set_message(format!("{} items", HumanCount(counts.items)));
    }
    if let Some(path) = &options.state {
        checkpoint.save(path)?;
    }
    bar.finish_and_clear();

    let Counts {
        records,
        items,
        delivered,
        refused,
        unreadable,
    } = counts;
    let seconds = start.elapsed().as_secs_f64();
    println!("records     {records:>12}");
    println!(
        "items       {items:>12}   {:.0} a second",
        items as f64 / seconds
    );
    println!("  delivered {delivered:>12}");
    println!("  refused   {refused:>12}");
    println!("unreadable  {unreadable:>12}   records");
    println!(
        "read        {:>12}",
        HumanBytes(progress.bytes_read()).to_string()
    );
    if let Some(error) = stopped {
        eprintln!("replay: stopped: {error}");
        return Ok(ExitCode::from(2));
    }
    Ok(ExitCode::from(u8::from(refused + unreadable > 0)))
}
