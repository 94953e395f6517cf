//! Pages over HTTP.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io::Write as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY,
    },
};
use http_body_util::Full;
use tower_service::Service;

use super::{
    Shared,
    negotiate::{Format, allows_gzip},
    page::Page,
};

/// How much of a page is written before others on the same thread have their turn.
const PIECE: usize = 256 << 10;

/// Answers `GET` and `HEAD` with the page, whatever the path; made by
/// [`http_service`](super::PrometheusExporter::http_service).
///
/// Always ready; clones are cheap. The format is negotiated by `Accept`, the compression (gzip
/// or none) by `Accept-Encoding`. Other methods are answered with 405.
#[derive(Clone)]
pub struct PrometheusHttpService {
    shared: Arc<Shared>,
}

impl PrometheusHttpService {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl fmt::Debug for PrometheusHttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusHttpService")
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for PrometheusHttpService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ScrapeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ScrapeFuture {
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return ScrapeFuture(State::Refused);
        }
        let headers = request.headers();
        let accept = list(headers, &ACCEPT);
        let (format, scheme) = Format::negotiate(&accept, self.shared.options.openmetrics);
        let gzip = allows_gzip(&list(headers, &ACCEPT_ENCODING))
            .then(|| GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        self.shared.counters.scraped();
        ScrapeFuture(State::Writing(Box::new(Writing {
            page: self.shared.page(format, scheme),
            shared: Arc::clone(&self.shared),
            content_type: format.content_type(scheme),
            out: Vec::new(),
            gzip,
            is_head,
        })))
    }
}

/// All values of a header, as one list.
fn list(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// Writes a page, a piece at a time.
pub struct ScrapeFuture(State);

enum State {
    Refused,
    Writing(Box<Writing>),
}

struct Writing {
    page: Page,
    shared: Arc<Shared>,
    content_type: String,
    out: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    is_head: bool,
}

impl Future for ScrapeFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match &mut self.get_mut().0 {
            State::Refused => refused(),
            State::Writing(writing) => {
                if !writing.write() {
                    // Behind whatever else the thread has to do.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                writing.answer()
            }
        }))
    }
}

impl Writing {
    /// Writes a piece; says whether it was the last one.
    fn write(&mut self) -> bool {
        let until = self.out.len() + PIECE;
        let is_done = self.page.write(&mut self.out, until);
        if let Some(gzip) = &mut self.gzip {
            // Memory takes everything.
            let _ = gzip.write_all(&self.out);
            self.out.clear();
        }
        is_done
    }

    fn answer(&mut self) -> Response<Full<Bytes>> {
        self.shared.counters.clashed(self.page.clashes);
        let encoded = self.gzip.take().map(GzEncoder::finish);
        let body = match encoded {
            Some(Ok(compressed)) => {
                self.out = compressed;
                Some(HeaderValue::from_static("gzip"))
            }
            _ => None,
        };
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        if let Ok(content_type) = HeaderValue::from_str(&self.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        headers.insert(CONTENT_LENGTH, self.out.len().into());
        if let Some(encoding) = body {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        if !self.is_head {
            *response.body_mut() = Full::new(std::mem::take(&mut self.out).into());
        }
        response
    }
}

fn refused() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("only GET and HEAD are served here\n"));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

impl fmt::Debug for ScrapeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeFuture").finish_non_exhaustive()
    }
}
