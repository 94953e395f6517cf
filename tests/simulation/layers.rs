//! Random pipelines of all layers: the layers, ours and tower's.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::sleep;
use tower::{
    Layer,
    buffer::Buffer,
    limit::{ConcurrencyLimitLayer, RateLimit, rate::Rate},
    load_shed::LoadShedLayer,
    retry::{Policy, Retry},
    timeout::TimeoutLayer as TowerTimeout,
};
use tower_otlp::{
    BoxExporter, ExportError, ExportRequest, ExportResponse, ExporterExt, Lifecycle,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        admission::{AdmissionBudget, AdmissionLayer},
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        decoded::DecodedLayer,
        observe::{ObserveLayer, Recorder},
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        rate_limit::{RateLimitLayer, RateLimiter},
        retry::{RetryLayer, RetryPolicy},
        split::{SplitConfig, SplitLayer},
        timeout::TimeoutLayer,
    },
};

use super::{
    backend::Backend,
    pipeline::{Goal, Law, Made, Maker},
    tap::Tap,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Admission,
    LoadShed,
    Track,
    Observe,
    Queue,
    Buffer,
    Batch,
    Split,
    TotalTimeout,
    Retry,
    TowerRetry,
    Decoded,
    Breaker,
    RateLimit,
    Adaptive,
    Concurrency,
    ObserveAttempt,
    TowerTimeout,
    AttemptTimeout,
}

/// In the order that suits most pipelines.
pub const KINDS: [Kind; 19] = [
    Kind::Admission,
    Kind::LoadShed,
    Kind::Track,
    Kind::Observe,
    Kind::Queue,
    Kind::Buffer,
    Kind::Batch,
    Kind::TotalTimeout,
    Kind::Split,
    Kind::Decoded,
    Kind::Retry,
    Kind::TowerRetry,
    Kind::Breaker,
    Kind::RateLimit,
    Kind::Adaptive,
    Kind::Concurrency,
    Kind::ObserveAttempt,
    Kind::TowerTimeout,
    Kind::AttemptTimeout,
];

impl Maker<'_> {
    pub fn layer(&mut self, made: Made, kind: Kind, depth: usize) -> Made {
        match kind {
            Kind::Queue => return self.queue(made, depth),
            Kind::Batch => return self.batch(made, depth),
            Kind::Observe => return self.observe(made, depth, true),
            Kind::ObserveAttempt => return self.observe(made, depth, false),
            Kind::Track => return self.track(made, depth),
            _ => {}
        }
        let Made { service, tap, goal } = made;
        let (service, text, law) = match kind {
            Kind::Split => self.split(service),
            Kind::Retry => self.retry(service),
            Kind::TowerRetry => self.tower_retry(service),
            _ => self.relay(service, kind),
        };
        self.say(depth, text.clone());
        let name = text.split([' ', '{']).next().unwrap_or_default();
        self.node(service, name, law, vec![tap], goal)
    }

    /// Layers of which one call makes at most one.
    fn relay(&mut self, inner: BoxExporter, kind: Kind) -> (BoxExporter, String, Law) {
        let (made, text) = match kind {
            Kind::Admission => {
                let bytes = self.rng.usize(100..3_000);
                let budget = AdmissionBudget::new(bytes).expect("can work");
                let made = AdmissionLayer::new(budget).layer(inner).boxed_exporter();
                (made, format!("admission {bytes} bytes"))
            }
            Kind::LoadShed => {
                let made = LoadShedLayer::new().layer(inner).boxed_exporter();
                (made, "load-shed".to_owned())
            }
            Kind::Buffer => self.buffer(inner),
            Kind::TotalTimeout => {
                let time = self.millis(50..40_000);
                let made = TimeoutLayer::total(time).layer(inner).boxed_exporter();
                (made, format!("total-timeout {time:?}"))
            }
            Kind::AttemptTimeout => {
                let time = self.millis(50..5_000);
                let made = TimeoutLayer::attempt(time).layer(inner).boxed_exporter();
                (made, format!("attempt-timeout {time:?}"))
            }
            Kind::TowerTimeout => {
                let time = self.millis(50..5_000);
                let made = TowerTimeout::new(time).layer(inner).boxed_exporter();
                (made, format!("tower-timeout {time:?}"))
            }
            Kind::Breaker => self.breaker(inner),
            Kind::RateLimit => {
                let rate = 0.5 + self.rng.f64() * 20.0;
                let limiter = match self.rng.u8(0..3) {
                    0 => RateLimiter::items_per_second(rate),
                    1 => RateLimiter::bytes_per_second(rate * 20.0),
                    _ => RateLimiter::requests_per_second(rate),
                };
                let limiter = limiter.expect("can work");
                let text = format!("rate-limit {limiter:?}");
                let made = RateLimitLayer::new(limiter).layer(inner);
                (made.boxed_exporter(), text)
            }
            Kind::Adaptive => {
                let most = self.rng.usize(1..10);
                let layer = AdaptiveConcurrencyLayer::builder().max_limit(most).build();
                let made = layer.expect("can work").layer(inner).boxed_exporter();
                (made, format!("adaptive up to {most}"))
            }
            Kind::Concurrency => {
                let most = self.rng.usize(1..6);
                let made = ConcurrencyLimitLayer::new(most).layer(inner);
                (made.boxed_exporter(), format!("concurrency {most}"))
            }
            _ => {
                let layer = DecodedLayer::new()
                    .traces(|_| {})
                    .logs(|_| {})
                    .metrics(|_| {});
                (layer.layer(inner).boxed_exporter(), "decoded".to_owned())
            }
        };
        (made, text, Law::Relay)
    }

    fn buffer(&mut self, inner: BoxExporter) -> (BoxExporter, String) {
        let bound = self.rng.usize(1..6);
        if self.rng.bool() {
            let made = Buffer::new(inner, bound).boxed_exporter();
            return (made, format!("buffer {bound}"));
        }
        let (requests, per) = (self.rng.u64(1..5), self.millis(1..3_000));
        let inner = RateLimit::new(inner, Rate::new(requests, per));
        let made = Buffer::new(inner, bound).boxed_exporter();
        (
            made,
            format!("buffer {bound} over tower's rate limit {requests} in {per:?}"),
        )
    }

    fn split(&mut self, inner: BoxExporter) -> (BoxExporter, String, Law) {
        let mut config = SplitConfig::new()
            .isolate_rejected(self.rng.bool())
            .max_in_flight(self.rng.usize(1..4))
            .learn_limit(self.rng.bool());
        if self.rng.bool() {
            config = config.max_items(self.rng.u64(1..10));
        }
        if self.one_in(3) {
            config = config.max_bytes(self.rng.usize(1..300));
        }
        if self.one_in(3) {
            config = config.max_bisections(self.rng.u32(1..5));
        }
        let text = format!("split {config:?}");
        let layer = SplitLayer::new(config).expect("can work");
        (layer.layer(inner).boxed_exporter(), text, Law::Split)
    }

    fn retry(&mut self, inner: BoxExporter) -> (BoxExporter, String, Law) {
        let mut policy = RetryPolicy::new()
            .initial_backoff(self.millis(10..2_000))
            .max_backoff(self.millis(10..10_000))
            .max_elapsed(self.millis(100..60_000));
        if self.one_in(3) {
            policy = policy.max_attempts(self.rng.u32(1..6));
        }
        if self.rng.bool() {
            policy = policy.lifecycle(self.lifecycle);
        }
        let text = format!("retry {policy:?}");
        let made = RetryLayer::new(policy).layer(inner).boxed_exporter();
        (made, text, Law::Retry)
    }

    fn tower_retry(&mut self, inner: BoxExporter) -> (BoxExporter, String, Law) {
        let policy = AllAgain {
            left: self.rng.u32(1..4),
            wait: self.millis(0..2_000),
        };
        let text = format!("tower-retry {policy:?}");
        let made = Retry::new(policy, inner).boxed_exporter();
        (made, text, Law::Again)
    }

    fn breaker(&mut self, inner: BoxExporter) -> (BoxExporter, String) {
        let first = self.millis(1..5_000);
        let mut policy = CircuitBreakerPolicy::new()
            .consecutive_failures(self.rng.u32(1..6))
            .open_for(first, first * self.rng.u32(1..5))
            .probes(self.rng.u32(1..4))
            .probe_timeout(self.millis(1..5_000));
        if self.rng.bool() {
            policy = policy.no_failure_rate();
        }
        let pending = self.rng.bool();
        let text = format!("breaker pending={pending} {policy:?}");
        let layer = match pending {
            true => CircuitBreakerLayer::pending(policy),
            false => CircuitBreakerLayer::error(policy),
        };
        (layer.expect("can work").layer(inner).boxed_exporter(), text)
    }

    fn observe(&mut self, made: Made, depth: usize, requests: bool) -> Made {
        let recorder = Recorder::new();
        let (layer, name) = match requests {
            true => (ObserveLayer::request(recorder.clone()), "observe"),
            false => (ObserveLayer::attempt(recorder.clone()), "observe-attempts"),
        };
        let service = layer.layer(made.service).boxed_exporter();
        self.say(depth, name.to_owned());
        let made = self.node(service, name, Law::Relay, vec![made.tap], made.goal);
        if let Some(node) = self.plan.nodes.last_mut() {
            node.recorder = Some(recorder);
        }
        made
    }

    /// A part of the pipeline with books of its own.
    fn track(&mut self, made: Made, depth: usize) -> Made {
        let lifecycle = Lifecycle::new();
        let service = lifecycle.layer().layer(made.service).boxed_exporter();
        self.say(depth, "track".to_owned());
        let made = self.node(service, "track", Law::Relay, vec![made.tap], made.goal);
        self.plan.inner_lifecycles.push((lifecycle, made.tap));
        made
    }

    fn batch(&mut self, made: Made, depth: usize) -> Made {
        let config = BatchConfig::new()
            .max_items(self.rng.u64(1..40))
            .max_bytes(self.rng.usize(20..2_000))
            .timeout(self.millis(0..3_000))
            .max_in_flight(self.rng.usize(1..4))
            .max_keys(self.rng.usize(1..5))
            .lifecycle(self.lifecycle);
        self.plan.has_batch = true;
        self.plan.has_worker = true;
        self.say(depth, format!("batch {config:?}"));
        let layer = BatchLayer::new(config).expect("can work");
        let service = layer.layer(made.service).boxed_exporter();
        self.node(service, "batch", Law::Batch, vec![made.tap], made.goal)
    }

    fn queue(&mut self, made: Made, depth: usize) -> Made {
        let initial = self.millis(1..3_000);
        let mut config = QueueConfig::new()
            .concurrency(self.rng.usize(1..5))
            .initial_backoff(initial)
            .max_backoff(initial * self.rng.u32(1..5))
            .max_requests(self.rng.usize(1..20))
            .max_bytes(self.rng.usize(500..20_000))
            .overflow(match self.rng.u8(0..3) {
                0 => Overflow::Block,
                1 => Overflow::RejectNew,
                _ => Overflow::DropOldest,
            })
            .lifecycle(self.lifecycle);
        let early = self.rng.bool() && self.answers_early;
        if early {
            config = config.acknowledge(Acknowledge::OnEnqueue);
        }
        // One bound at least: a timeout below may be shorter than the backend is slow, for ever.
        let bounds = self.rng.u8(0..3);
        if bounds < 2 {
            config = config.max_redeliveries(self.rng.u32(0..6));
        }
        if bounds > 0 {
            config = config.max_age(self.millis(100..60_000));
        }
        let (mut goal, mut lower) = (made.goal, vec![made.tap]);
        if self.one_in(3) {
            let (backend, number, text) = Backend::new(self.rng, self.world);
            self.say(depth, format!("dead letters to {text}"));
            goal = Goal::Any(vec![goal, Goal::Backend(number)]);
            let place = format!("dead letters {number}");
            let (letters, tap) = Tap::over(backend.boxed_exporter(), place, self.world);
            lower.push(tap);
            config = config.dead_letter(letters);
        }
        self.plan.has_worker = true;
        self.say(depth, format!("queue {config:?}"));
        let layer = QueueLayer::new(config).expect("can work");
        let service = layer.layer(made.service).boxed_exporter();
        self.node(service, "queue", Law::Queue { early }, lower, goal)
    }
}

/// A policy such as people write for tower: it knows nothing of remainders.
#[derive(Clone, Debug)]
struct AllAgain {
    left: u32,
    wait: Duration,
}

impl Policy<ExportRequest, ExportResponse, ExportError> for AllAgain {
    type Future = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

    fn retry(
        &mut self,
        _: &mut ExportRequest,
        result: &mut Result<ExportResponse, ExportError>,
    ) -> Option<Self::Future> {
        if result.is_ok() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(Box::pin(sleep(self.wait)))
    }

    fn clone_request(&mut self, request: &ExportRequest) -> Option<ExportRequest> {
        Some(request.clone())
    }
}
