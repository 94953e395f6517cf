//! One call: from headers and message to a request, from an outcome to a response.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use tonic::{Code, Status, body::Body};

use super::{Options, signal_of};
use crate::{
    Compression, ExportError, ExportRequest, ExportResponse, Metadata, Signal,
    compression::Decompress,
    grpc::{self, Message, ReadError, UnaryBody},
    layers::admission::Reservation,
    receivers::{
        metadata::metadata,
        metered,
        status::{self, Refusal},
    },
};

/// What the head of a request says.
#[derive(Debug)]
pub(super) struct Call {
    signal: Signal,
    compression: Compression,
    metadata: Metadata,
    options: Arc<Options>,
}

impl Call {
    /// Reads the head of a request.
    pub(super) fn new(head: &Parts, options: &Arc<Options>) -> Result<Self, Unfit> {
        if head.method != Method::POST {
            return Err(Unfit::Method);
        }
        if !is_grpc(&head.headers) {
            return Err(Unfit::ContentType);
        }
        let Some(signal) = signal_of(head.uri.path()) else {
            let message = "this path is none of the OTLP services";
            return Err(Unfit::Call(Refusal::unsupported(message)));
        };
        let compression = compression(&head.headers, options).map_err(Unfit::Call)?;
        let tenant_header = options.tenant_header.as_deref();
        let metadata =
            metadata(&head.headers, tenant_header, &options.kept_headers).map_err(Unfit::Call)?;
        Ok(Self {
            signal,
            compression,
            metadata,
            options: Arc::clone(options),
        })
    }

    /// Turns the message into a request.
    pub(super) fn request(
        &self,
        message: Option<Message>,
        mut paid: Option<&mut Reservation>,
    ) -> Result<ExportRequest, Refusal> {
        let Message {
            compressed,
            payload,
        } = message.ok_or_else(|| Refusal::invalid("the body holds no gRPC message"))?;
        // A message may travel uncompressed under any `grpc-encoding`.
        let arrived = if compressed {
            self.compression
        } else {
            Compression::None
        };
        if compressed && arrived == Compression::None {
            // gRPC compression, "Test cases" 2: flagged as compressed without an encoding.
            return Err(Refusal::internal(
                "the message is flagged as compressed, but grpc-encoding names no compression",
            ));
        }
        let limits = &self.options.limits;
        let protobuf = arrived
            .decompress_within(&payload, limits.max_bytes, paid.as_deref_mut())
            .map_err(|error| match error {
                Decompress::Refused(error) => Refusal::from(&error),
                Decompress::TooLarge { limit } if compressed => Refusal::too_large(None, limit),
                Decompress::TooLarge { limit } => {
                    Refusal::too_large(u64::try_from(payload.len()).ok(), limit)
                }
                Decompress::Invalid(_) => Refusal::invalid(error.to_string()),
            })?;
        let request = ExportRequest::from_protobuf_with(self.signal, protobuf, limits)
            .map_err(|malformed| Refusal::from(&malformed))?;
        if compressed {
            request.keep_arrived(arrived, payload);
        }
        if let Some(paid) = paid {
            paid.settle(&request)
                .map_err(|error| Refusal::from(&error))?;
        }
        Ok(request.with_metadata(self.metadata.clone()))
    }

    /// The response to what came of the export.
    pub(super) fn respond(&self, outcome: Result<ExportResponse, ExportError>) -> Response<Body> {
        match status::answer(outcome) {
            Ok(answer) => accept(Bytes::from(answer.to_protobuf())),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        tracing::debug!(
            signal = self.signal.as_str(),
            grpc_status = refusal.grpc,
            message = refusal.message,
            "refused an OTLP request",
        );
        refuse(refusal, &self.options)
    }
}

/// Why the head of a request is no call.
#[derive(Debug)]
pub(super) enum Unfit {
    Method,
    ContentType,
    Call(Refusal),
}

impl Unfit {
    pub(super) fn respond(&self, options: &Options) -> Response<Body> {
        match self {
            Unfit::Method => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
                let allowed = HeaderValue::from_static("POST");
                response.headers_mut().insert(header::ALLOW, allowed);
                response
            }
            // gRPC over HTTP/2, "Requests": anything but application/grpc is answered 415, so
            // that other clients do not take a status of 200 for a success.
            Unfit::ContentType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Unfit::Call(refusal) => refuse(refusal, options),
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        if let ReadError::Body(error) = &error
            && let Some(refusal) = metered::refused(error)
        {
            return refusal;
        }
        match error {
            ReadError::TooLarge { size, limit } => Refusal::too_large(Some(size), limit),
            ReadError::Flag(_) | ReadError::Truncated | ReadError::MoreThanOne => {
                Refusal::invalid(error.to_string())
            }
            // The connection, or a layer of the server: nothing is wrong with the data.
            ReadError::Body(_) => Refusal::from(&ExportError::new(
                crate::ErrorKind::Unavailable,
                error.to_string(),
            )),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let Some(rest) = value.and_then(|v| v.strip_prefix(grpc::CONTENT_TYPE.as_bytes())) else {
        return false;
    };
    rest.is_empty() || rest[0] == b';' || rest.starts_with(b"+proto")
}

fn compression(headers: &HeaderMap, options: &Options) -> Result<Compression, Refusal> {
    let Some(value) = headers.get("grpc-encoding") else {
        return Ok(Compression::None);
    };
    let name = value.to_str().unwrap_or("?");
    match Compression::from_name(name) {
        Some(Compression::None) => Ok(Compression::None),
        Some(known) if options.accepted.contains(&known) => Ok(known),
        _ => Err(Refusal::unsupported(format!(
            "the compression {name:?} is not supported, only {}",
            accepted_names(options)
        ))),
    }
}

/// For `grpc-accept-encoding`.
fn accepted_names(options: &Options) -> String {
    let mut names = Compression::None.as_str().to_owned();
    for known in &options.accepted {
        if *known != Compression::None {
            names.push(',');
            names.push_str(known.as_str());
        }
    }
    names
}

fn accept(answer: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let Some(body) = UnaryBody::new(answer, false) else {
        return Status::internal("the answer is larger than a gRPC message can be").into_http();
    };
    let mut response = Response::new(Body::new(body.with_trailers(trailers)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(grpc::CONTENT_TYPE),
    );
    response
}

fn refuse(refusal: &Refusal, options: &Options) -> Response<Body> {
    let code = Code::from_i32(refusal.grpc);
    let status = match refusal.retry_after {
        Some(_) => Status::with_details(
            code,
            &refusal.message,
            Bytes::from(refusal.to_rpc_status().to_protobuf()),
        ),
        None => Status::new(code, &refusal.message),
    };
    let mut response = status.into_http();
    if code == Code::Unimplemented
        && let Ok(names) = HeaderValue::try_from(accepted_names(options))
    {
        response.headers_mut().insert("grpc-accept-encoding", names);
    }
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
