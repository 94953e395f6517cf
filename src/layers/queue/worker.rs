use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::util::Oneshot;

use super::{
    Entry,
    flight::{Flight, Landed, panicked},
    shared::{Shared, closed},
    ticket::End,
};
use crate::{
    BoxExporter, DropReason, ErrorKind, ExportError, ExportRequest, Exporter, RetryAdvice, Stage,
    layers::presence::spare,
};

/// An error that nobody recognised may well be a bug: so many attempts may end in one.
const INTERNAL_ATTEMPTS: u32 = 5;

/// Before the deadline of a shutdown this much of the time left, and no more than this, is for the
/// dead letter exporter.
const LAST_PART: u32 = 4;
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// What is kept in a storage that survives is said to be so this long before the deadline.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// The shortest wait for a retry when a deadline is near.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// The task of a queue, made by [`QueueLayer::pair`](super::QueueLayer::pair): run it.
///
/// Dropped before it has ended it takes what the queue holds along: callers get
/// [`Closed`](ErrorKind::Closed), early answers count as
/// [abandoned](crate::DropReason::Abandoned).
pub struct Worker<S: Exporter> {
    /// The readied one is called; after an error of its readiness it is replaced.
    inner: S,
    /// Never called.
    template: S,
    is_ready: bool,
    /// Whether it was asked for readiness and not called since: it may stand in line for a permit.
    is_in_line: bool,
    /// Whether a handle of what is below counts as one that may be used at any time.
    is_present: bool,
    flights: FuturesUnordered<Flight<S::Future>>,
    /// On their way to the dead letter exporter, and those that wait for their turn.
    letters: FuturesUnordered<Flight<Oneshot<BoxExporter, ExportRequest>>>,
    doomed: VecDeque<(Entry, ExportError)>,
    dead_letter: Option<BoxExporter>,
    stage: Stage,
    phase: Phase,
    alarm: Option<Pin<Box<Sleep>>>,
    charge: Charge,
}

/// What the worker answers for: it says so if it is dropped.
struct Charge(Arc<Shared>);

impl Drop for Charge {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// There is none.
    Open,
    /// Deliver what is there, until then.
    Draining { give_up: Instant, deadline: Instant },
    /// What is still there goes to the dead letter exporter.
    GivingUp { deadline: Instant },
    /// Nothing is taken or sent any more.
    Closed,
}

impl Phase {
    /// The moment at which the next phase begins.
    const fn end(self) -> Option<Instant> {
        match self {
            Phase::Draining { give_up, .. } => Some(give_up),
            Phase::GivingUp { deadline } => Some(deadline),
            Phase::Open | Phase::Closed => None,
        }
    }
}

impl<S: Exporter> Worker<S> {
    pub(super) fn new(inner: S, dead_letter: Option<BoxExporter>, shared: Arc<Shared>) -> Self {
        Self {
            template: inner.clone(),
            inner,
            is_ready: false,
            is_in_line: false,
            is_present: true,
            flights: FuturesUnordered::new(),
            letters: FuturesUnordered::new(),
            doomed: VecDeque::new(),
            dead_letter,
            stage: shared.stage.clone(),
            phase: Phase::Open,
            alarm: None,
            charge: Charge(shared),
        }
    }

    /// Delivers until all handles are gone and the queue is empty, or the deadline of a shutdown
    /// has passed.
    pub async fn run(mut self) {
        let shared = self.charge.0.clone();
        self.look();
        loop {
            self.advance();
            self.send_doomed();
            let survey = shared.survey();
            let over = survey.over || self.phase == Phase::Closed;
            if over && self.flights.is_empty() && self.letters.is_empty() {
                return;
            }
            let sends = self.phase != Phase::Closed && self.has_free_slot();
            let next_due = survey.next_due.filter(|_| sends);
            let is_due = next_due.is_some_and(|due| due <= Instant::now());
            if is_due && (self.is_ready || self.is_giving_up()) {
                self.send(Ok(()));
                continue;
            }
            if is_due {
                self.is_present = true;
                self.is_in_line = true;
            } else if survey.deserted && self.is_present {
                self.stand_back();
            } else if self.is_in_line {
                // What it was to send is gone. A place in line, or a permit, is of no more use
                // here, and what is in flight may wait for it.
                self.replace();
            }
            let next_due = next_due.filter(|_| !is_due);
            let next = next_due.into_iter().chain(self.phase.end()).min();
            self.set_alarm(next);
            // What is done comes first, for it makes room; then the end, which changes all that
            // follows; new work is last.
            tokio::select! {
                biased;
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => {
                    if let Some(landed) = landed {
                        self.landed(landed);
                    }
                }
                Some(landed) = self.letters.next(), if !self.letters.is_empty() => {
                    if let Some(landed) = landed {
                        self.letter_landed(landed);
                    }
                }
                () = self.stage.changed() => self.look(),
                () = ring(&mut self.alarm), if next.is_some() => {}
                result = poll_fn(|cx| ready(&mut self.inner, cx)), if is_due => self.send(result),
                () = shared.wake.notified() => {}
                () = shared.presence.left(), if !survey.deserted => {}
            }
        }
    }

    /// Has nothing to send at the moment, and nothing new will come: a batch below need not wait
    /// for more. The handles stay, for what fails is sent again.
    fn stand_back(&mut self) {
        self.is_present = false;
        self.is_ready = false;
        self.is_in_line = false;
        self.template = spare(&self.template);
        self.inner = spare(&self.template);
        self.dead_letter = self.dead_letter.as_ref().map(spare);
    }

    /// Goes on with a fresh handle.
    fn replace(&mut self) {
        self.is_ready = false;
        self.is_in_line = false;
        self.inner = self.template.clone();
    }

    fn shared(&self) -> &Shared {
        &self.charge.0
    }

    fn is_giving_up(&self) -> bool {
        matches!(self.phase, Phase::GivingUp { .. })
    }

    fn has_free_slot(&self) -> bool {
        let concurrency = self.shared().config.concurrency;
        if self.is_giving_up() {
            return self.letters.len() < concurrency;
        }
        self.flights.len() < concurrency
    }

    /// The level may have changed.
    fn look(&mut self) {
        if !self.stage.is_rushed() {
            return;
        }
        // Open => Draining.
        if let (Phase::Open, Some(deadline)) = (self.phase, self.stage.deadline()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let reserve = match self.dead_letter {
                _ if self.shared().survives => (left / LAST_PART).min(LAST_MOMENT),
                Some(_) => (left / LAST_PART).min(LAST_MOMENTS),
                None => Duration::ZERO,
            };
            let give_up = deadline.checked_sub(reserve).unwrap_or(deadline);
            self.phase = Phase::Draining { give_up, deadline };
            // What a server wants later than that cannot be delivered: it is taken out as well.
            return self.shared().hurry(Some(give_up));
        }
        self.shared().hurry(None);
    }

    /// Begins the next phase if its time has come.
    fn advance(&mut self) {
        if self.phase.end().is_none() {
            return;
        }
        let now = Instant::now();
        // Draining => Closed. The rest is left to a later process.
        if let Phase::Draining { give_up, .. } = self.phase
            && give_up <= now
            && self.shared().survives
        {
            self.phase = Phase::Closed;
            while let Some((entry, _)) = self.doomed.pop_front() {
                self.shared().put_back(entry, now);
            }
            self.shared().keep_all();
        }
        // Draining => GivingUp.
        if let Phase::Draining { give_up, deadline } = self.phase
            && give_up <= now
        {
            self.phase = Phase::GivingUp { deadline };
            if self.dead_letter.is_some() {
                // A delivery that hangs would be lost; one that was about to succeed is doubled.
                let cancelled = Pin::new(&mut self.flights).iter_pin_mut();
                let cancelled = cancelled.filter_map(Flight::cancel);
                self.doomed
                    .extend(cancelled.map(|entry| (entry, too_late())));
                self.flights.clear();
                self.shared().hurry(Some(now));
            }
        }
        // GivingUp => Closed.
        if let Phase::GivingUp { deadline } = self.phase
            && deadline <= now
        {
            self.phase = Phase::Closed;
            while let Some((entry, error)) = self.doomed.pop_front() {
                let end = End::Dropped(DropReason::Shutdown, error);
                self.shared().finish(entry, end);
            }
            self.shared().close(DropReason::Shutdown, &too_late());
        }
    }

    /// Sends the oldest request, or fails it if the inner service will never be ready.
    fn send(&mut self, readiness: Result<(), ExportError>) {
        self.is_ready = readiness.is_ok() && !self.is_giving_up();
        if readiness.is_err() {
            self.inner = self.template.clone();
        }
        let Some((entry, span)) = self.shared().pop() else {
            return;
        };
        if self.is_giving_up() {
            return self.expire(entry);
        }
        let hopeless = match (self.phase.end(), entry.not_before) {
            (Some(give_up), Some(not_before)) => not_before > give_up,
            _ => false,
        };
        if hopeless {
            return self.expire(entry);
        }
        if let Err(error) = readiness {
            return self.failed(entry, error);
        }
        self.is_ready = false;
        self.is_in_line = false;
        let request = entry.request.clone();
        let call = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| self.inner.call(request))));
        match call {
            Ok(call) => self.flights.push(Flight::new(call, entry, None, span)),
            Err(_) => {
                self.inner = self.template.clone();
                self.failed(entry, panicked());
            }
        }
    }

    fn landed(&mut self, landed: Landed) {
        match landed.result {
            Ok(response) => self.shared().finish(landed.entry, End::Delivered(response)),
            Err(error) => self.failed(landed.entry, error),
        }
    }

    fn failed(&mut self, mut entry: Entry, error: ExportError) {
        entry.attempts = entry.attempts.saturating_add(1);
        entry.take_progress(&error);
        let is_cut_short = self.phase != Phase::Open && self.may_send_again(&entry, &error);
        let next = self.next_attempt(&mut entry, &error);
        let is_late = |until| self.phase.end().is_some_and(|end| end < until);
        match next.filter(|until| self.shared().survives || !is_late(*until)) {
            Some(until) => {
                tracing::debug!(
                    attempts = entry.attempts,
                    kind = error.kind().as_str(),
                    wait = ?until.saturating_duration_since(Instant::now()),
                    "a queued request failed, to be sent again"
                );
                let (id, is_late) = (entry.id, is_late(until));
                self.shared().put_back(entry, until);
                if is_late {
                    self.shared().keep(id);
                }
            }
            None if is_cut_short && self.dead_letter.is_none() => {
                // With more time it might have been delivered.
                let end = End::Dropped(DropReason::Shutdown, error);
                self.shared().finish(entry, end);
            }
            None => self.doom(entry, error),
        }
    }

    /// Whether the error leaves hope, as far as one may try.
    fn may_send_again(&self, entry: &Entry, error: &ExportError) -> bool {
        let is_known = error.kind() != ErrorKind::Internal || entry.attempts < INTERNAL_ATTEMPTS;
        let is_allowed = self
            .shared()
            .config
            .max_redeliveries
            .is_none_or(|max| entry.attempts <= max);
        error.is_retryable() && is_known && is_allowed
    }

    /// When the request is to be sent again, or `None` if it is not.
    ///
    /// It is later than a shutdown leaves time for only if the storage keeps the request.
    fn next_attempt(&self, entry: &mut Entry, error: &ExportError) -> Option<Instant> {
        if !self.may_send_again(entry, error) {
            return None;
        }
        let config = &self.shared().config;
        let give_up = match self.phase {
            Phase::Open => None,
            Phase::Draining { give_up, .. } => Some(give_up),
            Phase::Closed if self.shared().survives => None,
            Phase::GivingUp { .. } | Phase::Closed => return None,
        };
        let now = Instant::now();
        let oldest = config
            .max_age
            .and_then(|age| entry.enqueued_at.checked_add(age));
        if oldest.is_some_and(|oldest| oldest <= now) {
            return None;
        }
        let end = oldest.into_iter().chain(give_up).min();
        if let RetryAdvice::After(delay) = error.retry() {
            // A moment that no clock will show is as good as never.
            let until = now.checked_add(delay)?;
            // The pause of a circuit breaker may be over sooner: no server named it.
            entry.not_before = (error.kind() != ErrorKind::CircuitOpen).then_some(until);
            let end = if self.shared().survives { oldest } else { end };
            return end.is_none_or(|end| until <= end).then_some(until);
        }
        entry.not_before = None;
        let mut wait = config.backoff(entry.attempts);
        if let Some(give_up) = give_up {
            let left = give_up.saturating_duration_since(now);
            wait = wait.min((left / 2).max(SHORTEST_WAIT));
        }
        let until = now.checked_add(wait)?;
        Some(oldest.map_or(until, |oldest| until.min(oldest)))
    }

    /// The delivery of the request has failed for good.
    fn doom(&mut self, mut entry: Entry, error: ExportError) {
        if self.dead_letter.is_some() && self.phase != Phase::Closed {
            self.shared().fit(&mut entry);
            self.doomed.push_back((entry, error));
        } else {
            self.shared().finish(entry, End::Failed(error));
        }
    }

    /// There is no time left to deliver the request.
    fn expire(&mut self, entry: Entry) {
        if let (true, Some(until)) = (self.shared().survives, entry.not_before) {
            let id = entry.id;
            self.shared().put_back(entry, until);
            self.shared().keep(id);
        } else if self.dead_letter.is_some() {
            self.doomed.push_back((entry, too_late()));
        } else {
            let end = End::Dropped(DropReason::Shutdown, too_late());
            self.shared().finish(entry, end);
        }
    }

    fn send_doomed(&mut self) {
        let Some(exporter) = &self.dead_letter else {
            return;
        };
        while self.letters.len() < self.charge.0.config.concurrency
            && let Some((entry, error)) = {
                // Those that hold a place in the queue go first.
                let doomed = self.doomed.pop_front();
                doomed.or_else(|| self.charge.0.next_evicted())
            }
        {
            let call = Oneshot::new(exporter.clone(), entry.request.clone());
            let span = self.charge.0.span(entry.id);
            self.letters
                .push(Flight::new(call, entry, Some(error), span));
        }
    }

    fn letter_landed(&mut self, landed: Landed) {
        let Landed {
            mut entry,
            cause,
            result,
        } = landed;
        let cause = cause.unwrap_or_else(closed);
        let end = match result {
            Ok(response) => End::DeadLettered(response, cause),
            Err(error) => {
                entry.take_progress(&error);
                let items = entry.request.items();
                tracing::error!(items, %error, %cause, "the dead letter exporter failed");
                End::Failed(cause)
            }
        };
        self.shared().finish(entry, end);
    }

    fn set_alarm(&mut self, at: Option<Instant>) {
        let Some(at) = at else { return };
        match &mut self.alarm {
            Some(alarm) if alarm.deadline() == at => {}
            Some(alarm) => alarm.as_mut().reset(at),
            None => self.alarm = Some(Box::pin(sleep_until(at))),
        }
    }
}

async fn ring(alarm: &mut Option<Pin<Box<Sleep>>>) {
    match alarm {
        Some(alarm) => alarm.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Readiness of the inner service. A panic is an error.
fn ready<S: Exporter>(inner: &mut S, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
    match catch_unwind(AssertUnwindSafe(|| inner.poll_ready(cx))) {
        Ok(ready) => ready.map_err(Into::into),
        Err(_) => Poll::Ready(Err(panicked())),
    }
}

fn too_late() -> ExportError {
    ExportError::new(
        ErrorKind::Closed,
        "not delivered by the deadline of the shutdown",
    )
    .with_retry(RetryAdvice::Backoff)
}

impl<S: Exporter + fmt::Debug> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("inner", &self.inner)
            .field("in_flight", &self.flights.len())
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
