//! Requests a second through a queue, from one to many producers, each of which waits for the
//! answer before it sends the next.

use tokio::{runtime::Runtime, task::JoinSet};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ExportRequest, Exporter, ServiceBuilderExt,
    layers::queue::{Acknowledge, QueueConfig, QueueLayer},
};

use super::{Instant, record};

const PRODUCERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Requests of a round, from all producers together.
const REQUESTS: usize = 20_000;
const ROUNDS: usize = 9;

/// Requests a second.
fn round<S>(runtime: &Runtime, service: &S, producers: usize, request: &ExportRequest) -> f64
where
    S: Exporter,
    S::Error: std::fmt::Debug + Send,
{
    runtime.block_on(async {
        let start = std::time::Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..producers {
            let (mut service, request) = (service.clone(), request.clone());
            tasks.spawn(async move {
                for _ in 0..REQUESTS / producers {
                    let ready = service.ready().await.expect("ready");
                    ready.call(request.clone()).await.expect("taken");
                }
            });
        }
        tasks.join_all().await;
        REQUESTS as f64 / start.elapsed().as_secs_f64()
    })
}

fn queue(acknowledge: Acknowledge) -> QueueLayer {
    let config = QueueConfig::new().concurrency(64).acknowledge(acknowledge);
    QueueLayer::new(config).expect("it works")
}

/// The middle one.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

pub(super) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let _in = runtime.enter();
    let request = record(1024);
    let buffer = ServiceBuilder::new().buffer(4096).service(Instant);
    let delivered = ServiceBuilder::new()
        .queue(queue(Acknowledge::OnDelivery))
        .service(Instant);
    let stored = ServiceBuilder::new()
        .queue(queue(Acknowledge::OnEnqueue))
        .service(Instant);
    println!(
        "\nRequests a second through two threads, by number of producers, the middle of {ROUNDS}:\n"
    );
    println!(
        "| producers | tower's buffer | queue, on delivery | share | queue, on enqueue | share |"
    );
    println!("|---|---|---|---|---|---|");
    for producers in PRODUCERS {
        let mut rates = [(); 3].map(|()| Vec::new());
        for _ in 0..ROUNDS {
            rates[0].push(round(&runtime, &buffer, producers, &request));
            rates[1].push(round(&runtime, &delivered, producers, &request));
            rates[2].push(round(&runtime, &stored, producers, &request));
        }
        let [buffer, delivered, stored] = rates.map(median);
        println!(
            "| {producers} | {buffer:.0} | {delivered:.0} | {:.2} | {stored:.0} | {:.2} |",
            delivered / buffer,
            stored / buffer,
        );
    }
}
