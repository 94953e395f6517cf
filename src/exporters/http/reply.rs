//! Reading what an HTTP backend answers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, response::Parts};

use crate::{ExportError, body::CollectError, classify::Overrides, otlp::response::RpcStatus};

use super::{Secrets, StatusTable};

/// How much of an error's text is kept, in characters.
const MAX_MESSAGE: usize = 200;

/// An answer of which the body was collected, as far as that was possible.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Unread>,
}

/// Why the body of an answer is not known.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Larger than allowed.
    TooLarge,
    /// The connection broke.
    Broken,
    /// It took too long.
    Late,
}

impl Unread {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Unread::TooLarge => "the answer is larger than allowed",
            Unread::Broken => "the connection broke before the end of the answer",
            Unread::Late => "the end of the answer did not arrive in time",
        }
    }
}

impl From<CollectError> for Unread {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::TooLarge { .. } => Unread::TooLarge,
            CollectError::Broken(_) => Unread::Broken,
        }
    }
}

impl Reply {
    pub(crate) fn new(parts: Parts, body: Result<Bytes, Unread>) -> Self {
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Whether the answer's body is JSON, by its `Content-Type`.
    pub(crate) fn is_json(&self) -> bool {
        is_media_type(&self.headers, "application/json")
    }

    /// Whether the answer's body is protobuf, by its `Content-Type`.
    pub(crate) fn is_protobuf(&self) -> bool {
        is_media_type(&self.headers, "application/x-protobuf")
    }

    /// The error that an answer which is no success means by this table. `overrides` are the
    /// rows of it that the user replaced.
    pub(crate) fn to_error(
        &self,
        statuses: StatusTable,
        overrides: &Overrides<u16>,
        secrets: &Secrets,
    ) -> ExportError {
        let (message, delay) = self.explain();
        let delay = retry_after(&self.headers, SystemTime::now()).or(delay);
        let status = self.status.as_u16();
        let (kind, retry) = overrides
            .get(&status, delay)
            .unwrap_or_else(|| statuses(status, delay));
        let mut text = format!("HTTP {status}");
        if let Some(reason) = self.status.canonical_reason() {
            text.push(' ');
            text.push_str(reason);
        }
        if !message.is_empty() {
            text.push_str(": ");
            text.push_str(&secrets.hide(message));
        }
        ExportError::new(kind, text).with_retry(retry)
    }

    /// What the server says, and the delay that stands in its words.
    fn explain(&self) -> (String, Option<Duration>) {
        if self.status.is_redirection() {
            return ("redirects are not followed".to_owned(), None);
        }
        let body = match &self.body {
            Ok(body) => body,
            Err(unread) => return (unread.as_str().to_owned(), None),
        };
        let status = if self.is_json() {
            RpcStatus::from_json(body)
        } else if self.is_protobuf() {
            RpcStatus::from_protobuf(body)
        } else {
            return (readable(&String::from_utf8_lossy(body)), None);
        };
        if status.message.is_empty() && self.is_json() {
            // JSON of the server's own making says more than nothing.
            return (readable(&String::from_utf8_lossy(body)), status.retry_delay);
        }
        (readable(&status.message), status.retry_delay)
    }
}

fn is_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

/// A server's text in one line, without control characters, cut to a sensible length.
pub(crate) fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut words = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty());
    let mut length = 0;
    for word in &mut words {
        if !out.is_empty() {
            out.push(' ');
            length += 1;
        }
        for letter in word.chars() {
            if length >= MAX_MESSAGE {
                out.push_str("...");
                return out;
            }
            out.push(letter);
            length += 1;
        }
    }
    out
}

/// Reads `Retry-After`: whole seconds, or an HTTP date (RFC 9110, section 10.2.3). A date counts
/// from the answer's own `Date`, so that the clocks need not agree, or else from `now`.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let sent = headers
        .get(header::DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .unwrap_or(now);
    // A moment that has passed means "now".
    Some(until.duration_since(sent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{RetryAdvice, classify};

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        rows.iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect()
    }

    #[test]
    fn retry_after_rows() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = headers(&[("retry-after", value)]);
            let delay = retry_after(&headers, now).map(|delay| delay.as_secs());
            assert_eq!(delay, expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_retry_date_counts_from_the_date_of_the_answer() {
        let headers = headers(&[
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let delay = retry_after(&headers, SystemTime::now());
        assert_eq!(delay, Some(Duration::from_secs(10)));
    }

    fn reply(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: headers(&[("content-type", content_type)]),
            body: Ok(body.into()),
        }
    }

    #[test]
    fn the_servers_words_are_kept() {
        let status = RpcStatus {
            code: 3,
            message: "bad\n\tspan".to_owned(),
            retry_delay: None,
        };
        for reply in [
            reply(400, "application/x-protobuf", status.to_protobuf()),
            reply(400, "application/json; charset=utf-8", status.to_json()),
            reply(400, "text/plain", "bad\r\n\u{1b} span\n"),
        ] {
            let error = reply.to_error(classify::http, &Overrides::default(), &Secrets::default());
            assert_eq!(
                error.to_string(),
                "rejected: HTTP 400 Bad Request: bad span"
            );
        }
        let own = reply(400, "application/json", r#"{"error":"no"}"#);
        let error = own.to_error(classify::http, &Overrides::default(), &Secrets::default());
        assert!(error.message().ends_with(r#": {"error":"no"}"#), "{error}");
        let long = reply(400, "text/html", "é".repeat(10_000));
        let error = long.to_error(classify::http, &Overrides::default(), &Secrets::default());
        assert!(error.message().chars().count() < 250);
        assert!(error.message().ends_with("é..."));
    }

    #[test]
    fn the_delay_of_the_body_counts_if_no_header_names_one() {
        let status = RpcStatus {
            code: 14,
            message: "busy".to_owned(),
            retry_delay: Some(Duration::from_secs(3)),
        };
        let mut reply = reply(503, "application/x-protobuf", status.to_protobuf());
        let error = reply.to_error(classify::http, &Overrides::default(), &Secrets::default());
        assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(3)));
        reply.headers.insert("retry-after", HeaderValue::from(9));
        let error = reply.to_error(classify::http, &Overrides::default(), &Secrets::default());
        assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(9)));
    }

    #[test]
    fn a_quoted_secret_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.add(&HeaderValue::from_static("Bearer s3cret"));
        let echo = reply(401, "text/plain", "unknown token s3cret in Bearer s3cret");
        let error = echo.to_error(classify::http, &Overrides::default(), &secrets);
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(error.to_string().contains("unknown token ***"), "{error}");
    }
}
