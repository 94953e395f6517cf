//! What goes back: answers and refusals as HTTP responses.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::{Compression, Encoding, Signal, otlp::response::Answer, receivers::status::Refusal};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

// gRPC status codes for what HTTP refuses by itself.
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;

/// A refusal, and the header that tells what would be accepted.
pub(super) struct Refused {
    refusal: Refusal,
    hint: Option<Box<(HeaderName, HeaderValue)>>,
    unread: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            hint: None,
            unread: false,
        }
    }
}

impl Refused {
    fn new(grpc: i32, http: u16, message: &str) -> Self {
        Self::from(Refusal {
            grpc,
            http,
            message: message.to_owned(),
            retry_after: None,
        })
    }

    fn hint(mut self, name: HeaderName, value: &'static str) -> Self {
        self.hint = Some(Box::new((name, HeaderValue::from_static(value))));
        self
    }

    /// Notes that the body was not read to its end.
    pub(super) fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            NOT_FOUND,
            404,
            "no such path: OTLP is taken at /v1/traces, /v1/metrics and /v1/logs",
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(UNIMPLEMENTED, 405, "OTLP is taken by POST only").hint(header::ALLOW, "POST")
    }

    pub(super) fn unknown_media_type() -> Self {
        let message = "the Content-Type must be application/x-protobuf or application/json";
        Self::new(INVALID_ARGUMENT, 415, message)
            .hint(ACCEPT_POST, "application/x-protobuf, application/json")
    }

    pub(super) fn unknown_compression(accepted: &[Compression]) -> Self {
        let mut names: Vec<&str> = accepted.iter().map(|known| known.as_str()).collect();
        names.push(Compression::None.as_str());
        let names = names.join(", ");
        let message = format!("the Content-Encoding must be one of {names}");
        let mut refused = Self::new(INVALID_ARGUMENT, 415, &message);
        // RFC 9110, section 12.5.3: in an answer, what the next request may use.
        refused.hint = HeaderValue::try_from(names)
            .ok()
            .map(|names| Box::new((header::ACCEPT_ENCODING, names)));
        refused
    }

    /// 503 and not 408: OTLP clients drop the data on a 408.
    pub(super) fn body_timeout(limit: Duration) -> Self {
        let message = format!("the body did not arrive within {limit:?}");
        Self::new(UNAVAILABLE, 503, &message)
    }

    pub(super) fn status(&self) -> u16 {
        self.refusal.http
    }

    pub(super) fn message(&self) -> &str {
        &self.refusal.message
    }

    pub(super) fn into_response(self, encoding: Encoding) -> Response<Full<Bytes>> {
        let status = self.refusal.to_rpc_status();
        let body = match encoding {
            Encoding::Protobuf => status.to_protobuf(),
            Encoding::Json => status.to_json(),
        };
        let mut response = with_body(encoding, body);
        *response.status_mut() =
            StatusCode::from_u16(self.refusal.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(seconds) = self.refusal.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(hint) = self.hint {
            let (name, value) = *hint;
            headers.insert(name, value);
        }
        response
    }
}

pub(super) fn success(
    signal: Signal,
    encoding: Encoding,
    answer: &Answer,
) -> Response<Full<Bytes>> {
    let body = match encoding {
        Encoding::Protobuf => answer.to_protobuf(),
        Encoding::Json => answer.to_json(signal),
    };
    with_body(encoding, body)
}

fn with_body(encoding: Encoding, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let content_type = HeaderValue::from_static(encoding.content_type());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
