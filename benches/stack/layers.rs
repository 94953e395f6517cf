//! The order of layers that the documentation recommends, around an exporter that answers at once.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::runtime::Runtime;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, retry::Policy};
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse, Exporter, Lifecycle, ServiceBuilderExt, Signal,
    layers::{
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::Recorder,
        queue::{QueueConfig, QueueLayer},
        rate_limit::RateLimiter,
        retry::RetryPolicy,
    },
    status::Status,
};

use super::{
    Instant, record,
    support::{
        table::{self, Goal, Group},
        workload,
    },
};

/// Requests of one round: the runtime is entered once for all of them.
const REQUESTS: u64 = 64;
const TIMEOUT: Duration = Duration::from_secs(10);
/// A rate that is never reached: what is measured is the accounting.
const PLENTY: u64 = 1 << 40;

/// The least that a policy of tower's own must do.
#[derive(Clone, Copy)]
struct ThreeTimes(u8);

impl Policy<ExportRequest, ExportResponse, BoxError> for ThreeTimes {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut ExportRequest,
        result: &mut Result<ExportResponse, BoxError>,
    ) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(1)?;
        result.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &ExportRequest) -> Option<ExportRequest> {
        Some(request.clone())
    }
}

/// What one request is, and how many of them are on their way at a time.
#[derive(Clone)]
struct Load {
    request: ExportRequest,
    in_flight: u64,
}

/// Sends the requests of a round.
fn drive<'a, S>(
    runtime: &'a Runtime,
    load: &Load,
    mut service: S,
) -> impl FnMut() -> u64 + use<'a, S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    let load = load.clone();
    move || {
        runtime.block_on(async {
            let mut delivered = 0;
            let mut count = |answer: Result<ExportResponse, S::Error>| {
                let answer = answer.map_err(Into::into).expect("delivered");
                delivered += answer.delivered_items();
            };
            if load.in_flight == 1 {
                for _ in 0..REQUESTS {
                    let ready = service.ready().await.map_err(Into::into).expect("ready");
                    count(ready.call(load.request.clone()).await);
                }
                return delivered;
            }
            let mut calls = FuturesUnordered::new();
            for _ in 0..REQUESTS / load.in_flight {
                for _ in 0..load.in_flight {
                    let ready = service.ready().await.map_err(Into::into).expect("ready");
                    calls.push(ready.call(load.request.clone()));
                }
                while let Some(answer) = calls.next().await {
                    count(answer);
                }
            }
            delivered
        })
    }
}

fn queue() -> QueueLayer {
    QueueLayer::new(QueueConfig::new().concurrency(64)).expect("it works")
}

/// Batches that are full with what is in flight, so that nobody waits for a timer.
fn batch(load: &Load) -> BatchLayer {
    let items = load.request.items() * load.in_flight;
    BatchLayer::new(BatchConfig::new().max_items(items).max_bytes(1 << 30)).expect("it works")
}

fn limiter() -> RateLimiter {
    RateLimiter::items_per_second(PLENTY as f64).expect("a rate")
}

fn breaker() -> CircuitBreakerLayer {
    CircuitBreakerLayer::pending(CircuitBreakerPolicy::new()).expect("it works")
}

/// What is below a batch.
fn attempts(recorder: &Recorder) -> impl Exporter + use<> {
    ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .circuit_breaker(breaker())
        .rate_limited(limiter())
        .concurrency_limit(64)
        .observed_attempts(recorder.clone())
        .attempt_timeout(TIMEOUT)
        .service(Instant)
}

fn group<'a>(runtime: &'a Runtime, name: &str, load: &Load) -> Group<'a> {
    // Workers are spawned when layers are applied.
    let _in = runtime.enter();
    let recorder = Recorder::new();
    let towers = ServiceBuilder::new()
        .buffer(1024)
        .rate_limit(PLENTY, Duration::from_secs(1))
        .retry(ThreeTimes(2))
        .concurrency_limit(64)
        .timeout(TIMEOUT)
        .service(Instant);
    let buffer = ServiceBuilder::new().buffer(1024).service(Instant);
    let ours = ServiceBuilder::new()
        .queue(queue())
        .export_retry(RetryPolicy::new())
        .rate_limited(limiter())
        .concurrency_limit(64)
        .attempt_timeout(TIMEOUT)
        .service(Instant);
    let whole = ServiceBuilder::new()
        .observed(recorder.clone())
        .queue(queue())
        .batch(batch(load))
        .service(attempts(&recorder));
    let branch = Status::new("bench", &Lifecycle::new()).branch("bench");
    let seen = ServiceBuilder::new()
        .observed(&branch)
        .observed_attempts(&branch)
        .service(Instant);
    let queued = ServiceBuilder::new().queue(queue()).service(Instant);
    let batched = ServiceBuilder::new().batch(batch(load)).service(Instant);
    let at_once = attempts(&recorder);
    Group::new(name, REQUESTS)
        .baseline("bare exporter", drive(runtime, load, Instant))
        .candidate("tower's buffer", Goal::None, drive(runtime, load, buffer))
        .candidate(
            "observe twice, for a status page",
            Goal::None,
            drive(runtime, load, seen),
        )
        .candidate("queue", Goal::None, drive(runtime, load, queued))
        .candidate("batch", Goal::None, drive(runtime, load, batched))
        .candidate(
            "retry, breaker, limits, observe, timeout",
            Goal::None,
            drive(runtime, load, at_once),
        )
        .candidate(
            "tower's buffer, retry, limits, timeout",
            Goal::None,
            drive(runtime, load, towers),
        )
        .candidate(
            "queue, retry, limits, timeout",
            Goal::None,
            drive(runtime, load, ours),
        )
        .candidate("the whole stack", Goal::None, drive(runtime, load, whole))
}

pub(super) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let large = workload::encoded(Signal::Traces);
    let one = Load {
        request: ExportRequest::from_protobuf(Signal::Traces, large).expect("valid"),
        in_flight: 1,
    };
    let many = Load {
        request: record(1024),
        in_flight: REQUESTS,
    };
    table::run(vec![
        group(&runtime, "stack: one at a time", &one),
        group(&runtime, "stack: 64 in flight, 1 KiB each", &many),
    ]);
}
