//! Several endpoints of one backend, balanced by tower's "power of two choices".
//!
//! `cargo run --example load_balance`
//!
//! Each endpoint has a circuit breaker *below* the balancer, in its pending mode. An endpoint that
//! refuses connections fails fast, so it looks idle, and the balancer would send it everything; one
//! that is not ready is not chosen. When the breaker lets a probe pass, the endpoint is back.
//!
//! A balancer has its endpoints to itself and is not `Clone`: tower's `Buffer` shares it. A buffer
//! forgets the request of a caller who goes away; here the retry above it still has the request, and
//! the queue above that never goes away.

#[path = "failover/endpoint.rs"]
mod endpoint;

use std::time::Duration;

use endpoint::Endpoint;
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};
use tower::{
    BoxError, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
};
use tower_otlp::{
    BoxExporter, ExportRequest, ExporterExt, ServiceBuilderExt, Signal,
    exporters::otlp::OtlpGrpcExporter,
    layers::{
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        queue::{QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
};

const PATIENCE: Duration = Duration::from_secs(10);

fn pipeline(endpoints: &[Endpoint]) -> Result<BoxExporter, BoxError> {
    let policy = CircuitBreakerPolicy::new()
        .consecutive_failures(2)
        .open_for(Duration::from_millis(50), Duration::from_secs(1));
    let mut balanced = Vec::new();
    for endpoint in endpoints {
        let exporter = OtlpGrpcExporter::builder().endpoint(endpoint.address.to_string());
        let exporter = ServiceBuilder::new()
            .circuit_breaker(CircuitBreakerLayer::pending(policy.clone())?)
            .attempt_timeout(Duration::from_secs(2))
            .service(exporter.build()?);
        // An endpoint's load: the requests that it has not answered.
        balanced.push(PendingRequests::new(
            exporter,
            CompleteOnResponse::default(),
        ));
    }
    let retry = RetryPolicy::new().initial_backoff(Duration::from_millis(10));
    Ok(ServiceBuilder::new()
        .queue(QueueLayer::new(QueueConfig::new().concurrency(32))?)
        .export_retry(retry)
        .buffer(32)
        .service(Balance::new(ServiceList::new(balanced)))
        .boxed_exporter())
}

struct Load {
    pipeline: BoxExporter,
    request: ExportRequest,
    sent: u64,
}

impl Load {
    /// Three hundred requests, all at the same time.
    async fn send(&mut self) -> Result<(), BoxError> {
        let all = (0..300).map(|_| self.pipeline.clone().oneshot(self.request.clone()));
        for response in try_join_all(all.collect::<Vec<_>>()).await? {
            self.sent += response.delivered_items();
        }
        Ok(())
    }
}

/// What each endpoint has got since the last time; asserts that nothing is lost or doubled.
fn show(phase: &str, endpoints: &[Endpoint], before: &mut [u64; 3], sent: u64) -> [u64; 3] {
    let mut got = [0; 3];
    for (number, endpoint) in endpoints.iter().enumerate() {
        got[number] = endpoint.stored() - before[number];
        before[number] = endpoint.stored();
    }
    println!("{phase:<20}{:>6}{:>6}{:>6}", got[0], got[1], got[2]);
    assert_eq!(before.iter().sum::<u64>(), sent, "lost or doubled");
    got
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut endpoints = [
        Endpoint::start().await?,
        Endpoint::start().await?,
        Endpoint::start().await?,
    ];
    // ResourceLogs { scope_logs { log_records { } } }
    let request = ExportRequest::from_protobuf(Signal::Logs, &b"\x0a\x04\x12\x02\x12\x00"[..])?;
    let mut load = Load {
        pipeline: pipeline(&endpoints)?,
        request,
        sent: 0,
    };
    let mut before = [0; 3];

    println!("log records at      first second third");
    load.send().await?;
    let got = show("all up", &endpoints, &mut before, load.sent);
    assert!(got.iter().all(|got| *got > 50), "not balanced");

    endpoints[0].off().await?;
    load.send().await?;
    let got = show("the first is down", &endpoints, &mut before, load.sent);
    assert_eq!(got[0], 0);

    endpoints[0].on().await?;
    // Its breaker lets a probe pass within a second.
    let deadline = Instant::now() + PATIENCE;
    while endpoints[0].stored() == before[0] {
        assert!(Instant::now() < deadline, "the first does not come back");
        sleep(Duration::from_millis(20)).await;
        load.send().await?;
    }
    let mut got = show("it comes back", &endpoints, &mut before, load.sent);
    // A busy machine may time an attempt out, and the breaker with it.
    while got.iter().any(|got| *got < 50) {
        assert!(Instant::now() < deadline, "not balanced");
        load.send().await?;
        got = show("all up", &endpoints, &mut before, load.sent);
    }
    println!("sent {}, nothing lost, nothing twice", load.sent);
    Ok(())
}
