//! The layer: it puts a token into every HTTP request, gRPC calls included.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};
use tower_otlp::ExportError;

/// What goes into `authorization`, and when to ask for another: some time before it expires.
/// Mark the header as sensitive, so that `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: HeaderValue,
    pub refresh_at: Instant,
}

type Fetching = BoxFuture<'static, Result<Token, ExportError>>;
type Fetch = dyn Fn() -> Fetching + Send + Sync;

/// Applies [`RefreshToken`]. All services it is applied to share the token.
#[derive(Clone)]
pub struct RefreshTokenLayer {
    fetch: Arc<Fetch>,
    current: Arc<Mutex<Option<Shared<Fetching>>>>,
}

impl RefreshTokenLayer {
    /// Fetches tokens like this: with the first request, when one is due, and after a refusal.
    pub fn new<F>(fetch: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Token, ExportError>> + Send + 'static,
    {
        let fetch = Arc::new(move || fetch().boxed());
        let current = Arc::default();
        Self { fetch, current }
    }

    /// The token, or the fetch of a new one: all who come meanwhile wait for the same fetch, and
    /// get the same error if it fails. The next one tries again.
    fn token(&self) -> impl Future<Output = Result<Token, ExportError>> + Send + use<> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let known = current.take().filter(|known| match known.peek() {
            None => true,
            Some(Ok(token)) => Instant::now() < token.refresh_at,
            Some(Err(_)) => false,
        });
        let token = known.unwrap_or_else(|| (self.fetch)().shared());
        current.insert(token).clone()
    }

    /// Forgets this token, but not the one that another request may have fetched since.
    fn throw_away(&self, refused: &HeaderValue) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let known = current.as_ref().and_then(Shared::peek);
        if matches!(known, Some(Ok(token)) if token.header == refused) {
            *current = None;
        }
    }
}

impl<S> Layer<S> for RefreshTokenLayer {
    type Service = RefreshToken<S>;

    fn layer(&self, inner: S) -> RefreshToken<S> {
        let tokens = self.clone();
        RefreshToken { inner, tokens }
    }
}

/// Puts a token into every request, and throws it away when it was refused.
#[derive(Clone)]
pub struct RefreshToken<S> {
    inner: S,
    tokens: RefreshTokenLayer,
}

impl<S, B, R> Service<Request<B>> for RefreshToken<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        // The service that is ready, not a clone of it, which need not be.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let tokens = self.tokens.clone();
        async move {
            // An `ExportError` keeps its kind and its advice on its way through the exporter.
            let token = tokens.token().await?;
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, token.header.clone());
            let response = inner.call(request).await.map_err(Into::into)?;
            // A gRPC server that refuses says so in the headers: it sends nothing else.
            let grpc = response.headers().get("grpc-status");
            let refused = response.status() == StatusCode::UNAUTHORIZED;
            if refused || grpc.is_some_and(|status| status == "16") {
                tokens.throw_away(&token.header);
            }
            Ok(response)
        }
        .boxed()
    }
}

impl fmt::Debug for RefreshTokenLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenLayer").finish_non_exhaustive()
    }
}
