//! Which answer of a server means what: one pure table a protocol.
//!
//! Source: the [OTLP specification](https://opentelemetry.io/docs/specs/otlp/), "Failures" and
//! "OTLP/gRPC Throttling" for gRPC, "Failures" and "OTLP/HTTP Throttling" for HTTP.

use std::time::Duration;

use crate::{ErrorKind, RetryAdvice};

/// What a status means.
pub(crate) type Verdict = (ErrorKind, RetryAdvice);

const fn retry(kind: ErrorKind, server_delay: Option<Duration>) -> Verdict {
    match server_delay {
        Some(delay) => (kind, RetryAdvice::After(delay)),
        None => (kind, RetryAdvice::Backoff),
    }
}

const fn never(kind: ErrorKind) -> Verdict {
    (kind, RetryAdvice::Never)
}

/// The meaning of a gRPC status that a server sent. `server_delay` is what its `RetryInfo` says.
#[cfg(feature = "_grpc")]
pub(crate) fn grpc(code: tonic::Code, server_delay: Option<Duration>) -> Verdict {
    use tonic::Code;
    match code {
        Code::Cancelled | Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => {
            retry(ErrorKind::Unavailable, server_delay)
        }
        Code::DeadlineExceeded => retry(ErrorKind::Timeout, server_delay),
        Code::ResourceExhausted => match server_delay {
            Some(_) => retry(ErrorKind::Throttled, server_delay),
            None => never(ErrorKind::Throttled),
        },
        Code::Unauthenticated | Code::PermissionDenied => never(ErrorKind::Unauthenticated),
        Code::Unimplemented => never(ErrorKind::Unsupported),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition => never(ErrorKind::Rejected),
        Code::Unknown | Code::Internal => never(ErrorKind::Internal),
    }
}

/// Whether a gRPC status says that the message was too large.
///
/// gRPC has no code for it: implementations use `RESOURCE_EXHAUSTED` (Go, C++, Java) or
/// `OUT_OF_RANGE` (tonic) and tell it in the message only.
#[cfg(all(feature = "_grpc", any(feature = "otlp-grpc", test)))]
pub(crate) fn grpc_says_too_large(code: tonic::Code, message: &str) -> bool {
    use tonic::Code;
    let message = message.to_ascii_lowercase();
    matches!(code, Code::ResourceExhausted | Code::OutOfRange)
        && [
            "larger than max",
            "length too large",
            "exceeds maximum size",
            "exceeds the limit",
            "message too large",
        ]
        .iter()
        .any(|phrase| message.contains(phrase))
}

/// The meaning of an HTTP status that is not a success. `server_delay` is what its `Retry-After`
/// says.
#[cfg(feature = "_http")]
pub(crate) fn http(status: u16, server_delay: Option<Duration>) -> Verdict {
    match status {
        429 => retry(ErrorKind::Throttled, server_delay),
        502 | 503 => retry(ErrorKind::Unavailable, server_delay),
        504 => retry(ErrorKind::Timeout, server_delay),
        401 | 403 | 407 => never(ErrorKind::Unauthenticated),
        404 | 405 | 415 | 501 => never(ErrorKind::Unsupported),
        408 => never(ErrorKind::Timeout),
        413 => never(ErrorKind::TooLarge),
        500 | 505..=599 => never(ErrorKind::Internal),
        _ => never(ErrorKind::Rejected),
    }
}

/// The meaning of an HTTP status to backends other than OTLP's: as [`http`], but what a busy
/// server or a proxy before it answers, 408 and 500, is tried again.
#[cfg(feature = "_http_client")]
pub(crate) fn http_backend(status: u16, server_delay: Option<Duration>) -> Verdict {
    match status {
        408 => retry(ErrorKind::Timeout, server_delay),
        500 => retry(ErrorKind::Unavailable, server_delay),
        _ => http(status, server_delay),
    }
}

/// Rows of a table that a user replaced: what a status of this server means instead.
#[derive(Clone, Debug)]
pub(crate) struct Overrides<Status>(Vec<(Status, Verdict)>);

impl<Status> Default for Overrides<Status> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Status: PartialEq> Overrides<Status> {
    /// Replaces a row; the last replacement of a row counts.
    pub(crate) fn set(&mut self, status: Status, kind: ErrorKind, retry: RetryAdvice) {
        self.0.push((status, (kind, retry)));
    }

    /// The replaced row. A delay that the server named overrides an advice to back off.
    pub(crate) fn get(&self, status: &Status, server_delay: Option<Duration>) -> Option<Verdict> {
        let (_, (kind, advice)) = self.0.iter().rev().find(|(row, _)| row == status)?;
        Some(match (advice, server_delay) {
            (RetryAdvice::Backoff, Some(delay)) => (*kind, RetryAdvice::After(delay)),
            _ => (*kind, *advice),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Option<Duration> = Some(Duration::from_secs(7));

    #[cfg(feature = "_grpc")]
    #[test]
    fn grpc_rows_are_those_of_the_specification() {
        use tonic::Code;
        let retryable = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for number in 0..=16 {
            let code = Code::from_i32(number);
            let expected = if retryable.contains(&code) {
                RetryAdvice::Backoff
            } else {
                RetryAdvice::Never
            };
            assert_eq!(grpc(code, None).1, expected, "{code:?}");
            let with_delay = if retryable.contains(&code) || code == Code::ResourceExhausted {
                RetryAdvice::After(Duration::from_secs(7))
            } else {
                RetryAdvice::Never
            };
            assert_eq!(grpc(code, DELAY).1, with_delay, "{code:?} with RetryInfo");
        }
    }

    #[cfg(feature = "_grpc")]
    #[test]
    fn too_large_is_told_from_throttled() {
        use tonic::Code;
        for (code, message) in [
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (5 vs. 4)",
            ),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
            ),
            (
                Code::ResourceExhausted,
                "gRPC message exceeds maximum size 4: 5",
            ),
        ] {
            assert!(grpc_says_too_large(code, message), "{message}");
        }
        assert!(!grpc_says_too_large(Code::ResourceExhausted, "slow down"));
        assert!(!grpc_says_too_large(Code::Internal, "larger than max"));
    }

    #[cfg(feature = "_http")]
    #[test]
    fn http_rows_are_those_of_the_specification() {
        for status in 300..600 {
            let expected = match status {
                429 | 502 | 503 | 504 => RetryAdvice::Backoff,
                _ => RetryAdvice::Never,
            };
            assert_eq!(http(status, None).1, expected, "{status}");
            let with_delay = match status {
                429 | 502 | 503 | 504 => RetryAdvice::After(Duration::from_secs(7)),
                _ => RetryAdvice::Never,
            };
            assert_eq!(
                http(status, DELAY).1,
                with_delay,
                "{status} with Retry-After"
            );
        }
        assert_eq!(http(413, None).0, ErrorKind::TooLarge);
        assert_eq!(http(400, None).0, ErrorKind::Rejected);
        assert_eq!(http(401, None).0, ErrorKind::Unauthenticated);
    }

    #[cfg(feature = "_http_client")]
    #[test]
    fn other_backends_are_also_tried_again_after_408_and_500() {
        for status in 300..600 {
            let expected = match status {
                408 | 429 | 500 | 502 | 503 | 504 => RetryAdvice::After(Duration::from_secs(7)),
                _ => RetryAdvice::Never,
            };
            assert_eq!(http_backend(status, DELAY).1, expected, "{status}");
        }
    }
}
