//! What has a value of the moment: queues, circuit breakers, limits.

use super::{
    metric,
    write::{Attributes, Kind, Metric, Writer},
};
use crate::{
    layers::observe::{
        BreakerState, QueueState,
        histogram::SECONDS,
        names::{NAME, QUEUE, SIGNAL, STATE},
    },
    status::report::{BranchReport, Report},
};

fn each_queue<'a>(
    branches: &'a [&BranchReport],
) -> impl Iterator<Item = (Attributes<'a>, &'a QueueState)> {
    branches.iter().flat_map(|branch| {
        let queues = branch.snapshot.queues().iter();
        queues.map(|state| (vec![(NAME, &*branch.name), (QUEUE, state.queue)], state))
    })
}

/// One figure of a queue, if it has that.
type Level = fn(&QueueState) -> Option<u64>;

pub(super) fn queues(writer: &mut Writer, report: &Report, branches: &[&BranchReport]) {
    let values: [(Metric, Level); 4] = [
        (
            metric(
                "tower_otlp.queue.request.count",
                "{request}",
                "Requests in the queue.",
            ),
            |state| Some(state.held.requests),
        ),
        (
            metric(
                "tower_otlp.queue.request.capacity",
                "{request}",
                "Requests that the queue can hold.",
            ),
            |state| state.max_requests,
        ),
        (
            metric(
                "tower_otlp.queue.size",
                "By",
                "Size of the requests in the queue, uncompressed.",
            ),
            |state| Some(state.held.bytes),
        ),
        (
            metric(
                "tower_otlp.queue.capacity",
                "By",
                "Size of the requests that the queue can hold.",
            ),
            |state| state.max_bytes,
        ),
    ];
    for (metric, value) in values {
        let points = each_queue(branches);
        let points = points.filter_map(|(attributes, state)| Some((attributes, value(state)?)));
        writer.numbers(metric, Kind::UpDown, points);
    }
    writer.numbers(
        metric(
            "tower_otlp.queue.oldest.age",
            "s",
            "For how long the oldest request has been in the queue.",
        ),
        Kind::Gauge,
        each_queue(branches).map(|(attributes, state)| {
            let age = state.oldest.map(|since| report.now.age(since));
            (attributes, age.unwrap_or_default().as_secs_f64())
        }),
    );
    writer.histograms(
        metric(
            "tower_otlp.queue.wait.duration",
            "s",
            "For how long a request was in the queue.",
        ),
        &SECONDS,
        branches.iter().flat_map(|branch| {
            branch.snapshot.waits().iter().map(|wait| {
                let attributes = vec![
                    (NAME, &*branch.name),
                    (QUEUE, wait.queue),
                    (SIGNAL, wait.signal.as_str()),
                ];
                (attributes, wait.durations)
            })
        }),
    );
}

pub(super) fn limits(writer: &mut Writer, branches: &[&BranchReport]) {
    writer.numbers(
        metric(
            "tower_otlp.circuit_breaker.status",
            "{circuit_breaker}",
            "1 for the state that the circuit breaker is in, 0 for the others.",
        ),
        Kind::UpDown,
        branches.iter().flat_map(|branch| {
            let now = branch.snapshot.breaker();
            now.into_iter().flat_map(|now| {
                BreakerState::ALL.map(|state| {
                    let attributes = vec![(NAME, &*branch.name), (STATE, state.as_str())];
                    (attributes, u64::from(state == now))
                })
            })
        }),
    );
    writer.numbers(
        metric(
            "tower_otlp.concurrency.limit",
            "{request}",
            "Requests that may be in flight at once.",
        ),
        Kind::UpDown,
        branches.iter().filter_map(|branch| {
            let limit = branch.snapshot.concurrency_limit()?;
            Some((vec![(NAME, &*branch.name)], limit))
        }),
    );
}
