//! Layers by name, and the pipeline that they make.

use std::time::Duration;

use tower::{BoxError, Layer as _, ServiceBuilder, limit::ConcurrencyLimitLayer};
use tower_otlp::{
    BoxExporter, ExportRequest, Exporter, ExporterExt, Lifecycle, ServiceBuilderExt,
    layers::{
        adaptive_concurrency::AdaptiveConcurrencyLayer,
        admission::{AdmissionBudget, AdmissionLayer},
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        decoded::DecodedLayer,
        fallback::FallbackLayer,
        fan_out::{FanOut, FanOutPolicy},
        observe::Recorder,
        queue::{Acknowledge, QueueConfig, QueueLayer},
        rate_limit::{RateLimitLayer, RateLimiter},
        retry::{RetryLayer, RetryPolicy},
        route::Route,
        split::{SplitConfig, SplitLayer},
        timeout::TimeoutLayer,
    },
};

use crate::backend::{Backend, SECOND};

/// Every layer that may be named, and how it is set.
pub const LAYERS: &[(&str, &str)] = &[
    ("admission", "ours; 1 MB in flight"),
    ("track", "ours; one lifecycle for the whole pipeline"),
    ("observe", "ours; counts with a Recorder"),
    ("queue", "ours; answers on delivery"),
    ("queue=enqueue", "the same; answers on enqueue"),
    ("batch", "ours; 40 items or 0.2 s"),
    ("split", "ours; on TooLarge"),
    ("fan-out", "ours; to two backends, the rest in each branch"),
    ("fan-out=best-effort", "the same; never an error"),
    ("route", "ours; all to one backend"),
    ("fallback", "ours; to an archive"),
    ("decoded", "ours; edits nothing"),
    ("total-timeout", "ours; 20 s"),
    ("retry", "ours; waits of 1 s at most, for 30 s"),
    ("retry=3", "the same; 3 attempts at most"),
    ("circuit-breaker", "ours; 3 failures, 5 s; pending"),
    ("circuit-breaker=error", "the same; an error while open"),
    ("rate-limit", "ours; 40 items a second"),
    ("adaptive-concurrency", "ours"),
    ("attempt-timeout", "ours; 5 s"),
    ("concurrency-limit", "tower's; 1 request"),
    ("load-shed", "tower's"),
    ("buffer", "tower's; 8 requests"),
    ("timeout", "tower's; 5 s"),
];

/// The order of the documentation, with those layers that need no second backend.
pub const CANONICAL: &[&str] = &[
    "admission",
    "track",
    "observe",
    "queue",
    "batch",
    "split",
    "total-timeout",
    "retry",
    "circuit-breaker",
    "rate-limit",
    "adaptive-concurrency",
    "attempt-timeout",
];

/// What the layers of one pipeline share.
pub struct Site {
    pub lifecycle: Lifecycle,
    /// The second is for a fan-out.
    pub backends: [Backend; 2],
    /// For a fallback.
    pub archive: Backend,
}

impl Site {
    pub fn all(&self) -> impl Iterator<Item = &Backend> {
        self.backends.iter().chain([&self.archive])
    }

    /// These layers, the outermost first, over the first backend.
    pub fn build(&self, layers: &[&str]) -> Result<BoxExporter, BoxError> {
        self.over(layers, &self.backends[0])
    }

    fn over(&self, layers: &[&str], backend: &Backend) -> Result<BoxExporter, BoxError> {
        let Some((layer, rest)) = layers.split_first() else {
            return Ok(backend.exporter());
        };
        let archive = self.archive.exporter();
        let inner = self.over(rest, backend)?;
        Ok(match *layer {
            "admission" => {
                boxed(AdmissionLayer::new(AdmissionBudget::new(1_000_000)?).layer(inner))
            }
            "track" => boxed(self.lifecycle.layer().layer(inner)),
            "observe" => boxed(
                ServiceBuilder::new()
                    .observed(Recorder::new())
                    .service(inner),
            ),
            "queue" => boxed(QueueLayer::new(self.queue())?.layer(inner)),
            "queue=enqueue" => {
                let queue = self.queue().acknowledge(Acknowledge::OnEnqueue);
                boxed(QueueLayer::new(queue)?.layer(inner))
            }
            "batch" => {
                let batch = BatchConfig::new().max_items(40).lifecycle(&self.lifecycle);
                boxed(BatchLayer::new(batch)?.layer(inner))
            }
            "split" => boxed(SplitLayer::new(SplitConfig::new())?.layer(inner)),
            "fan-out" => boxed(self.fan_out(inner, rest)?),
            "fan-out=best-effort" => {
                boxed(self.fan_out(inner, rest)?.policy(FanOutPolicy::BestEffort))
            }
            "route" => boxed(
                Route::by_tenant()
                    .to("none", archive)
                    .otherwise(inner)
                    .build()?,
            ),
            "fallback" => boxed(FallbackLayer::new(archive).layer(inner)),
            "decoded" => boxed(DecodedLayer::new().layer(inner)),
            "total-timeout" => boxed(TimeoutLayer::total(20 * SECOND).layer(inner)),
            "retry" => boxed(RetryLayer::new(self.retry()).layer(inner)),
            "retry=3" => boxed(RetryLayer::new(self.retry().max_attempts(3)).layer(inner)),
            "circuit-breaker" => boxed(CircuitBreakerLayer::pending(self.breaker())?.layer(inner)),
            "circuit-breaker=error" => {
                boxed(CircuitBreakerLayer::error(self.breaker())?.layer(inner))
            }
            "rate-limit" => {
                let limiter = RateLimiter::items_per_second(40.0)?;
                boxed(RateLimitLayer::new(limiter).layer(inner))
            }
            "adaptive-concurrency" => boxed(AdaptiveConcurrencyLayer::new().layer(inner)),
            "attempt-timeout" => boxed(TimeoutLayer::attempt(5 * SECOND).layer(inner)),
            "concurrency-limit" => boxed(ConcurrencyLimitLayer::new(1).layer(inner)),
            "load-shed" => boxed(tower::load_shed::LoadShed::new(inner)),
            "buffer" => boxed(tower::buffer::Buffer::<ExportRequest, _>::new(inner, 8)),
            "timeout" => boxed(tower::timeout::Timeout::new(inner, 5 * SECOND)),
            unknown => return Err(format!("there is no layer {unknown}").into()),
        })
    }

    fn fan_out(&self, first: BoxExporter, rest: &[&str]) -> Result<FanOut, BoxError> {
        Ok(FanOut::new([first, self.over(rest, &self.backends[1])?]))
    }

    fn queue(&self) -> QueueConfig {
        // As many as make a batch.
        QueueConfig::new()
            .concurrency(16)
            .lifecycle(&self.lifecycle)
    }

    /// The same waits at each run.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy::new()
            .max_backoff(SECOND)
            .max_elapsed(30 * SECOND)
            .seed(1)
            .lifecycle(&self.lifecycle)
    }

    fn breaker(&self) -> CircuitBreakerPolicy {
        CircuitBreakerPolicy::new()
            .consecutive_failures(3)
            .open_for(5 * SECOND, Duration::from_secs(20))
            .lifecycle(&self.lifecycle)
    }
}

fn boxed(exporter: impl Exporter) -> BoxExporter {
    exporter.boxed_exporter()
}

/// The picture of a pipeline.
pub fn picture(layers: &[&str]) -> String {
    let row = |name: &str| {
        let about = LAYERS.iter().find(|(known, _)| *known == name);
        format!("{name:<23} {}", about.map_or("", |(_, about)| about))
    };
    let rows: Vec<_> = layers.iter().map(|name| row(name)).collect();
    let width = rows.iter().map(|row| row.chars().count()).max();
    let width = width.unwrap_or(0).max(20);
    let line = "─".repeat(width - 9);
    let mut out = format!("         requests\n            │\n  ┌─────────▼─{line}┐\n");
    for row in rows {
        out += &format!("  │ {row:<width$} │\n");
    }
    out + &format!("  └─────────┬─{line}┘\n            ▼\n         backend\n")
}
