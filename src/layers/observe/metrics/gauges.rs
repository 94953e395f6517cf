use std::sync::{Arc, Mutex, PoisonError, Weak};

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{AsyncInstrument, Meter},
};

use super::text;
use crate::layers::observe::{
    BreakerState, QueueState,
    gauges::Gauges,
    names::{NAME, QUEUE, STATE},
};

/// Makes the instruments that are asked for their value when metrics are collected.
///
/// They hold the values weakly: the meter keeps a callback for as long as it lives itself.
pub(super) fn register(meter: &Meter, name: &StringValue, gauges: &Arc<Mutex<Gauges>>) {
    let source = || Source {
        name: name.clone(),
        gauges: Arc::downgrade(gauges),
    };
    queue(
        meter,
        source(),
        "tower_otlp.queue.request.count",
        "{request}",
        "Requests in the queue.",
        |state| Some(state.held.requests),
    );
    queue(
        meter,
        source(),
        "tower_otlp.queue.request.capacity",
        "{request}",
        "Requests that the queue can hold.",
        |state| state.max_requests,
    );
    queue(
        meter,
        source(),
        "tower_otlp.queue.size",
        "By",
        "Size of the requests in the queue, uncompressed.",
        |state| Some(state.held.bytes),
    );
    queue(
        meter,
        source(),
        "tower_otlp.queue.capacity",
        "By",
        "Size of the requests that the queue can hold.",
        |state| state.max_bytes,
    );
    let from = source();
    meter
        .f64_observable_gauge("tower_otlp.queue.oldest.age")
        .with_unit("s")
        .with_description("For how long the oldest request has been in the queue.")
        .with_callback(move |instrument| {
            from.each_queue(|state, attributes| {
                instrument.observe(state.oldest_age().as_secs_f64(), attributes);
            });
        })
        .build();
    let from = source();
    meter
        .i64_observable_up_down_counter("tower_otlp.circuit_breaker.status")
        .with_unit("{circuit_breaker}")
        .with_description("1 for the state that the circuit breaker is in, 0 for the others.")
        .with_callback(move |instrument| from.breaker(instrument))
        .build();
    let from = source();
    meter
        .i64_observable_up_down_counter("tower_otlp.concurrency.limit")
        .with_unit("{request}")
        .with_description("Requests that may be in flight at once.")
        .with_callback(move |instrument| {
            if let Some(limit) = from.values().and_then(|values| values.concurrency_limit) {
                instrument.observe(count(limit), &[from.name()]);
            }
        })
        .build();
}

fn queue(
    meter: &Meter,
    from: Source,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    value: fn(&QueueState) -> Option<u64>,
) {
    meter
        .i64_observable_up_down_counter(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |instrument| {
            from.each_queue(|state, attributes| {
                if let Some(value) = value(state) {
                    instrument.observe(count(value), attributes);
                }
            });
        })
        .build();
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Source {
    name: StringValue,
    gauges: Weak<Mutex<Gauges>>,
}

impl Source {
    fn name(&self) -> KeyValue {
        text(NAME, self.name.clone())
    }

    /// A copy: the lock is not held while the SDK is at work. `None` once the observer is gone.
    fn values(&self) -> Option<Gauges> {
        let gauges = self.gauges.upgrade()?;
        let values = gauges.lock().unwrap_or_else(PoisonError::into_inner);
        Some(values.clone())
    }

    fn each_queue(&self, mut each: impl FnMut(&QueueState, &[KeyValue])) {
        for state in self.values().iter().flat_map(|values| &values.queues) {
            each(state, &[self.name(), text(QUEUE, state.queue)]);
        }
    }

    fn breaker(&self, instrument: &dyn AsyncInstrument<i64>) {
        let Some(now) = self.values().and_then(|values| values.breaker) else {
            return;
        };
        for state in BreakerState::ALL {
            instrument.observe(
                i64::from(state == now),
                &[self.name(), text(STATE, state.as_str())],
            );
        }
    }
}
