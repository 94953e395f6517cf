//! Batches over HTTP, to a collector.
//!
//! Source of the rules: the HTTP handler of Jaeger's collector, `cmd/collector/app/handler`.

mod builder;

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

pub use self::builder::JaegerHttpBuilder;
use super::{
    encode::{Batches, EncodeOptions, Format},
    tally::Tally,
    unsupported,
};
use crate::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{Endpoint, HttpExportFuture, HttpSender, RequestBody, ReqwestService},
};

/// The name under which this exporter appears in errors.
const NAME: &str = "jaeger-http";

/// The collector takes this one and `application/x-thrift`, and nothing else.
const CONTENT_TYPE: &str = "application/vnd.apache.thrift.binary";

/// Response future of [`JaegerHttpExporter`].
pub type JaegerHttpFuture = HttpExportFuture;

/// Sends traces to a Jaeger collector: Thrift batches over HTTP. Made by a
/// [builder](Self::builder). A clone shares everything.
///
/// It is ready when its transport is. A request of several resources is several HTTP requests, one
/// after the other; see the [module](super) for what happens when one of them fails.
///
/// # What an answer means
///
/// | answer | outcome |
/// |---|---|
/// | 2xx | delivered |
/// | 408, 429, 500, 502, 503, 504 | an error with a retry, after `Retry-After` if there is one |
/// | 400, 413 | an error without a retry; the other batches of the request are still sent |
/// | anything else, redirects too | an error without a retry |
///
/// [`on_status`](JaegerHttpBuilder::on_status) replaces a row.
///
/// A collector answers before it stores: what it takes into its own queue and then drops, as
/// Jaeger 1.62 does when that queue is full, nobody hears of. Give the collector a queue that fits
/// (`--collector.queue-size`), and watch its own metrics.
#[derive(Clone)]
pub struct JaegerHttpExporter<S = ReqwestService> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    endpoint: Endpoint,
    compression: Compression,
    encode: EncodeOptions,
    max_request_bytes: usize,
    sender: HttpSender,
}

impl JaegerHttpExporter {
    /// A builder; by default for a collector on this host.
    #[must_use]
    pub fn builder() -> JaegerHttpBuilder {
        JaegerHttpBuilder::default()
    }
}

impl<S> JaegerHttpExporter<S> {
    fn with_config(inner: S, config: Config) -> Self {
        Self {
            inner,
            config: Arc::new(config),
        }
    }

    /// The transport.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The transport, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the transport.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> fmt::Debug for JaegerHttpExporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &*self.config;
        let mut out = f.debug_struct("JaegerHttpExporter");
        out.field("transport", &format_args!("{}", std::any::type_name::<S>()))
            .field("endpoint", &config.endpoint.shown)
            .field("compression", &config.compression)
            .field("encode", &config.encode);
        config.sender.debug(&mut out);
        out.finish()
    }
}

impl<S, B> Service<ExportRequest> for JaegerHttpExporter<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = JaegerHttpFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(|error| {
            let error = ExportError::from(error.into());
            self.config.name(error)
        })
    }

    fn call(&mut self, request: ExportRequest) -> JaegerHttpFuture {
        let config = Arc::clone(&self.config);
        if request.traces().is_none() {
            let error = unsupported(request.signal());
            return HttpExportFuture::ready(Err(config.name(error)));
        }
        // The one that is ready goes along; its clone has to get ready first.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        HttpExportFuture::new(async move {
            export(ready, &config, &request)
                .await
                .map_err(|error| config.name(error))
        })
    }
}

/// Sends one batch after the other over a service that is ready.
async fn export<S, B>(
    mut service: S,
    config: &Config,
    request: &ExportRequest,
) -> Result<ExportResponse, ExportError>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let Some(traces) = request.traces() else {
        return Err(unsupported(request.signal()));
    };
    let deadline = config.sender.deadline();
    let limit = config.max_request_bytes;
    let mut batches = Batches::new(traces, &config.encode, Format::Collector, limit);
    let mut tally = Tally::default();
    let mut is_ready = true;
    loop {
        let mut body = Vec::new();
        let Some(batch) = batches.next_into(&mut body) else {
            break;
        };
        if batch.spans > 0 {
            let sent = match config.post(body) {
                Ok(post) => send(&mut service, is_ready, config, post, deadline).await,
                Err(error) => Err(error),
            };
            is_ready = false;
            match sent {
                Ok(()) => {}
                Err(error) if is_about_the_batch(&error) => {
                    tally.refuse(batch.items, error);
                    continue;
                }
                Err(error) => return Err(tally.stop(request, batch.items.start, error)),
            }
        }
        tally.settle(batch);
    }
    let destination = format!("{NAME} exporter ({})", config.endpoint.shown);
    tally.finish(request, &destination)
}

/// Whether another batch may pass where this one did not.
fn is_about_the_batch(error: &ExportError) -> bool {
    !error.is_retryable() && matches!(error.kind(), ErrorKind::Rejected | ErrorKind::TooLarge)
}

async fn send<S, B>(
    service: &mut S,
    is_ready: bool,
    config: &Config,
    post: Request<RequestBody>,
    deadline: Option<Instant>,
) -> Result<(), ExportError>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    let answer = async {
        if !is_ready {
            poll_fn(|cx| service.poll_ready(cx)).await?;
        }
        service.call(post).await
    };
    let reply = config.sender.exchange(answer, deadline).await?;
    if reply.status.is_success() {
        return Ok(());
    }
    Err(config.sender.refusal(&reply))
}

impl Config {
    fn name(&self, error: ExportError) -> ExportError {
        self.sender.name(error, &self.endpoint)
    }

    fn post(&self, body: Vec<u8>) -> Result<Request<RequestBody>, ExportError> {
        let body = match self.compression {
            Compression::None => Bytes::from(body),
            compression => Bytes::from(compression.compress(&body).map_err(|error| {
                let text = format!("{} compression failed", compression.as_str());
                ExportError::new(ErrorKind::Internal, text).with_source(error)
            })?),
        };
        Ok(self
            .sender
            .post(&self.endpoint, CONTENT_TYPE, self.compression, body))
    }
}
