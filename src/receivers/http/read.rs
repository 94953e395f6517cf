//! From an HTTP request to an [`ExportRequest`].

use std::pin::{Pin, pin};

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use http_body::Body;
use tower::BoxError;

use super::{Options, answer::Refused};
use crate::{
    Compression, Encoding, ExportRequest, Metadata, Signal,
    body::{CollectError, collect},
    compression::Decompress,
    layers::admission::Reservation,
    receivers::{
        metadata::metadata,
        metered::{self, Metered},
        status::Refusal,
    },
};

/// What the head of a request says about its body.
pub(super) struct Head {
    pub(super) signal: Signal,
    pub(super) encoding: Encoding,
    compression: Compression,
    metadata: Metadata,
}

impl Head {
    pub(super) fn read(options: &Options, parts: &Parts) -> Result<Self, Refused> {
        let signal = signal(&options.prefix, parts.uri.path()).ok_or_else(Refused::not_found)?;
        if parts.method != Method::POST {
            return Err(Refused::method_not_allowed());
        }
        let encoding = encoding(&parts.headers).ok_or_else(Refused::unknown_media_type)?;
        let compression = compression(&parts.headers)
            .filter(|name| *name == Compression::None || options.accepted.contains(name))
            .ok_or_else(|| Refused::unknown_compression(&options.accepted))?;
        let tenant_header = options.tenant_header.as_deref();
        let metadata = metadata(&parts.headers, tenant_header, &options.kept_headers)?;
        Ok(Self {
            signal,
            encoding,
            compression,
            metadata,
        })
    }

    pub(super) async fn read_body<B>(
        &self,
        options: &Options,
        body: Pin<&mut B>,
    ) -> Result<(ExportRequest, Option<Reservation>), Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let limit = options.max_wire_bytes;
        let announced = body.size_hint();
        if announced.lower() > limit as u64 {
            let refusal = Refusal::too_large(announced.exact(), limit);
            return Err(Refused::from(refusal).unread());
        }
        let body = Metered::new(body, options.admission.as_ref());
        let mut body = pin!(body.map_err(|error| over_budget(Refusal::from(&error)))?);
        let arrived = collect(body.as_mut(), limit);
        let arrived = tokio::time::timeout(options.read_timeout, arrived)
            .await
            .map_err(|_| Refused::body_timeout(options.read_timeout))?
            .map_err(|error| match error {
                CollectError::TooLarge { announced } => {
                    Refused::from(Refusal::too_large(announced, limit)).unread()
                }
                CollectError::Broken(error) => match metered::refused(&error) {
                    Some(refusal) => over_budget(refusal),
                    None => Refusal::invalid(format!("the body ended early: {error}")).into(),
                },
            })?;
        let mut paid = body.take_reservation();
        let request = self.decode(options, arrived, paid.as_mut())?;
        Ok((request.with_metadata(self.metadata.clone()), paid))
    }

    fn decode(
        &self,
        options: &Options,
        arrived: Bytes,
        mut paid: Option<&mut Reservation>,
    ) -> Result<ExportRequest, Refusal> {
        let limits = &options.limits;
        let plain = self
            .compression
            .decompress_within(&arrived, limits.max_bytes, paid.as_deref_mut())
            .map_err(|error| match error {
                Decompress::TooLarge { limit } => Refusal::too_large(None, limit),
                Decompress::Refused(error) => Refusal::from(&error),
                Decompress::Invalid(_) => Refusal::invalid(error.to_string()),
            })?;
        if self.encoding == Encoding::Json
            && let Some(paid) = paid.as_deref_mut()
        {
            // The protobuf form stands beside the JSON while that is read. It is about as large.
            let both = paid.bytes().saturating_add(plain.len());
            paid.grow_to(both).map_err(|error| Refusal::from(&error))?;
        }
        let request = match self.encoding {
            Encoding::Json => ExportRequest::from_json_with(self.signal, &plain, limits),
            Encoding::Protobuf => ExportRequest::from_protobuf_with(self.signal, plain, limits),
        };
        let request = request.map_err(|malformed| Refusal::from(&malformed))?;
        if self.encoding == Encoding::Protobuf {
            request.keep_arrived(self.compression, arrived);
        }
        if let Some(paid) = paid {
            paid.settle(&request)
                .map_err(|error| Refusal::from(&error))?;
        }
        Ok(request)
    }
}

/// The refusal of a body that was not read to its end for want of budget.
///
/// Overload is answered at once, without reading on: if the answer should get lost with the
/// connection, the client sends the body again, as it is to. What it must not send again is read
/// first, like every body that is refused for good.
fn over_budget(refusal: Refusal) -> Refused {
    let comes_again = refusal.retry_after.is_some();
    let refused = Refused::from(refusal);
    if comes_again {
        refused
    } else {
        refused.unread()
    }
}

fn signal(prefix: &str, path: &str) -> Option<Signal> {
    let name = path.strip_prefix(prefix)?.strip_prefix("/v1/")?;
    Signal::ALL
        .into_iter()
        .find(|signal| signal.as_str() == name)
}

/// The encoding that `Content-Type` names; its parameters say nothing that matters here.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim();
    [Encoding::Protobuf, Encoding::Json]
        .into_iter()
        .find(|encoding| essence.eq_ignore_ascii_case(encoding.content_type()))
}

/// The compression that `Content-Encoding` names. Codings on top of each other are not known.
fn compression(headers: &HeaderMap) -> Option<Compression> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else {
        return Some(Compression::None);
    };
    if values.next().is_some() {
        return None;
    }
    Compression::from_name(value.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(signal("", "/v1/traces"), Some(Signal::Traces));
        assert_eq!(signal("/otlp", "/otlp/v1/logs"), Some(Signal::Logs));
        for (prefix, path) in [
            ("", "/"),
            ("", "/v1/traces/"),
            ("", "/v1/Traces"),
            ("", "/v2/traces"),
            ("", "/otlp/v1/traces"),
            ("/otlp", "/v1/traces"),
            ("/otlp", "/otlpv1/traces"),
        ] {
            assert_eq!(signal(prefix, path), None, "{prefix} {path}");
        }
    }

    #[test]
    fn media_types() {
        for (value, expected) in [
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("Application/JSON; charset=utf-8", Some(Encoding::Json)),
            ("application/json;charset=UTF-8", Some(Encoding::Json)),
            ("text/plain", None),
            ("application/jsonp", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            assert_eq!(encoding(&headers), expected, "{value}");
        }
        assert_eq!(encoding(&HeaderMap::new()), None);
    }

    #[test]
    fn compressions() {
        let mut headers = HeaderMap::new();
        assert_eq!(compression(&headers), Some(Compression::None));
        headers.insert(header::CONTENT_ENCODING, "GZIP".parse().expect("a value"));
        assert_eq!(compression(&headers), Some(Compression::Gzip));
        headers.append(header::CONTENT_ENCODING, "gzip".parse().expect("a value"));
        assert_eq!(compression(&headers), None);
        headers.insert(
            header::CONTENT_ENCODING,
            "gzip, zstd".parse().expect("a value"),
        );
        assert_eq!(compression(&headers), None);
    }
}
