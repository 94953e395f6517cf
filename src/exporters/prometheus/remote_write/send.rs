//! Sends the messages of one request, and says what became of its data points.

use std::{future::poll_fn, sync::atomic, time::SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

use super::{
    Config, NAME, Shared, VERSION_HEADER,
    answer::{Written, advise},
    encode::{Encoder, Message, Protocol},
    unsupported,
};
use crate::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{Reply, RequestBody},
};

/// How much of a refusal is logged, in bytes.
const MAX_LOGGED: usize = 1024;

/// Why a request, or a part of it, was not delivered.
enum Trouble {
    /// The receiver does not know the version: nothing was written.
    Version(ExportError),
    /// The receiver may not know the version: it answered 400 and has never taken it.
    PerhapsVersion(ExportError),
}

/// What became of the messages so far.
#[derive(Default)]
struct Outcome {
    /// Data points that the receiver took and did not write.
    unwritten: u64,
    /// What it wrote, in words.
    shortfall: Option<String>,
    /// Why a message was refused for good. One that says "too large" goes before others: a layer
    /// above can help with it.
    refusal: Option<ExportError>,
    /// Why sending stopped.
    stop: Option<ExportError>,
    trouble: Option<Trouble>,
}

impl Outcome {
    const fn is_stopped(&self) -> bool {
        self.stop.is_some() || self.trouble.is_some()
    }

    fn refuse(&mut self, error: ExportError) {
        let is_better = match &self.refusal {
            None => true,
            Some(first) => {
                first.kind() != ErrorKind::TooLarge && error.kind() == ErrorKind::TooLarge
            }
        };
        if is_better {
            self.refusal = Some(error);
        }
    }
}

/// Sends a request over a service that is ready.
pub(super) async fn export<S, B>(
    service: S,
    shared: &Shared,
    request: &ExportRequest,
) -> Result<ExportResponse, ExportError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let config = &shared.config;
    let deadline = config.sender.deadline();
    let mut work = shared.take_work();
    let protocol = config.negotiation.protocol();
    let mut ready = Some(service.clone());
    // The first use is of the one that is ready.
    let mut first = Some(service);
    let mut outcome = send_all(
        &mut first, &mut ready, config, &mut work, request, protocol, deadline,
    )
    .await?;
    let (suspicion, is_sure) = match outcome.trouble.take() {
        None => (None, false),
        Some(Trouble::Version(error)) => (Some(error), true),
        Some(Trouble::PerhapsVersion(error)) => (Some(error), false),
    };
    if let Some(suspicion) = suspicion {
        if is_sure {
            config.negotiation.learn(Protocol::V1);
            tracing::info!(
                endpoint = &*config.endpoint.shown,
                reason = suspicion.message(),
                "the receiver does not know remote write 2.0: going on with 1.0"
            );
        }
        outcome = send_all(
            &mut first,
            &mut ready,
            config,
            &mut work,
            request,
            Protocol::V1,
            deadline,
        )
        .await?;
        if !is_sure && outcome.refusal.is_none() && outcome.stop.is_none() {
            // What was refused as 2.0 passed as 1.0.
            config.negotiation.learn(Protocol::V1);
        }
    }
    let result = finish(config, &work.encoder, request, outcome);
    if work.encoder.lacks_instance() && !shared.has_warned.swap(true, atomic::Ordering::Relaxed) {
        tracing::warn!(
            endpoint = &*config.endpoint.shown,
            "a resource has no service.instance.id: all instances of its service share their \
             series, and receivers refuse what they send as out of order"
        );
    }
    shared.give_back(work);
    result
}

/// What one request needs after the other.
pub(super) struct Work {
    pub(super) encoder: Encoder,
    message: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl Work {
    pub(super) fn new(encoder: Encoder) -> Self {
        Self {
            encoder,
            message: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        }
    }

    /// About how much memory is kept, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.encoder.capacity() + self.message.capacity()
    }
}

/// Converts a request and sends its messages: those of a shard one after the other, the shards
/// side by side.
async fn send_all<S, B>(
    first: &mut Option<S>,
    spare: &mut Option<S>,
    config: &Config,
    work: &mut Work,
    request: &ExportRequest,
    protocol: Protocol,
    deadline: Option<Instant>,
) -> Result<Outcome, ExportError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let Some(metrics) = request.metrics() else {
        return Err(unsupported(request.signal()));
    };
    let Work {
        encoder,
        message: buffer,
        snappy,
    } = work;
    encoder.convert(metrics, protocol, config.shards, SystemTime::now());
    let mut outcome = Outcome::default();
    let mut under_way = FuturesUnordered::new();
    let mut idle: Vec<usize> = (0..config.shards).collect();
    loop {
        while !outcome.is_stopped()
            && let Some(shard) = idle.pop()
        {
            buffer.clear();
            let Some(message) = encoder.next_into(shard, config.limits, buffer) else {
                continue;
            };
            let post = config.post(protocol, buffer, snappy)?;
            let ready = first.take();
            let service = match &ready {
                Some(_) => None,
                None => spare.clone(),
            };
            under_way.push(async move {
                let answer = async move {
                    match (ready, service) {
                        (Some(mut ready), _) => ready.call(post).await.map_err(Into::into),
                        (None, Some(mut service)) => {
                            poll_fn(|cx| service.poll_ready(cx))
                                .await
                                .map_err(Into::into)?;
                            service.call(post).await.map_err(Into::into)
                        }
                        (None, None) => Err(BoxError::from("no service")),
                    }
                };
                (message, config.sender.exchange(answer, deadline).await)
            });
        }
        let Some((message, reply)) = under_way.next().await else {
            break;
        };
        idle.push(message.shard);
        let error = match reply {
            Ok(reply) => match config.judge(&mut outcome, protocol, &message, &reply) {
                Ok(()) => continue,
                Err(error) => error,
            },
            Err(error) => error,
        };
        encoder.lose(&message);
        if is_about_the_message(&error) {
            outcome.refuse(error);
        } else {
            outcome.stop.get_or_insert(error);
        }
    }
    encoder.lose_rest();
    Ok(outcome)
}

/// Whether another message may pass where this one did not.
fn is_about_the_message(error: &ExportError) -> bool {
    !error.is_retryable() && matches!(error.kind(), ErrorKind::Rejected | ErrorKind::TooLarge)
}

fn finish(
    config: &Config,
    encoder: &Encoder,
    request: &ExportRequest,
    outcome: Outcome,
) -> Result<ExportResponse, ExportError> {
    let lost = encoder.lost();
    let lost_items: u64 = lost.iter().map(|items| items.end - items.start).sum();
    let rejected = encoder.rejected();
    let settled = encoder.items().saturating_sub(lost_items + rejected);
    let unwritten = outcome.unwritten.min(settled);
    let delivered = settled - unwritten;
    let mut reasons = Vec::new();
    match (rejected, encoder.reason()) {
        (1, Some(reason)) => reasons.push(reason.to_owned()),
        (count, Some(reason)) => {
            reasons.push(format!(
                "{count} points cannot be sent, the first: {reason}"
            ));
        }
        (_, None) => {}
    }
    reasons.extend(outcome.shortfall);
    let mut response = ExportResponse::delivered(delivered)
        .with_destination(format!("{NAME} exporter ({})", config.endpoint.shown));
    if rejected + unwritten > 0 {
        response = response.with_rejected(rejected + unwritten, reasons.join("; "));
    } else if !reasons.is_empty() {
        response = response.with_message(reasons.join("; "));
    }
    // What stopped the sending may pass later, with what was refused; so the former is told.
    let Some(error) = outcome.stop.or(outcome.refusal) else {
        return Ok(response);
    };
    if lost_items == request.items() {
        return Err(error);
    }
    let piece = |items| request.with_otlp(request.otlp().extract(items));
    let parts: Vec<ExportRequest> = lost.into_iter().map(piece).collect();
    Err(match ExportRequest::merge(&parts) {
        Ok(remainder) => error.with_remainder(response, remainder),
        // Nothing of a data point was lost: it was a message of `target_info` alone.
        Err(_) if lost_items == 0 => return Ok(response.with_message(error.message().to_owned())),
        // Of one signal: rather twice than not at all.
        Err(_) => error,
    })
}

impl Config {
    fn post(
        &self,
        protocol: Protocol,
        message: &[u8],
        snappy: &mut snap::raw::Encoder,
    ) -> Result<Request<RequestBody>, ExportError> {
        let body = snappy.compress_vec(message).map_err(|error| {
            ExportError::new(ErrorKind::Internal, "snappy compression failed").with_source(error)
        })?;
        let (content_type, version) = match protocol {
            Protocol::V1 => ("application/x-protobuf", "0.1.0"),
            Protocol::V2 => (
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                "2.0.0",
            ),
        };
        let mut post = self.sender.post(
            &self.endpoint,
            content_type,
            Compression::None,
            Bytes::from(body),
        );
        let headers = post.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert(VERSION_HEADER, HeaderValue::from_static(version));
        Ok(post)
    }

    /// Reads the answer to a message.
    fn judge(
        &self,
        outcome: &mut Outcome,
        protocol: Protocol,
        message: &Message,
        reply: &Reply,
    ) -> Result<(), ExportError> {
        let written = Written::read(&reply.headers);
        if reply.status.is_success() {
            if protocol == Protocol::V1 {
                return Ok(());
            }
            let Some(written) = written else {
                // A receiver of 1.0 that ignores the type sees an empty message, and is content.
                return Err(self.unknown_version(
                    outcome,
                    "the receiver took a message of remote write 2.0 without a word of how much \
                     it wrote: it does not know 2.0",
                ));
            };
            self.negotiation.learn(Protocol::V2);
            outcome.unwritten += written.missing(message).min(message.points);
            if let Some(shortfall) = written.shortfall(message) {
                outcome.shortfall.get_or_insert(shortfall);
            }
            return Ok(());
        }
        self.log(reply);
        let mut error = self.sender.refusal(reply);
        let status = reply.status.as_u16();
        if protocol == Protocol::V2 {
            if status == 415 {
                return Err(self.unknown_version(outcome, error.message()));
            }
            if status == 400 && self.negotiation.is_unproven() && written.is_none() {
                outcome.trouble = Some(Trouble::PerhapsVersion(error.clone()));
            }
            if let Some(shortfall) = written.and_then(|written| written.shortfall(message)) {
                let text = format!("{} ({shortfall})", error.message());
                error = ExportError::new(error.kind(), text).with_retry(error.retry());
            }
        }
        Err(advise(error))
    }

    fn unknown_version(&self, outcome: &mut Outcome, message: &str) -> ExportError {
        let text = if self.negotiation.may_fall_back() {
            message.to_owned()
        } else {
            format!("{message}; set the version to `auto` or `1`")
        };
        let error = ExportError::new(ErrorKind::Unsupported, text);
        if self.negotiation.may_fall_back() {
            outcome.trouble = Some(Trouble::Version(error.clone()));
        }
        error
    }

    /// The receiver's words, as far as they are for people: more of them than an error holds.
    fn log(&self, reply: &Reply) {
        let status = reply.status.as_u16();
        if !reply.status.is_client_error() || status == 429 {
            return;
        }
        let body = reply.body.as_deref().unwrap_or_default();
        let shown = body.get(..MAX_LOGGED).unwrap_or(body);
        let shown = self
            .sender
            .hide(String::from_utf8_lossy(shown).into_owned());
        tracing::warn!(
            endpoint = &*self.endpoint.shown,
            status,
            body = shown,
            "a remote write was refused"
        );
    }
}
