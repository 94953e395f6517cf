use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use crate::{
    Signal,
    layers::observe::histogram::{BYTES, SECONDS},
};

/// Everything that is measured when it happens.
pub(super) struct Instruments {
    /// Items of logical requests, by signal, in the order of [`Signal::ALL`].
    pub(super) in_flight: [UpDownCounter<i64>; Signal::ALL.len()],
    pub(super) exported: [Counter<u64>; Signal::ALL.len()],
    pub(super) duration: Histogram<f64>,
    pub(super) request_size: Histogram<u64>,
    pub(super) attempts_in_flight: UpDownCounter<i64>,
    pub(super) attempt_duration: Histogram<f64>,
    pub(super) attempt_size: Histogram<u64>,
    pub(super) queue_wait: Histogram<f64>,
    pub(super) dropped: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            in_flight: Signal::ALL.map(|signal| {
                let (name, unit) = standard(signal);
                meter
                    .i64_up_down_counter(format!("otel.sdk.exporter.{name}.inflight"))
                    .with_unit(unit)
                    .with_description("Items handed to the exporter and not finished.")
                    .build()
            }),
            exported: Signal::ALL.map(|signal| {
                let (name, unit) = standard(signal);
                meter
                    .u64_counter(format!("otel.sdk.exporter.{name}.exported"))
                    .with_unit(unit)
                    .with_description("Items whose export has finished, well or badly.")
                    .build()
            }),
            duration: seconds(
                meter,
                "otel.sdk.exporter.operation.duration",
                "Duration of an export, all attempts and the waits between them included.",
            ),
            request_size: bytes(
                meter,
                "tower_otlp.exporter.request.size",
                "Size of finished requests, uncompressed.",
            ),
            attempts_in_flight: meter
                .i64_up_down_counter("tower_otlp.exporter.attempt.inflight")
                .with_unit("{attempt}")
                .with_description("Attempts that were started and have not finished.")
                .build(),
            attempt_duration: seconds(
                meter,
                "tower_otlp.exporter.attempt.duration",
                "Duration of one attempt to export.",
            ),
            attempt_size: bytes(
                meter,
                "tower_otlp.exporter.attempt.size",
                "Size of what one attempt tried to send, uncompressed.",
            ),
            queue_wait: seconds(
                meter,
                "tower_otlp.queue.wait.duration",
                "For how long a request was in the queue.",
            ),
            dropped: meter
                .u64_counter("tower_otlp.exporter.dropped")
                .with_unit("{item}")
                .with_description("Items that were given up.")
                .build(),
        }
    }
}

/// The name of an item in the semantic conventions, and its unit.
const fn standard(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Traces => ("span", "{span}"),
        Signal::Metrics => ("metric_data_point", "{data_point}"),
        Signal::Logs => ("log", "{log_record}"),
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(description)
        .with_boundaries(SECONDS.to_vec())
        .build()
}

fn bytes(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<u64> {
    meter
        .u64_histogram(name)
        .with_unit("By")
        .with_description(description)
        .with_boundaries(BYTES.to_vec())
        .build()
}
