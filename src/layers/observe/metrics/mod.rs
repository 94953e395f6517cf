//! The sink over the OpenTelemetry metrics API.

mod gauges;
mod instruments;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry::{Key, KeyValue, StringValue, metrics::Meter};

use self::instruments::Instruments;
use super::{
    Amount, Event, Finished, Observer, Role,
    event::{REJECTED, place},
    gauges::Gauges,
    names::{ERROR, NAME, OUTCOME, QUEUE, REASON, SIGNAL, TYPE},
};
use crate::Signal;

/// Measures with the OpenTelemetry metrics API. What each metric means is in the table of the
/// [module](super#metrics).
///
/// ```
/// use opentelemetry::metrics::Meter;
/// use tower_otlp::Signal;
/// use tower_otlp::layers::observe::{MetricsObserver, ObserveLayer, SharedObserver};
///
/// fn observers(meter: &Meter) -> (ObserveLayer, ObserveLayer) {
///     let observer = SharedObserver::new(
///         MetricsObserver::new(meter, "traces-to-eu")
///             .component_type(Signal::Traces, "otlp_grpc_span_exporter"),
///     );
///     (ObserveLayer::request(observer.clone()), ObserveLayer::attempt(observer))
/// }
/// # observers(&opentelemetry::global::meter("tower-otlp"));
/// ```
///
/// The observable instruments (queues, circuit breaker, concurrency limit) report until the
/// observer is dropped. Recording allocates nothing of its own.
///
/// The metrics may well be exported by the observed pipeline itself: a measurement is a number
/// that is added, so that this does not feed itself as logs would. Each export of metrics is then
/// seen in the next one.
pub struct MetricsObserver {
    name: StringValue,
    types: [StringValue; Signal::ALL.len()],
    instruments: Instruments,
    gauges: Arc<Mutex<Gauges>>,
}

impl MetricsObserver {
    /// Makes the instruments with this meter. `name` is the value of `otel.component.name`: it
    /// should tell this exporter from the others in the process, and be the same after a restart.
    #[must_use]
    pub fn new(meter: &Meter, name: impl Into<Arc<str>>) -> Self {
        let name = StringValue::from(name.into());
        let gauges = Arc::default();
        gauges::register(meter, &name, &gauges);
        Self {
            name,
            types: [
                "tower_otlp_span_exporter".into(),
                "tower_otlp_metric_exporter".into(),
                "tower_otlp_log_exporter".into(),
            ],
            instruments: Instruments::new(meter),
            gauges,
        }
    }

    /// Sets the value of `otel.component.type` for this signal. The semantic conventions have
    /// some, such as `otlp_grpc_span_exporter`, `otlp_http_metric_exporter` and
    /// `otlp_http_json_log_exporter`. The default is `tower_otlp_span_exporter` and the like.
    #[must_use]
    pub fn component_type(mut self, signal: Signal, name: impl Into<Arc<str>>) -> Self {
        self.types[place(signal)] = StringValue::from(name.into());
        self
    }

    fn name(&self) -> KeyValue {
        text(NAME, self.name.clone())
    }

    fn kind(&self, signal: Signal) -> KeyValue {
        text(TYPE, self.types[place(signal)].clone())
    }

    fn finished(&self, finished: &Finished) {
        let (signal, error_type) = (finished.signal, finished.outcome.error_type());
        let seconds = finished.duration.as_secs_f64();
        let sized = [
            self.name(),
            self.kind(signal),
            text(SIGNAL, signal.as_str()),
            text(OUTCOME, finished.outcome.as_str()),
        ];
        match finished.role {
            Role::Request => {
                self.in_flight(signal, finished.amount, false);
                let parts = [
                    (finished.delivered, None),
                    (finished.rejected, Some(REJECTED)),
                    // A request that failed or was cancelled has an error type of its own.
                    (finished.failed, error_type),
                    (finished.cancelled, error_type),
                ];
                for (items, error_type) in parts {
                    if items > 0 {
                        self.exported(signal, items, error_type);
                    }
                }
                let duration = &self.instruments.duration;
                match error_type {
                    None => duration.record(seconds, &[self.name(), self.kind(signal)]),
                    Some(error) => duration.record(
                        seconds,
                        &[self.name(), self.kind(signal), text(ERROR, error)],
                    ),
                }
                self.instruments
                    .request_size
                    .record(finished.amount.bytes, &sized);
            }
            Role::Attempt => {
                self.attempts_in_flight(signal, -1);
                let duration = &self.instruments.attempt_duration;
                let signal_name = text(SIGNAL, signal.as_str());
                match error_type {
                    None => {
                        duration.record(seconds, &[self.name(), self.kind(signal), signal_name]);
                    }
                    Some(error) => duration.record(
                        seconds,
                        &[
                            self.name(),
                            self.kind(signal),
                            signal_name,
                            text(ERROR, error),
                        ],
                    ),
                }
                self.instruments
                    .attempt_size
                    .record(finished.amount.bytes, &sized);
            }
        }
    }

    fn exported(&self, signal: Signal, items: u64, error_type: Option<&'static str>) {
        let counter = &self.instruments.exported[place(signal)];
        match error_type {
            None => counter.add(items, &[self.name(), self.kind(signal)]),
            Some(error) => {
                counter.add(items, &[self.name(), self.kind(signal), text(ERROR, error)])
            }
        }
    }

    fn in_flight(&self, signal: Signal, amount: Amount, more: bool) {
        let items = i64::try_from(amount.items).unwrap_or(i64::MAX);
        self.instruments.in_flight[place(signal)].add(
            if more { items } else { -items },
            &[self.name(), self.kind(signal)],
        );
    }

    fn attempts_in_flight(&self, signal: Signal, change: i64) {
        self.instruments.attempts_in_flight.add(
            change,
            &[
                self.name(),
                self.kind(signal),
                text(SIGNAL, signal.as_str()),
            ],
        );
    }
}

impl Observer for MetricsObserver {
    fn observe(&self, event: Event) {
        match &event {
            Event::Started {
                role: Role::Request,
                signal,
                amount,
            } => self.in_flight(*signal, *amount, true),
            Event::Started {
                role: Role::Attempt,
                signal,
                ..
            } => self.attempts_in_flight(*signal, 1),
            Event::Finished(finished) => self.finished(finished),
            Event::Dequeued {
                queue,
                signal,
                waited,
                ..
            } => self.instruments.queue_wait.record(
                waited.as_secs_f64(),
                &[
                    self.name(),
                    text(QUEUE, *queue),
                    text(SIGNAL, signal.as_str()),
                ],
            ),
            Event::Dropped {
                reason,
                signal,
                amount,
            } => self.instruments.dropped.add(
                amount.items,
                &[
                    self.name(),
                    self.kind(*signal),
                    text(SIGNAL, signal.as_str()),
                    text(REASON, reason.as_str()),
                ],
            ),
            Event::Queue(_) | Event::Breaker(_) | Event::ConcurrencyLimit { .. } => self
                .gauges
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .update(&event),
        }
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver")
            .field("name", &self.name.as_str())
            .finish_non_exhaustive()
    }
}

/// No allocation: keys are static, and so are values but for the names, which are counted
/// references.
fn text(key: &'static str, value: impl Into<StringValue>) -> KeyValue {
    KeyValue::new(Key::from_static_str(key), value.into())
}
