//! Which requests went into which batches.

use std::collections::HashMap;

use super::{pipeline::Node, world::Seen};

/// Calls above and calls below a batch layer, in groups that share no item.
pub fn groups(seen: &Seen, node: &Node) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut joined: Vec<usize> = (0..seen.calls.len()).collect();
    let mut first_with: HashMap<u64, usize> = HashMap::new();
    let is_ours = |tap: usize| tap == node.upper || node.lower.contains(&tap);
    for (number, call) in seen.calls.iter().enumerate() {
        if is_ours(call.tap) {
            for id in call.ids.iter() {
                let other = *first_with.entry(*id).or_insert(number);
                let (one, other) = (root(&joined, number), root(&joined, other));
                joined[one] = other;
            }
        }
    }
    let mut out: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (number, call) in seen.calls.iter().enumerate() {
        // A request without items has none in common with others.
        if is_ours(call.tap) && !call.ids.is_empty() {
            let place = *places.entry(root(&joined, number)).or_insert_with(|| {
                out.push((Vec::new(), Vec::new()));
                out.len() - 1
            });
            if call.tap == node.upper {
                out[place].0.push(number);
            } else {
                out[place].1.push(number);
            }
        }
    }
    out
}

fn root(joined: &[usize], mut number: usize) -> usize {
    while joined[number] != number {
        number = joined[number];
    }
    number
}
