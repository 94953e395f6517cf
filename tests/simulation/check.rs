//! The law: what was accepted is delivered, or kept, or counted as rejected or dropped.

use std::collections::HashSet;

use tower_otlp::{DrainReport, DropReason, ExportError, ExportResponse};

use super::{
    items,
    run::{Ending, Outcome, Seen, Totals},
};

/// What is wrong, and the item that shows it.
type Wrong = (String, Option<u64>);

/// The equation of a report.
pub fn sum(report: &DrainReport, when: &str) -> Option<String> {
    let right = report.delivered
        + report.rejected
        + report.refused
        + report.cancelled
        + report.retained
        + report.dropped
        + report.in_flight;
    (report.accepted != right).then(|| {
        format!(
            "{when}: accepted {} is not the sum {right} of {report:?}",
            report.accepted
        )
    })
}

pub fn judge(seen: &Seen) -> Result<Totals, Wrong> {
    if let Some(broken) = seen.broken_sums.first() {
        return Err((broken.clone(), None));
    }
    let report = &seen.last;
    if report.in_flight > 0 || report.retained > 0 {
        return Err((format!("not settled: {report:?}"), None));
    }
    if let Some(shut) = &seen.at_shutdown
        && (shut.in_flight > 0 || shut.retained > 0)
    {
        return Err((format!("left over by the shutdown: {shut:?}"), None));
    }
    if let Some((_, lost)) = report
        .drops()
        .find(|(why, _)| *why == DropReason::Abandoned)
    {
        return Err((format!("a worker abandoned {lost} items"), None));
    }
    for outcome in &seen.outcomes {
        match &outcome.ending {
            Ending::Answered(Ok(response)) => acknowledged(seen, outcome, response)?,
            Ending::Answered(Err(error)) => failed(seen, outcome, error)?,
            Ending::Left => {}
        }
    }
    overall(seen)
}

/// The items of a request that too few destinations have.
fn missing(seen: &Seen, outcome: &Outcome) -> Vec<u64> {
    let world = seen.world.see();
    let lacks = |id: &&u64| {
        let have = seen.plan.destinations.iter();
        have.filter(|backends| world.has(backends, **id)).count() < seen.plan.needed
    };
    outcome.ids.iter().filter(lacks).copied().collect()
}

/// Whether the answer to a request is about its own items and no others'.
fn speaks_for_itself(seen: &Seen) -> bool {
    !seen.plan.has_batch
}

fn acknowledged(seen: &Seen, outcome: &Outcome, response: &ExportResponse) -> Result<(), Wrong> {
    let (delivered, rejected, retained) = (
        response.delivered_items(),
        response.rejected_items(),
        response.retained_items(),
    );
    let items = outcome.ids.len() as u64;
    let first = outcome.ids.first().copied();
    if delivered + rejected + retained != items {
        return Err((
            format!("an answer about {items} items has {delivered} + {rejected} + {retained}"),
            first,
        ));
    }
    if !speaks_for_itself(seen) || (seen.plan.has_fan_out && seen.plan.answers_early) {
        return Ok(());
    }
    // Each destination may lack other items: each by itself must lack no more than was said.
    let world = seen.world.see();
    let within = |backends: &&Vec<usize>| {
        let lacks = outcome.ids.iter().filter(|id| !world.has(backends, **id));
        lacks.count() as u64 <= rejected + retained
    };
    let enough = seen.plan.destinations.iter().filter(within).count();
    drop(world);
    if enough >= seen.plan.needed {
        return Ok(());
    }
    // A split above a fan-out asks each branch about each piece by itself.
    let missing = missing(seen, outcome);
    if missing.len() as u64 <= rejected + retained {
        return Ok(());
    }
    Err((
        format!(
            "acknowledged and nowhere: {missing:?}, but only {rejected} are said to be rejected \
             and {retained} retained"
        ),
        missing.first().copied().or(first),
    ))
}

fn failed(seen: &Seen, outcome: &Outcome, error: &ExportError) -> Result<(), Wrong> {
    let (Some(progress), Some(left)) = (error.progress(), error.remainder()) else {
        return Ok(());
    };
    let items = outcome.ids.len() as u64;
    let left: HashSet<u64> = items::ids(left).iter().copied().collect();
    let done: Vec<u64> = outcome
        .ids
        .iter()
        .copied()
        .filter(|id| !left.contains(id))
        .collect();
    if let Some(stranger) = left.iter().find(|id| !outcome.ids.contains(id)) {
        return Err((
            "an error has the item of another request".to_owned(),
            Some(*stranger),
        ));
    }
    let counted =
        progress.delivered_items() + progress.rejected_items() + progress.retained_items();
    if !seen.plan.has_fan_out && counted + left.len() as u64 != items {
        return Err((
            format!(
                "an error about {items} items has {counted} done and {} left",
                left.len()
            ),
            outcome.ids.first().copied(),
        ));
    }
    // A branch that only retained what another one delivered may drop it later: that is counted in
    // the report, and is no part of this error.
    if !speaks_for_itself(seen) || (seen.plan.has_fan_out && seen.plan.answers_early) {
        return Ok(());
    }
    let settled = Outcome {
        ids: done,
        ending: Ending::Left,
    };
    let missing = missing(seen, &settled);
    let said = progress.rejected_items() + progress.retained_items();
    if missing.len() as u64 > said {
        return Err((
            format!("not in the remainder and nowhere: {missing:?}, only {said} are accounted for"),
            missing.first().copied(),
        ));
    }
    Ok(())
}

fn overall(seen: &Seen) -> Result<Totals, Wrong> {
    let report = &seen.last;
    let mut totals = Totals {
        requests: seen.outcomes.len() as u64,
        workers: u64::from(seen.plan.has_worker),
        ..Totals::default()
    };
    // A backend tells only how many items of a batch it rejected: some of that may fall to a member
    // whose caller has gone, while the items are another's.
    let shared_out = if seen.plan.has_batch {
        report.cancelled
    } else {
        0
    };
    let counted = report.rejected + report.dropped + report.retained + shared_out;
    let acknowledged: Vec<&Outcome> = seen
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome.ending, Ending::Answered(Ok(_))))
        .collect();
    let within = |backends: &&Vec<usize>| {
        let world = seen.world.see();
        let ids = acknowledged.iter().flat_map(|outcome| &outcome.ids);
        ids.filter(|id| !world.has(backends, **id)).count() as u64 <= counted
    };
    let enough = seen.plan.destinations.iter().filter(within).count();
    let lost: Vec<u64> = acknowledged
        .iter()
        .flat_map(|outcome| missing(seen, outcome))
        .collect();
    if enough < seen.plan.needed && lost.len() as u64 > counted {
        return Err((
            format!(
                "acknowledged and nowhere: {lost:?}, but only {counted} are counted: {report:?}"
            ),
            lost.first().copied(),
        ));
    }
    let world = seen.world.see();
    let mut deliveries = 0;
    for backend in &world.delivered {
        for times in backend.values() {
            deliveries += u64::from(*times);
            totals.duplicates += u64::from(*times) - 1;
        }
    }
    if report.delivered > deliveries {
        return Err((
            format!(
                "{} items are said to be delivered, {deliveries} are",
                report.delivered
            ),
            None,
        ));
    }
    let entered = world.entered.len() as u64;
    if report.accepted < entered {
        return Err((
            format!("{entered} items came in, {} are counted", report.accepted),
            None,
        ));
    }
    // Without an error, and with nothing cut off, nothing is ambiguous: the counts are exact.
    if world.clean && !seen.plan.has_fan_out {
        totals.exact = 1;
        if !(report.delivered..=report.delivered + late(report)).contains(&deliveries) {
            return Err((
                format!(
                    "{deliveries} items are delivered, {} are counted",
                    report.delivered
                ),
                None,
            ));
        }
        if report.accepted != entered {
            return Err((
                format!("{entered} items came in, {} are counted", report.accepted),
                None,
            ));
        }
    }
    Ok(totals)
}

/// What was late at a shutdown counts as dropped, whatever becomes of it afterwards.
fn late(report: &DrainReport) -> u64 {
    let late = report
        .drops()
        .filter(|(why, _)| *why == DropReason::Shutdown);
    late.map(|(_, items)| items).sum()
}
