//! A telemetry gateway: receives OTLP, and delivers it to every `--to`.
//!
//! ```sh
//! cargo run --release --example gateway -- --to 'otlp+grpc://collector:4317?compression=gzip' \
//!     --fallback otlp+http://other:4318 --ack enqueue --dead-letter console:
//! ```

use std::{net::SocketAddr, process::exit, time::Duration};

use clap::{ArgGroup, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use humantime::parse_duration;
use tower::{BoxError, Layer as _, ServiceBuilder};
use tower_otlp::layers::{adaptive_concurrency::*, batch::*, circuit_breaker::*, fallback::*};
use tower_otlp::layers::{fan_out::FanOut, queue::*, rate_limit::*, retry::*};
use tower_otlp::{BoxExporter, ExporterExt as _, Lifecycle, ServiceBuilderExt as _};
use tower_otlp::{Termination, from_url, receivers::OtlpServer, status::*};

/// Requests at work at a time. Together they bound memory: a request is held from its first byte
/// to its answer. To fill a batch more are needed: they wait for each other.
const MAX_REQUESTS: usize = 16;
const MAX_BATCHED: usize = 256;
/// How long one destination may take with all retries, and its fallback. OTLP clients wait for
/// 10 s: they get an answer, and do not send again what is still under way here.
const BRANCH_TIMEOUT: Duration = Duration::from_secs(9);
/// After so long a queue turns to the dead letter destination.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Receives OTLP, and delivers it to every --to.
///
/// A client is told that its telemetry is delivered when every destination has it, unless --ack
/// enqueue makes the gateway answer for it. On SIGTERM or SIGINT it takes nothing new, delivers
/// what it holds, and says on its last line what became of it all.
#[derive(Parser)]
#[command(name = "gateway")]
#[command(group = ArgGroup::new("batch").multiple(true), group = ArgGroup::new("queue").multiple(true))]
struct Flags {
    /// otlp+grpc://host:4317, otlp+http://host:4318, console:, ...
    #[arg(long, value_name = "URL", required = true)]
    to: Vec<String>,
    /// Takes the telemetry while the --to before it fails
    #[arg(long, value_name = "URL")]
    fallback: Vec<String>,
    /// Takes what the --to before it does not take in the end
    #[arg(long, value_name = "URL")]
    dead_letter: Vec<String>,
    /// Where to receive gRPC
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4317")]
    grpc: SocketAddr,
    /// Where to receive HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4318")]
    http: SocketAddr,
    /// Where to show what it does itself: a page, /metrics for Prometheus, /livez, /readyz
    #[arg(long = "self", value_name = "ADDR")]
    page: Option<SocketAddr>,
    /// How long to deliver what is left on SIGTERM
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    drain_timeout: Duration,
    /// Sends requests to each --to together, like the next two: up to so many items
    #[arg(long, value_name = "N", default_value = "8192", group = "batch")]
    batch_items: u64,
    #[arg(long, value_name = "N", default_value = "4000000", group = "batch")]
    batch_bytes: usize,
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = parse_duration, group = "batch")]
    batch_timeout: Duration,
    /// A queue in memory for each --to, like the next two: of so many bytes
    #[arg(long, value_name = "N", default_value = "67108864", group = "queue")]
    queue_bytes: usize,
    /// What a full queue does: block, reject-new, drop-oldest
    #[arg(long, value_name = "HOW", default_value = "block", group = "queue")]
    overflow: Overflow,
    /// When a queue answers: delivery, enqueue
    #[arg(long, value_name = "WHEN", default_value = "delivery", group = "queue")]
    ack: Acknowledge,
    /// Items a second to each --to
    #[arg(long, value_name = "N")]
    rate_items: Option<f64>,
    /// Requests in flight to each --to
    #[arg(long, value_name = "auto|N")]
    max_concurrency: Option<AdaptiveConcurrencyBuilder>,
    #[arg(skip)]
    batches: Option<usize>,
    #[arg(skip)]
    queues: bool,
}

/// The URL that an option gives to each `--to`: the one that follows it, before the next.
fn beside(matches: &ArgMatches, option: &str) -> Result<Vec<Option<String>>, String> {
    let all: Vec<_> = matches.indices_of("to").into_iter().flatten().collect();
    let mut urls = vec![None; all.len()];
    let given = matches.get_many::<String>(option).into_iter().flatten();
    for (url, at) in given.zip(matches.indices_of(option).into_iter().flatten()) {
        let to = all.iter().rposition(|to| *to < at);
        urls[to.ok_or(format!("{url} is for the --to before it"))?] = Some(url.clone());
    }
    Ok(urls)
}

#[tokio::main]
pub async fn main() {
    // What is late has been counted as dropped: it is not waited for.
    exit(run().await.unwrap_or_else(|error| {
        eprintln!("error: {error}\n(--help shows all options)");
        2
    }));
}

/// Serves until a signal comes. Fails in the exit status if anything was dropped.
async fn run() -> Result<i32, BoxError> {
    let matches = Flags::command().get_matches();
    let mut flags = Flags::from_arg_matches(&matches)?;
    flags.batches = matches.contains_id("batch").then_some(MAX_BATCHED);
    flags.queues = matches.contains_id("queue");
    let [fallback, letters] = ["fallback", "dead_letter"].map(|option| beside(&matches, option));
    let lifecycle = Lifecycle::new();
    let status = Status::new("gateway", &lifecycle);
    let branches = (flags.to.iter().zip(fallback?).zip(letters?))
        .map(|((to, fallback), letters)| branch(to, fallback, letters, &flags, &status));
    let pipeline = FanOut::new(branches.collect::<Result<Vec<_>, _>>()?);
    let pipeline = lifecycle.layer().layer(pipeline).boxed_exporter();
    let mut server = OtlpServer::bind(flags.grpc, flags.http).await?;
    server = server.max_requests(flags.batches.unwrap_or(MAX_REQUESTS));
    let (grpc, http) = (server.grpc_address(), server.http_address());
    let page = flags.page.map(|at| status.serve(at)).transpose()?;
    let _page = page.inspect(|page| eprintln!("status http://{}/", page.address()));
    let mut serving = tokio::spawn(server.serve(pipeline, &lifecycle));
    let mut ending = Termination::listen()?;
    eprintln!("ready grpc={grpc} http={http}");
    tokio::select! {
        () = ending.requested() => {}
        ended = &mut serving => return ended?.and(Err("the server ended by itself".into())),
    }
    eprintln!("draining");
    let Some(report) = ending.drain(&lifecycle, flags.drain_timeout, serving).await else {
        return Ok(130);
    };
    eprintln!("drained {report}");
    Ok(i32::from(report.dropped > 0))
}

/// One destination. Queue, batch, fallback and limits are there if they are asked for.
fn branch(
    to: &str,
    fallback: Option<String>,
    dead_letter: Option<String>,
    flags: &Flags,
    status: &Status,
) -> Result<BoxExporter, BoxError> {
    let (branch, lifecycle) = (status.branch(to), status.lifecycle());
    let time = BRANCH_TIMEOUT / if fallback.is_some() { 2 } else { 1 };
    let retry = RetryPolicy::new().initial_backoff(Duration::from_millis(250));
    let retry = retry.max_elapsed(time).lifecycle(lifecycle);
    let tries = ServiceBuilder::new().total_timeout(time);
    let tries = tries.export_retry(retry).into_inner();
    let other = |url: &str, branch: Branch| {
        let tries = ServiceBuilder::new().observed(&branch).layer(&tries);
        from_url(url).map(|other| tries.observed_attempts(&branch).service(other))
    };
    let queued = flags.queues || dead_letter.is_some();
    let mut queue = QueueConfig::new().lifecycle(lifecycle).observer(&branch);
    queue = queue.acknowledge(flags.ack).overflow(flags.overflow);
    queue = queue.max_bytes(flags.queue_bytes);
    queue = queue.concurrency(flags.batches.unwrap_or(MAX_REQUESTS));
    if flags.ack == Acknowledge::OnDelivery {
        // The client hears of the failure, and sends again.
        queue = queue.max_redeliveries(0);
    }
    if let Some(url) = dead_letter {
        let letters = other(&url, branch.dead_letter(&url))?;
        queue = queue.dead_letter(letters).max_age(MAX_AGE);
    }
    let batch = BatchConfig::new().lifecycle(lifecycle);
    let batch = batch.max_items(flags.batch_items);
    let batch = batch.max_bytes(flags.batch_bytes);
    let batch = batch.timeout(flags.batch_timeout);
    let batch = flags.batches.map(|_| BatchLayer::new(batch));
    // A fallback is to hear of a failure at once; a queue keeps what would fail.
    let breaker = CircuitBreakerPolicy::new().observer(&branch);
    let breaker = breaker.lifecycle(lifecycle);
    let breaker = match fallback {
        Some(_) => Some(CircuitBreakerLayer::error(breaker)),
        None => queued.then(|| CircuitBreakerLayer::pending(breaker)),
    };
    let fallback = fallback.map(|url| other(&url, branch.fallback(&url)));
    let rate = flags.rate_items.map(RateLimiter::items_per_second);
    let limits = flags.max_concurrency.clone();
    let limits = limits.map(|limits| limits.observer(&branch).build());
    Ok(ServiceBuilder::new()
        .option_layer(queued.then(|| QueueLayer::new(queue)).transpose()?)
        .option_layer(batch.transpose()?)
        .option_layer(fallback.transpose()?.map(FallbackLayer::new))
        .observed(&branch)
        .layer(&tries)
        .option_layer(breaker.transpose()?)
        .option_layer(rate.transpose()?.map(RateLimitLayer::new))
        .option_layer(limits.transpose()?)
        .observed_attempts(&branch)
        .service(from_url(to)?)
        .boxed_exporter())
}
