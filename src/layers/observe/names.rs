//! The attributes of the [metrics](super#metrics).

pub(crate) const NAME: &str = "otel.component.name";
pub(crate) const TYPE: &str = "otel.component.type";
pub(crate) const ERROR: &str = "error.type";
pub(crate) const SIGNAL: &str = "tower_otlp.signal";
pub(crate) const OUTCOME: &str = "tower_otlp.outcome";
pub(crate) const QUEUE: &str = "tower_otlp.queue.name";
pub(crate) const REASON: &str = "tower_otlp.drop.reason";
pub(crate) const STATE: &str = "tower_otlp.circuit_breaker.state";
