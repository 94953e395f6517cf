//! What became of each data point of a request.

use std::ops::Range;

use super::series::NONE;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is against it.
    Fine,
    /// It cannot be carried.
    Rejected,
    /// A part of it did not arrive.
    Lost,
}

/// By the number of the data point in the request.
#[derive(Default)]
pub(super) struct Items {
    states: Vec<State>,
    /// The last count in which it had a part.
    seen: Vec<u32>,
    count: u32,
}

impl Items {
    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.seen.clear();
        self.count = 0;
    }

    /// Goes on to the next data point.
    pub(super) fn next(&mut self) -> u32 {
        let number = self.states.len() as u32;
        self.states.push(State::Fine);
        self.seen.push(0);
        number
    }

    /// Whether that is news.
    pub(super) fn reject(&mut self, item: u32) -> bool {
        match self.states.get_mut(item as usize) {
            Some(state) => std::mem::replace(state, State::Rejected) != State::Rejected,
            None => false,
        }
    }

    pub(super) fn lose(&mut self, item: u32) {
        if let Some(state @ State::Fine) = self.states.get_mut(item as usize) {
            *state = State::Lost;
        }
    }

    pub(super) const fn begin_count(&mut self) {
        self.count += 1;
    }

    /// Whether it was not seen in this count.
    pub(super) fn count(&mut self, item: u32) -> bool {
        let seen = self.seen.get_mut(item as usize).filter(|_| item != NONE);
        seen.is_some_and(|seen| std::mem::replace(seen, self.count) != self.count)
    }

    /// How many data points there are.
    pub(super) fn len(&self) -> u64 {
        self.states.len() as u64
    }

    /// Those of which a part did not arrive, in order.
    pub(super) fn lost(&self) -> Vec<Range<u64>> {
        let mut out: Vec<Range<u64>> = Vec::new();
        for (number, state) in (0_u64..).zip(&self.states) {
            if *state != State::Lost {
                continue;
            }
            match out.last_mut() {
                Some(last) if last.end == number => last.end += 1,
                _ => out.push(number..number + 1),
            }
        }
        out
    }
}

/// Data points that cannot be carried.
#[derive(Default)]
pub(super) struct Rejections {
    pub(super) count: u64,
    /// The first one, and why.
    pub(super) reason: Option<String>,
}

impl Rejections {
    pub(super) fn add(&mut self, count: u64, reason: impl FnOnce() -> String) {
        self.count += count;
        self.reason.get_or_insert_with(reason);
    }
}
