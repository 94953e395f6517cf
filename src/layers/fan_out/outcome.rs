//! What the outcomes of the branches add up to: no I/O, no futures.

use std::{fmt::Write, sync::Arc};

use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice,
    request::{Resume, ResumeBranch},
    response::BranchOutcome,
};

/// How many branches of a fan-out must deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FanOutPolicy {
    /// Every branch.
    #[default]
    All,
    /// So many branches: at least one, at most all there are.
    Quorum(usize),
    /// None: the answer tells what became of the request and is never an error.
    BestEffort,
}

/// One branch after the attempts made so far.
pub(super) struct Branch {
    /// What the branch has come to, earlier attempts counted in.
    result: Result<ExportResponse, ExportError>,
    /// What to send next; `None` when the branch is settled.
    remainder: Option<ExportRequest>,
}

impl Branch {
    /// A branch that an earlier attempt has settled.
    pub(super) const fn settled(result: Result<ExportResponse, ExportError>) -> Self {
        Self {
            result,
            remainder: None,
        }
    }

    /// A branch that was sent `sent`, after `earlier` attempts had done a part.
    pub(super) fn attempted(
        sent: &ExportRequest,
        earlier: &ExportResponse,
        result: Result<ExportResponse, ExportError>,
    ) -> Self {
        let error = match result {
            Ok(response) => return Self::settled(Ok(response.merge(earlier))),
            Err(error) => error,
        };
        let progress = error.progress().cloned().unwrap_or_default().merge(earlier);
        let remainder = error.remainder().unwrap_or(sent).clone();
        let something_done = progress.delivered_items() + progress.rejected_items() > 0;
        let retryable = error.is_retryable();
        let error = if something_done || error.remainder().is_some() {
            error.with_remainder(progress, remainder.clone())
        } else {
            error
        };
        Self {
            result: Err(error),
            remainder: retryable.then_some(remainder),
        }
    }

    fn rejected(&self, items: u64) -> u64 {
        match &self.result {
            Ok(response) => response.rejected_items().min(items),
            Err(error) => {
                let delivered = error.progress().map_or(0, ExportResponse::delivered_items);
                items.saturating_sub(delivered)
            }
        }
    }

    fn into_resume(self) -> ResumeBranch {
        match (self.remainder, self.result) {
            (Some(remainder), Err(error)) => {
                ResumeBranch::Pending(remainder, error.progress().cloned().unwrap_or_default())
            }
            (_, result) => ResumeBranch::Settled(result),
        }
    }
}

/// The answer to `request`, once all branches have answered.
pub(super) fn conclude(
    owner: u64,
    policy: FanOutPolicy,
    request: &ExportRequest,
    branches: Vec<Branch>,
) -> Result<ExportResponse, ExportError> {
    if branches.is_empty() {
        return Err(ExportError::new(
            ErrorKind::Unsupported,
            "a fan-out without branches delivers nothing",
        ));
    }
    let needed = match policy {
        FanOutPolicy::All => branches.len(),
        FanOutPolicy::Quorum(needed) => needed.clamp(1, branches.len()),
        FanOutPolicy::BestEffort => 0,
    };
    let outcomes: Arc<[BranchOutcome]> = branches
        .iter()
        .enumerate()
        .map(|(number, branch)| BranchOutcome::new(number, branch.result.clone()))
        .collect();
    let delivered = branches
        .iter()
        .filter(|branch| branch.result.is_ok())
        .count();
    if delivered >= needed {
        let items = request.items();
        let mut rejected: Vec<u64> = branches.iter().map(|one| one.rejected(items)).collect();
        rejected.sort_unstable();
        // There is one branch at least.
        let rejected = rejected.get(needed.max(1) - 1).copied().unwrap_or(items);
        // An item counts as delivered if one branch has delivered so many; what else is not
        // rejected is still with a queue in a branch.
        let counts = |count: fn(&ExportResponse) -> u64| {
            let each = branches.iter().map(|branch| match &branch.result {
                Ok(response) => count(response),
                Err(error) => error.progress().map_or(0, count),
            });
            each.max().unwrap_or(0)
        };
        let retained = (items - rejected)
            .saturating_sub(counts(ExportResponse::delivered_items))
            .min(counts(ExportResponse::retained_items));
        return Ok(ExportResponse::delivered(items - rejected - retained)
            .merge(&ExportResponse::retained(retained))
            .with_rejected(rejected, describe(&outcomes))
            .with_branches(outcomes));
    }
    Err(failure(
        owner, request, branches, outcomes, delivered, needed,
    ))
}

fn failure(
    owner: u64,
    request: &ExportRequest,
    branches: Vec<Branch>,
    outcomes: Arc<[BranchOutcome]>,
    delivered: usize,
    needed: usize,
) -> ExportError {
    // A retry goes by kind and advice: those of the branches that it can still help, if any.
    let helped = branches.iter().any(|branch| branch.remainder.is_some());
    let errors = || {
        branches
            .iter()
            .filter(|branch| branch.remainder.is_some() == helped)
            .filter_map(|branch| branch.result.as_ref().err())
    };
    // Retries of an unrecognised error are few: let it not speak for a better known one.
    let spokesman = errors()
        .find(|error| error.kind() != ErrorKind::Internal)
        .or_else(|| errors().next())
        .cloned();
    let advice = match (helped, errors().filter_map(server_delay).max()) {
        (false, _) => RetryAdvice::Never,
        (true, Some(delay)) => RetryAdvice::After(delay),
        (true, None) => RetryAdvice::Backoff,
    };
    let message = format!(
        "{delivered} of {} branches delivered, {needed} must: {}",
        outcomes.len(),
        describe(&outcomes)
    );
    let kind = spokesman
        .as_ref()
        .map_or(ErrorKind::Internal, ExportError::kind);
    let resume = Resume {
        owner,
        branches: branches.into_iter().map(Branch::into_resume).collect(),
    };
    let error = ExportError::new(kind, message)
        .with_retry(advice)
        .with_remainder(
            ExportResponse::default().with_branches(outcomes),
            request.clone().with_resume(Some(Arc::new(resume))),
        );
    match spokesman {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

fn server_delay(error: &ExportError) -> Option<std::time::Duration> {
    match error.retry() {
        RetryAdvice::After(delay) => Some(delay),
        _ => None,
    }
}

/// The branches that failed or have something to say, by number.
fn describe(outcomes: &[BranchOutcome]) -> String {
    let mut out = String::new();
    for BranchOutcome { branch, result } in outcomes {
        let separator = if out.is_empty() { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = match result {
            Ok(response) => match response.message() {
                Some(message) => write!(out, "{separator}branch {branch}: {message}"),
                None => Ok(()),
            },
            Err(error) => write!(out, "{separator}branch {branch}: {error}"),
        };
    }
    out
}
