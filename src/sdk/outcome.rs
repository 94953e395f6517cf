//! From our errors to those of the SDK, which has three.

use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::{ErrorKind, ExportError, ExportResponse, Signal};

/// What the SDK is told of an answer.
///
/// Rejected items are no failure: the SDK would take it for one of the whole batch.
pub(super) fn outcome(
    signal: Signal,
    items: u64,
    took: Duration,
    is_draining: bool,
    answer: Result<ExportResponse, ExportError>,
) -> OTelSdkResult {
    let names = signal.item_name();
    match answer {
        Ok(response) => {
            let rejected = response.rejected_items();
            if rejected > 0 {
                tracing::warn!(
                    rejected,
                    of = items,
                    message = response.message().unwrap_or("the backend gives no reason"),
                    destination = response.destination(),
                    "the backend rejected {names}"
                );
            }
            Ok(())
        }
        Err(error) => {
            let left = error.remainder().map_or(items, crate::ExportRequest::items);
            match error.kind() {
                // The SDK's error has no place for these words.
                ErrorKind::Timeout => {
                    tracing::warn!(%error, "{left} {names} are not delivered");
                    Err(OTelSdkError::Timeout(took))
                }
                ErrorKind::Closed if is_draining => Err(OTelSdkError::AlreadyShutdown),
                _ => Err(OTelSdkError::InternalFailure(format!(
                    "{left} {names} are not delivered: {error}"
                ))),
            }
        }
    }
}

/// The pipeline's runtime dropped the request.
pub(super) fn gone(signal: Signal, items: u64, is_draining: bool) -> OTelSdkError {
    let names = signal.item_name();
    let why = if is_draining {
        "the pipeline was shut down before"
    } else {
        "the runtime of the pipeline has ended: let it live longer than the providers"
    };
    OTelSdkError::InternalFailure(format!("{items} {names} are not delivered: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExportRequest;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(is_draining: bool, error: ExportError) -> OTelSdkError {
        outcome(Signal::Traces, 3, SECOND, is_draining, Err(error)).expect_err("an error")
    }

    #[test]
    fn every_kind_of_error_keeps_its_name() {
        for kind in [
            ErrorKind::Rejected,
            ErrorKind::TooLarge,
            ErrorKind::Unauthenticated,
            ErrorKind::Unsupported,
            ErrorKind::Throttled,
            ErrorKind::Unavailable,
            ErrorKind::Overloaded,
            ErrorKind::CircuitOpen,
            ErrorKind::Closed,
            ErrorKind::Internal,
        ] {
            let error = ExportError::new(kind, "why").with_exporter("otlp-http", "http://h:4318");
            let OTelSdkError::InternalFailure(text) = told(false, error) else {
                panic!("{kind}");
            };
            let expected = format!(
                "3 spans are not delivered: otlp-http exporter (http://h:4318): {kind}: why"
            );
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_the_sdk_has_a_name_for_has_that() {
        let late = ExportError::new(ErrorKind::Timeout, "late");
        assert!(matches!(told(false, late), OTelSdkError::Timeout(SECOND)));
        let closed = ExportError::new(ErrorKind::Closed, "closed");
        assert!(matches!(told(true, closed), OTelSdkError::AlreadyShutdown));
    }

    #[test]
    fn only_what_is_left_is_told() {
        let rest = ExportRequest::from_protobuf(Signal::Logs, vec![0x0a, 4, 0x12, 2, 0x12, 0]);
        let error = ExportError::new(ErrorKind::Unavailable, "half")
            .with_remainder(ExportResponse::delivered(2), rest.expect("OTLP"));
        assert!(told(false, error).to_string().contains("1 spans are not"));
    }

    #[test]
    fn rejected_items_are_no_failure_of_the_batch() {
        let partly = ExportResponse::delivered(2).with_rejected(1, "too old");
        assert!(outcome(Signal::Logs, 3, SECOND, false, Ok(partly)).is_ok());
    }
}
