use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tower_service::Service;

use super::{
    CircuitBreakerPolicy, CircuitHandle, ResponseFuture,
    alarm::Alarm,
    circuit::{Circuit, Entry},
    pass::Pass,
};
use crate::{
    ExportError, ExportRequest, ExportResponse,
    layers::waiting::{Place, Timer},
};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) policy: CircuitBreakerPolicy,
    pub(super) mode: Mode,
}

/// What an open circuit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is not ready.
    Pending,
    /// It is ready, and every call fails.
    Error,
}

/// Keeps requests from a service that fails. See the [module](super).
pub struct CircuitBreaker<S> {
    /// Never asked for readiness: it is cloned for that, and what a clone had reserved is free
    /// again as soon as the clone is dropped.
    inner: S,
    circuit: Arc<Circuit>,
    mode: Mode,
    /// The clone that was asked.
    asked: Option<S>,
    readiness: Readiness,
    pass: Option<Pass>,
    timer: Timer,
    place: Option<Place>,
    alarm: Alarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unready,
    /// The inner service is ready, and we have leave to call it.
    Ready,
    /// The circuit is open, and the next call is told so.
    Refusing,
}

impl<S> CircuitBreaker<S> {
    pub(super) const fn of(inner: S, circuit: Arc<Circuit>, mode: Mode) -> Self {
        Self {
            inner,
            circuit,
            mode,
            asked: None,
            readiness: Readiness::Unready,
            pass: None,
            timer: Timer::new(),
            place: None,
            alarm: Alarm::new(),
        }
    }

    /// Tells the state of the circuit.
    pub fn handle(&self) -> CircuitHandle {
        CircuitHandle::new(self.circuit.clone())
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably. Handles that wait for readiness have clones of their own.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Lets go of all that this handle has reserved.
    fn let_go(&mut self) {
        self.asked = None;
        self.pass = None;
        self.readiness = Readiness::Unready;
    }

    /// Whether a flush or a shutdown has begun since the last time.
    fn is_hurried(&mut self, cx: &mut Context<'_>) -> bool {
        let stage = &self.circuit.policy.stage;
        stage
            .as_ref()
            .is_some_and(|stage| self.alarm.poll(stage, cx).is_ready())
    }

    /// Ready for a call that fails.
    fn refuse(&mut self) -> Poll<Result<(), ExportError>> {
        self.place = None;
        self.readiness = Readiness::Refusing;
        Poll::Ready(Ok(()))
    }
}

impl<S: Clone> Clone for CircuitBreaker<S> {
    /// The clone shares the circuit and has reserved nothing.
    fn clone(&self) -> Self {
        Self::of(self.inner.clone(), self.circuit.clone(), self.mode)
    }
}

impl<S: fmt::Debug> fmt::Debug for CircuitBreaker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("policy", &self.circuit.policy)
            .field("mode", &self.mode)
            .field("state", &self.handle().state())
            .finish_non_exhaustive()
    }
}

impl<S> Service<ExportRequest> for CircuitBreaker<S>
where
    S: Service<ExportRequest, Response = ExportResponse> + Clone,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        loop {
            let epoch = self.circuit.epoch();
            // The pass before the inner service: who waits for one must not hold a permit that a
            // probe needs.
            match self.circuit.enter(&mut self.pass, Instant::now()) {
                Entry::Granted { deadline } => {
                    let inner = self.asked.get_or_insert_with(|| self.inner.clone());
                    let polled = inner.poll_ready(cx);
                    if let Some(pass) = &self.pass {
                        pass.asked(polled.is_ready());
                    }
                    match polled {
                        Poll::Ready(Ok(())) => {
                            self.place = None;
                            self.readiness = Readiness::Ready;
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Ready(Err(error)) => {
                            let error = error.into();
                            if let Some(pass) = &mut self.pass {
                                pass.report(Some(&error));
                            }
                            self.let_go();
                            return Poll::Ready(Err(error));
                        }
                        Poll::Pending => self.readiness = Readiness::Unready,
                    }
                    if let Some(deadline) = deadline {
                        // The probe has failed: the circuit is open. Or a shutdown has begun.
                        if self.timer.poll(deadline, cx).is_ready() || self.is_hurried(cx) {
                            continue;
                        }
                    }
                }
                Entry::Barred { until } => {
                    self.let_go();
                    if self.mode == Mode::Error {
                        return self.refuse();
                    }
                    if self.timer.poll(until, cx).is_ready() || self.is_hurried(cx) {
                        continue;
                    }
                }
                Entry::Ended => {
                    self.let_go();
                    return self.refuse();
                }
            }
            // Park first, look then: a change in between is not missed.
            self.circuit.parking.park(&mut self.place, cx.waker());
            if self.circuit.epoch() == epoch {
                return Poll::Pending;
            }
        }
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let readiness = std::mem::replace(&mut self.readiness, Readiness::Unready);
        let pass = self.pass.take();
        let now = Instant::now();
        let leave = pass.as_ref().is_some_and(|pass| pass.send(now));
        let refused = match readiness {
            Readiness::Refusing => true,
            // In the other mode readiness was a promise: the request goes out.
            Readiness::Ready => !leave && self.mode == Mode::Error,
            // Called without asking for readiness: that is for the inner service to judge.
            Readiness::Unready => false,
        };
        if refused {
            self.let_go();
            return ResponseFuture::refused(self.circuit.refusal(now));
        }
        let inner = self.asked.get_or_insert_with(|| self.inner.clone());
        ResponseFuture::sent(inner.call(request), pass)
    }
}
