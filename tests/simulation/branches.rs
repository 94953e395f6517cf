//! The law of a fan-out: what the answers of its branches come to.

use tower_otlp::{ExportResponse, layers::fan_out::FanOutPolicy};

use super::{
    ledger::Wrong,
    pipeline::Node,
    world::{Call, Told},
};

/// Checks an answer. Returns the items that it gave up in a branch.
pub fn check(
    policy: FanOutPolicy,
    node: &Node,
    upper: &Call,
    lower: &[&Call],
) -> Result<Vec<u64>, Wrong> {
    let (Some(answer), Some(said)) = (&upper.answer, &upper.told) else {
        return Ok(Vec::new());
    };
    let first = upper.ids.first().copied();
    let outcomes = match answer {
        Ok(response) => response.branches(),
        Err(error) => error.progress().map_or(&[][..], ExportResponse::branches),
    };
    if outcomes.len() != node.lower.len() {
        return Err((format!("tells of {} branches", outcomes.len()), first));
    }
    let items = upper.ids.len() as u64;
    let mut branches = Vec::new();
    for (number, outcome) in outcomes.iter().enumerate() {
        let branch = Told::new(&upper.ids, &outcome.result);
        if branch.counted() + branch.left.len() as u64 != items {
            return Err((
                format!("branch {number} of {items} items: {branch:?}"),
                first,
            ));
        }
        let mut calls = lower.iter().filter(|call| call.tap == node.lower[number]);
        match (calls.next(), calls.next()) {
            (None, _) => {}
            (Some(call), None) => agrees(number, &branch, call, items)?,
            (Some(_), Some(_)) => return Err((format!("branch {number} is called twice"), first)),
        }
        branches.push(branch);
    }
    let needed = match policy {
        FanOutPolicy::Quorum(needed) => needed.clamp(1, branches.len()),
        FanOutPolicy::All => branches.len(),
        _ => 0,
    };
    let good = branches.iter().filter(|branch| branch.ok).count();
    if (good >= needed) != said.ok {
        return Err((format!("{good} branches delivered, says {said:?}"), first));
    }
    if !said.ok {
        let all_left = said.counted() == 0 && said.left.len() as u64 == items;
        return match all_left {
            true => Ok(Vec::new()),
            false => Err((format!("too few delivered, says {said:?}"), first)),
        };
    }
    let mut lacks: Vec<u64> = branches
        .iter()
        .map(|branch| match branch.ok {
            true => branch.rejected,
            false => items - branch.delivered,
        })
        .collect();
    lacks.sort_unstable();
    let lack = lacks[needed.max(1) - 1];
    if said.rejected != lack {
        return Err((format!("branches lack {lacks:?}, says {said:?}"), first));
    }
    let failed = branches.into_iter().filter(|branch| !branch.ok);
    Ok(failed.flat_map(|branch| branch.left).collect())
}

/// What is told of a branch is what it answered, and what it did before.
fn agrees(number: usize, branch: &Told, call: &Call, items: u64) -> Result<(), Wrong> {
    let mut cut_left = call.ids.to_vec();
    cut_left.sort_unstable();
    let same = match &call.told {
        // It panicked.
        None => !branch.ok && branch.left == cut_left,
        Some(below) => {
            let fresh = call.ids.len() as u64 == items;
            below.ok == branch.ok
                && below.left == branch.left
                && (!fresh || below.counted() == branch.counted())
                && below.delivered <= branch.delivered
                && below.rejected <= branch.rejected
                && below.retained <= branch.retained
        }
    };
    if same {
        return Ok(());
    }
    let what = format!(
        "branch {number} said {:?}, is said to have said {branch:?}",
        call.told
    );
    Err((what, call.ids.first().copied()))
}
