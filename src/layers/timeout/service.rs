use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use super::ResponseFuture;
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

/// A duration and what it bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    duration: Duration,
    name: &'static str,
}

impl Limit {
    pub(super) const fn attempt(duration: Duration) -> Self {
        Self {
            duration,
            name: "attempt",
        }
    }

    pub(super) const fn total(duration: Duration) -> Self {
        Self {
            duration,
            name: "total",
        }
    }

    /// The error of a request that took longer.
    pub(super) fn exceeded(self) -> ExportError {
        let Self { duration, name } = self;
        ExportError::new(
            ErrorKind::Timeout,
            format!("no answer within {duration:?} ({name} timeout)"),
        )
    }

    fn never_ready(self) -> ExportError {
        let Self { duration, name } = self;
        ExportError::new(
            ErrorKind::Timeout,
            format!("not ready within {duration:?} ({name} timeout)"),
        )
    }
}

/// Fails a request that takes too long. See the [module](super).
pub struct Timeout<S> {
    inner: S,
    limit: Limit,
    state: State,
    /// Made when the inner service first keeps us waiting, and used again.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody waits.
    Idle,
    /// The inner service is not ready; `sleep` runs.
    Waiting { since: Instant, before: Duration },
    /// The inner service is ready, after this wait.
    Ready { waited: Duration },
    /// The wait used up the time; the next call fails.
    Expired,
}

impl<S> Timeout<S> {
    pub(super) const fn new(inner: S, limit: Limit) -> Self {
        Self {
            inner,
            limit,
            state: State::Idle,
            sleep: None,
        }
    }

    /// Bounds one attempt at `inner`.
    pub const fn attempt(inner: S, duration: Duration) -> Self {
        Self::new(inner, Limit::attempt(duration))
    }

    /// Bounds all attempts that `inner` makes.
    pub const fn total(inner: S, duration: Duration) -> Self {
        Self::new(inner, Limit::total(duration))
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

    fn start_sleep(&mut self, now: Instant, left: Duration) {
        match (&mut self.sleep, now.checked_add(left)) {
            (Some(sleep), Some(deadline)) => sleep.as_mut().reset(deadline),
            _ => self.sleep = Some(Box::pin(sleep(left))),
        }
    }
}

impl<S: Clone> Clone for Timeout<S> {
    /// The clone starts anew: it has not waited for anything.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit)
    }
}

impl<S: fmt::Debug> fmt::Debug for Timeout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("limit", &self.limit)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<S> Service<ExportRequest> for Timeout<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if let State::Expired = self.state {
            return Poll::Ready(Ok(()));
        }
        let inner = self.inner.poll_ready(cx).map_err(Into::into);
        // Idle | Waiting | Ready => Ready. Asked twice, a ready service keeps its charge.
        if inner.is_ready() {
            let waited = match self.state {
                State::Waiting { since, before } => before.saturating_add(since.elapsed()),
                State::Ready { waited } => waited,
                State::Idle | State::Expired => Duration::ZERO,
            };
            self.state = State::Ready { waited };
            return inner;
        }
        // Idle | Ready => Waiting: the clock starts, or goes on.
        let before = match self.state {
            State::Waiting { .. } => None,
            State::Ready { waited } => Some(waited),
            State::Idle | State::Expired => Some(Duration::ZERO),
        };
        if let Some(before) = before {
            let since = Instant::now();
            self.state = State::Waiting { since, before };
            self.start_sleep(since, self.limit.duration.saturating_sub(before));
        }
        // Waiting => Expired.
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        self.state = State::Expired;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        // * => Idle.
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Expired => ResponseFuture::failed(self.limit.never_ready()),
            State::Ready { waited } => ResponseFuture::running(
                self.inner.call(request),
                self.limit.duration.saturating_sub(waited),
                self.limit,
            ),
            // Called without asking for readiness: that is for the inner service to judge.
            State::Idle | State::Waiting { .. } => {
                ResponseFuture::running(self.inner.call(request), self.limit.duration, self.limit)
            }
        }
    }
}
