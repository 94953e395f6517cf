//! The answers of OTLP: `Export*ServiceResponse` with its partial success, and
//! `google.rpc.Status` with its `RetryInfo`, as protobuf and as JSON.
//!
//! Source: [OTLP specification](https://opentelemetry.io/docs/specs/otlp/), "OTLP/gRPC Response"
//! and "OTLP/HTTP Response"; `google/rpc/status.proto`, `google/rpc/error_details.proto`.

use std::time::Duration;

#[cfg(feature = "json")]
use super::Signal;
use super::wire::{self, Fields, Value};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// What a server accepted of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Items that it refused for good.
    pub(crate) rejected: u64,
    /// Why; or, with nothing rejected, a warning.
    pub(crate) message: String,
}

impl Answer {
    fn is_plain(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }

    /// Writes the protobuf form, which has the same field numbers for all signals.
    pub(crate) fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_plain() {
            let body = wire::begin_len(&mut out, 1);
            if self.rejected > 0 {
                wire::put_varint_field(&mut out, 1, self.rejected);
            }
            if !self.message.is_empty() {
                wire::put_len_field(&mut out, 2, self.message.as_bytes());
            }
            wire::end_len(&mut out, body);
        }
        out
    }

    /// Reads the protobuf form. What cannot be read counts as absent: the data was accepted,
    /// and an answer that is odd must not make anyone send it again.
    pub(crate) fn from_protobuf(bytes: &[u8]) -> Self {
        let mut answer = Self::default();
        for field in Fields::new(bytes) {
            let (1, Value::Len(partial)) = (field.number, field.value) else {
                continue;
            };
            for field in Fields::new(partial) {
                match (field.number, field.value) {
                    (1, Value::Varint(rejected)) => answer.rejected = positive(rejected),
                    (2, Value::Len(text)) => answer.message = lossy(text),
                    _ => {}
                }
            }
        }
        answer
    }

    /// Writes the JSON form.
    #[cfg(feature = "json")]
    pub(crate) fn to_json(&self, signal: Signal) -> Vec<u8> {
        let mut partial = serde_json::Map::new();
        if self.rejected > 0 {
            partial.insert(
                rejected_key(signal).to_owned(),
                self.rejected.to_string().into(),
            );
        }
        if !self.message.is_empty() {
            partial.insert("errorMessage".to_owned(), self.message.as_str().into());
        }
        if partial.is_empty() {
            return b"{}".to_vec();
        }
        serde_json::json!({ "partialSuccess": partial })
            .to_string()
            .into_bytes()
    }

    /// Reads the JSON form; what cannot be read counts as absent.
    #[cfg(feature = "json")]
    pub(crate) fn from_json(signal: Signal, bytes: &[u8]) -> Self {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let Some(partial) = value.get("partialSuccess") else {
            return Self::default();
        };
        let rejected = match partial.get(rejected_key(signal)) {
            Some(serde_json::Value::String(text)) => text.parse().unwrap_or(0),
            Some(number) => number.as_u64().unwrap_or(0),
            None => 0,
        };
        let message = partial
            .get("errorMessage")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        Self {
            rejected,
            message: message.to_owned(),
        }
    }
}

#[cfg(feature = "json")]
const fn rejected_key(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    }
}

/// `google.rpc.Status`: why a server refused a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RpcStatus {
    /// gRPC status code.
    pub(crate) code: i32,
    /// For developers.
    pub(crate) message: String,
    /// How long to wait, from `RetryInfo`.
    pub(crate) retry_delay: Option<Duration>,
}

impl RpcStatus {
    /// Writes the protobuf form.
    pub(crate) fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.code != 0 {
            wire::put_varint_field(&mut out, 1, u64::from(self.code.cast_unsigned()));
        }
        if !self.message.is_empty() {
            wire::put_len_field(&mut out, 2, self.message.as_bytes());
        }
        if let Some(delay) = self.retry_delay {
            let any = wire::begin_len(&mut out, 3);
            wire::put_len_field(&mut out, 1, RETRY_INFO.as_bytes());
            let info = wire::begin_len(&mut out, 2);
            let duration = wire::begin_len(&mut out, 1);
            if delay.as_secs() > 0 {
                wire::put_varint_field(&mut out, 1, delay.as_secs());
            }
            if delay.subsec_nanos() > 0 {
                wire::put_varint_field(&mut out, 2, u64::from(delay.subsec_nanos()));
            }
            wire::end_len(&mut out, duration);
            wire::end_len(&mut out, info);
            wire::end_len(&mut out, any);
        }
        out
    }

    /// Reads the protobuf form; what cannot be read counts as absent.
    pub(crate) fn from_protobuf(bytes: &[u8]) -> Self {
        let mut status = Self::default();
        for field in Fields::new(bytes) {
            match (field.number, field.value) {
                // Protobuf truncates a varint to the width of its field.
                (1, Value::Varint(code)) => status.code = code as i32,
                (2, Value::Len(text)) => status.message = lossy(text),
                (3, Value::Len(any)) => {
                    status.retry_delay = retry_info(any).or(status.retry_delay);
                }
                _ => {}
            }
        }
        status
    }

    /// Writes the JSON form.
    #[cfg(feature = "json")]
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut status = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(delay) = self.retry_delay {
            status["details"] = serde_json::json!([{
                "@type": RETRY_INFO,
                "retryDelay": format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos()),
            }]);
        }
        status.to_string().into_bytes()
    }

    /// Reads the JSON form; what cannot be read counts as absent.
    #[cfg(feature = "json")]
    pub(crate) fn from_json(bytes: &[u8]) -> Self {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let code = value
            .get("code")
            .and_then(serde_json::Value::as_i64)
            .and_then(|code| i32::try_from(code).ok());
        let message = value.get("message").and_then(serde_json::Value::as_str);
        let retry_delay = value
            .get("details")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
            .filter(|detail| {
                detail.get("@type").and_then(serde_json::Value::as_str) == Some(RETRY_INFO)
            })
            .find_map(|detail| {
                let text = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
                Duration::try_from_secs_f64(text.parse().ok()?).ok()
            });
        Self {
            code: code.unwrap_or_default(),
            message: message.unwrap_or_default().to_owned(),
            retry_delay,
        }
    }
}

/// The delay in a detail of a status, if that is a `RetryInfo`.
fn retry_info(any: &[u8]) -> Option<Duration> {
    let mut is_retry_info = false;
    let mut delay = None;
    for field in Fields::new(any) {
        match (field.number, field.value) {
            (1, Value::Len(url)) => is_retry_info = url == RETRY_INFO.as_bytes(),
            (2, Value::Len(info)) => delay = Fields::new(info).find_map(duration),
            _ => {}
        }
    }
    delay.filter(|_| is_retry_info)
}

fn duration(field: wire::Field<'_>) -> Option<Duration> {
    let (1, Value::Len(body)) = (field.number, field.value) else {
        return None;
    };
    let mut delay = Duration::ZERO;
    for field in Fields::new(body) {
        match (field.number, field.value) {
            (1, Value::Varint(seconds)) => {
                delay = delay.saturating_add(Duration::from_secs(positive(seconds)));
            }
            (2, Value::Varint(nanos)) => {
                delay = delay.saturating_add(Duration::from_nanos(positive(nanos)));
            }
            _ => {}
        }
    }
    Some(delay)
}

/// A signed number of which only positive values make sense.
fn positive(value: u64) -> u64 {
    u64::try_from(value.cast_signed()).unwrap_or(0)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back() {
        for (rejected, message) in [(0, ""), (3, ""), (0, "careful"), (u64::MAX >> 1, "too old")] {
            let answer = Answer {
                rejected,
                message: message.to_owned(),
            };
            assert_eq!(Answer::from_protobuf(&answer.to_protobuf()), answer);
            #[cfg(feature = "json")]
            for signal in Signal::ALL {
                assert_eq!(Answer::from_json(signal, &answer.to_json(signal)), answer);
            }
        }
        assert!(Answer::default().to_protobuf().is_empty());
    }

    #[test]
    fn statuses_read_back() {
        for retry_delay in [
            None,
            Some(Duration::ZERO),
            Some(Duration::new(90, 500_000_000)),
        ] {
            let status = RpcStatus {
                code: 8,
                message: "slow down".to_owned(),
                retry_delay,
            };
            assert_eq!(RpcStatus::from_protobuf(&status.to_protobuf()), status);
            #[cfg(feature = "json")]
            assert_eq!(RpcStatus::from_json(&status.to_json()), status);
        }
    }

    #[test]
    fn garbage_counts_as_absent() {
        assert_eq!(
            Answer::from_protobuf(b"<html>busy</html>"),
            Answer::default()
        );
        let _ = RpcStatus::from_protobuf(b"<html>busy</html>");
        #[cfg(feature = "json")]
        assert_eq!(RpcStatus::from_json(b"<html>"), RpcStatus::default());
    }
}
