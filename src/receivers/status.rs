//! What a receiver answers: the one place where an outcome becomes a protocol status.
//!
//! A client goes by one question only: may it send the same data again? The OTLP specification
//! ([failures over gRPC](https://opentelemetry.io/docs/specs/otlp/#failures),
//! [over HTTP](https://opentelemetry.io/docs/specs/otlp/#failures-1)) lists the statuses that
//! mean yes; every other one means that the data is dropped. So the table below never answers a
//! status that loses data that could still arrive:
//!
//! | the error is | and its advice is | gRPC | HTTP |
//! |---|---|---|---|
//! | throttled, overloaded | again | `RESOURCE_EXHAUSTED` with `RetryInfo` | 429 with `Retry-After` |
//! | timeout | again | `DEADLINE_EXCEEDED` | 504 |
//! | anything else | again | `UNAVAILABLE` | 503 |
//! | unauthenticated, closed | never | `UNAVAILABLE` | 503 |
//! | rejected | never | `INVALID_ARGUMENT` | 400 |
//! | too large | never | `RESOURCE_EXHAUSTED` | 413 |
//! | unsupported | never | `UNIMPLEMENTED` | 501 |
//! | throttled | never | `RESOURCE_EXHAUSTED` | 500 |
//! | anything else | never | `INTERNAL` | 500 |
//!
//! *Unauthenticated* is about the credentials of this process at its backend. Its client can
//! neither see nor repair them, and its data is good: it keeps the data and tries again until
//! the operator has repaired them. *Closed* is this process on its way out: another instance,
//! or the next one, takes the data.
//!
//! # Partial failures
//!
//! OTLP cannot say "send only these again". If a part was delivered and the rest is lost for
//! good, the answer is a success with that many rejected items, as OTLP's partial success wants
//! it. If the rest can still be delivered, the answer is a retryable status: the client sends
//! everything again, and the delivered part arrives twice rather than the rest never.

use std::time::Duration;

use crate::{
    ErrorKind, ExportError, ExportResponse, RetryAdvice,
    otlp::{
        Malformed, Problem,
        response::{Answer, RpcStatus},
    },
};

/// The delay that a client is told when it has to slow down and nobody named a delay. Without
/// one, `RESOURCE_EXHAUSTED` tells a client to drop the data.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// Longest text sent to a peer, in bytes. Over gRPC it travels in a header, of which peers
/// accept a few thousand bytes, and percent-encoded.
const MAX_MESSAGE: usize = 1024;

// gRPC status codes, as numbers because the HTTP receiver does without tonic.
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;

/// Why a receiver does not take a request, in the words of both protocols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// gRPC status code.
    pub(crate) grpc: i32,
    /// HTTP status code.
    #[cfg_attr(not(feature = "receiver-http"), allow(dead_code))]
    pub(crate) http: u16,
    /// For the people who run the client. Never holds a secret.
    pub(crate) message: String,
    /// How long the client should wait before it sends the data again.
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    fn new(
        grpc: i32,
        http: u16,
        retry_after: Option<Duration>,
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            let mut ends = (0..=MAX_MESSAGE).rev();
            let cut = ends.find(|end| message.is_char_boundary(*end));
            message.truncate(cut.unwrap_or_default());
            message.push_str("...");
        }
        Self {
            grpc,
            http,
            message,
            retry_after,
        }
    }

    /// The body is not what the protocol wants: `INVALID_ARGUMENT`, 400.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(INVALID_ARGUMENT, 400, None, message)
    }

    /// A body of `size` bytes is over the limit of `limit` bytes: `RESOURCE_EXHAUSTED` without
    /// `RetryInfo`, 413. The words are those by which clients of all languages know this case.
    pub(crate) fn too_large(size: Option<u64>, limit: usize) -> Self {
        let message = match size {
            Some(size) => format!("message larger than max ({size} vs. {limit})"),
            None => format!("message larger than max ({limit})"),
        };
        Self::new(RESOURCE_EXHAUSTED, 413, None, message)
    }

    /// The call, the compression or the media type is not known: `UNIMPLEMENTED`, 501.
    #[cfg_attr(not(feature = "receiver-grpc"), allow(dead_code))]
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(UNIMPLEMENTED, 501, None, message)
    }

    /// The peer breaks the protocol in a way for which gRPC prescribes it: `INTERNAL`, 500.
    #[cfg(feature = "receiver-grpc")]
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL, 500, None, message)
    }

    /// The delay for `Retry-After`, in whole seconds, rounded up.
    #[cfg_attr(not(feature = "receiver-http"), allow(dead_code))]
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let delay = self.retry_after?;
        Some(
            delay
                .as_secs()
                .saturating_add(u64::from(delay.subsec_nanos() > 0)),
        )
    }

    /// The same as `google.rpc.Status`: the body over HTTP, the details over gRPC.
    pub(crate) fn to_rpc_status(&self) -> RpcStatus {
        RpcStatus {
            code: self.grpc,
            message: self.message.clone(),
            retry_delay: self.retry_after,
        }
    }

    /// Whether the client will send the data again.
    fn is_retryable(&self) -> bool {
        matches!(self.grpc, DEADLINE_EXCEEDED | UNAVAILABLE) || self.retry_after.is_some()
    }
}

impl From<&Malformed> for Refusal {
    fn from(malformed: &Malformed) -> Self {
        match malformed.problem() {
            Problem::TooLarge { limit } => Self::too_large(None, *limit),
            // Fewer items would pass, so the client should see the status of a large body.
            Problem::TooManyItems { .. } => Self::new(
                RESOURCE_EXHAUSTED,
                413,
                None,
                format!("message too large: {malformed}"),
            ),
            _ => Self::invalid(format!("invalid OTLP data: {malformed}")),
        }
    }
}

impl From<&ExportError> for Refusal {
    fn from(error: &ExportError) -> Self {
        let (grpc, http, delay) = status(error.kind(), error.retry());
        let message = error.to_string();
        // gRPC has no code for "too large": clients know it by these words.
        if error.kind() == ErrorKind::TooLarge && grpc == RESOURCE_EXHAUSTED {
            return Self::new(grpc, http, delay, format!("message too large: {message}"));
        }
        Self::new(grpc, http, delay, message)
    }
}

/// The table: gRPC code, HTTP code, delay.
const fn status(kind: ErrorKind, advice: RetryAdvice) -> (i32, u16, Option<Duration>) {
    let delay = match advice {
        RetryAdvice::Never => {
            return match kind {
                ErrorKind::Rejected => (INVALID_ARGUMENT, 400, None),
                ErrorKind::TooLarge => (RESOURCE_EXHAUSTED, 413, None),
                ErrorKind::Unsupported => (UNIMPLEMENTED, 501, None),
                ErrorKind::Unauthenticated | ErrorKind::Closed => (UNAVAILABLE, 503, None),
                ErrorKind::Throttled => (RESOURCE_EXHAUSTED, 500, None),
                ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Overloaded
                | ErrorKind::CircuitOpen
                | ErrorKind::Internal => (INTERNAL, 500, None),
            };
        }
        RetryAdvice::Backoff => None,
        RetryAdvice::After(delay) => Some(delay),
    };
    match (kind, delay) {
        (ErrorKind::Throttled | ErrorKind::Overloaded, None) => {
            (RESOURCE_EXHAUSTED, 429, Some(DEFAULT_DELAY))
        }
        (ErrorKind::Throttled | ErrorKind::Overloaded, delay) => (RESOURCE_EXHAUSTED, 429, delay),
        (ErrorKind::Timeout, delay) => (DEADLINE_EXCEEDED, 504, delay),
        (_, delay) => (UNAVAILABLE, 503, delay),
    }
}

/// What to answer to a request that came to this outcome.
pub(crate) fn answer(outcome: Result<ExportResponse, ExportError>) -> Result<Answer, Refusal> {
    let error = match outcome {
        Ok(response) => {
            return Ok(Answer {
                rejected: response.rejected_items(),
                message: response.message().unwrap_or_default().to_owned(),
            });
        }
        Err(error) => error,
    };
    let refusal = Refusal::from(&error);
    match (error.progress(), error.remainder()) {
        (Some(progress), Some(rest))
            if progress.delivered_items() > 0 && !refusal.is_retryable() =>
        {
            Ok(Answer {
                rejected: progress.rejected_items().saturating_add(rest.items()),
                message: refusal.message,
            })
        }
        _ => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExportRequest, Signal};

    const SEVEN: Duration = Duration::from_secs(7);

    #[test]
    fn every_row() {
        use ErrorKind as K;
        let again = |grpc, http, default| (grpc, http, default);
        let rows = [
            // kind, never, backoff
            (K::Rejected, (3, 400), again(14, 503, None)),
            (K::TooLarge, (8, 413), again(14, 503, None)),
            (K::Unauthenticated, (14, 503), again(14, 503, None)),
            (K::Unsupported, (12, 501), again(14, 503, None)),
            (K::Throttled, (8, 500), again(8, 429, Some(DEFAULT_DELAY))),
            (K::Unavailable, (13, 500), again(14, 503, None)),
            (K::Timeout, (13, 500), again(4, 504, None)),
            (K::Overloaded, (13, 500), again(8, 429, Some(DEFAULT_DELAY))),
            (K::CircuitOpen, (13, 500), again(14, 503, None)),
            (K::Closed, (14, 503), again(14, 503, None)),
            (K::Internal, (13, 500), again(14, 503, None)),
        ];
        for (kind, (grpc, http), backoff) in rows {
            assert_eq!(
                status(kind, RetryAdvice::Never),
                (grpc, http, None),
                "{kind}, never"
            );
            assert_eq!(status(kind, RetryAdvice::Backoff), backoff, "{kind}, again");
            assert_eq!(
                status(kind, RetryAdvice::After(SEVEN)),
                (backoff.0, backoff.1, Some(SEVEN)),
                "{kind}, after a delay",
            );
        }
    }

    /// What a client of this crate makes of an answer is what the exporter said.
    #[cfg(feature = "_grpc")]
    #[test]
    fn a_retryable_error_stays_retryable_over_both_protocols() {
        use ErrorKind as K;
        for kind in [
            K::Throttled,
            K::Unavailable,
            K::Timeout,
            K::Overloaded,
            K::CircuitOpen,
            K::Internal,
            K::Unauthenticated,
            K::Closed,
        ] {
            let refusal = Refusal::from(&ExportError::new(kind, "no"));
            let code = tonic::Code::from_i32(refusal.grpc);
            let (_, over_grpc) = crate::classify::grpc(code, refusal.retry_after);
            let (_, over_http) = crate::classify::http(refusal.http, refusal.retry_after);
            assert_ne!(over_grpc, RetryAdvice::Never, "{kind}");
            assert_ne!(over_http, RetryAdvice::Never, "{kind}");
        }
        for kind in [K::Rejected, K::TooLarge, K::Unsupported] {
            let refusal = Refusal::from(&ExportError::new(kind, "no"));
            let code = tonic::Code::from_i32(refusal.grpc);
            let (_, over_grpc) = crate::classify::grpc(code, refusal.retry_after);
            let (_, over_http) = crate::classify::http(refusal.http, refusal.retry_after);
            assert_eq!(over_grpc, RetryAdvice::Never, "{kind}");
            assert_eq!(over_http, RetryAdvice::Never, "{kind}");
        }
    }

    #[cfg(feature = "_grpc")]
    #[test]
    fn too_large_is_understood_as_such() {
        let refusals = [
            Refusal::from(&ExportError::new(ErrorKind::TooLarge, "413")),
            Refusal::too_large(Some(5), 4),
            Refusal::too_large(None, 4),
        ];
        for refusal in refusals {
            let code = tonic::Code::from_i32(refusal.grpc);
            assert!(
                crate::classify::grpc_says_too_large(code, &refusal.message),
                "{}",
                refusal.message
            );
            assert_eq!(refusal.http, 413);
        }
    }

    fn logs(items: usize) -> ExportRequest {
        // ResourceLogs { scope_logs { log_records { } } }
        let one = [0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
        ExportRequest::from_protobuf(Signal::Logs, one.repeat(items)).expect("valid")
    }

    #[test]
    fn a_part_that_is_lost_for_good_is_a_partial_success() {
        let progress = ExportResponse::delivered(3).with_rejected(1, "odd");
        let error =
            ExportError::new(ErrorKind::Rejected, "too old").with_remainder(progress, logs(2));
        let answer = answer(Err(error)).expect("a partial success");
        assert_eq!(answer.rejected, 3);
        assert!(answer.message.contains("too old"), "{}", answer.message);
    }

    #[test]
    fn a_part_that_may_still_arrive_is_a_retryable_failure() {
        let error = ExportError::new(ErrorKind::Unavailable, "down")
            .with_remainder(ExportResponse::delivered(3), logs(2));
        assert_eq!(answer(Err(error)).expect_err("a refusal").grpc, UNAVAILABLE);
    }

    #[test]
    fn nothing_delivered_is_a_failure() {
        let error = ExportError::new(ErrorKind::Rejected, "bad")
            .with_remainder(ExportResponse::default(), logs(2));
        assert_eq!(
            answer(Err(error)).expect_err("a refusal").grpc,
            INVALID_ARGUMENT
        );
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (delay, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            let refusal = Refusal::new(14, 503, Some(Duration::from_millis(delay)), "");
            assert_eq!(refusal.retry_after_seconds(), Some(seconds), "{delay} ms");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let refusal = Refusal::invalid("é".repeat(MAX_MESSAGE));
        assert!(refusal.message.len() <= MAX_MESSAGE + 3);
        assert!(refusal.message.ends_with("é..."));
    }
}
