//! The law at each layer: what it answers follows from the answers that it had, to the item.
//!
//! A tap stands above and below each layer. A call below belongs to the call above in which it was
//! made; a worker's calls are found by their marks and by their items. What is left undelivered is
//! compared by identity, what is delivered, rejected and retained by counts: nothing else is said.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tower_otlp::ErrorKind;

use super::{
    pipeline::{Law, Node, Plan},
    world::{Call, Seen, Told},
};

/// What is wrong, and the item that shows it.
pub type Wrong = (String, Option<u64>);

/// A number that is known, or between two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    pub least: u64,
    pub most: u64,
}

/// What workers delivered, rejected and dropped of requests whose caller was not there to be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    pub delivered: Range,
    pub rejected: Range,
    pub dropped: Range,
}

impl Ends {
    pub fn add(&mut self, certain: bool, delivered: u64, rejected: u64, dropped: u64) {
        let all = [
            (&mut self.delivered, delivered),
            (&mut self.rejected, rejected),
            (&mut self.dropped, dropped),
        ];
        for (range, count) in all {
            range.most += count;
            if certain {
                range.least += count;
            }
        }
    }
}

/// What the ledgers of all layers come to.
#[derive(Default)]
pub struct Ledger {
    pub ends: Ends,
    /// Items that a layer counted as rejected or dropped itself.
    pub given_up: HashSet<u64>,
    /// Whether an answer was shared out, so that counts are right only in sum.
    pub shared_out: bool,
}

pub struct Auditor<'a> {
    pub seen: &'a Seen,
    pub plan: &'a Plan,
    /// When the lifecycle stopped counting.
    pub closed: Option<Duration>,
    pub ledger: Ledger,
}

/// Answers of several calls.
#[derive(Default)]
pub struct Sum {
    pub delivered: u64,
    pub rejected: u64,
    pub retained: u64,
    pub settled: HashSet<u64>,
    pub again: Option<u64>,
    pub last_end: Option<Duration>,
}

impl Sum {
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut out = Self::default();
        for call in calls {
            let again = call.ids.iter().find(|id| out.settled.contains(id));
            out.again = out.again.or(again.copied());
            out.last_end = out.last_end.max(call.ended);
            let Some(told) = &call.told else { continue };
            out.delivered += told.delivered;
            out.rejected += told.rejected;
            out.retained += told.retained;
            let left: HashSet<u64> = told.left.iter().copied().collect();
            out.settled
                .extend(call.ids.iter().filter(|id| !left.contains(id)));
        }
        out
    }

    pub fn unsettled(&self, ids: &[u64]) -> Vec<u64> {
        let mut out: Vec<u64> = ids
            .iter()
            .copied()
            .filter(|id| !self.settled.contains(id))
            .collect();
        out.sort_unstable();
        out
    }
}

impl Auditor<'_> {
    pub fn audit(mut self) -> Result<Ledger, Wrong> {
        for call in &self.seen.calls {
            self.is_whole(call)?;
        }
        for node in &self.plan.nodes {
            let ends = self.ledger.ends;
            self.node(node)?;
            if !node.counted {
                self.ledger.ends = ends;
            }
        }
        Ok(self.ledger)
    }

    fn node(&mut self, node: &Node) -> Result<(), Wrong> {
        match node.law {
            Law::Batch => self.batches(node),
            Law::Network => self.network(node),
            _ => self.calls(node),
        }
    }

    fn calls(&mut self, node: &Node) -> Result<(), Wrong> {
        let mut made = self.attribute(node)?;
        let uppers = self.calls_at(node.upper);
        for number in uppers {
            let made = made.remove(&number).unwrap_or_default();
            self.call(node, number, &made)
                .map_err(|(what, id)| (format!("{}: #{number}: {what}", node.name), id))?;
        }
        self.recorded(node)
    }

    /// Nothing comes out of a network that did not go in, and an answer is one that was given.
    fn network(&mut self, node: &Node) -> Result<(), Wrong> {
        let calls = &self.seen.calls;
        let sorted = |call: &Call| {
            let mut ids = call.ids.to_vec();
            ids.sort_unstable();
            ids
        };
        let mut received: HashMap<Vec<u64>, Vec<&Call>> = HashMap::new();
        for call in calls.iter().filter(|call| node.lower.contains(&call.tap)) {
            received.entry(sorted(call)).or_default().push(call);
        }
        for number in self.calls_at(node.upper) {
            let call = &calls[number];
            let Some(told) = call.told.as_ref().filter(|told| !told.plain) else {
                continue;
            };
            // Nothing to send, nothing to hand on.
            if call.ids.is_empty() && told.ok {
                continue;
            }
            // What a receiver's pipeline keeps is delivered, as far as OTLP can tell.
            // What its pipeline will never take, after a part that it took, is rejected.
            let gave = |below: &&&Call| {
                let is_final = below.answer.as_ref().is_some_and(|answer| match answer {
                    Ok(_) => true,
                    Err(error) => !error.is_retryable(),
                });
                let same = below.told.as_ref().is_some_and(|below| {
                    below.delivered + below.retained == told.delivered
                        && below.rejected + below.left.len() as u64 == told.rejected
                });
                below.ended <= call.ended && is_final && same
            };
            let below = received.get(&sorted(call)).map_or(&[][..], Vec::as_slice);
            let given = below.iter().find(gave);
            if let (true, Some(given)) = (told.ok, given) {
                let left = given.told.iter().flat_map(|told| &told.left);
                self.ledger.given_up.extend(left);
            } else {
                let below: Vec<_> = below.iter().map(|call| (call.ended, &call.told)).collect();
                let at = call.ended;
                let what = format!(
                    "{}: #{number} says {told:?} at {at:?}, given were {below:?}",
                    node.name
                );
                return Err((what, call.ids.first().copied()));
            }
        }
        Ok(())
    }

    fn calls_at(&self, tap: usize) -> Vec<usize> {
        let all = self.seen.calls.iter().enumerate();
        all.filter(|(_, call)| call.tap == tap)
            .map(|(number, _)| number)
            .collect()
    }

    /// Each answer is about the items of its request, and about all of them.
    fn is_whole(&self, call: &Call) -> Result<(), Wrong> {
        let Some(told) = &call.told else {
            return Ok(());
        };
        if let Some(stranger) = told.left.iter().find(|id| !call.ids.contains(id)) {
            let what = "an error has the item of another request";
            return Err((what.to_owned(), Some(*stranger)));
        }
        let items = call.ids.len();
        if told.counted() + told.left.len() as u64 != items as u64 {
            let what = format!("an answer about {items} items says {told:?}");
            return Err((what, call.ids.first().copied()));
        }
        Ok(())
    }

    /// The calls below a layer, by the call above to which they belong.
    fn attribute(&self, node: &Node) -> Result<HashMap<usize, Vec<usize>>, Wrong> {
        let mut out: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, call) in self.seen.calls.iter().enumerate() {
            if node.lower.contains(&call.tap) {
                let Some(owner) = self.owner(node, number, call) else {
                    let what = format!("{}: #{number} comes from nowhere", node.name);
                    return Err((what, call.ids.first().copied()));
                };
                out.entry(owner).or_default().push(number);
            }
        }
        Ok(out)
    }

    fn owner(&self, node: &Node, number: usize, call: &Call) -> Option<usize> {
        let calls = &self.seen.calls;
        let fits = |owner: usize| {
            let upper = &calls[owner];
            upper.tap == node.upper && call.ids.iter().all(|id| upper.ids.contains(id))
        };
        // The note of a route holds a part as it was first sent, with its old mark.
        let early = node.law == Law::Queue { early: true };
        let is_over = |owner: usize| !early && calls[owner].ended < Some(call.begun);
        if let Some(parent) = call.parent.filter(|parent| fits(*parent)) {
            return Some(parent);
        }
        // What remains of a request may carry the mark of a layer further below.
        let mut marked = call.mark;
        while let Some(owner) = marked {
            if fits(owner) && (calls[owner].told.is_none() || !is_over(owner)) {
                return Some(owner);
            }
            marked = calls[owner].parent.or(calls[owner].mark);
        }
        (0..number).rev().find(|owner| fits(*owner))
    }

    fn call(&mut self, node: &Node, number: usize, made: &[usize]) -> Result<(), Wrong> {
        let seen = self.seen;
        let upper = &seen.calls[number];
        let lower: Vec<&Call> = made.iter().map(|number| &seen.calls[*number]).collect();
        match node.law {
            Law::Relay => self.relay(node, number, upper, &lower),
            Law::Again => self.last(node, number, upper, lower.last().copied()),
            Law::Sum | Law::Retry | Law::Split => self.sum(node, number, upper, &lower),
            Law::Queue { early } => self.queue(early, upper, &lower),
            Law::FanOut(policy) => {
                let given_up = super::branches::check(policy, node, upper, &lower)?;
                self.ledger.given_up.extend(given_up);
                Ok(())
            }
            Law::Batch | Law::Network => Ok(()),
        }
    }

    fn was_unready(&self, node: &Node, number: usize) -> bool {
        let mut all = self.seen.unready.iter();
        all.any(|(tap, within)| node.lower.contains(tap) && *within == Some(number))
    }

    fn relay(
        &self,
        node: &Node,
        number: usize,
        upper: &Call,
        lower: &[&Call],
    ) -> Result<(), Wrong> {
        if lower.len() > 1 {
            return Err(("one call became several".to_owned(), None));
        }
        self.last(node, number, upper, lower.first().copied())
    }

    /// The answer is that of the last call.
    fn last(
        &self,
        node: &Node,
        number: usize,
        upper: &Call,
        lower: Option<&Call>,
    ) -> Result<(), Wrong> {
        let Some(told) = &upper.told else {
            return Ok(());
        };
        let same = match lower.and_then(|lower| lower.told.as_ref()) {
            Some(below) if told == below => true,
            // The last attempt was not made.
            Some(_) => told.plain && self.was_unready(node, number),
            None => told.plain || (told.ok && upper.ids.is_empty()),
        };
        if same {
            return Ok(());
        }
        let below = lower.map(|lower| &lower.told);
        let what = format!("says {told:?}, but was told {below:?}");
        Err((what, upper.ids.first().copied()))
    }

    fn sum(
        &mut self,
        node: &Node,
        number: usize,
        upper: &Call,
        lower: &[&Call],
    ) -> Result<(), Wrong> {
        let sum = Sum::of(lower.iter().copied());
        // A batch may hold what was sent twice: then its items do not tell the two apart.
        if is_twice(&upper.ids) {
            return Ok(());
        }
        if sum.again.is_some() {
            return Err(("sent again what was settled".to_owned(), sum.again));
        }
        let Some(told) = &upper.told else {
            return Ok(());
        };
        let forgets = match node.law {
            Law::Retry => self.was_unready(node, number),
            // A backend that takes nothing is better heard of than counted.
            Law::Split => sum.delivered + sum.retained == 0,
            _ => false,
        };
        let says_nothing = told.counted() == 0 && told.left.len() == upper.ids.len();
        if says_nothing && forgets {
            return Ok(());
        }
        let mut here = Vec::new();
        if node.law == Law::Split {
            here = sum.unsettled(&upper.ids);
            here.retain(|id| !told.left.contains(id));
            self.hopeless(&here, lower)?;
        }
        adds_up(upper, told, &sum, &here)?;
        self.ledger.given_up.extend(here);
        Ok(())
    }

    /// What a split gives up is what it was told to.
    fn hopeless(&self, given_up: &[u64], lower: &[&Call]) -> Result<(), Wrong> {
        for id in given_up {
            let last = lower.iter().rev().find(|call| call.ids.contains(id));
            let kind = last.and_then(|call| match &call.answer {
                Some(Err(error)) => Some(error.kind()),
                _ => None,
            });
            if !matches!(kind, Some(ErrorKind::TooLarge | ErrorKind::Rejected)) {
                return Err((format!("gives up after {kind:?}"), Some(*id)));
            }
        }
        Ok(())
    }

    /// A recorder's counts are what went past.
    fn recorded(&self, node: &Node) -> Result<(), Wrong> {
        let Some(recorder) = &node.recorder else {
            return Ok(());
        };
        let (mut started, mut ended) = (0, [0; 2]);
        for number in self.calls_at(node.upper) {
            let call = &self.seen.calls[number];
            started += call.ids.len() as u64;
            if let Some(told) = &call.told {
                ended[0] += told.rejected;
                ended[1] += if told.ok { 0 } else { told.left.len() as u64 };
            }
        }
        let snapshot = recorder.snapshot();
        let tally = match snapshot.requests() {
            none if none.started.requests == 0 => snapshot.attempts(),
            some => some,
        };
        let same = tally.started.items == started
            && tally.in_flight().items == 0
            && tally.rejected.items == ended[0]
            && tally.failed.items >= ended[1];
        if same {
            return Ok(());
        }
        let what = format!("{started} items, {ended:?} rejected and failed, are {tally}");
        Err((format!("{}: {what}", node.name), None))
    }
}

pub fn is_twice(ids: &[u64]) -> bool {
    let mut seen = HashSet::new();
    ids.iter().any(|id| !seen.insert(id))
}

/// The answer is the sum of those below, and of what was given up here.
pub fn adds_up(upper: &Call, told: &Told, sum: &Sum, here: &[u64]) -> Result<(), Wrong> {
    let mut left = sum.unsettled(&upper.ids);
    left.retain(|id| !here.contains(id));
    let same = told.delivered == sum.delivered
        && told.retained == sum.retained
        && told.rejected == sum.rejected + here.len() as u64
        && told.left == left;
    if same {
        return Ok(());
    }
    let Sum {
        delivered,
        rejected,
        retained,
        ..
    } = sum;
    let id = left.iter().find(|id| !told.left.contains(id));
    let id = id.or_else(|| told.left.iter().find(|id| !left.contains(id)));
    let what = format!(
        "says {told:?}, but was told d{delivered} r{rejected} k{retained}, gave up {here:?}, left \
         {left:?}"
    );
    Err((what, id.or(upper.ids.first()).copied()))
}
