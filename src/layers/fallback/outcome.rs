//! What the caller is told when the secondary has answered.

use super::switch::Shared;
use crate::{ExportError, ExportRequest, ExportResponse, RetryAdvice};

/// The answer, after the secondary was sent `sent`, because of `failure` if the primary was tried.
pub(super) fn conclude(
    shared: &Shared,
    sent: &ExportRequest,
    failure: Option<ExportError>,
    result: Result<ExportResponse, ExportError>,
) -> Result<ExportResponse, ExportError> {
    match (result, failure) {
        (Ok(response), failure) => {
            let earlier = failure.as_ref().and_then(ExportError::progress);
            Ok(response
                .merge(earlier.unwrap_or(&ExportResponse::default()))
                .with_taken_over())
        }
        (Err(error), Some(failure)) => Err(both_failed(sent, &failure, error)),
        // Final for the secondary, but not about the request: the primary may come back and take
        // it.
        (Err(error), None) if !error.is_retryable() && shared.policy.takes_over(&error) => {
            Err(error.with_retry(RetryAdvice::After(shared.until_probe())))
        }
        (Err(error), None) => Err(error),
    }
}

fn both_failed(sent: &ExportRequest, failure: &ExportError, error: ExportError) -> ExportError {
    // Either of the two may take it next time: the kind is that of one which a retry can help.
    let kind = if error.is_retryable() || !failure.is_retryable() {
        error.kind()
    } else {
        failure.kind()
    };
    let message = format!("the primary failed ({failure}) and so did the secondary");
    let both = ExportError::new(kind, message).with_retry(sooner(failure.retry(), error.retry()));
    let both = if failure.remainder().is_some() || error.remainder().is_some() {
        let progress = error.progress().cloned().unwrap_or_default();
        let progress = match failure.progress() {
            Some(earlier) => progress.merge(earlier),
            None => progress,
        };
        let remainder = error.remainder().unwrap_or(sent).clone();
        both.with_remainder(progress, remainder)
    } else {
        both
    };
    both.with_source(error)
}

/// The advice of whoever may be asked again first.
fn sooner(one: RetryAdvice, other: RetryAdvice) -> RetryAdvice {
    match (one, other) {
        (RetryAdvice::Never, advice) | (advice, RetryAdvice::Never) => advice,
        (RetryAdvice::After(one), RetryAdvice::After(other)) => RetryAdvice::After(one.min(other)),
        _ => RetryAdvice::Backoff,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_sooner_advice_wins() {
        let after = |secs| RetryAdvice::After(Duration::from_secs(secs));
        for (one, other, expected) in [
            (RetryAdvice::Never, RetryAdvice::Never, RetryAdvice::Never),
            (RetryAdvice::Never, after(3), after(3)),
            (after(9), after(3), after(3)),
            (after(9), RetryAdvice::Backoff, RetryAdvice::Backoff),
            (
                RetryAdvice::Never,
                RetryAdvice::Backoff,
                RetryAdvice::Backoff,
            ),
        ] {
            assert_eq!(sooner(one, other), expected);
            assert_eq!(sooner(other, one), expected);
        }
    }
}
