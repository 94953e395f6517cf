//! The report as metrics, by the names of [`layers::observe`](crate::layers::observe#metrics).
//!
//! They are made when they are asked for, from the counts of the recorders: so they agree with
//! the page, are of the moment of the scrape, and cost nothing in between. (A meter of the
//! OpenTelemetry API would cost each request several lookups by attributes.)

mod write;

use std::collections::BTreeMap;

use self::write::{Attributes, Kind, Metric, Writer};
use super::report::{BranchReport, Report};
use crate::{
    ExportError, ExportRequest, Signal,
    layers::observe::{
        BreakerState, Ended, Outcome, QueueState, Role,
        histogram::{BYTES, Durations, SECONDS, Sizes},
    },
};

const NAME: &str = "otel.component.name";
const TYPE: &str = "otel.component.type";
const ERROR: &str = "error.type";
const SIGNAL: &str = "tower_otlp.signal";
const OUTCOME: &str = "tower_otlp.outcome";
const QUEUE: &str = "tower_otlp.queue.name";
const REASON: &str = "tower_otlp.drop.reason";
const STATE: &str = "tower_otlp.circuit_breaker.state";
const ITEM_STATE: &str = "tower_otlp.item.state";

pub(super) fn request(report: &Report) -> Result<ExportRequest, ExportError> {
    let resource = vec![
        ("service.name", &*report.name),
        ("service.version", &*report.version),
    ];
    let start = nanos(report.now.wall_of(report.started));
    let mut writer = Writer::new(&resource, start, nanos(report.now.wall()));
    let branches = report.all_branches();
    pipeline(&mut writer, report);
    items(&mut writer, &branches);
    ends(&mut writer, &branches);
    drops(&mut writer, &branches);
    queues(&mut writer, report, &branches);
    limits(&mut writer, &branches);
    let bytes = writer.finish();
    Ok(ExportRequest::from_protobuf(Signal::Metrics, bytes)?)
}

fn nanos(since: std::time::Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

const fn metric(name: &'static str, unit: &'static str, description: &'static str) -> Metric {
    Metric {
        name,
        unit,
        description,
    }
}

fn pipeline(writer: &mut Writer, report: &Report) {
    writer.numbers(
        metric("process.uptime", "s", "For how long it has been running."),
        Kind::Gauge,
        [(vec![], report.uptime().as_secs_f64())],
    );
    writer.numbers(
        metric(
            "tower_otlp.pipeline.draining",
            "",
            "1 while the pipeline drains.",
        ),
        Kind::Gauge,
        [(vec![], u64::from(report.is_draining))],
    );
    let items = &report.items;
    writer.numbers(
        metric(
            "tower_otlp.pipeline.accepted",
            "{item}",
            "Items that the pipeline accepted.",
        ),
        Kind::UpDown,
        [(vec![], items.accepted)],
    );
    let states = [
        ("delivered", items.delivered),
        ("rejected", items.rejected),
        ("refused", items.refused),
        ("cancelled", items.cancelled),
        ("retained", items.retained),
        ("dropped", items.dropped),
        ("in_flight", items.in_flight),
    ];
    writer.numbers(
        metric(
            "tower_otlp.pipeline.item.count",
            "{item}",
            "What became of the items that the pipeline accepted.",
        ),
        Kind::UpDown,
        states.map(|(state, items)| (vec![(ITEM_STATE, state)], items)),
    );
}

/// The name of an exporter in the semantic conventions, one a signal.
const fn component_type(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "tower_otlp_span_exporter",
        Signal::Metrics => "tower_otlp_metric_exporter",
        Signal::Logs => "tower_otlp_log_exporter",
    }
}

fn component(branch: &BranchReport, signal: Signal) -> Attributes<'_> {
    vec![(NAME, &*branch.name), (TYPE, component_type(signal))]
}

fn with<'a>(mut attributes: Attributes<'a>, more: &[(&'static str, &'a str)]) -> Attributes<'a> {
    attributes.extend_from_slice(more);
    attributes
}

fn with_error<'a>(attributes: Attributes<'a>, error: Option<&'static str>) -> Attributes<'a> {
    match error {
        Some(error) => with(attributes, &[(ERROR, error)]),
        None => attributes,
    }
}

/// What the conventions count by signal, each in a metric of its own.
fn items(writer: &mut Writer, branches: &[&BranchReport]) {
    for signal in Signal::ALL {
        let (in_flight, exported) = match signal {
            Signal::Traces => (
                ("otel.sdk.exporter.span.inflight", "{span}"),
                ("otel.sdk.exporter.span.exported", "{span}"),
            ),
            Signal::Metrics => (
                (
                    "otel.sdk.exporter.metric_data_point.inflight",
                    "{data_point}",
                ),
                (
                    "otel.sdk.exporter.metric_data_point.exported",
                    "{data_point}",
                ),
            ),
            Signal::Logs => (
                ("otel.sdk.exporter.log.inflight", "{log_record}"),
                ("otel.sdk.exporter.log.exported", "{log_record}"),
            ),
        };
        writer.numbers(
            metric(
                in_flight.0,
                in_flight.1,
                "Items handed to the exporter and not finished.",
            ),
            Kind::UpDown,
            branches.iter().map(|branch| {
                let tally = branch.snapshot.requests_of(signal);
                (component(branch, signal), tally.in_flight().items)
            }),
        );
        writer.numbers(
            metric(
                exported.0,
                exported.1,
                "Items whose export has finished, well or badly.",
            ),
            Kind::Counter,
            branches.iter().flat_map(|branch| {
                let ends = exported_items(branch, signal).into_iter();
                ends.map(|(error, items)| (with_error(component(branch, signal), error), items))
            }),
        );
    }
    writer.numbers(
        metric(
            "tower_otlp.exporter.attempt.inflight",
            "{attempt}",
            "Attempts that were started and have not finished.",
        ),
        Kind::UpDown,
        branches.iter().flat_map(|branch| {
            Signal::ALL.map(|signal| {
                let tally = branch.snapshot.attempts_of(signal);
                let name = [(SIGNAL, signal.as_str())];
                (
                    with(component(branch, signal), &name),
                    tally.in_flight().requests,
                )
            })
        }),
    );
}

/// Items by type of error. There is always the number without one, so that a rate has a start.
fn exported_items(branch: &BranchReport, signal: Signal) -> BTreeMap<Option<&'static str>, u64> {
    let tally = branch.snapshot.requests_of(signal);
    let mut items = BTreeMap::from([(None, tally.delivered.items)]);
    let mut add = |error, more| {
        if more > 0 {
            *items.entry(error).or_default() += more;
        }
    };
    add(Outcome::Rejected.error_type(), tally.rejected.items);
    for ended in branch.snapshot.ended() {
        if (ended.role, ended.signal) == (Role::Request, signal) {
            add(ended.outcome.error_type(), ended.undelivered);
        }
    }
    items
}

/// Durations and sizes of what ended: by error and by outcome, each of which several ends have.
fn ends(writer: &mut Writer, branches: &[&BranchReport]) {
    for (role, duration, size) in [
        (
            Role::Request,
            metric(
                "otel.sdk.exporter.operation.duration",
                "s",
                "Duration of an export, all attempts and the waits between them included.",
            ),
            metric(
                "tower_otlp.exporter.request.size",
                "By",
                "Size of finished requests, uncompressed.",
            ),
        ),
        (
            Role::Attempt,
            metric(
                "tower_otlp.exporter.attempt.duration",
                "s",
                "Duration of one attempt to export.",
            ),
            metric(
                "tower_otlp.exporter.attempt.size",
                "By",
                "Size of what one attempt tried to send, uncompressed.",
            ),
        ),
    ] {
        writer.histograms(
            duration,
            &SECONDS,
            branches.iter().flat_map(|branch| {
                let mut sums = BTreeMap::<_, Durations>::new();
                for ended in ended(branch, role) {
                    let sum = sums
                        .entry((ended.signal, ended.outcome.error_type()))
                        .or_default();
                    *sum = sum.plus(&ended.durations);
                }
                sums.into_iter().map(move |((signal, error), durations)| {
                    let mut attributes = component(branch, signal);
                    if role == Role::Attempt {
                        attributes.push((SIGNAL, signal.as_str()));
                    }
                    (with_error(attributes, error), durations)
                })
            }),
        );
        writer.histograms(
            size,
            &BYTES,
            branches.iter().flat_map(|branch| {
                let mut sums = BTreeMap::<_, Sizes>::new();
                for ended in ended(branch, role) {
                    let sum = sums
                        .entry((ended.signal, ended.outcome.as_str()))
                        .or_default();
                    *sum = sum.plus(&ended.sizes);
                }
                sums.into_iter().map(|((signal, outcome), sizes)| {
                    let more = [(SIGNAL, signal.as_str()), (OUTCOME, outcome)];
                    (with(component(branch, signal), &more), sizes)
                })
            }),
        );
    }
}

fn ended(branch: &BranchReport, role: Role) -> impl Iterator<Item = &Ended> {
    let ended = branch.snapshot.ended().iter();
    ended.filter(move |ended| ended.role == role)
}

fn drops(writer: &mut Writer, branches: &[&BranchReport]) {
    writer.numbers(
        metric(
            "tower_otlp.exporter.dropped",
            "{item}",
            "Items that were given up.",
        ),
        Kind::Counter,
        branches.iter().flat_map(|branch| {
            Signal::ALL.into_iter().flat_map(move |signal| {
                let drops = branch.snapshot.drops_of(signal).iter();
                drops.map(move |(reason, amount)| {
                    let more = [(SIGNAL, signal.as_str()), (REASON, reason.as_str())];
                    (with(component(branch, signal), &more), amount.items)
                })
            })
        }),
    );
}

fn each_queue<'a>(
    branches: &'a [&BranchReport],
) -> impl Iterator<Item = (Attributes<'a>, &'a QueueState)> {
    branches.iter().flat_map(|branch| {
        let queues = branch.snapshot.queues().iter();
        queues.map(|state| (vec![(NAME, &*branch.name), (QUEUE, state.queue)], state))
    })
}

fn queues(writer: &mut Writer, report: &Report, branches: &[&BranchReport]) {
    let values: [(Metric, fn(&QueueState) -> Option<u64>); 4] = [
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

fn limits(writer: &mut Writer, branches: &[&BranchReport]) {
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
