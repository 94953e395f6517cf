//! Backends that fail in every way by a seeded schedule, and come back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::{Sleep, sleep};
use tower::Service;
use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice};

use super::{items, world::World};

/// What a panic of a backend carries: no other panic is expected.
pub struct Expected;

#[derive(Clone, Copy, Debug)]
enum Mode {
    Deliver,
    Fail(ErrorKind),
    Stall,
    Throttle(u64),
    Partial,
    PartialReject,
    /// Delivers, and answers with an error.
    Disconnect,
    Panic,
    PanicInCall,
    Unready,
    DeadReadiness,
    Mixed,
}

#[derive(Clone)]
struct Script {
    /// Until when which mode; at the end it works.
    phases: Vec<(Duration, Mode)>,
    latency: Duration,
    max_items: u64,
    poison: Option<u64>,
}

pub struct Backend {
    number: usize,
    place: Arc<str>,
    script: Arc<Script>,
    rng: Arc<Mutex<Rng>>,
    world: World,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Clone for Backend {
    fn clone(&self) -> Self {
        Self {
            number: self.number,
            place: self.place.clone(),
            script: self.script.clone(),
            rng: self.rng.clone(),
            world: self.world.clone(),
            waiting: None,
        }
    }
}

impl Backend {
    /// The next backend of a world, and its description.
    pub fn new(rng: &mut Rng, world: &World) -> (Self, usize, String) {
        let number = world.new_backend();
        let mut phases = Vec::new();
        let mut at = Duration::ZERO;
        for _ in 0..rng.usize(0..=5) {
            at += Duration::from_millis(rng.u64(1..=12_000));
            phases.push((at, mode(rng)));
        }
        let script = Script {
            phases,
            latency: Duration::from_millis(rng.u64(0..=300)),
            max_items: if rng.u8(0..4) == 0 {
                rng.u64(1..=8)
            } else {
                u64::MAX
            },
            poison: (rng.u8(0..6) == 0).then(|| rng.u64(3..=9)),
        };
        let text = format!("backend {number}: {script}");
        let backend = Self {
            number,
            place: format!("backend {number}").into(),
            script: Arc::new(script),
            rng: Arc::new(Mutex::new(rng.fork())),
            world: world.clone(),
            waiting: None,
        };
        (backend, number, text)
    }

    /// How long the phase lasts, and its mode.
    fn phase(&self) -> (Duration, Mode) {
        let now = self.world.now();
        let phase = self.script.phases.iter().find(|(until, _)| now < *until);
        phase.map_or((Duration::ZERO, Mode::Deliver), |(until, mode)| {
            (*until - now, *mode)
        })
    }

    fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().expect("nobody panics with the lock"))
    }

    fn reject(&self, ids: &[u64]) {
        if !ids.is_empty() {
            self.world.reject(self.number, ids);
            self.world.note(&self.place, ids, || "rejects".to_owned());
        }
    }

    fn deliver(&self, ids: &[u64]) {
        self.world.deliver(self.number, ids);
        self.world.note(&self.place, ids, || "has".to_owned());
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "latency {:?}", self.latency)?;
        if self.max_items < u64::MAX {
            write!(f, ", at most {} items", self.max_items)?;
        }
        if let Some(every) = self.poison {
            write!(f, ", rejects each {every}th")?;
        }
        for (until, mode) in &self.phases {
            write!(f, ", {mode:?} until {:.3}s", until.as_secs_f64())?;
        }
        Ok(())
    }
}

fn mode(rng: &mut Rng) -> Mode {
    const KINDS: [ErrorKind; 11] = [
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Unauthenticated,
        ErrorKind::Unsupported,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Overloaded,
        ErrorKind::CircuitOpen,
        ErrorKind::Closed,
        ErrorKind::Internal,
    ];
    match rng.u8(0..18) {
        0..=1 => Mode::Deliver,
        2..=5 => Mode::Fail(KINDS[rng.usize(0..KINDS.len())]),
        6 => Mode::Stall,
        7 => Mode::Throttle(rng.u64(0..20_000)),
        8..=9 => Mode::Partial,
        10..=11 => Mode::PartialReject,
        12 => Mode::Disconnect,
        13 => Mode::Panic,
        14 => Mode::PanicInCall,
        15 => Mode::Unready,
        16 => Mode::DeadReadiness,
        _ => Mode::Mixed,
    }
}

type Answer = Result<ExportResponse, ExportError>;

impl Service<ExportRequest> for Backend {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        loop {
            match self.phase() {
                (_, Mode::DeadReadiness) => {
                    return Poll::Ready(Err(ExportError::new(
                        ErrorKind::Unavailable,
                        "dead for good",
                    )));
                }
                (left, Mode::Unready) => {
                    let sleep = self.waiting.get_or_insert_with(|| Box::pin(sleep(left)));
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.waiting = None;
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        if matches!(self.phase(), (_, Mode::PanicInCall)) && self.rng(|rng| rng.bool()) {
            std::panic::resume_unwind(Box::new(Expected));
        }
        let backend = self.clone();
        Box::pin(async move { backend.answer(request).await })
    }
}

impl Backend {
    async fn answer(self, request: ExportRequest) -> Answer {
        let ids: Vec<u64> = items::ids(&request).to_vec();
        let (_, mut mode) = self.phase();
        if matches!(mode, Mode::Mixed) {
            mode = loop {
                let drawn = self.rng(self::mode);
                if !matches!(drawn, Mode::Mixed) {
                    break drawn;
                }
            };
        }
        if !self.script.latency.is_zero() {
            sleep(self.script.latency).await;
        }
        let fail = |kind| ExportError::new(kind, "by the schedule");
        if request.items() > self.script.max_items {
            return Err(fail(ErrorKind::TooLarge));
        }
        if let Some(every) = self.script.poison
            && ids.iter().any(|id| id % every == 0)
        {
            return Err(fail(ErrorKind::Rejected));
        }
        match mode {
            Mode::Fail(kind) => return Err(fail(kind)),
            Mode::Stall => sleep(self.phase().0).await,
            Mode::Throttle(millis) => {
                let after = RetryAdvice::After(Duration::from_millis(millis));
                return Err(fail(ErrorKind::Throttled).with_retry(after));
            }
            Mode::Partial if ids.len() > 1 => return Err(self.partial(&request)),
            Mode::PartialReject if !ids.is_empty() => {
                let rejected = self.rng(|rng| rng.usize(0..=ids.len()));
                let from = self.rng(|rng| rng.usize(0..=ids.len() - rejected));
                let mut kept = ids;
                let refused: Vec<u64> = kept.drain(from..from + rejected).collect();
                self.reject(&refused);
                self.deliver(&kept);
                return Ok(ExportResponse::delivered(kept.len() as u64)
                    .with_rejected(rejected as u64, "by the schedule"));
            }
            Mode::Disconnect => {
                self.deliver(&ids);
                return Err(fail(ErrorKind::Unavailable));
            }
            Mode::Panic => std::panic::resume_unwind(Box::new(Expected)),
            _ => {}
        }
        self.deliver(&ids);
        Ok(ExportResponse::delivered(ids.len() as u64))
    }

    /// Delivers a part, rejects a part, and leaves a part at any place.
    fn partial(&self, request: &ExportRequest) -> ExportError {
        let items = request.items();
        let from = self.rng(|rng| rng.u64(0..items));
        let to = match self.rng(|rng| rng.bool()) {
            true if from > 0 => items,
            _ => self.rng(|rng| rng.u64(from + 1..=items)),
        };
        let left = request.with_otlp(request.otlp().extract(from..to));
        let parts = [
            request.with_otlp(request.otlp().extract(0..from)),
            request.with_otlp(request.otlp().extract(to..items)),
        ];
        let mut done: Vec<u64> = parts
            .iter()
            .flat_map(|part| items::ids(part).to_vec())
            .collect();
        let rejected = self.rng(|rng| rng.usize(0..=done.len())) / 2;
        let rest = done.split_off(done.len() - rejected);
        self.reject(&rest);
        self.deliver(&done);
        let progress = ExportResponse::delivered(done.len() as u64);
        let progress = match rest.len() {
            0 => progress,
            rejected => progress.with_rejected(rejected as u64, "by the schedule"),
        };
        let kind = [
            ErrorKind::Unavailable,
            ErrorKind::Throttled,
            ErrorKind::Rejected,
        ][self.rng(|rng| rng.usize(0..3))];
        debug_assert_eq!(
            left.items() + progress.delivered_items() + progress.rejected_items(),
            items
        );
        ExportError::new(kind, "by the schedule").with_remainder(progress, left)
    }
}
