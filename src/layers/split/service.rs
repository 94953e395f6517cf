use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{ResponseFuture, SplitConfig, learned::Learned, work::Work};
use crate::{ExportError, ExportRequest, ExportResponse, InvalidConfig};

/// Cuts requests that are too large. See the [module](super).
#[derive(Clone)]
pub struct Split<S> {
    inner: S,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: SplitConfig,
    pub(super) learned: Learned,
}

impl<S> Split<S> {
    /// Cuts what is sent to `inner`, by this configuration.
    ///
    /// # Errors
    /// If a bound is zero, so that nothing could be sent.
    pub fn new(inner: S, config: SplitConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self::with(inner, config))
    }

    pub(super) fn with(inner: S, config: SplitConfig) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared {
                config,
                learned: Learned::default(),
            }),
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: fmt::Debug> fmt::Debug for Split<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Split")
            .field("inner", &self.inner)
            .field("config", &self.shared.config)
            .field("learned_limit", &self.shared.learned.limit())
            .finish()
    }
}

impl<S> Service<ExportRequest> for Split<S>
where
    S: Service<ExportRequest, Response = ExportResponse> + Clone,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let (first, work) = Work::begin(self.shared.clone(), request);
        ResponseFuture::new(ready, first, work)
    }
}
