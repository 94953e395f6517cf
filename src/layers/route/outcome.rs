//! What the outcomes of the parts add up to: no I/O, no futures.

use std::{fmt::Write, sync::Arc, time::Duration};

use super::{plan::merge, service::Table};
use crate::{
    BranchOutcome, ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice,
    request::{Resume, ResumeBranch},
};

/// A part of a request, with its answer.
pub(super) struct Part {
    /// The number of its exporter, if it has a route.
    pub(super) target: Option<usize>,
    pub(super) sent: ExportRequest,
    pub(super) result: Result<ExportResponse, ExportError>,
}

impl Part {
    fn remainder(&self) -> &ExportRequest {
        match &self.result {
            Err(error) => error.remainder().unwrap_or(&self.sent),
            Ok(_) => &self.sent,
        }
    }
}

/// The answer to `request`, once all its parts have theirs.
pub(super) fn conclude(
    table: &Table,
    request: &ExportRequest,
    parts: Vec<Part>,
) -> Result<ExportResponse, ExportError> {
    let (mut done, mut message) = (ExportResponse::default(), String::new());
    for Part { target, result, .. } in &parts {
        let text = match result {
            Ok(response) => {
                done = done.merge(response);
                response.message().map(str::to_owned)
            }
            Err(error) => {
                if let Some(progress) = error.progress() {
                    done = done.merge(progress);
                }
                Some(error.to_string())
            }
        };
        if let Some(text) = text {
            let separator = if message.is_empty() { "" } else { "; " };
            // Writing to a string does not fail.
            let _ = match *target {
                Some(number) if table.default == Some(number) => {
                    write!(message, "{separator}default route: {text}")
                }
                Some(number) => write!(message, "{separator}route {number}: {text}"),
                None => write!(message, "{separator}{text}"),
            };
        }
    }
    let outcomes: Vec<_> = parts
        .iter()
        .filter_map(|part| Some(BranchOutcome::new(part.target?, part.result.clone())))
        .collect();
    let done = done.with_branches(outcomes);
    let total = parts.len();
    let failed: Vec<Part> = parts
        .into_iter()
        .filter(|part| part.result.is_err())
        .collect();
    if failed.is_empty() {
        return Ok(done.with_message(message));
    }
    let message = format!("{} of {total} parts failed: {message}", failed.len());
    Err(failure(table, request, done, message, failed))
}

fn failure(
    table: &Table,
    request: &ExportRequest,
    done: ExportResponse,
    message: String,
    failed: Vec<Part>,
) -> ExportError {
    // A retry goes by kind and advice: those of the parts that it can still help, if any.
    let all = || failed.iter().filter_map(|part| part.result.as_ref().err());
    let helped = all().any(ExportError::is_retryable);
    let errors = || all().filter(|error| error.is_retryable() == helped);
    // Retries of an unrecognised error are few: let it not speak for a better known one.
    let spokesman = errors()
        .find(|error| error.kind() != ErrorKind::Internal)
        .or_else(|| errors().next())
        .cloned();
    let advice = match (helped, errors().filter_map(named).max()) {
        (false, _) => RetryAdvice::Never,
        (true, Some(delay)) => RetryAdvice::After(delay),
        (true, None) => RetryAdvice::Backoff,
    };
    let remainder = match failed.as_slice() {
        [only] => Ok(only.remainder().clone()),
        several => merge(request, several.iter().map(Part::remainder)),
    }
    .map(|remainder| remainder.with_resume(Some(Arc::new(notes(table, &failed)))));
    let kind = spokesman
        .as_ref()
        .map_or(ErrorKind::Internal, ExportError::kind);
    let error = ExportError::new(kind, message).with_retry(advice);
    let error = match remainder {
        Ok(remainder) => error.with_remainder(done, remainder),
        // Everything is sent again then: better twice than never.
        Err(_) => error,
    };
    match spokesman {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// What the next attempt is told: what is left for each exporter, and, last, what has no route.
fn notes(table: &Table, failed: &[Part]) -> Resume {
    let nothing = ResumeBranch::Settled(Ok(ExportResponse::default()));
    let mut branches = vec![nothing; table.exporters.len() + 1];
    for part in failed {
        let place = part.target.unwrap_or(table.exporters.len());
        if let Some(branch) = branches.get_mut(place) {
            *branch = note(part);
        }
    }
    Resume {
        owner: table.owner,
        branches,
    }
}

/// What the next attempt is told of a part. Its progress is counted by now.
fn note(part: &Part) -> ResumeBranch {
    let (remainder, none) = (part.remainder().clone(), ExportResponse::default());
    match &part.result {
        Err(error) if !error.is_retryable() => {
            ResumeBranch::Settled(Err(error.clone().with_remainder(none, remainder)))
        }
        _ => ResumeBranch::Pending(remainder, none),
    }
}

fn named(error: &ExportError) -> Option<Duration> {
    match error.retry() {
        RetryAdvice::After(delay) => Some(delay),
        _ => None,
    }
}
