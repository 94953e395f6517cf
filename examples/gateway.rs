//! A telemetry gateway: receives OTLP, and delivers it to every `--to`.
//!
//! ```sh
//! cargo run --release --example gateway -- --to 'otlp+grpc://collector:4317?compression=gzip' \
//!     --fallback otlp+http://other:4318 --ack enqueue --dead-letter console:
//! ```
//!
//! A client is told that its telemetry is delivered when every destination has it, unless `--ack
//! enqueue` makes the gateway answer for it. On SIGTERM or SIGINT it takes nothing new, delivers
//! what it holds, and says on its last line what became of it all.

#[path = "gateway/flags.rs"]
mod flags;

use std::{env, io, process::ExitCode, time::Duration};

use flags::{BATCH, Flags, QUEUE, To, USAGE};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tonic::transport::server::{Server, TcpIncoming};
use tower::{BoxError, Layer, ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use tower_otlp::layers::adaptive_concurrency::AdaptiveConcurrencyLayer;
use tower_otlp::layers::batch::{BatchConfig, BatchLayer};
use tower_otlp::layers::queue::{Acknowledge, QueueConfig, QueueLayer};
use tower_otlp::layers::rate_limit::{RateLimitLayer, RateLimiter};
use tower_otlp::layers::{fallback::FallbackLayer, fan_out::FanOut, retry::RetryPolicy};
use tower_otlp::receivers::{OtlpHttpReceiver, grpc::OtlpGrpcReceiver};
use tower_otlp::{BoxExporter, ExporterExt as _, Lifecycle, ServiceBuilderExt as _, from_url};

/// Requests at work at a time; others wait, mostly unread, in the windows of their connections.
/// Together they bound memory: a request is held from its first byte to its answer.
const MAX_REQUESTS: usize = 16;
/// To fill a batch more are needed: they wait for each other.
const MAX_BATCHED: usize = 256;
/// The window of a stream, and a frame: a large message in few frames is read with less copying.
const FRAME: u32 = 1 << 20;
/// How long one destination may take with all retries, and its fallback. OTLP clients wait for
/// 10 s: they get an answer, and do not send again what is still under way here.
const BRANCH_TIMEOUT: Duration = Duration::from_secs(9);
/// After so long a queue that has answered turns to the dead letter destination.
const MAX_AGE: Duration = Duration::from_secs(300);

pub fn main() -> ExitCode {
    let ended = Flags::parse(env::args().skip(1)).map_err(BoxError::from);
    let ended = ended.and_then(|flags| {
        let Some(flags) = flags else {
            println!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        };
        let runtime = Runtime::new()?;
        let ended = runtime.block_on(run(&flags));
        // What is late has been counted as dropped: it is not waited for.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| {
        eprintln!("gateway: {error}\n(--help shows all options)");
        ExitCode::from(2)
    })
}

/// Serves until a signal comes. Fails in the exit status if anything was dropped.
async fn run(flags: &Flags) -> Result<ExitCode, BoxError> {
    let lifecycle = Lifecycle::new();
    let branches = flags.to.iter().map(|to| branch(to, flags, &lifecycle));
    let branches = branches.collect::<Result<Vec<_>, _>>()?;
    let pipeline = lifecycle
        .layer()
        .layer(FanOut::new(branches))
        .boxed_exporter();

    let drain_timeout = flags.time("--drain-timeout", 10.0)?;
    let grpc = flags.listen("--grpc", 4317).await?;
    let http = flags.listen("--http", 4318).await?;
    let (grpc_address, http_address) = (grpc.local_addr()?, http.local_addr()?);
    let limit = GlobalConcurrencyLimitLayer::new(most(flags));
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

    let signalled = signal()?;
    eprintln!("ready grpc={grpc_address} http={http_address}");
    tokio::select! {
        () = signalled => {}
        Some(ended) = servers.join_next() => {
            ended??;
            return Err("a server ended by itself".into());
        }
    }
    let signalled_again = signal()?;
    eprintln!("draining");
    let report = tokio::select! {
        report = lifecycle.shutdown(drain_timeout) => report,
        () = signalled_again => return Ok(ExitCode::from(130)),
    };
    // The answers that were given get a moment to leave.
    let moment = Duration::from_millis(if report.complete { 1000 } else { 50 });
    let _ = timeout(moment, servers.join_all()).await;
    eprintln!("drained {report}");
    Ok(ExitCode::from(u8::from(report.dropped > 0)))
}

/// One destination. Queue, batch, fallback and limits are there if they are asked for.
fn branch(to: &To, flags: &Flags, lifecycle: &Lifecycle) -> Result<BoxExporter, BoxError> {
    let time = BRANCH_TIMEOUT / if to.fallback.is_some() { 2 } else { 1 };
    let retry = RetryPolicy::new()
        .initial_backoff(Duration::from_millis(250))
        .max_elapsed(time)
        .lifecycle(lifecycle);
    let tries = || {
        ServiceBuilder::new()
            .total_timeout(time)
            .export_retry(retry.clone())
    };
    let other = |url: &String| Ok::<_, BoxError>(tries().service(from_url(url)?));

    let batch = flags.any(&BATCH);
    let ack = flags.acknowledge()?;
    let mut queue = QueueConfig::new()
        .max_bytes(flags.number("--queue-bytes", 64 << 20)?)
        .overflow(flags.overflow()?)
        .acknowledge(ack)
        .concurrency(most(flags))
        .lifecycle(lifecycle);
    if ack == Acknowledge::OnDelivery {
        // The client hears of the failure, and sends again.
        queue = queue.max_redeliveries(0);
    }
    if let Some(url) = &to.dead_letter {
        queue = queue.dead_letter(other(url)?).max_age(MAX_AGE);
    }
    let queued = to.dead_letter.is_some() || flags.any(&QUEUE);
    let config = BatchConfig::new()
        .max_items(flags.number("--batch-items", 8192)?)
        .max_bytes(flags.number("--batch-bytes", 4_000_000)?)
        .timeout(flags.time("--batch-timeout", 0.2)?)
        .lifecycle(lifecycle);
    let rate = flags.read("--rate-items", "a number above 0", |rate| {
        RateLimiter::items_per_second(rate.parse().ok()?).ok()
    })?;
    let concurrency = flags.read("--max-concurrency", "auto, or 1 or more", |most| {
        let limits = AdaptiveConcurrencyLayer::builder();
        let Ok(most) = most.parse() else {
            return limits.build().ok().filter(|_| most == "auto");
        };
        let fixed = limits.min_limit(most).initial_limit(most).max_limit(most);
        fixed.build().ok()
    })?;
    Ok(ServiceBuilder::new()
        .option_layer(queued.then(|| QueueLayer::new(queue)).transpose()?)
        .option_layer(batch.then(|| BatchLayer::new(config)).transpose()?)
        .option_layer(
            to.fallback
                .as_ref()
                .map(other)
                .transpose()?
                .map(FallbackLayer::new),
        )
        .total_timeout(time)
        .export_retry(retry.clone())
        .option_layer(rate.map(RateLimitLayer::new))
        .option_layer(concurrency)
        .service(from_url(&to.url)?)
        .boxed_exporter())
}

fn most(flags: &Flags) -> usize {
    [MAX_REQUESTS, MAX_BATCHED][usize::from(flags.any(&BATCH))]
}

/// Ends at the next SIGTERM or SIGINT; at Ctrl-C where there are no signals.
fn signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut streams = {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        (terminate, signal(SignalKind::interrupt())?)
    };
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = streams.0.recv() => {}
            _ = streams.1.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
