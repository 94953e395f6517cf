//! What layers cost a request, around an exporter that answers at once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[allow(dead_code, reason = "the other bench uses the rest")]
mod support;

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use support::{
    table::{self, Goal, Group},
    workload,
};
use tokio::runtime::Runtime;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, retry::Policy};
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse, Signal,
    layers::{
        fan_out::FanOut,
        retry::{RetryLayer, RetryPolicy},
        timeout::TimeoutLayer,
    },
};

/// Requests of one round through a pipeline: the runtime is entered once for all of them.
const REQUESTS: u64 = 100;
const TIMEOUT: Duration = Duration::from_secs(10);
const OVERHEAD: Goal = Goal::Over(Duration::from_micros(2));

/// Takes everything at once.
#[derive(Clone, Copy)]
struct Instant;

impl Service<ExportRequest> for Instant {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        ready(Ok(ExportResponse::delivered(request.items())))
    }
}

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

/// Sends the requests one after another.
fn drive<S>(runtime: &Runtime, mut service: S) -> impl FnMut() -> u64
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    let request = ExportRequest::from_protobuf(Signal::Traces, workload::encoded(Signal::Traces))
        .expect("valid");
    move || {
        runtime.block_on(async {
            let mut delivered = 0;
            for _ in 0..REQUESTS {
                let ready = service.ready().await.map_err(Into::into).expect("ready");
                let answer = ready.call(request.clone()).await.map_err(Into::into);
                delivered += answer.expect("delivered").delivered_items();
            }
            delivered
        })
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let retry = || RetryLayer::new(RetryPolicy::new());
    let timeout = || TimeoutLayer::attempt(TIMEOUT);
    let both = || ServiceBuilder::new().layer(retry()).layer(timeout());
    let two = || FanOut::empty().branch(Instant).branch(Instant);
    let towers = ServiceBuilder::new()
        .retry(ThreeTimes(2))
        .timeout(TIMEOUT)
        .service(Instant);

    let group = Group::new("pipeline", REQUESTS)
        .baseline("bare exporter", drive(&runtime, Instant))
        .candidate("retry", Goal::None, drive(&runtime, retry().layer(Instant)))
        .candidate(
            "timeout",
            Goal::None,
            drive(&runtime, timeout().layer(Instant)),
        )
        .candidate(
            "retry, timeout",
            OVERHEAD,
            drive(&runtime, both().service(Instant)),
        )
        .candidate("tower's retry, timeout", OVERHEAD, drive(&runtime, towers))
        .candidate("fan-out to two", Goal::None, drive(&runtime, two()))
        .candidate(
            "retry, timeout, fan-out to two",
            OVERHEAD,
            drive(&runtime, both().service(two())),
        );
    table::run(vec![group]);
}
