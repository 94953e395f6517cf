//! The report as JSON; the fields are documented in the [module](super#json).

use serde_json::{Map, Value, json};

use super::report::{BranchReport, Now, Report, ends};
use crate::{DrainReport, Signal, layers::observe::QueueState};

pub(super) fn render(report: &Report) -> String {
    json!({
        "name": *report.name,
        "version": *report.version,
        "state": report.state(),
        "time": report.now.wall().as_secs_f64(),
        "uptime_seconds": report.uptime().as_secs_f64(),
        "items": items(&report.items),
        "branches": branches(&report.branches, &report.now),
    })
    .to_string()
}

fn items(items: &DrainReport) -> Value {
    let drops = items
        .drops()
        .map(|(reason, items)| (reason.as_str(), items));
    json!({
        "accepted": items.accepted,
        "delivered": items.delivered,
        "rejected": items.rejected,
        "refused": items.refused,
        "cancelled": items.cancelled,
        "retained": items.retained,
        "dropped": items.dropped,
        "in_flight": items.in_flight,
        "drops": counts(drops),
    })
}

/// Adds up what has the same name.
fn counts<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Value {
    let mut map = Map::new();
    for (name, count) in counts {
        let sum = map.get(name).and_then(Value::as_u64).unwrap_or(0) + count;
        map.insert(name.to_owned(), sum.into());
    }
    map.into()
}

fn branches(branches: &[BranchReport], now: &Now) -> Vec<Value> {
    let branches = branches.iter();
    branches.map(|report| branch(report, now)).collect()
}

fn branch(report: &BranchReport, now: &Now) -> Value {
    let snapshot = &report.snapshot;
    let signals = Signal::ALL.map(|signal| {
        let items = counts(report.items(signal).fields());
        (signal.as_str().to_owned(), items)
    });
    let drops = snapshot.drops().iter();
    let drops = drops.map(|(reason, amount)| (reason.as_str(), amount.items));
    let errors: Vec<_> = report
        .errors()
        .iter()
        .map(|error| {
            json!({
                "type": error.error_type,
                "attempts": error.attempts,
                "requests": error.requests,
                "items": error.items,
            })
        })
        .collect();
    let last_error = report.last_error().map(|error| {
        json!({
            "time": now.wall_of(error.at()).as_secs_f64(),
            "age_seconds": now.age(error.at()).as_secs_f64(),
            "role": error.role().as_str(),
            "type": error.kind().as_str(),
            "message": error.message(),
        })
    });
    json!({
        "name": *report.name,
        "role": report.role.as_str(),
        "state": report.health().as_str(),
        "rate": {
            "items_per_second": report.rate.items,
            "requests_per_second": report.rate.requests,
        },
        "history": report.history,
        "signals": Map::from_iter(signals),
        "requests": counts(ends(&snapshot.requests())),
        "attempts": counts(ends(&snapshot.attempts())),
        "retries": report.retries(),
        "errors": errors,
        "drops": counts(drops),
        "queues": snapshot.queues().iter().map(|state| queue(state, now)).collect::<Vec<_>>(),
        "breaker": snapshot.breaker().map(|state| state.as_str()),
        "concurrency_limit": snapshot.concurrency_limit(),
        "last_error": last_error,
        "others": branches(&report.others, now),
    })
}

fn queue(state: &QueueState, now: &Now) -> Value {
    json!({
        "name": state.queue,
        "requests": state.held.requests,
        "items": state.held.items,
        "bytes": state.held.bytes,
        "max_requests": state.max_requests,
        "max_bytes": state.max_bytes,
        "oldest_age_seconds": state.oldest.map_or(0.0, |since| now.age(since).as_secs_f64()),
    })
}
