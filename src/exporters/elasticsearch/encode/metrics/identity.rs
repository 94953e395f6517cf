//! Which attributes are the same: by keys and values, in whatever order and spelling.

use crate::otlp::views::{AnyValue, Attributes};

/// A hash of bytes that differs from process to process, so that nobody can prepare attributes
/// that all have the same.
#[derive(Clone, Copy)]
pub(super) struct Mixer {
    seed: u64,
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of the product, folded.
#[inline]
const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    // Lossless: each half is wanted.
    product as u64 ^ (product >> 64) as u64
}

impl Mixer {
    pub(super) fn new() -> Self {
        Self {
            seed: fastrand::u64(..) | 1,
        }
    }

    #[inline]
    pub(super) const fn number(self, state: u64, number: u64) -> u64 {
        fold(state ^ self.seed, number ^ ODD)
    }

    #[inline]
    pub(super) fn bytes(self, state: u64, bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut state = self.number(state, bytes.len() as u64);
        for word in words {
            state = self.number(state, u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            state = self.number(state, u64::from_le_bytes(last));
        }
        state
    }

    /// A hash of attributes that does not depend on their order.
    #[inline]
    pub(super) fn attributes(self, attributes: Attributes<'_>) -> u64 {
        attributes.iter().fold(0, |sum: u64, (key, value)| {
            let key = self.bytes(1, key.as_bytes());
            sum.wrapping_add(self.value(key, value))
        })
    }

    fn value(self, state: u64, value: AnyValue<'_>) -> u64 {
        match value {
            AnyValue::Empty => self.number(state, 2),
            AnyValue::Str(text) => self.bytes(state, text.as_bytes()),
            AnyValue::Bool(value) => self.number(state ^ 3, u64::from(value)),
            AnyValue::Int(number) => self.number(state ^ 4, number.cast_unsigned()),
            AnyValue::Double(number) => self.number(state ^ 5, number.to_bits()),
            AnyValue::Bytes(raw) => self.bytes(state ^ 6, raw),
            AnyValue::Array(values) => values
                .iter()
                .fold(state ^ 7, |state, value| self.value(state, value)),
            AnyValue::Map(values) => self.number(state ^ 8, self.attributes(values)),
        }
    }
}

/// Whether attributes are the same.
#[inline]
pub(super) fn same(left: Attributes<'_>, right: Attributes<'_>) -> bool {
    let (mut a, mut b) = (left.iter(), right.iter());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some((key, value)), Some((other, with)))
                if key == other && same_value(value, with) => {}
            _ => return same_in_any_order(left, right),
        }
    }
}

#[cold]
fn same_in_any_order(left: Attributes<'_>, right: Attributes<'_>) -> bool {
    let sorted = |attributes: Attributes<'_>| {
        let mut all: Vec<_> = attributes
            .iter()
            .map(|(key, _)| key.as_bytes().to_vec())
            .collect();
        all.sort_unstable();
        all
    };
    let keys = sorted(left);
    if keys != sorted(right) {
        return false;
    }
    // A key that occurs twice is no attribute of OTLP: such attributes count as different.
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return false;
    }
    let mut members: Vec<_> = left.iter().collect();
    let mut others: Vec<_> = right.iter().collect();
    members.sort_by_key(|(key, _)| *key);
    others.sort_by_key(|(key, _)| *key);
    members
        .into_iter()
        .zip(others)
        .all(|((_, value), (_, with))| same_value(value, with))
}

fn same_value(left: AnyValue<'_>, right: AnyValue<'_>) -> bool {
    match (left, right) {
        (AnyValue::Empty, AnyValue::Empty) => true,
        (AnyValue::Str(a), AnyValue::Str(b)) => a == b,
        (AnyValue::Bool(a), AnyValue::Bool(b)) => a == b,
        (AnyValue::Int(a), AnyValue::Int(b)) => a == b,
        (AnyValue::Double(a), AnyValue::Double(b)) => a.to_bits() == b.to_bits(),
        (AnyValue::Bytes(a), AnyValue::Bytes(b)) => a == b,
        (AnyValue::Array(a), AnyValue::Array(b)) => {
            let (mut a, mut b) = (a.iter(), b.iter());
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return true,
                    (Some(left), Some(right)) if same_value(left, right) => {}
                    _ => return false,
                }
            }
        }
        (AnyValue::Map(a), AnyValue::Map(b)) => same(a, b),
        _ => false,
    }
}
