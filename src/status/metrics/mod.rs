//! The report as metrics, by the names of [`layers::observe`](crate::layers::observe#metrics).
//!
//! They are made when they are asked for, from the counts of the recorders: so they agree with
//! the page, are of the moment of the scrape, and cost nothing in between. (A meter of the
//! OpenTelemetry API would cost each request several lookups by attributes.)

mod gauges;
mod write;

use std::collections::BTreeMap;

use self::write::{Attributes, Kind, Metric, Writer};
use super::report::{BranchReport, Report};
use crate::{
    ExportError, ExportRequest, Signal,
    layers::observe::{
        Ended, Outcome, Role,
        histogram::{BYTES, Durations, SECONDS, Sizes},
        names::{ERROR, NAME, OUTCOME, REASON, SIGNAL, TYPE},
    },
};

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
    gauges::queues(&mut writer, report, &branches);
    gauges::limits(&mut writer, &branches);
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
