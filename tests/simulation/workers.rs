//! The law of layers with workers: what became of a request whose caller may have gone.

use std::time::Duration;

use super::{
    groups::groups,
    ledger::{Auditor, Sum, Wrong, adds_up, is_twice},
    pipeline::Node,
    world::Call,
};

impl Auditor<'_> {
    pub fn queue(&mut self, early: bool, upper: &Call, lower: &[&Call]) -> Result<(), Wrong> {
        let sum = Sum::of(lower.iter().copied());
        let items = upper.ids.len() as u64;
        // A batch may hold what was sent twice: then its items do not tell the two apart.
        if is_twice(&upper.ids) {
            self.ledger.ends.add(false, items, items, items);
            self.ledger.given_up.extend(upper.ids.iter());
            return Ok(());
        }
        if sum.again.is_some() {
            return Err(("sent again what was settled".to_owned(), sum.again));
        }
        match &upper.told {
            // The final answer, if it is there first, says more than the early one.
            Some(told) if !early || told.retained != items || told.counted() != items => {
                return adds_up(upper, told, &sum, &[]);
            }
            Some(_) => {}
            None if lower.is_empty() => {
                self.ledger.ends.add(false, 0, 0, items);
                return Ok(());
            }
            None => {}
        }
        let left = sum.unsettled(&upper.ids);
        // A caller that goes just when its answer comes may or may not have it.
        let told_late = upper.told.is_some() || sum.last_end > upper.ended;
        let in_time = match self.closed {
            // It was still to be sent again, perhaps.
            Some(_) if !left.is_empty() => None,
            _ => self.counts(sum.last_end),
        };
        if in_time != Some(false) || Some(upper.begun) >= self.closed {
            self.ledger.ends.add(
                told_late && in_time == Some(true),
                sum.delivered,
                sum.rejected,
                left.len() as u64,
            );
        }
        self.ledger.given_up.extend(left);
        Ok(())
    }

    /// Whether the lifecycle counts what ends then: `None` if it is hard to say.
    pub fn counts(&self, ended: Option<Duration>) -> Option<bool> {
        match (self.closed, ended) {
            (None, _) => Some(true),
            (Some(_), None) => None,
            (Some(closed), Some(ended)) if closed == ended => None,
            (Some(closed), Some(ended)) => Some(ended < closed),
        }
    }

    /// Batches and those of their members that have items in common, however often these were sent.
    pub fn batches(&mut self, node: &Node) -> Result<(), Wrong> {
        for (uppers, lowers) in groups(self.seen, node) {
            self.batch(&uppers, &lowers)
                .map_err(|(what, id)| (format!("{}: {what}", node.name), id))?;
        }
        Ok(())
    }

    fn batch(&mut self, uppers: &[usize], lowers: &[usize]) -> Result<(), Wrong> {
        let calls = &self.seen.calls;
        let sent = Sum::of(lowers.iter().map(|number| &calls[*number]));
        let is_doubled = lowers.iter().any(|number| is_twice(&calls[*number].ids));
        let (mut told, mut cut, mut cut_items) = (Sum::default(), Vec::new(), 0);
        for upper in uppers.iter().map(|number| &calls[*number]) {
            let Some(answer) = &upper.told else {
                cut_items += upper.ids.len() as u64;
                cut.push(upper);
                continue;
            };
            told.delivered += answer.delivered;
            told.rejected += answer.rejected;
            told.retained += answer.retained;
            // Of what was sent twice in one batch, one may be done and the other not.
            let done = upper
                .ids
                .iter()
                .filter(|id| !is_doubled && !answer.left.contains(id));
            for id in done {
                if !sent.settled.contains(id) {
                    return Err(("says it is done with what it is not".to_owned(), Some(*id)));
                }
            }
        }
        if uppers.len() > 1 && sent.rejected + sent.retained > 0 {
            self.ledger.shared_out = true;
        }
        // Whose part of a batch was done is not always known: then all of it remains to be sent.
        let partial = |call: &&Call| call.told.as_ref().is_some_and(|t| !t.ok && !t.plain);
        let mut lower_calls = lowers.iter().map(|number| &calls[*number]);
        let forgets = uppers.len() > 1 && lower_calls.any(|call| partial(&call));
        let pairs = [
            ("delivered", told.delivered, sent.delivered),
            ("rejected", told.rejected, sent.rejected),
            ("retained", told.retained, sent.retained),
        ];
        for (what, told, sent) in pairs {
            let exact = !forgets && cut.is_empty();
            if told > sent || (exact && told != sent) {
                let first = calls[uppers[0]].ids.first();
                let what = format!("{sent} items are {what}, its callers are told {told}");
                return Err((what, first.copied()));
            }
        }
        if cut.is_empty() {
            return Ok(());
        }
        if lowers.is_empty() {
            // What is below was not ready, or the batch was not begun: nobody was told which.
            self.ledger.ends.add(false, 0, 0, cut_items);
            for call in cut {
                self.ledger.given_up.extend(call.ids.iter());
            }
            return Ok(());
        }
        let missing = [
            sent.delivered - told.delivered,
            sent.rejected - told.rejected,
            sent.retained - told.retained,
        ];
        let ended = lowers.iter().map(|number| calls[*number].ended);
        let first_end = ended.clone().min().flatten();
        let before = cut.iter().all(|call| call.ended < first_end);
        let in_time = [first_end, sent.last_end].map(|end| self.counts(end));
        // What was begun after a shutdown, for a caller that was late by then, counts by itself.
        let is_new = cut.iter().any(|call| Some(call.begun) >= self.closed);
        if in_time == [Some(false); 2] && !is_new {
            return Ok(());
        }
        let certain = before && !forgets && in_time == [Some(true); 2];
        let sum: u64 = missing.iter().sum();
        let lost = cut_items.saturating_sub(sum);
        self.ledger.ends.add(
            certain,
            missing[0],
            missing[1],
            if certain { lost } else { cut_items },
        );
        if sum > cut_items && !forgets {
            return Err((
                format!("{sum} items are lost to {cut_items} items of callers who left"),
                None,
            ));
        }
        for call in cut {
            self.ledger.given_up.extend(sent.unsettled(&call.ids));
        }
        Ok(())
    }
}
