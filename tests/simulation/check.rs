//! The law: what was accepted is delivered, or kept, or counted as rejected or dropped.
//!
//! Item by item against what the backends have, and in sum against the report.

use tower_otlp::{DrainReport, DropReason, Lifecycle};

use super::{
    ledger::{Auditor, Ledger, Range, Wrong},
    pipeline::Goal,
    run::{Run, Totals},
    world::{Call, Seen, Told},
};

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

pub fn judge(run: &Run) -> Result<Totals, Wrong> {
    if let Some(broken) = run.broken_sums.first() {
        return Err((broken.clone(), None));
    }
    let report = &run.last;
    if report.in_flight > 0 || report.retained > 0 {
        return Err((format!("not settled: {report:?}"), None));
    }
    if let Some(shut) = &run.at_shutdown
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
    let seen = &*run.world.see();
    for (lifecycle, tap) in &run.plan.inner_lifecycles {
        inner_books(seen, lifecycle, *tap)?;
    }
    let auditor = Auditor {
        seen,
        plan: &run.plan,
        closed: run.closed,
        ledger: Ledger::default(),
    };
    let ledger = auditor.audit()?;
    let mut totals = Totals {
        requests: run.requests,
        items: run.items,
        workers: u64::from(run.plan.has_worker),
        calls: seen.calls.len() as u64,
        exact: 1,
        ..Totals::default()
    };
    if !identities(run, seen, &ledger)? || ledger.shared_out {
        totals.exact = 0;
    }
    if !books(run, seen, &ledger)? {
        totals.exact = 0;
    }
    deliveries(run, seen, &mut totals)?;
    Ok(totals)
}

impl Goal {
    pub fn has(&self, seen: &Seen, id: u64) -> bool {
        match self {
            Goal::Backend(number) => seen.delivered[*number].contains_key(&id),
            Goal::Any(goals) => goals.iter().any(|goal| goal.has(seen, id)),
            Goal::Of(needed, goals) => {
                goals.iter().filter(|goal| goal.has(seen, id)).count() >= *needed
            }
        }
    }
}

fn entered<'a>(run: &Run, seen: &'a Seen) -> impl Iterator<Item = &'a Call> {
    let entrance = run.plan.entrance;
    seen.calls.iter().filter(move |call| call.tap == entrance)
}

/// Every item that was answered for is where it should be, or somebody said that it is not. Whether
/// the counts say it as exactly.
fn identities(run: &Run, seen: &Seen, ledger: &Ledger) -> Result<bool, Wrong> {
    let mut exact = true;
    for call in entered(run, seen) {
        let Some(told) = &call.told else { continue };
        let done = call.ids.iter().filter(|id| !told.left.contains(id));
        let missing: Vec<u64> = done
            .copied()
            .filter(|id| !run.plan.goal.has(seen, *id))
            .collect();
        for id in &missing {
            let is_told = ledger.given_up.contains(id)
                || seen.rejected.iter().any(|rejected| rejected.contains(id));
            if !is_told {
                let what = "acknowledged and nowhere, and nobody gave it up";
                return Err((what.to_owned(), Some(*id)));
            }
        }
        let missing = missing.len() as u64;
        let most = told.rejected + told.retained;
        if !run.plan.has_batch && !run.plan.has_fan_out && missing > most {
            let what = format!("{missing} items are nowhere, {most} are accounted for");
            return Err((what, call.ids.first().copied()));
        }
        exact &= (told.rejected..=most).contains(&missing);
    }
    Ok(exact)
}

/// What went past a tap, as a lifecycle counts it.
#[derive(Default)]
struct Books {
    delivered: Range,
    rejected: Range,
    refused: Range,
}

impl Books {
    fn add(&mut self, counted: Option<bool>, told: &Told) {
        let all = [
            (&mut self.delivered, told.delivered),
            (&mut self.rejected, told.rejected),
            (&mut self.refused, told.left.len() as u64),
        ];
        for (range, count) in all {
            if counted != Some(false) {
                range.most += count;
            }
            if counted == Some(true) {
                range.least += count;
            }
        }
    }

    fn compare(&self, report: &DrainReport) -> Result<bool, Wrong> {
        let all = [
            ("delivered", self.delivered, report.delivered),
            ("rejected", self.rejected, report.rejected),
            ("refused", self.refused, report.refused),
        ];
        let mut exact = true;
        for (what, Range { least, most }, counted) in all {
            if !(least..=most).contains(&counted) {
                let what = format!("{least} to {most} items are {what}, counted are {report:?}");
                return Err((what, None));
            }
            exact &= least == most;
        }
        Ok(exact)
    }
}

/// The report says what callers were told, and what workers did for callers who were not there.
fn books(run: &Run, seen: &Seen, ledger: &Ledger) -> Result<bool, Wrong> {
    let auditor = Auditor {
        seen,
        plan: &run.plan,
        closed: run.closed,
        ledger: Ledger::default(),
    };
    let mut books = Books::default();
    for call in entered(run, seen) {
        if let Some(told) = &call.told {
            books.add(auditor.counts(call.ended), told);
        }
    }
    for (range, ends) in [
        (&mut books.delivered, ledger.ends.delivered),
        (&mut books.rejected, ledger.ends.rejected),
    ] {
        range.least += ends.least;
        range.most += ends.most;
    }
    let exact = books.compare(&run.last)?;
    let Range { least, most } = ledger.ends.dropped;
    let dropped = run.last.dropped;
    if run.closed.is_none() && !(least..=most).contains(&dropped) {
        let what = format!(
            "{least} to {most} items are given up by workers: {:?}",
            run.last
        );
        return Err((what, None));
    }
    Ok(exact && least == most)
}

/// The books of a part of a pipeline, which is never shut down.
fn inner_books(seen: &Seen, lifecycle: &Lifecycle, tap: usize) -> Result<(), Wrong> {
    let report = lifecycle.report();
    if let Some(broken) = sum(&report, "a part of the pipeline") {
        return Err((broken, None));
    }
    let (mut books, mut accepted) = (Books::default(), 0);
    for call in seen.calls.iter().filter(|call| call.tap == tap) {
        accepted += call.ids.len() as u64;
        if let Some(told) = &call.told {
            books.add(Some(true), told);
            accepted -= told.retained;
        }
    }
    books.compare(&report)?;
    if report.accepted != accepted {
        let what = format!("{accepted} items were accepted by a part: {report:?}");
        return Err((what, None));
    }
    Ok(())
}

fn deliveries(run: &Run, seen: &Seen, totals: &mut Totals) -> Result<(), Wrong> {
    let mut deliveries = 0;
    for backend in &seen.delivered {
        for times in backend.values() {
            deliveries += u64::from(*times);
            totals.duplicates += u64::from(*times) - 1;
        }
    }
    let report = &run.last;
    if report.delivered > deliveries {
        let what = format!(
            "{} items are said to be delivered, {deliveries} are",
            report.delivered
        );
        return Err((what, None));
    }
    let entered: u64 = entered(run, seen).map(|call| call.ids.len() as u64).sum();
    let early: u64 = entered_early(run, seen);
    if report.accepted + early < entered {
        let what = format!("{entered} items came in, {} are counted", report.accepted);
        return Err((what, None));
    }
    Ok(())
}

/// What was answered early, which a queue accepts in place of the lifecycle's layer.
fn entered_early(run: &Run, seen: &Seen) -> u64 {
    let told = entered(run, seen).filter_map(|call| call.told.as_ref());
    told.map(|told| told.retained).sum()
}
