//! tower's balancer over exporters, as the documentation of `layers` says it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tower::{
    ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, ExporterExt,
    ServiceBuilderExt,
    layers::{
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        queue::{QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    testing::logs,
};

const REQUESTS: usize = 200;

/// An endpoint that takes a moment, or refuses at once, and counts its attempts.
fn endpoint(works: bool, attempts: &Arc<AtomicUsize>) -> BoxExporter {
    let attempts = Arc::clone(attempts);
    let exporter = tower::service_fn(move |request: ExportRequest| {
        attempts.fetch_add(1, Ordering::SeqCst);
        async move {
            if !works {
                return Err(ExportError::new(ErrorKind::Unavailable, "refused"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(ExportResponse::delivered(request.items()))
        }
    });
    exporter.boxed_exporter()
}

/// Two endpoints that work and one that does not; the attempts that each got.
async fn attempts(breaker: bool) -> [usize; 3] {
    let attempts = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let policy = CircuitBreakerPolicy::new()
        .consecutive_failures(2)
        .open_for(Duration::from_secs(1), Duration::from_secs(60));
    let mut balanced = Vec::new();
    for (number, attempts) in attempts.iter().enumerate() {
        let mut exporter = endpoint(number > 0, attempts);
        if breaker {
            let breaker = CircuitBreakerLayer::pending(policy.clone()).expect("valid");
            let stack = ServiceBuilder::new().circuit_breaker(breaker);
            exporter = stack.service(exporter).boxed_exporter();
        }
        balanced.push(PendingRequests::new(
            exporter,
            CompleteOnResponse::default(),
        ));
    }
    let queue = QueueLayer::new(QueueConfig::new().concurrency(16)).expect("valid");
    let pipeline = ServiceBuilder::new()
        .queue(queue)
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(5)))
        .buffer(16)
        .service(Balance::new(ServiceList::new(balanced)))
        .boxed_exporter();
    let requests = (0..REQUESTS).map(|_| pipeline.clone().oneshot(logs(1)));
    for answer in join_all(requests.collect::<Vec<_>>()).await {
        assert_eq!(answer.expect("delivered").delivered_items(), 1);
    }
    attempts.map(|attempts| attempts.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_is_sent_the_most_without_a_circuit_breaker() {
    let [refuses, one, other] = attempts(false).await;
    assert_eq!(one + other, REQUESTS, "nothing lost, nothing twice");
    assert!(refuses > one.max(other), "{refuses}, {one}, {other}");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_breaker_below_the_balancer_takes_it_out_of_the_choice() {
    let [refuses, one, other] = attempts(true).await;
    assert_eq!(one + other, REQUESTS, "nothing lost, nothing twice");
    // Two failures open it; the probes after a second and more come on top.
    assert!((2..=8).contains(&refuses), "{refuses}");
    assert!(one.min(other) > REQUESTS / 4, "{one}, {other}");
}

#[tokio::test(start_paused = true)]
async fn while_no_endpoint_works_the_queue_keeps_the_telemetry() {
    let down = Arc::new(AtomicUsize::new(0));
    let works = Arc::clone(&down);
    let exporter = tower::service_fn(move |request: ExportRequest| {
        let failed = works.fetch_add(1, Ordering::SeqCst) < 10;
        std::future::ready(match failed {
            true => Err(ExportError::new(ErrorKind::Unavailable, "refused")),
            false => Ok(ExportResponse::delivered(request.items())),
        })
    });
    let policy = CircuitBreakerPolicy::new().consecutive_failures(1);
    let breaker = CircuitBreakerLayer::pending(policy).expect("valid");
    let balanced = [PendingRequests::new(
        ServiceBuilder::new()
            .circuit_breaker(breaker)
            .service(exporter),
        CompleteOnResponse::default(),
    )];
    let pipeline = ServiceBuilder::new()
        .queue(QueueLayer::new(QueueConfig::new()).expect("valid"))
        .export_retry(RetryPolicy::new())
        .buffer(16)
        .service(Balance::new(ServiceList::new(balanced)))
        .boxed_exporter();
    let requests = (0..20).map(|_| pipeline.clone().oneshot(logs(3)));
    for answer in join_all(requests.collect::<Vec<_>>()).await {
        assert_eq!(answer.expect("delivered").delivered_items(), 3);
    }
    assert_eq!(
        down.load(Ordering::SeqCst),
        30,
        "ten failures, twenty deliveries"
    );
}
