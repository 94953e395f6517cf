use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;
use tower_service::Service;

use super::{
    FallbackPolicy, ResponseFuture,
    switch::{Course, Mode, Shared},
};
use crate::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, ExporterExt,
    layers::waiting::{Place, Timer, later},
};

/// Sends to a primary exporter, and to a secondary while the primary fails. See the
/// [module](super).
pub struct Fallback<S> {
    /// Never asked for readiness: it is cloned for that, and what a clone had reserved is free
    /// again as soon as the clone is dropped.
    primary: S,
    shared: Arc<Shared>,
    asked: Asked<S>,
    /// Since when the primary keeps this handle waiting.
    unready_since: Option<Instant>,
    timer: Timer,
    place: Option<Place>,
}

/// The one service this handle has asked for readiness: never both, because two tasks that hold
/// one each and wait for the other would wait for ever.
enum Asked<S> {
    Neither,
    Primary { service: S, ready: bool },
    Secondary { service: BoxExporter, ready: bool },
}

impl<S> Fallback<S> {
    /// Sends to `primary`, and falls back to `secondary` by the default [`FallbackPolicy`].
    pub fn new(primary: S, secondary: impl Exporter) -> Self {
        Self::of(primary, secondary.boxed_exporter(), FallbackPolicy::new())
    }

    pub(super) fn of(primary: S, secondary: BoxExporter, policy: FallbackPolicy) -> Self {
        Self::sharing(primary, Arc::new(Shared::new(policy, secondary)))
    }

    const fn sharing(primary: S, shared: Arc<Shared>) -> Self {
        Self {
            primary,
            shared,
            asked: Asked::Neither,
            unready_since: None,
            timer: Timer::new(),
            place: None,
        }
    }

    /// Whether requests go to the secondary at the moment.
    pub fn is_away(&self) -> bool {
        matches!(self.shared.look().0, Mode::Away { .. })
    }

    /// The primary.
    pub fn get_ref(&self) -> &S {
        &self.primary
    }

    /// The primary, mutably. Handles that wait for readiness have clones of their own.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.primary
    }

    /// Unwraps the primary.
    pub fn into_inner(self) -> S {
        self.primary
    }
}

impl<S: Clone> Clone for Fallback<S> {
    /// The clone shares the state and has reserved nothing.
    fn clone(&self) -> Self {
        Self::sharing(self.primary.clone(), self.shared.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Fallback<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("primary", &self.primary)
            .field("policy", &self.shared.policy)
            .field("away", &self.is_away())
            .finish_non_exhaustive()
    }
}

impl<S> Fallback<S>
where
    S: Service<ExportRequest, Response = ExportResponse> + Clone,
    S::Error: Into<ExportError>,
{
    fn poll_primary(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if !matches!(self.asked, Asked::Primary { .. }) {
            self.asked = Asked::Primary {
                service: self.primary.clone(),
                ready: false,
            };
        }
        let Asked::Primary { service, ready } = &mut self.asked else {
            return Poll::Pending;
        };
        let result = service.poll_ready(cx).map_err(Into::into);
        *ready = matches!(result, Poll::Ready(Ok(())));
        result
    }

    fn poll_secondary(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        if !matches!(self.asked, Asked::Secondary { .. }) {
            self.asked = Asked::Secondary {
                service: self.shared.secondary.clone(),
                ready: false,
            };
        }
        let Asked::Secondary { service, ready } = &mut self.asked else {
            return Poll::Pending;
        };
        let result = service.poll_ready(cx);
        *ready = matches!(result, Poll::Ready(Ok(())));
        result
    }

    /// Ready when the primary has kept us waiting for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<ExportError> {
        let since = *self.unready_since.get_or_insert_with(Instant::now);
        let Some(limit) = self.shared.policy.unready_limit() else {
            return Poll::Pending;
        };
        ready!(self.timer.poll(later(since, limit), cx));
        Poll::Ready(ExportError::new(
            ErrorKind::Unavailable,
            format!("not ready within {limit:?}"),
        ))
    }
}

impl<S> Service<ExportRequest> for Fallback<S>
where
    S: Service<ExportRequest, Response = ExportResponse> + Clone,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        loop {
            let (mode, epoch) = self.shared.look();
            match mode {
                Mode::Primary => {
                    match self.poll_primary(cx) {
                        Poll::Ready(Ok(())) => {
                            self.unready_since = None;
                            self.place = None;
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Ready(Err(error)) => {
                            // This instance is dead for good; a later probe takes a new one.
                            self.asked = Asked::Neither;
                            if !self.shared.policy.takes_over(&error) {
                                return Poll::Ready(Err(error));
                            }
                            self.shared.fail_over(epoch, &error);
                            continue;
                        }
                        Poll::Pending => {}
                    }
                    if let Poll::Ready(cause) = self.poll_patience(cx) {
                        self.shared.fail_over(epoch, &cause);
                        continue;
                    }
                }
                Mode::Away { next_probe } => {
                    self.unready_since = None;
                    // Ready, with nothing reserved: the request itself will ask.
                    if next_probe <= Instant::now() {
                        self.asked = Asked::Neither;
                        return Poll::Ready(Ok(()));
                    }
                    match self.poll_secondary(cx) {
                        Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                        // This instance is dead, the fallback is not: its primary may come back.
                        // The request will ask a new one.
                        Poll::Ready(Err(_)) => {
                            self.asked = Asked::Neither;
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Pending => {}
                    }
                    if self.timer.poll(next_probe, cx).is_ready() {
                        continue;
                    }
                }
            }
            // Park first, look then: a change in between is not missed.
            self.shared.parking.park(&mut self.place, cx.waker());
            if self.shared.look().1 == epoch {
                return Poll::Pending;
            }
        }
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        self.unready_since = None;
        let course = self.shared.begin(Instant::now());
        match (course, &mut self.asked) {
            (
                Course::Primary(attempt),
                Asked::Primary {
                    service,
                    ready: ready @ true,
                },
            ) => {
                *ready = false;
                let call = service.call(request.clone());
                ResponseFuture::primary(self.shared.clone(), request, call, attempt)
            }
            (
                Course::Secondary,
                Asked::Secondary {
                    service,
                    ready: ready @ true,
                },
            ) => {
                *ready = false;
                let call = service.call(request.clone());
                ResponseFuture::secondary(self.shared.clone(), request, call)
            }
            // The traffic has changed sides since this handle was ready, or a probe is due: what
            // is reserved is let go, and the request asks for readiness itself.
            (Course::Primary(attempt) | Course::Probe(attempt), asked) => {
                *asked = Asked::Neither;
                let fresh = self.primary.clone();
                ResponseFuture::trial(self.shared.clone(), request, fresh, attempt)
            }
            (Course::Secondary, asked) => {
                *asked = Asked::Neither;
                ResponseFuture::ask_secondary(self.shared.clone(), request)
            }
        }
    }
}
