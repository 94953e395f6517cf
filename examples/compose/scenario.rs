//! Callers, a fault and a shutdown: what becomes of every item.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, ServiceExt};
use tower_otlp::{BoxExporter, ExportError, ExportResponse, Lifecycle, RetryAdvice};

use crate::{
    backend::{Backend, Fault, SECOND, make},
    stack::Site,
};

const CALLERS: u64 = 8;
const ITEMS: u64 = 10;

/// One fault, and what the callers do.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub faults: [Fault; 2],
    /// Callers give up after so long, and do not come back.
    pub patience: Option<Duration>,
    /// When the shutdown begins. Otherwise it comes when all is quiet.
    pub shutdown: Option<Duration>,
}

impl Scenario {
    pub const fn new(name: &'static str, fault: Fault) -> Self {
        Self {
            name,
            faults: [fault, Fault::Nothing],
            patience: None,
            shutdown: None,
        }
    }
}

/// The fixed list.
pub fn all() -> Vec<Scenario> {
    let outage = |secs| Fault::Outage(secs * SECOND, None);
    vec![
        Scenario::new("no fault", Fault::Nothing),
        Scenario::new("outage of 12 s", outage(12)),
        Scenario::new(
            "the same, Retry-After: 5",
            Fault::Outage(12 * SECOND, Some(5 * SECOND)),
        ),
        Scenario::new("slow for 12 s", Fault::Slow(12 * SECOND, 8 * SECOND)),
        Scenario::new("too large beyond 4 items", Fault::TooLarge(4)),
        Scenario::new("partial failures", Fault::Partial),
        Scenario {
            patience: Some(2 * SECOND),
            ..Scenario::new("callers leave after 2 s", outage(12))
        },
        Scenario {
            shutdown: Some(3 * SECOND),
            ..Scenario::new("shutdown, back in time", outage(8))
        },
        Scenario {
            shutdown: Some(3 * SECOND),
            ..Scenario::new("shutdown, never back", outage(1000))
        },
    ]
}

/// What became of it. Items, unless it says otherwise.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: u64,
    /// By all backends that are to have them.
    pub delivered: u64,
    /// Answered for before they were delivered.
    pub retained: u64,
    /// Not delivered, and the caller was told or had gone, by reason.
    pub told: BTreeMap<String, u64>,
    /// Not delivered after an early answer, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Not delivered, and nobody was told.
    pub lost: u64,
    /// Copies that a backend need not have got.
    pub twice: u64,
    /// Requests that the backends saw.
    pub attempts: usize,
    /// By the fallback.
    pub taken_over: usize,
    /// When the last item was delivered: by backend, and by any.
    pub at: [Duration; 2],
    pub last: Duration,
    /// Failures that callers were told of, in requests. They send again what is retryable.
    pub failures: usize,
    /// Answers that tell the outcome of each branch, in requests.
    pub with_branches: usize,
    /// The median of the time to an answer.
    pub answer: Duration,
    /// What the lifecycle counted as accepted.
    pub accepted: u64,
}

/// What one caller saw.
struct Call {
    items: Vec<u64>,
    answer: Result<ExportResponse, String>,
    failures: usize,
    after: Duration,
}

/// Sends through these layers.
pub async fn run(layers: &[&str], scenario: &Scenario) -> Result<Outcome, BoxError> {
    let start = Instant::now();
    let site = Site {
        lifecycle: Lifecycle::new(),
        backends: scenario.faults.map(Backend::new),
        archive: Backend::new(Fault::Nothing),
    };
    let pipeline = site.build(layers)?;
    let calls: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let items = (caller * ITEMS..(caller + 1) * ITEMS).collect();
            let pipeline = pipeline.clone();
            let patience = scenario.patience;
            tokio::spawn(async move {
                sleep(Duration::from_millis(10 * caller)).await;
                call(pipeline, items, patience).await
            })
        })
        .collect();
    drop(pipeline);
    sleep(scenario.shutdown.unwrap_or(180 * SECOND)).await;
    let report = site.lifecycle.shutdown(10 * SECOND).await;
    let mut seen = Vec::new();
    for call in calls {
        seen.push(call.await?);
    }
    // What still comes in after all that is a surprise, and is counted.
    sleep(60 * SECOND).await;

    let fans_out = layers.iter().any(|layer| layer.starts_with("fan-out"));
    let mut outcome = Outcome {
        sent: CALLERS * ITEMS,
        attempts: site.all().map(Backend::attempts).sum(),
        taken_over: site.archive.taken(),
        failures: seen.iter().map(|call| call.failures).sum(),
        accepted: report.accepted,
        ..Outcome::default()
    };
    for (reason, items) in report.drops() {
        outcome.dropped.insert(reason.to_string(), items);
    }
    let mut undelivered_promises = 0;
    for call in &seen {
        let promised = call
            .answer
            .as_ref()
            .map_or(0, ExportResponse::retained_items);
        outcome.retained += promised;
        let missing = outcome.count(&site, &call.items, fans_out);
        match &call.answer {
            Err(reason) if missing > 0 => {
                *outcome.told.entry(reason.clone()).or_default() += missing
            }
            Ok(answer) => {
                outcome.with_branches += usize::from(!answer.branches().is_empty());
                let rejected = answer.rejected_items().min(missing);
                if rejected > 0 {
                    *outcome.told.entry("rejected".to_owned()).or_default() += rejected;
                }
                let left = missing - rejected;
                let mut failed = answer.branches().iter();
                let failed = failed.find_map(|branch| branch.result.as_ref().err());
                if let (Some(error), 1..) = (failed, left) {
                    let reason = format!("branch {}", error.kind());
                    *outcome.told.entry(reason).or_default() += left;
                    continue;
                }
                undelivered_promises += left.min(promised);
                outcome.lost += left.saturating_sub(promised);
            }
            Err(_) => {}
        }
    }
    let dropped: u64 = outcome.dropped.values().sum();
    outcome.lost += undelivered_promises.saturating_sub(dropped);
    if undelivered_promises == 0 {
        // The report counts what had no answer at the deadline. These callers have one by now.
        outcome.dropped.clear();
    }
    let mut times: Vec<_> = seen.iter().map(|call| call.after).collect();
    times.sort();
    outcome.answer = times[times.len() / 2];
    let at = |backend: &Backend| backend.last().map_or(Duration::ZERO, |last| last - start);
    outcome.at = site.backends.each_ref().map(at);
    outcome.last = site.all().map(at).max().unwrap_or_default();
    Ok(outcome)
}

impl Outcome {
    /// Counts items that arrived; returns how many did not.
    fn count(&mut self, site: &Site, items: &[u64], fans_out: bool) -> u64 {
        let wanted = if fans_out { 2 } else { 1 };
        let mut missing = 0;
        for item in items {
            let places = site
                .backends
                .each_ref()
                .map(|backend| backend.copies(*item));
            let archived = site.archive.copies(*item);
            // The archive stands in for any of the others.
            let places = places.map(|copies| (copies, copies.min(1)));
            let copies = archived + places[0].0 + places[1].0;
            let good = (archived + places[0].1 + places[1].1).min(wanted);
            self.delivered += u64::from(good == wanted);
            missing += u64::from(good < wanted);
            self.twice += u64::from(copies - good);
        }
        missing
    }
}

/// A client as the OTLP specification wants it: it sends again what may be sent again.
async fn call(pipeline: BoxExporter, items: Vec<u64>, patience: Option<Duration>) -> Call {
    let start = Instant::now();
    let mut failures = 0;
    let tries = async {
        for wait in [1, 2, 4, 8, 16] {
            match pipeline.clone().oneshot(make(&items)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failures += 1;
                    if !error.is_retryable() || wait == 16 {
                        return Err(error.kind().to_string());
                    }
                    sleep(delay(&error, wait)).await;
                }
            }
        }
        Err("given up".to_owned())
    };
    let answer = match patience {
        Some(patience) => timeout(patience, tries).await,
        None => Ok(tries.await),
    };
    Call {
        answer: answer.unwrap_or(Err("caller left".to_owned())),
        after: start.elapsed(),
        failures,
        items,
    }
}

fn delay(error: &ExportError, wait: u32) -> Duration {
    match error.retry() {
        RetryAdvice::After(delay) => delay.max(wait * SECOND),
        _ => wait * SECOND,
    }
}
