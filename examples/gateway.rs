//! A telemetry gateway: receives OTLP, and delivers it to every `--to`.
//!
//! ```sh
//! cargo run --release --example gateway -- \
//!     --grpc 127.0.0.1:4317 --http 127.0.0.1:4318 \
//!     --to 'otlp+grpc://collector:4317?compression=gzip' --to console:
//! ```
//!
//! A client is told that its telemetry is delivered when every destination has it, and not
//! before: the gateway keeps nothing that a crash could lose. On SIGTERM or SIGINT it takes
//! nothing new, finishes what is under way, and says on its last line what became of it all.

use std::{env, io, net::SocketAddr, process::ExitCode, time::Duration};

use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet, time::timeout};
use tonic::transport::server::{Server, TcpIncoming};
use tower::{BoxError, ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use tower_otlp::{
    BoxExporter, ExporterExt as _, Lifecycle, ServiceBuilderExt as _,
    layers::{fan_out::FanOut, retry::RetryPolicy},
    receivers::{OtlpHttpReceiver, grpc::OtlpGrpcReceiver},
};

const USAGE: &str = "\
usage: gateway --to URL [--to URL ...] [--grpc ADDR] [--http ADDR] [--drain-timeout DURATION]

  --to URL                 where to deliver; with several, each must have taken the telemetry
                           otlp+grpc://host:4317, otlp+http://host:4318, console:, ...
  --grpc ADDR              where to receive OTLP over gRPC   (default 127.0.0.1:4317)
  --http ADDR              where to receive OTLP over HTTP   (default 127.0.0.1:4318)
  --drain-timeout DURATION how long to finish on SIGTERM     (default 10s)";

/// Requests at work at a time; others wait, mostly unread, in the windows of their connections.
/// Together they bound memory: a request is held from its first byte to its answer. More of
/// either serves slow backends, or distant clients, better, and costs memory.
const MAX_REQUESTS: usize = 16;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// A large message in few frames is read with less copying.
const FRAME: u32 = 1 << 20;

/// How long one destination may take with all retries. OTLP clients wait for 10 s: they get an
/// answer, and do not send again what is still under way here.
const BRANCH_TIMEOUT: Duration = Duration::from_secs(9);

struct Options {
    grpc: SocketAddr,
    http: SocketAddr,
    to: Vec<String>,
    drain_timeout: Duration,
}

pub fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("gateway: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let ended = Runtime::new().map_err(BoxError::from).and_then(|runtime| {
        let ended = runtime.block_on(run(options));
        // What is late has been counted as dropped: it is not waited for.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| {
        eprintln!("gateway: {error}");
        ExitCode::from(2)
    })
}

/// Serves until a signal comes. Fails in the exit status if anything was dropped.
async fn run(options: Options) -> Result<ExitCode, BoxError> {
    let branches: Vec<_> = options.to.iter().map(branch).collect::<Result<_, _>>()?;
    let lifecycle = Lifecycle::new();
    let pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .service(FanOut::new(branches))
        .boxed_exporter();

    let grpc = bind(options.grpc).await?;
    let http = bind(options.http).await?;
    let (grpc_address, http_address) = (grpc.local_addr()?, http.local_addr()?);
    let limit = GlobalConcurrencyLimitLayer::new(MAX_REQUESTS);

    let mut servers = JoinSet::<Result<(), BoxError>>::new();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .layer(limit.clone())
        .add_routes(OtlpGrpcReceiver::new(pipeline.clone()).routes())
        .serve_with_incoming_shutdown(TcpIncoming::from(grpc), lifecycle.draining());
    servers.spawn(async { Ok(server.await?) });
    let router = OtlpHttpReceiver::new(pipeline)
        .into_axum_router()
        .layer(limit);
    let server = axum::serve(http, router).with_graceful_shutdown(lifecycle.draining());
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
        report = lifecycle.shutdown(options.drain_timeout) => report,
        () = signalled_again => return Ok(ExitCode::from(130)),
    };
    // The answers that were given get a moment to leave.
    let moment = Duration::from_millis(if report.complete { 1000 } else { 50 });
    let _ = timeout(moment, servers.join_all()).await;
    eprintln!("drained {report}");
    Ok(ExitCode::from(u8::from(report.dropped > 0)))
}

/// One destination, with its own retries and its own time limit.
fn branch(url: impl AsRef<str>) -> Result<BoxExporter, BoxError> {
    let retries = RetryPolicy::new()
        .initial_backoff(Duration::from_millis(250))
        .max_elapsed(BRANCH_TIMEOUT);
    Ok(ServiceBuilder::new()
        .total_timeout(BRANCH_TIMEOUT)
        .export_retry(retries)
        .service(tower_otlp::from_url(url.as_ref())?)
        .boxed_exporter())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, BoxError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("cannot listen on {address}: {error}").into())
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

impl Options {
    /// `None` if help is asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            grpc: SocketAddr::from(([127, 0, 0, 1], 4317)),
            http: SocketAddr::from(([127, 0, 0, 1], 4318)),
            to: Vec::new(),
            drain_timeout: Duration::from_secs(10),
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                "--to" => options.to.push(value()?),
                "--grpc" => options.grpc = address(&name, &value()?)?,
                "--http" => options.http = address(&name, &value()?)?,
                "--drain-timeout" => options.drain_timeout = duration(&name, &value()?)?,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        if options.to.is_empty() {
            return Err("--to is needed at least once".to_owned());
        }
        Ok(Some(options))
    }
}

fn address(name: &str, value: &str) -> Result<SocketAddr, String> {
    let address = value.parse();
    address.map_err(|_| format!("{name}: `{value}` is not an address such as 127.0.0.1:4317"))
}

fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let seconds = value.strip_suffix('s').and_then(|n| n.parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{name}: `{value}` is not a duration such as 10s or 0.5s"))
}
