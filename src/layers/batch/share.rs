//! What the answer to a batch means for each of its members: no I/O, no futures.

use std::sync::Arc;

use crate::{ExportError, ExportRequest, ExportResponse, response::BranchOutcome};

type Outcome = Result<ExportResponse, ExportError>;

/// Shares the answer to a batch among members with these numbers of items, in the order in which
/// they stand in it.
pub(super) fn share(result: Outcome, batch: &ExportRequest, members: &[u64]) -> Vec<Outcome> {
    if members.len() == 1 {
        return vec![result];
    }
    match result {
        Ok(response) => share_response(&response, members).map(Ok).collect(),
        Err(error) => share_error(&error, batch, members),
    }
}

/// Nobody knows whose items were rejected: each member has a part of them in proportion to its
/// own items. The parts add up to the whole.
fn share_response(
    response: &ExportResponse,
    members: &[u64],
) -> impl Iterator<Item = ExportResponse> {
    let total: u64 = members.iter().sum();
    let rejected = response.rejected_items().min(total);
    let retained = response.retained_items().min(total - rejected);
    let rejected_of = apportion(rejected, members);
    let left: Vec<u64> = members
        .iter()
        .zip(&rejected_of)
        .map(|(items, rejected)| items - rejected)
        .collect();
    let retained_of = apportion(retained, &left);
    let message: Option<Arc<str>> = match (response.message(), rejected) {
        (None, 0) => None,
        (Some(message), 0) => Some(message.into()),
        (message, _) => Some(
            format!(
                "{} ({rejected} of {total} items of a batch rejected)",
                message.unwrap_or("no reason given")
            )
            .into(),
        ),
    };
    let destination: Option<Arc<str>> = response.destination().map(Arc::from);
    let mut branches = share_branches(response.branches(), members).into_iter();
    left.into_iter()
        .zip(rejected_of)
        .zip(retained_of)
        .map(move |((left, rejected), retained)| {
            let mut out = ExportResponse::delivered(left - retained)
                .merge(&ExportResponse::retained(retained));
            if let Some(message) = &message {
                out = out.with_rejected(rejected, message.clone());
            }
            if let Some(destination) = &destination {
                out = out.with_destination(destination.clone());
            }
            match branches.next() {
                Some(branches) => out.with_branches(branches),
                None => out,
            }
        })
}

/// The outcome of each branch, for each member. Nothing if there are no branches.
fn share_branches(branches: &[BranchOutcome], members: &[u64]) -> Vec<Vec<BranchOutcome>> {
    if branches.is_empty() {
        return Vec::new();
    }
    let mut out: Vec<Vec<BranchOutcome>> = vec![Vec::new(); members.len()];
    for BranchOutcome { branch, result } in branches {
        match result {
            Ok(response) => {
                for (out, response) in out.iter_mut().zip(share_response(response, members)) {
                    out.push(BranchOutcome::new(*branch, Ok(response)));
                }
            }
            Err(error) => {
                for out in &mut out {
                    let error = error.clone().without_remainder();
                    out.push(BranchOutcome::new(*branch, Err(error)));
                }
            }
        }
    }
    out
}

/// Each member has the same error. If what remains is known to be the end of the batch, members in
/// front of it are done; else nobody knows what of whom was delivered, and all of each remains.
fn share_error(error: &ExportError, batch: &ExportRequest, members: &[u64]) -> Vec<Outcome> {
    let plain = error.clone().without_remainder();
    let Some((done, progress)) = done_in_front(error, batch) else {
        return members.iter().map(|_| Err(plain.clone())).collect();
    };
    let mut start = 0;
    let done_of: Vec<u64> = members
        .iter()
        .map(|items| {
            let done_here = done.saturating_sub(start).min(*items);
            start += items;
            done_here
        })
        .collect();
    let mut start = 0;
    members
        .iter()
        .zip(&done_of)
        .zip(share_response(progress, &done_of))
        .map(|((items, done_here), progress)| {
            let range = start + done_here..start + items;
            start += items;
            if done_here == items {
                Ok(progress)
            } else if *done_here == 0 {
                Err(plain.clone())
            } else {
                let remainder = batch.with_otlp(batch.otlp().extract(range));
                Err(plain.clone().with_remainder(progress, remainder))
            }
        })
        .collect()
}

/// How many items in front of a remainder are done, if that is what the error says.
fn done_in_front<'a>(
    error: &'a ExportError,
    batch: &ExportRequest,
) -> Option<(u64, &'a ExportResponse)> {
    let (remainder, progress) = (error.remainder()?, error.progress()?);
    let done = batch.items().checked_sub(remainder.items())?;
    if remainder.resume().is_some() || remainder.signal() != batch.signal() {
        return None;
    }
    // Bytes that differ may mean the same, but the same bytes are the same telemetry.
    let (_, end) = batch.otlp().split_at(done)?;
    (end.bytes() == remainder.protobuf()).then_some((done, progress))
}

/// Parts of `total` in proportion to the weights, none larger than its weight if the total is not
/// larger than their sum. Rounded so that the parts add up to the total.
fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let (mut before, mut given) = (0u128, 0u64);
    weights
        .iter()
        .map(|weight| {
            before += u128::from(*weight);
            // What all members so far have; no larger than `total`.
            let until = u128::from(total) * before / sum.max(1);
            let until = u64::try_from(until).unwrap_or(total);
            let part = until - given;
            given = until;
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Signal};

    /// Log records with bodies "0", "1" and so on.
    fn logs(items: u8) -> ExportRequest {
        let records: Vec<u8> = (0..items)
            .flat_map(|number| [0x12, 5, 0x2a, 3, 0x0a, 1, b'0' + number])
            .collect();
        let length = u8::try_from(records.len()).unwrap();
        let mut bytes = vec![0x0a, length + 2, 0x12, length];
        bytes.extend(records);
        ExportRequest::from_protobuf(Signal::Logs, bytes).unwrap()
    }

    fn down() -> ExportError {
        ExportError::new(ErrorKind::Unavailable, "down")
    }

    #[test]
    fn parts_add_up_and_fit() {
        assert_eq!(apportion(3, &[10, 10, 10]), [1, 1, 1]);
        assert_eq!(apportion(1, &[5, 5]), [0, 1]);
        assert_eq!(apportion(0, &[5, 5]), [0, 0]);
        assert_eq!(apportion(10, &[1, 9]), [1, 9]);
        assert_eq!(apportion(u64::MAX, &[u64::MAX, 0]), [u64::MAX, 0]);
        assert_eq!(apportion(0, &[0, 0]), [0, 0]);
        for total in 0..=20 {
            let weights = [1, 7, 3, 0, 9];
            let parts = apportion(total, &weights);
            assert_eq!(parts.iter().sum::<u64>(), total);
            assert!(
                parts
                    .iter()
                    .zip(weights)
                    .all(|(part, weight)| *part <= weight)
            );
        }
    }

    #[test]
    fn every_member_accounts_for_all_its_items() {
        let response = ExportResponse::delivered(3)
            .merge(&ExportResponse::retained(2))
            .with_rejected(4, "old")
            .with_destination("here")
            .with_branches([
                BranchOutcome::new(0, Ok(ExportResponse::delivered(5).with_rejected(4, "old"))),
                BranchOutcome::new(
                    1,
                    Err(down().with_remainder(ExportResponse::delivered(1), logs(8))),
                ),
            ]);
        let members = [4, 1, 4];
        let shares = share(Ok(response), &logs(9), &members);
        let shares: Vec<_> = shares.into_iter().map(Result::unwrap).collect();
        for (share, items) in shares.iter().zip(members) {
            let all = share.delivered_items() + share.rejected_items() + share.retained_items();
            assert_eq!(all, items);
            assert_eq!(
                share.message(),
                Some("old (4 of 9 items of a batch rejected)")
            );
            assert_eq!(share.destination(), Some("here"));
            let [first, second] = share.branches() else {
                panic!("two branches: {share:?}");
            };
            let first = first.result.as_ref().unwrap();
            assert_eq!(first.delivered_items() + first.rejected_items(), items);
            assert!(second.result.as_ref().unwrap_err().remainder().is_none());
        }
        assert_eq!(
            shares
                .iter()
                .map(ExportResponse::rejected_items)
                .sum::<u64>(),
            4
        );
        assert_eq!(
            shares
                .iter()
                .map(ExportResponse::retained_items)
                .sum::<u64>(),
            2
        );
    }

    #[test]
    fn a_single_member_gets_the_answer_as_it_is() {
        let error = down().with_remainder(ExportResponse::delivered(1), logs(1));
        let shares = share(Err(error), &logs(2), &[2]);
        let [Err(error)] = &shares[..] else {
            panic!("one error: {shares:?}");
        };
        assert_eq!(error.remainder().unwrap().items(), 1);
    }

    #[test]
    fn members_in_front_of_what_remains_are_done() {
        let batch = logs(9);
        let remainder = batch.with_otlp(batch.otlp().extract(5..9));
        let progress = ExportResponse::delivered(4).with_rejected(1, "old");
        let shares = share(
            Err(down().with_remainder(progress, remainder)),
            &batch,
            &[3, 4, 2],
        );
        let [Ok(first), Err(second), Err(third)] = &shares[..] else {
            panic!("one done, one half done: {shares:?}");
        };
        let done = second.progress().unwrap();
        assert_eq!(first.delivered_items() + first.rejected_items(), 3);
        assert_eq!(done.delivered_items() + done.rejected_items(), 2);
        assert_eq!(first.rejected_items() + done.rejected_items(), 1);
        assert_eq!(
            second.remainder().unwrap().protobuf(),
            batch.otlp().extract(5..7).bytes()
        );
        assert!(third.remainder().is_none(), "all of it remains");
    }

    #[test]
    fn when_nobody_knows_what_remains_all_of_it_does() {
        let batch = logs(9);
        let front = batch.with_otlp(batch.otlp().extract(0..4));
        let error = down().with_remainder(ExportResponse::delivered(5), front);
        for share in share(Err(error), &batch, &[3, 4, 2]) {
            let error = share.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.remainder().is_none());
        }
    }
}
