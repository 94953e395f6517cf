//! Random pipelines of all layers.
//!
//! Not made, for the documentation of the layer says what it costs: tower's `Buffer` (a caller
//! that goes away takes its telemetry along), a quorum or best effort over branches that batch
//! (rejections are shared out, so nobody knows whose they are), and a fan-out below a route or a
//! fallback (which destinations are needed depends on the way taken).

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tower::{Layer, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer as TowerTimeout};
use tower_otlp::{
    BoxExporter, ExporterExt, Lifecycle,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        admission::{AdmissionBudget, AdmissionLayer},
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        decoded::DecodedLayer,
        fallback::{FallbackLayer, FallbackPolicy},
        fan_out::{FanOutLayer, FanOutPolicy},
        observe::{ObserveLayer, Recorder},
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        rate_limit::{RateLimitLayer, RateLimiter},
        retry::{RetryLayer, RetryPolicy},
        route::Route,
        split::{SplitConfig, SplitLayer},
        timeout::TimeoutLayer,
    },
};

use super::{backend::Backend, tap::Tap, world::World};

/// A pipeline, and what must hold for it.
pub struct Pipeline {
    pub service: BoxExporter,
    pub plan: Plan,
}

/// What is known of a pipeline.
#[derive(Default)]
pub struct Plan {
    /// The layers, outermost first.
    pub text: Vec<String>,
    /// The backends of each destination.
    pub destinations: Vec<Vec<usize>>,
    /// How many destinations must have an item.
    pub needed: usize,
    pub has_batch: bool,
    pub has_worker: bool,
    pub answers_early: bool,
    /// A worker stands below a layer that may give up on it or ask twice.
    pub has_fan_out: bool,
}

struct Maker<'a> {
    rng: &'a mut Rng,
    world: &'a World,
    lifecycle: &'a Lifecycle,
    plan: Plan,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Admission,
    Observe,
    Queue,
    Batch,
    Split,
    TotalTimeout,
    Retry,
    Decoded,
    Breaker,
    RateLimit,
    Adaptive,
    Concurrency,
    TowerTimeout,
    AttemptTimeout,
}

const KINDS: [Kind; 14] = [
    Kind::Admission,
    Kind::Observe,
    Kind::Queue,
    Kind::Batch,
    Kind::TotalTimeout,
    Kind::Split,
    Kind::Decoded,
    Kind::Retry,
    Kind::Breaker,
    Kind::RateLimit,
    Kind::Adaptive,
    Kind::Concurrency,
    Kind::TowerTimeout,
    Kind::AttemptTimeout,
];

/// The pipeline of a seed.
pub fn pipeline(rng: &mut Rng, world: &World, lifecycle: &Lifecycle) -> Pipeline {
    let mut maker = Maker {
        rng,
        world,
        lifecycle,
        plan: Plan::default(),
    };
    let service = maker.trunk();
    let mut plan = maker.plan;
    plan.text.reverse();
    Pipeline { service, plan }
}

impl Maker<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    fn say(&mut self, depth: usize, text: String) {
        self.plan.text.push(format!("{}{text}", "  ".repeat(depth)));
    }

    /// The layers above a junction, if there is one, and all below.
    fn trunk(&mut self) -> BoxExporter {
        let junction = self.rng.u8(0..5);
        let (service, used) = match junction {
            0 => return self.fanned(),
            _ => self.stack(0, 6),
        };
        self.plan.destinations = vec![used];
        self.plan.needed = 1;
        self.finish(service)
    }

    fn fanned(&mut self) -> BoxExporter {
        let count = self.rng.usize(2..=3);
        let policy = match self.rng.u8(0..4) {
            0 => FanOutPolicy::Quorum(self.rng.usize(1..=count)),
            1 => FanOutPolicy::BestEffort,
            _ => FanOutPolicy::All,
        };
        let mut branches = Vec::new();
        let mut destinations = Vec::new();
        for _ in 0..count {
            let (branch, used) = loop {
                let before = (self.plan.text.len(), self.plan.has_batch);
                let made = self.stack(1, 3);
                if !self.plan.has_batch || policy == FanOutPolicy::All {
                    break made;
                }
                self.plan.text.truncate(before.0);
                self.plan.has_batch = before.1;
            };
            self.say(1, "branch".to_owned());
            branches.push(branch);
            destinations.push(used);
        }
        self.plan.needed = match policy {
            FanOutPolicy::Quorum(needed) => needed,
            FanOutPolicy::All => count,
            _ => 1,
        };
        self.plan.has_fan_out = true;
        self.say(0, format!("fan-out {policy:?}"));
        let first = branches.remove(0);
        let service = FanOutLayer::new(branches)
            .policy(policy)
            .layer(first)
            .boxed_exporter();
        let service = Tap::over(service, "fan-out", self.world);
        let all_must = policy == FanOutPolicy::All;
        let (service, used) = self.layers(service, 0, 3, all_must);
        for destination in &mut destinations {
            destination.extend(&used);
        }
        self.plan.destinations = destinations;
        self.finish(service)
    }

    fn finish(&mut self, service: BoxExporter) -> BoxExporter {
        let service = Tap::entrance(service, self.world);
        let service = self.lifecycle.layer().layer(service).boxed_exporter();
        self.say(0, "track".to_owned());
        service
    }

    /// Layers over one or more backends, any of which may take an item.
    fn stack(&mut self, depth: usize, most: usize) -> (BoxExporter, Vec<usize>) {
        let junction = if depth < 2 { self.rng.u8(0..6) } else { 9 };
        let (service, mut used) = match junction {
            0 => {
                let (primary, mut used) = self.stack(depth + 1, 2);
                self.say(depth, "fallback to".to_owned());
                let (secondary, more) = self.stack(depth + 1, 2);
                used.extend(more);
                let policy = FallbackPolicy::new()
                    .after_unready(self.millis(1..20_000))
                    .probe_interval(self.millis(0..20_000))
                    .probe_timeout(self.millis(1..5_000));
                self.say(depth, format!("fallback {policy:?} from"));
                let layer = FallbackLayer::with_policy(secondary, policy).expect("can work");
                (layer.layer(primary).boxed_exporter(), used)
            }
            1 => {
                let (one, mut used) = self.stack(depth + 1, 2);
                self.say(depth, "or to".to_owned());
                let (other, more) = self.stack(depth + 1, 2);
                used.extend(more);
                let (by, value) = match self.rng.u8(0..3) {
                    0 => (Route::by_tenant(), "t1"),
                    1 => (Route::by_signal(), "logs"),
                    _ => (Route::by_attribute("region"), "eu"),
                };
                let routes = by.to(value, one);
                let routes = match self.one_in(4) {
                    true => routes,
                    false => routes.otherwise(other),
                };
                self.say(depth, format!("{routes:?} to"));
                (routes.build().expect("can work").boxed_exporter(), used)
            }
            _ => {
                let (backend, number, text) = Backend::new(self.rng, self.world);
                self.say(depth, text);
                (backend.boxed_exporter(), vec![number])
            }
        };
        let service = Tap::over(service, format!("bottom of {used:?}"), self.world);
        let (service, more) = self.layers(service, depth, most, true);
        used.extend(more);
        (service, used)
    }

    /// Some layers, mostly in the order that suits most pipelines.
    fn layers(
        &mut self,
        mut service: BoxExporter,
        depth: usize,
        most: usize,
        may_batch: bool,
    ) -> (BoxExporter, Vec<usize>) {
        let mut kinds: Vec<Kind> = Vec::new();
        for _ in 0..self.rng.usize(0..=most) {
            kinds.push(KINDS[self.rng.usize(0..KINDS.len())]);
        }
        if !may_batch {
            kinds.retain(|kind| *kind != Kind::Batch);
        }
        if !self.one_in(3) {
            kinds.sort_by_key(|kind| KINDS.iter().position(|known| known == kind));
        }
        let mut used = Vec::new();
        for kind in kinds.into_iter().rev() {
            let (made, text) = self.layer(service, kind, depth, &mut used);
            self.say(depth, text.clone());
            let name = text.split([' ', '{']).next().unwrap_or_default();
            service = Tap::over(made, format!("{name}/{}", self.plan.text.len()), self.world);
        }
        (service, used)
    }

    #[allow(clippy::too_many_lines, reason = "one arm a layer")]
    fn layer(
        &mut self,
        inner: BoxExporter,
        kind: Kind,
        depth: usize,
        used: &mut Vec<usize>,
    ) -> (BoxExporter, String) {
        match kind {
            Kind::Admission => {
                let bytes = self.rng.usize(100..3_000);
                let budget = AdmissionBudget::new(bytes).expect("can work");
                let made = AdmissionLayer::new(budget).layer(inner).boxed_exporter();
                (made, format!("admission {bytes} bytes"))
            }
            Kind::Observe => {
                let layer = ObserveLayer::request(Recorder::new());
                (layer.layer(inner).boxed_exporter(), "observe".to_owned())
            }
            Kind::Queue => self.queue(inner, depth, used),
            Kind::Batch => {
                let config = BatchConfig::new()
                    .max_items(self.rng.u64(1..40))
                    .max_bytes(self.rng.usize(20..2_000))
                    .timeout(self.millis(0..3_000))
                    .max_in_flight(self.rng.usize(1..4))
                    .max_keys(self.rng.usize(1..5))
                    .lifecycle(self.lifecycle);
                self.plan.has_batch = true;
                self.plan.has_worker = true;
                let text = format!("batch {config:?}");
                let layer = BatchLayer::new(config).expect("can work");
                (layer.layer(inner).boxed_exporter(), text)
            }
            Kind::Split => {
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
                let layer = SplitLayer::new(config).expect("can work");
                (
                    layer.layer(inner).boxed_exporter(),
                    format!("split {config:?}"),
                )
            }
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
            Kind::Retry => {
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
                (RetryLayer::new(policy).layer(inner).boxed_exporter(), text)
            }
            Kind::Decoded => {
                let layer = DecodedLayer::new().logs(|_| {}).metrics(|_| {});
                (layer.layer(inner).boxed_exporter(), "decoded".to_owned())
            }
            Kind::Breaker => {
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
            Kind::RateLimit => {
                let rate = 0.5 + self.rng.f64() * 20.0;
                let limiter = match self.rng.u8(0..3) {
                    0 => RateLimiter::items_per_second(rate),
                    1 => RateLimiter::bytes_per_second(rate * 20.0),
                    _ => RateLimiter::requests_per_second(rate),
                };
                let limiter = limiter.expect("can work");
                let text = format!("rate-limit {limiter:?}");
                (
                    RateLimitLayer::new(limiter).layer(inner).boxed_exporter(),
                    text,
                )
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
        }
    }

    fn queue(
        &mut self,
        inner: BoxExporter,
        depth: usize,
        used: &mut Vec<usize>,
    ) -> (BoxExporter, String) {
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
        if self.rng.bool() {
            config = config.acknowledge(Acknowledge::OnEnqueue);
            self.plan.answers_early = true;
        }
        // One bound at least: a timeout below may be shorter than the backend is slow, for ever.
        let bounds = self.rng.u8(0..3);
        if bounds < 2 {
            config = config.max_redeliveries(self.rng.u32(0..6));
        }
        if bounds > 0 {
            config = config.max_age(self.millis(100..60_000));
        }
        if self.one_in(3) {
            let (backend, number, text) = Backend::new(self.rng, self.world);
            self.say(depth, format!("dead letters to {text}"));
            used.push(number);
            let place: Arc<str> = format!("dead letters {number}").into();
            config = config.dead_letter(Tap::over(backend.boxed_exporter(), place, self.world));
        }
        self.plan.has_worker = true;
        let text = format!("queue {config:?}");
        let layer = QueueLayer::new(config).expect("can work");
        (layer.layer(inner).boxed_exporter(), text)
    }
}
