//! The orders that the documentation of `layers` warns of, each with what shows it.

use crate::{
    backend::{Fault, SECOND},
    scenario::{Outcome, Scenario},
};

type Names = &'static [&'static str];

/// One wrong order.
pub struct Order {
    /// As in the table of the documentation.
    pub name: &'static str,
    /// One of these above one of those.
    pub above: Names,
    pub below: Names,
    /// Two stacks that differ in this only, and what shows the difference.
    pub wrong: Names,
    pub right: Names,
    pub scenario: Scenario,
    pub shows: fn(&Outcome) -> String,
    pub does: &'static str,
    pub swap: &'static str,
}

const RETRIES: Names = &["retry", "retry=3"];
const TIMEOUTS: Names = &["attempt-timeout", "total-timeout", "timeout"];
const EACH_ATTEMPT: Names = &["attempt-timeout", "timeout"];
const FAN_OUTS: Names = &["fan-out", "fan-out=best-effort"];
const BREAKERS: Names = &["circuit-breaker", "circuit-breaker=error"];
const QUEUES: Names = &["queue", "queue=enqueue"];

const OUTAGE: Scenario = Scenario::new(
    "outage of 60 s",
    Fault::Outage(SECOND.saturating_mul(60), None),
);
const SHORT: Scenario = Scenario::new(
    "outage of 3 s",
    Fault::Outage(SECOND.saturating_mul(3), None),
);
const SLOW: Scenario = Scenario::new(
    "slow for 6 s",
    Fault::Slow(SECOND.saturating_mul(6), SECOND.saturating_mul(8)),
);
const THROTTLED: Scenario = Scenario::new(
    "first request: Retry-After: 10",
    Fault::ThrottlesFirst(SECOND.saturating_mul(10)),
);
const BOTH: Scenario = Scenario {
    faults: [
        Fault::Outage(SECOND.saturating_mul(3), Some(SECOND.saturating_mul(20))),
        Fault::Outage(SECOND, None),
    ],
    ..Scenario::new("one down 1 s, one for 20 s", Fault::Nothing)
};

fn failures(outcome: &Outcome) -> String {
    format!("{} failures told to callers", outcome.failures)
}

fn answer(outcome: &Outcome) -> String {
    format!(
        "half are answered within {:.1} s",
        outcome.answer.as_secs_f64()
    )
}

fn attempts(outcome: &Outcome) -> String {
    format!("{} attempts", outcome.attempts)
}

fn twice(outcome: &Outcome) -> String {
    format!("{} items twice", outcome.twice)
}

/// All of them, in the order of the documentation.
pub const ORDERS: &[Order] = &[
    Order {
        name: "fallback above a queue that answers on enqueue",
        above: &["fallback"],
        below: &["queue=enqueue"],
        wrong: &["fallback", "queue=enqueue", "attempt-timeout"],
        right: &["queue=enqueue", "fallback", "attempt-timeout"],
        scenario: OUTAGE,
        shows: |outcome| format!("the fallback takes {} items", outcome.taken_over),
        does: "it never sees a failure: the queue has answered",
        swap: "put the fallback below the queue",
    },
    Order {
        name: "retry above a queue that answers on enqueue",
        above: RETRIES,
        below: &["queue=enqueue"],
        wrong: &["retry", "queue=enqueue", "attempt-timeout"],
        right: &["queue=enqueue", "retry", "attempt-timeout"],
        scenario: SHORT,
        shows: |outcome| format!("all there after {:.1} s", outcome.last.as_secs_f64()),
        does: "the same: only the slower redelivery of the queue is at work",
        swap: "put the retry below the queue",
    },
    Order {
        name: "circuit breaker above retry",
        above: BREAKERS,
        below: RETRIES,
        wrong: &["queue", "circuit-breaker", "retry"],
        right: &["queue", "retry", "circuit-breaker"],
        scenario: OUTAGE,
        shows: attempts,
        does: "it counts requests and not attempts, and opens when the retries have given up",
        swap: "put the circuit breaker below the retry",
    },
    Order {
        name: "rate limit above retry",
        above: &["rate-limit"],
        below: RETRIES,
        wrong: &["rate-limit", "retry"],
        right: &["retry", "rate-limit"],
        scenario: SHORT,
        shows: attempts,
        does: "only the first attempt pays: a backend that fails gets more than the rate",
        swap: "put the rate limit below the retry",
    },
    Order {
        name: "concurrency above retry",
        above: &["concurrency-limit", "adaptive-concurrency"],
        below: RETRIES,
        wrong: &["concurrency-limit", "retry"],
        right: &["retry", "concurrency-limit"],
        scenario: THROTTLED,
        shows: answer,
        does: "a request in backoff holds its permit, and the others wait for it",
        swap: "put the limit below the retry",
    },
    Order {
        name: "attempt timeout above retry",
        above: EACH_ATTEMPT,
        below: RETRIES,
        wrong: &["attempt-timeout", "retry"],
        right: &["retry", "attempt-timeout"],
        scenario: SLOW,
        shows: failures,
        does: "it bounds all attempts together: that is `total_timeout`",
        swap: "put the timeout below the retry",
    },
    Order {
        name: "a timeout above a queue or a batch",
        above: TIMEOUTS,
        below: &["queue", "queue=enqueue", "batch"],
        wrong: &["attempt-timeout", "queue"],
        right: &["queue", "attempt-timeout"],
        scenario: SLOW,
        shows: twice,
        does: "the caller is told of a failure while the worker still delivers: it sends again, and the backend has it twice",
        swap: "put the timeout below the queue and the batch",
    },
    Order {
        name: "a timeout between retry and fan-out",
        above: TIMEOUTS,
        below: FAN_OUTS,
        wrong: &["retry", "attempt-timeout", "fan-out"],
        right: &["retry", "fan-out", "attempt-timeout"],
        scenario: SLOW,
        shows: twice,
        does: "the notes of which branches have delivered are lost: a retry goes to all of them",
        swap: "put the timeout below the fan-out, into the branches",
    },
    Order {
        name: "retry above a fan-out instead of in its branches",
        above: RETRIES,
        below: &["fan-out"],
        wrong: &["retry", "fan-out"],
        right: &["fan-out", "retry"],
        scenario: BOTH,
        shows: |outcome| {
            let after = outcome.at[1].as_secs_f64();
            format!("the one that was down for 1 s has all after {after:.1} s")
        },
        does: "branches that fail are retried together, at the pace of the slowest",
        swap: "put the retry below the fan-out, into the branches",
    },
    Order {
        name: "batch above queue",
        above: &["batch"],
        below: QUEUES,
        wrong: &["batch", "queue"],
        right: &["queue", "batch"],
        scenario: SHORT,
        shows: attempts,
        does: "a batch in the queue is one request: fewer, larger, and retried as a whole",
        swap: "put the batch below the queue",
    },
    Order {
        name: "split above fan-out",
        above: &["split"],
        below: FAN_OUTS,
        wrong: &["split", "fan-out"],
        right: &["fan-out", "split"],
        scenario: Scenario::new("one refuses more than 4 items", Fault::TooLarge(4)),
        shows: |outcome| {
            let told = outcome.with_branches;
            format!("{}, {told} answers tell of each branch", twice(outcome))
        },
        does: "what one branch refuses as too large goes to all of them again in pieces, and the outcome of each branch is lost in their sum",
        swap: "put the split below the fan-out, into the branches",
    },
    Order {
        name: "retry above a fan-out of best effort",
        above: RETRIES,
        below: &["fan-out=best-effort"],
        wrong: &["retry", "fan-out=best-effort"],
        right: &["fan-out=best-effort", "retry"],
        scenario: SHORT,
        shows: |outcome| format!("{} items in both", outcome.delivered),
        does: "the fan-out never fails, so nothing is retried",
        swap: "put the retry below the fan-out, into the branches",
    },
    Order {
        name: "retry above retry",
        above: RETRIES,
        below: RETRIES,
        wrong: &["retry=3", "retry=3"],
        right: &["retry=3"],
        scenario: OUTAGE,
        shows: attempts,
        does: "their attempts multiply",
        swap: "have one retry on each way to a backend",
    },
    Order {
        name: "track below retry",
        above: RETRIES,
        below: &["track"],
        wrong: &["retry", "track"],
        right: &["track", "retry"],
        scenario: SHORT,
        shows: |outcome| format!("{} items accepted of {}", outcome.accepted, outcome.sent),
        does: "it counts attempts and not requests",
        swap: "put track outermost",
    },
    Order {
        name: "a timeout above a concurrency limit",
        above: EACH_ATTEMPT,
        below: &["concurrency-limit", "adaptive-concurrency"],
        wrong: &["attempt-timeout", "concurrency-limit"],
        right: &["concurrency-limit", "attempt-timeout"],
        scenario: Scenario::new(
            "each request takes 2 s",
            Fault::Slow(SECOND.saturating_mul(600), SECOND.saturating_mul(2)),
        ),
        shows: failures,
        does: "the wait for a permit is charged: requests fail that never got to the backend",
        swap: "put the timeout below the limit",
    },
];

/// The wrong orders that are in this stack: which, with the layer above and the one below.
pub fn wrong(layers: &[&'static str]) -> Vec<(&'static Order, &'static str, &'static str)> {
    let mut found = Vec::new();
    for order in ORDERS {
        let pair = layers.iter().enumerate().find_map(|(place, above)| {
            let below = layers[place + 1..]
                .iter()
                .find(|below| order.below.contains(below));
            below
                .filter(|_| order.above.contains(above))
                .map(|below| (*above, *below))
        });
        found.extend(pair.map(|(above, below)| (order, above, below)));
    }
    found
}
