//! A telemetry gateway: receives OTLP, and delivers it to every `--to`.
//!
//! ```sh
//! cargo run --release --example gateway -- --to 'otlp+grpc://collector:4317?compression=gzip' \
//!     --fallback otlp+http://other:4318 --ack enqueue --dead-letter console:
//! ```

use std::{net::SocketAddr, num::NonZeroUsize, process::exit, time::Duration};

use clap::{ArgGroup, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
#[cfg(unix)]
use tokio::signal::unix::{SignalKind as Kind, signal};
#[cfg(windows)]
use tokio::signal::windows::{ctrl_c, ctrl_shutdown};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tonic::transport::server::{Server, TcpIncoming};
use tower::{BoxError, Layer, ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use tower_otlp::layers::adaptive_concurrency::AdaptiveConcurrencyLayer;
use tower_otlp::layers::circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy};
use tower_otlp::layers::queue::{Acknowledge, Overflow, QueueConfig, QueueLayer};
use tower_otlp::layers::{batch::*, fallback::*, fan_out::FanOut, rate_limit::*, retry::*};
use tower_otlp::receivers::{OtlpGrpcReceiver, OtlpHttpReceiver};
use tower_otlp::{BoxExporter, ExporterExt as _, Lifecycle, ServiceBuilderExt as _, from_url};

/// Requests at work at a time; others wait, mostly unread, in the windows of their connections.
/// Together they bound memory: a request is held from its first byte to its answer.
const MAX_REQUESTS: usize = 16;
/// To fill a batch more are needed: they wait for each other.
const MAX_BATCHED: usize = 256;
/// The window of a stream, and a frame: a large message in few frames is read with less copying.
const FRAME: u32 = 1 << 20;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// How long one destination may take with all retries, and its fallback. OTLP clients wait for
/// 10 s: they get an answer, and do not send again what is still under way here.
const BRANCH_TIMEOUT: Duration = Duration::from_secs(9);
/// After so long a queue that has answered turns to the dead letter destination.
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
    /// How long to deliver what is left on SIGTERM
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    drain_timeout: Duration,
    /// Sends requests to each --to together, like the next two
    #[arg(long, value_name = "N", default_value = "8192", group = "batch")]
    batch_items: u64,
    #[arg(long, value_name = "N", default_value = "4000000", group = "batch")]
    batch_bytes: usize,
    #[arg(long, value_name = "TIME", default_value = "0.2s", value_parser = time, group = "batch")]
    batch_timeout: Duration,
    /// A queue in memory for each --to, like the next two
    #[arg(long, value_name = "N", default_value = "67108864", group = "queue")]
    queue_bytes: usize,
    #[arg(long, default_value = "block", value_parser = ["block", "reject", "drop-oldest"], group = "queue")]
    overflow: String,
    #[arg(long, default_value = "delivery", value_parser = ["delivery", "enqueue"], group = "queue")]
    ack: String,
    /// Items a second to each --to
    #[arg(long, value_name = "N")]
    rate_items: Option<f64>,
    /// Requests in flight to each --to
    #[arg(long, value_name = "auto|N", value_parser = concurrency)]
    max_concurrency: Option<Concurrency>,
    #[arg(skip)]
    batches: bool,
    #[arg(skip)]
    queues: bool,
}

impl Flags {
    /// How many requests are at work at a time.
    fn most(&self) -> usize {
        if self.batches {
            MAX_BATCHED
        } else {
            MAX_REQUESTS
        }
    }
}

/// None if it is found out.
type Concurrency = Option<NonZeroUsize>;

fn concurrency(text: &str) -> Result<Concurrency, std::num::ParseIntError> {
    (text != "auto").then(|| text.parse()).transpose()
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or("write 10s or 0.5s")
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
    let status = run().await.unwrap_or_else(|error| {
        eprintln!("error: {error}\n(--help shows all options)");
        2
    });
    // What is late has been counted as dropped: it is not waited for.
    exit(status);
}

/// Serves until a signal comes. Fails in the exit status if anything was dropped.
async fn run() -> Result<i32, BoxError> {
    let matches = Flags::command().get_matches();
    let mut flags = Flags::from_arg_matches(&matches)?;
    flags.batches = matches.contains_id("batch");
    flags.queues = matches.contains_id("queue");
    let [fallback, letters] = ["fallback", "dead_letter"].map(|option| beside(&matches, option));
    let lifecycle = Lifecycle::new();
    let branches = (flags.to.iter().zip(fallback?).zip(letters?))
        .map(|((to, fallback), letters)| branch(to, fallback, letters, &flags, &lifecycle));
    let pipeline = FanOut::new(branches.collect::<Result<Vec<_>, _>>()?);
    let pipeline = lifecycle.layer().layer(pipeline).boxed_exporter();

    let (grpc, http) = (listen(flags.grpc).await?, listen(flags.http).await?);
    let ready = format!("grpc={} http={}", grpc.local_addr()?, http.local_addr()?);
    let limit = GlobalConcurrencyLimitLayer::new(flags.most());
    let mut servers = JoinSet::<Result<(), BoxError>>::new();
    let server = Server::builder()
        .initial_stream_window_size(FRAME)
        .initial_connection_window_size(4 * FRAME)
        .max_frame_size(FRAME)
        .layer(limit.clone())
        .add_routes(OtlpGrpcReceiver::new(pipeline.clone()).routes())
        .serve_with_incoming_shutdown(TcpIncoming::from(grpc), lifecycle.draining());
    servers.spawn(async { Ok(server.await?) });
    let router = OtlpHttpReceiver::new(pipeline).into_axum_router();
    let server = axum::serve(http, router.layer(limit));
    let server = server.with_graceful_shutdown(lifecycle.draining());
    servers.spawn(async { Ok(server.await?) });

    #[cfg(unix)]
    let (mut stop, mut interrupt) = (signal(Kind::terminate())?, signal(Kind::interrupt())?);
    #[cfg(windows)]
    let (mut stop, mut interrupt) = (ctrl_shutdown()?, ctrl_c()?);
    eprintln!("ready {ready}");
    tokio::select! {
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = servers.join_next() => {
            ended??;
            return Err("a server ended by itself".into());
        }
    }
    eprintln!("draining");
    let report = tokio::select! {
        report = lifecycle.shutdown(flags.drain_timeout) => report,
        _ = stop.recv() => return Ok(130),
        _ = interrupt.recv() => return Ok(130),
    };
    // The answers that were given get a moment to leave.
    let moment = Duration::from_millis(if report.complete { 1000 } else { 50 });
    let _ = timeout(moment, servers.join_all()).await;
    eprintln!("drained {report}");
    Ok(i32::from(report.dropped > 0))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// One destination. Queue, batch, fallback and limits are there if they are asked for.
fn branch(
    to: &str,
    fallback: Option<String>,
    dead_letter: Option<String>,
    flags: &Flags,
    lifecycle: &Lifecycle,
) -> Result<BoxExporter, BoxError> {
    let time = BRANCH_TIMEOUT / if fallback.is_some() { 2 } else { 1 };
    let retry = RetryPolicy::new().initial_backoff(FIRST_BACKOFF);
    let retry = retry.max_elapsed(time).lifecycle(lifecycle);
    let tries = ServiceBuilder::new().total_timeout(time);
    let tries = tries.export_retry(retry);
    let other = |url: String| from_url(&url).map(|other| tries.clone().service(other));

    let overflow = match &*flags.overflow {
        "reject" => Overflow::RejectNew,
        "drop-oldest" => Overflow::DropOldest,
        _ => Overflow::Block,
    };
    let queue = QueueConfig::new().lifecycle(lifecycle).overflow(overflow);
    let queue = queue.max_bytes(flags.queue_bytes).concurrency(flags.most());
    let mut queue = match &*flags.ack {
        "enqueue" => queue.acknowledge(Acknowledge::OnEnqueue),
        // The client hears of the failure, and sends again.
        _ => queue.max_redeliveries(0),
    };
    let queued = flags.queues || dead_letter.is_some();
    if let Some(url) = dead_letter {
        queue = queue.dead_letter(other(url)?).max_age(MAX_AGE);
    }
    let batch = BatchConfig::new().max_items(flags.batch_items);
    let batch = batch
        .max_bytes(flags.batch_bytes)
        .timeout(flags.batch_timeout);
    let batch = flags
        .batches
        .then(|| BatchLayer::new(batch.lifecycle(lifecycle)));
    // A fallback is to hear of a failure at once; a queue keeps what would fail.
    let breaker = CircuitBreakerPolicy::new().lifecycle(lifecycle);
    let breaker = match fallback {
        Some(_) => Some(CircuitBreakerLayer::error(breaker)?),
        None if queued => Some(CircuitBreakerLayer::pending(breaker)?),
        None => None,
    };
    let fallback = fallback.map(other).transpose()?;
    let rate = flags.rate_items.map(RateLimiter::items_per_second);
    let limits = flags.max_concurrency.map(|most| {
        let (least, most) = most.map_or((1, 256), |most| (most.get(), most.get()));
        let limits = AdaptiveConcurrencyLayer::builder().min_limit(least);
        limits.initial_limit(least).max_limit(most).build()
    });
    Ok(ServiceBuilder::new()
        .option_layer(queued.then(|| QueueLayer::new(queue)).transpose()?)
        .option_layer(batch.transpose()?)
        .option_layer(fallback.map(FallbackLayer::new))
        .layer(tries.into_inner())
        .option_layer(breaker)
        .option_layer(rate.transpose()?.map(RateLimitLayer::new))
        .option_layer(limits.transpose()?)
        .service(from_url(to)?)
        .boxed_exporter())
}
