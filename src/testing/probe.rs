use std::task::{Context, Poll};

use tower_service::Service;

use crate::ExportRequest;

/// A service that is strict about readiness, to put below the layer under test.
///
/// - It panics if it is called without having said that it is ready.
/// - A clone is not ready, whatever the original was.
/// - Readiness is used up by one call.
/// - It is never ready at the first question: it answers pending once, and wakes the asker.
///
/// A layer that calls a fresh clone, or that asks for readiness only before the first attempt,
/// passes every test with a service that is always ready, and fails with this one.
#[derive(Debug, Default)]
pub struct ReadinessProbe<S> {
    inner: S,
    readiness: Readiness,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Readiness {
    #[default]
    NotAsked,
    Asked,
    Ready,
}

impl<S> ReadinessProbe<S> {
    /// A probe that hands requests to `inner`.
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            readiness: Readiness::NotAsked,
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

impl<S: Clone> Clone for ReadinessProbe<S> {
    /// The clone is not ready.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<S: Service<ExportRequest>> Service<ExportRequest> for ReadinessProbe<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.readiness == Readiness::NotAsked {
            self.readiness = Readiness::Asked;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let inner = self.inner.poll_ready(cx);
        if let Poll::Ready(Ok(())) = inner {
            self.readiness = Readiness::Ready;
        }
        inner
    }

    fn call(&mut self, request: ExportRequest) -> S::Future {
        assert!(
            self.readiness == Readiness::Ready,
            "called without readiness: poll_ready was not driven on this very service, or its \
             readiness was used up by an earlier call"
        );
        self.readiness = Readiness::NotAsked;
        self.inner.call(request)
    }
}
