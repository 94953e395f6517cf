//! What is printed.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    orders::Order,
    scenario::{Outcome, Scenario},
    stack::LAYERS,
};

pub fn usage() -> String {
    let mut out = String::from(
        "usage: compose [LAYER ...]\n\nRuns these layers, the outermost first, over a backend with \
         faults. Without any: the\norder of the documentation, and every order that it warns \
         of.\n\n",
    );
    for (name, about) in LAYERS {
        // Writing to a string does not fail.
        let _ = writeln!(out, "    {name:<23} {about}");
    }
    out
}

pub fn head() {
    println!("8 callers send 10 items each, and again what fails and may be sent again.");
    println!("Items, but attempts in requests; early: answered for before they were delivered.\n");
    println!(
        "{:<25} {:>4} {:>9} {:>5} {:>5} {:>8} {:>7}  not delivered",
        "fault", "in", "delivered", "early", "twice", "attempts", "last"
    );
}

pub fn row(scenario: &Scenario, outcome: &Outcome) {
    let last = format!("{:.1}s", outcome.last.as_secs_f64());
    println!(
        "{:<25} {:>4} {:>9} {:>5} {:>5} {:>8} {last:>7}  {}",
        scenario.name,
        outcome.sent,
        outcome.delivered,
        outcome.retained,
        outcome.twice,
        outcome.attempts,
        undelivered(outcome)
    );
}

fn undelivered(outcome: &Outcome) -> String {
    let list = |what: &str, reasons: &BTreeMap<String, u64>| {
        let reasons = reasons.iter().filter(|(_, items)| **items > 0);
        let reasons = reasons.map(|(reason, items)| format!("{what} {reason} {items}"));
        reasons.collect::<Vec<_>>()
    };
    let mut all = list("told:", &outcome.told);
    all.extend(list("dropped:", &outcome.dropped));
    if outcome.lost > 0 {
        all.push(format!("LOST {}", outcome.lost));
    }
    all.join(", ")
}

pub fn order(order: &Order) {
    println!("\n  {} ({})", order.name, order.scenario.name);
}

pub fn compared(word: &str, layers: &[&str], outcome: &Outcome, order: &Order) {
    let Outcome {
        delivered,
        twice,
        attempts,
        ..
    } = outcome;
    println!(
        "    {word}  {:<47}  {}",
        layers.join(" > "),
        (order.shows)(outcome)
    );
    let rest = undelivered(outcome);
    let comma = if rest.is_empty() { "" } else { "; " };
    println!(
        "           delivered {delivered} of {}, {twice} twice, {attempts} attempts, last at {:.1} s{comma}{rest}",
        outcome.sent,
        outcome.last.as_secs_f64()
    );
}
