//! What a server answered, from the parts of an HTTP response: pure functions.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode;
use tonic::{Code, Status, metadata::MetadataMap};

use super::config::Config;
use crate::{
    Compression, ErrorKind, ExportError, ExportResponse, RetryAdvice, classify,
    grpc::{CONTENT_TYPE, Message},
    otlp::response::{Answer, RpcStatus},
};

/// Longest text of a server that goes into an error.
const MAX_MESSAGE: usize = 1024;

/// The status of a call, wherever the server put it: in trailers, or in the headers of an answer
/// that consists of headers only. `None` if there is none.
pub(super) fn status(config: &Config, headers: &HeaderMap) -> Option<Result<(), ExportError>> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if code == Code::Ok {
        return Some(Ok(()));
    }
    let message = headers
        .get(Status::GRPC_MESSAGE)
        .map(|value| percent_decode(value.as_bytes()).decode_utf8_lossy())
        .unwrap_or_default();
    // For the message too: servers shorten the one in the header.
    let details = details(headers).unwrap_or_default();
    let message = if message.is_empty() {
        details.message.into()
    } else {
        message
    };
    let delay = details.retry_delay;
    let (kind, retry) = config.overrides.get(&code, delay).unwrap_or_else(|| {
        if classify::grpc_says_too_large(code, &message) {
            (ErrorKind::TooLarge, RetryAdvice::Never)
        } else {
            classify::grpc(code, delay)
        }
    });
    Some(Err(ExportError::new(
        kind,
        "the server refused the request",
    )
    .with_retry(retry)
    .with_source(Status::new(
        code,
        shorten(&config.secrets.hide(message.into_owned())),
    ))))
}

/// tonic's own reader of statuses panics on a value that is not base64.
fn details(headers: &HeaderMap) -> Option<RpcStatus> {
    let value = headers.get(Status::GRPC_STATUS_DETAILS)?;
    let mut only = HeaderMap::with_capacity(1);
    only.insert(Status::GRPC_STATUS_DETAILS, value.clone());
    let bytes = MetadataMap::from_headers(only)
        .get_bin(Status::GRPC_STATUS_DETAILS.as_str())?
        .to_bytes()
        .ok()?;
    Some(RpcStatus::from_protobuf(&bytes))
}

/// The error for a response without any gRPC status.
///
/// Source: [HTTP to gRPC status code mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
/// Departures: 413 is a message that is too large; and an answer of 200 that just lacks its
/// status, as a proxy leaves it that was cut off, is retryable.
pub(super) fn no_status(config: &Config, status: StatusCode, headers: &HeaderMap) -> ExportError {
    let code = match status.as_u16() {
        200 => {
            let is_grpc = headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().starts_with(CONTENT_TYPE.as_bytes()));
            let message = if is_grpc {
                "the answer ended without a gRPC status"
            } else {
                "the answer is not gRPC"
            };
            return ExportError::new(ErrorKind::Internal, message);
        }
        413 => {
            return ExportError::new(ErrorKind::TooLarge, format!("the server answered {status}"));
        }
        400 | 431 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    let delay = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let (kind, retry) = config
        .overrides
        .get(&code, delay)
        .unwrap_or_else(|| classify::grpc(code, delay));
    ExportError::new(
        kind,
        format!("the server answered HTTP {status} instead of a gRPC status"),
    )
    .with_retry(retry)
}

/// The response to `items` items that the server took.
///
/// A message that cannot be read counts as absent: the data was accepted, and an odd answer must
/// not make anyone send it again.
pub(super) fn delivered(
    config: &Config,
    items: u64,
    headers: &HeaderMap,
    message: Option<Message>,
) -> ExportResponse {
    let answer = message
        .and_then(|message| plain(config, headers, message))
        .map(|bytes| Answer::from_protobuf(&bytes))
        .unwrap_or_default();
    let message = config.secrets.hide(answer.message);
    let rejected = answer.rejected.min(items);
    let response =
        ExportResponse::delivered(items - rejected).with_destination(config.destination.clone());
    if rejected > 0 {
        response.with_rejected(rejected, message)
    } else {
        response.with_message(message)
    }
}

fn plain(config: &Config, headers: &HeaderMap, message: Message) -> Option<bytes::Bytes> {
    if !message.compressed {
        return Some(message.payload);
    }
    let encoding = headers.get("grpc-encoding").map(HeaderValue::to_str)?;
    Compression::from_name(encoding.ok()?)?
        .decompress(&message.payload, config.max_response_bytes)
        .ok()
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_str(value).expect("a header value"),
                )
            })
            .collect()
    }

    fn error(pairs: &[(&'static str, &str)]) -> ExportError {
        status(&Config::default(), &headers(pairs))
            .expect("a status")
            .expect_err("an error")
    }

    #[test]
    fn ok_and_absent() {
        let config = Config::default();
        assert!(status(&config, &headers(&[])).is_none());
        assert!(matches!(
            status(&config, &headers(&[("grpc-status", "0")])),
            Some(Ok(()))
        ));
    }

    #[test]
    fn what_a_server_repeats_of_a_header_is_hidden() {
        let mut config = Config::default();
        config
            .secrets
            .add(&HeaderValue::from_static("Bearer s3cret"));
        let refused = [("grpc-status", "16"), ("grpc-message", "no s3cret")];
        let answer = status(&config, &headers(&refused)).expect("a status");
        let said = format!("{0} {0:?}", answer.expect_err("refused"));
        assert!(said.contains("no ***"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        let answer = Answer {
            rejected: 1,
            message: "Bearer s3cret may not".to_owned(),
        };
        let message = Message {
            compressed: false,
            payload: answer.to_protobuf().into(),
        };
        let response = delivered(&config, 2, &HeaderMap::new(), Some(message));
        assert_eq!(response.message(), Some("*** may not"));
    }

    #[test]
    fn a_message_is_percent_decoded() {
        let error = error(&[("grpc-status", "14"), ("grpc-message", "no%20disk: %C3%A9")]);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("no disk: é"), "{error}");
    }

    #[test]
    fn retry_info_is_read_and_garbage_is_not_fatal() {
        // google.rpc.Status { code: 8, details: [RetryInfo { 3 s }] }
        let with_delay = {
            let bytes = RpcStatus {
                code: 8,
                message: String::new(),
                retry_delay: Some(Duration::from_secs(3)),
            }
            .to_protobuf();
            tonic::metadata::MetadataValue::from_bytes(&bytes)
        };
        let encoded = std::str::from_utf8(with_delay.as_encoded_bytes()).expect("base64");
        let throttled = error(&[("grpc-status", "8"), ("grpc-status-details-bin", encoded)]);
        assert_eq!(throttled.kind(), ErrorKind::Throttled);
        assert_eq!(
            throttled.retry(),
            RetryAdvice::After(Duration::from_secs(3))
        );
        let garbage = error(&[("grpc-status", "8"), ("grpc-status-details-bin", "%%%")]);
        assert_eq!(garbage.retry(), RetryAdvice::Never);
    }

    #[test]
    fn a_replaced_row_counts() {
        let mut config = Config::default();
        config
            .overrides
            .set(Code::Internal, ErrorKind::Unavailable, RetryAdvice::Backoff);
        let answer = status(&config, &headers(&[("grpc-status", "13")]));
        let error = answer.expect("a status").expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable());
    }

    #[test]
    fn http_statuses_without_a_grpc_status() {
        let config = Config::default();
        for (status, kind, retryable) in [
            (400, ErrorKind::Internal, false),
            (401, ErrorKind::Unauthenticated, false),
            (403, ErrorKind::Unauthenticated, false),
            (404, ErrorKind::Unsupported, false),
            (413, ErrorKind::TooLarge, false),
            (429, ErrorKind::Unavailable, true),
            (502, ErrorKind::Unavailable, true),
            (503, ErrorKind::Unavailable, true),
            (504, ErrorKind::Unavailable, true),
            (500, ErrorKind::Internal, false),
            (200, ErrorKind::Internal, true),
        ] {
            let code = StatusCode::from_u16(status).expect("a status");
            let error = no_status(&config, code, &HeaderMap::new());
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (kind, retryable),
                "{status}"
            );
        }
        let error = no_status(
            &config,
            StatusCode::SERVICE_UNAVAILABLE,
            &headers(&[("retry-after", "9")]),
        );
        assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(9)));
    }

    #[test]
    fn partial_success_never_counts_more_than_there_was() {
        let config = Config::default();
        let message = |rejected| {
            let answer = Answer {
                rejected,
                message: "too old".to_owned(),
            };
            Some(Message {
                compressed: false,
                payload: answer.to_protobuf().into(),
            })
        };
        let response = delivered(&config, 10, &HeaderMap::new(), message(3));
        assert_eq!(response.delivered_items(), 7);
        assert_eq!(response.rejected_items(), 3);
        assert_eq!(response.message(), Some("too old"));
        let response = delivered(&config, 10, &HeaderMap::new(), message(99));
        assert_eq!(response.delivered_items(), 0);
        assert_eq!(response.rejected_items(), 10);
        let response = delivered(&config, 10, &HeaderMap::new(), message(0));
        assert_eq!(response.delivered_items(), 10);
        assert_eq!(response.message(), Some("too old"));
        assert_eq!(
            delivered(&config, 10, &HeaderMap::new(), None).delivered_items(),
            10
        );
    }
}
