use std::{collections::VecDeque, fmt, future::ready, pin::Pin};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    BatchConfig,
    caller::{Cuts, Member},
    flight::Flight,
    open::{Filling, Open},
    service::{Inbox, Message},
};
use crate::{
    ErrorKind, ExportError, ExportRequest, Exporter, IntoExportError, Stage,
    layers::presence::spare,
    otlp::{Limits, Pieces},
};

/// The task of a [`Batch`](super::Batch), made by [`BatchLayer::pair`](super::BatchLayer::pair):
/// run it.
///
/// Dropped before it has ended it answers all it has with [`Closed`](ErrorKind::Closed).
pub struct Worker<S> {
    /// Never asked for readiness and never called: each batch takes a clone.
    inner: IntoExportError<S>,
    /// Whether that handle counts as one that may be used at any time.
    is_present: bool,
    inbox: Inbox,
    open: Open,
    /// Full, or otherwise done with: they only wait for a place in flight.
    ready: VecDeque<Filling>,
    /// An oversize request. Pieces are cut off when there is a place in flight.
    cutting: Option<Cutting>,
    cuts: Cuts,
    flights: FuturesUnordered<Flight>,
    max_in_flight: usize,
    limits: Limits,
    stage: Stage,
    alarm: Option<Pin<Box<Sleep>>>,
}

struct Cutting {
    /// Its place in the order of batches.
    number: u64,
    cut: u64,
    request: ExportRequest,
    pieces: Pieces,
}

impl<S: Exporter> Worker<S> {
    pub(super) fn new(inner: S, config: &BatchConfig, inbox: Inbox) -> Self {
        Self {
            inner: IntoExportError::new(inner),
            is_present: true,
            inbox,
            open: Open::new(config.clone()),
            ready: VecDeque::new(),
            cutting: None,
            cuts: Cuts::default(),
            flights: FuturesUnordered::new(),
            max_in_flight: config.max_in_flight,
            limits: Limits::default()
                .max_items(config.max_items)
                .max_bytes(config.max_bytes),
            stage: config.stage.clone(),
            alarm: None,
        }
    }

    /// Takes requests and sends them in batches, until all handles are gone and every batch has
    /// its answer.
    ///
    /// # Panics
    /// Outside a tokio runtime with its timer enabled.
    pub async fn run(mut self) {
        let presence = self.inbox.presence.clone();
        let mut is_forsaken = false;
        loop {
            self.launch();
            if is_forsaken && self.has_nothing_to_launch() {
                break;
            }
            let is_deserted = is_forsaken || presence.is_over();
            self.attend(!is_deserted || !self.has_nothing_to_launch());
            let has_place = self.flights.len() < self.max_in_flight;
            let may_launch = has_place && !self.open.is_empty();
            let is_rushed = is_deserted || self.stage.is_rushed();
            let reads = !is_forsaken && self.ready.is_empty() && self.cutting.is_none();
            let due = self.open.next_due().filter(|_| has_place);
            self.set_alarm(due);
            // What is done makes room, so it comes first. Requests that are there join their
            // batches before a rush sends these; timers are looked at in every turn.
            tokio::select! {
                biased;
                landed = self.flights.next(), if !self.flights.is_empty() => {
                    if let Some(landed) = landed {
                        landed.settle(&mut self.cuts);
                    }
                }
                message = self.inbox.next(), if reads => match message {
                    Some(message) => self.take(message),
                    None => is_forsaken = true,
                },
                () = ready(()), if may_launch && is_rushed => {
                    self.ready.extend(self.open.pop_oldest());
                }
                () = presence.left(), if !is_deserted => {}
                () = self.stage.rushed(), if may_launch && !is_rushed => {}
                () = ring(&mut self.alarm), if due.is_some() => {}
            }
        }
        // A batch layer below waits for its last handle to go before it sends what it has: no
        // handle may stay here while the last answers come in.
        let Self {
            inner,
            mut flights,
            mut cuts,
            ..
        } = self;
        drop(inner);
        while let Some(landed) = flights.next().await {
            landed.settle(&mut cuts);
        }
    }

    /// A batch layer below sends what it has at once while nobody is about to send it more. So this
    /// worker tells it when that goes for its own callers.
    fn attend(&mut self, is_present: bool) {
        if self.is_present != is_present {
            self.is_present = is_present;
            self.inner = if is_present {
                self.inner.clone()
            } else {
                spare(&self.inner)
            };
        }
    }

    fn has_nothing_to_launch(&self) -> bool {
        self.ready.is_empty() && self.cutting.is_none() && self.open.is_empty()
    }

    fn take(&mut self, message: Message) {
        let Message {
            request,
            caller,
            span,
            place,
        } = message;
        drop(place);
        let items = request.items();
        // The note of a fan-out is about this very request: no part of it may change. And one
        // item cannot be cut.
        let is_oversize = self.open.is_oversize(&request);
        if request.resume().is_some() || (is_oversize && items == 1) {
            let number = self.open.number();
            let member = Member::whole(items, span, caller);
            self.ready.push_back(Filling::new(
                number,
                self.open.key(&request),
                request,
                member,
            ));
        } else if is_oversize {
            self.cutting = Some(Cutting {
                number: self.open.number(),
                cut: self.cuts.begin(items, span, caller),
                pieces: request.otlp().split(&self.limits),
                request,
            });
        } else {
            let member = Member::whole(items, span, caller);
            self.open.add(request, member, &mut self.ready);
        }
    }

    /// Sends what may be sent now, the oldest first: a key that always has a full batch does not
    /// keep others back.
    fn launch(&mut self) {
        while self.flights.len() < self.max_in_flight {
            let first_ready = self.ready.front().map(|batch| batch.number);
            let cutting = self.cutting.as_ref().map(|cutting| cutting.number);
            let due = self.open.due(Instant::now());
            let all = [first_ready, cutting, due];
            let Some(oldest) = all.into_iter().flatten().min() else {
                return;
            };
            if Some(oldest) == cutting {
                self.cut_off();
                continue;
            }
            let batch = if Some(oldest) == due {
                self.open.pop_oldest()
            } else {
                self.ready.pop_front()
            };
            if let Some(batch) = batch {
                self.send(batch);
            }
        }
    }

    /// Sends a piece of an oversize request. The last one may share its batch with others.
    fn cut_off(&mut self) {
        let Some(mut cutting) = self.cutting.take() else {
            return;
        };
        let Some(piece) = cutting.pieces.next() else {
            return;
        };
        let piece = cutting.request.with_otlp(piece);
        if cutting.pieces.items_left() > 0 {
            let member = self.cuts.piece(cutting.cut, &piece);
            let key = self.open.key(&piece);
            self.send(Filling::new(cutting.number, key, piece, member));
            self.cutting = Some(cutting);
            return;
        }
        let member = self.cuts.last_piece(cutting.cut, &piece);
        if self.open.is_oversize(&piece) {
            let key = self.open.key(&piece);
            self.send(Filling::new(cutting.number, key, piece, member));
        } else {
            self.open.add(piece, member, &mut self.ready);
        }
    }

    fn send(&mut self, mut batch: Filling) {
        match batch.request() {
            Ok(request) => {
                let flight = Flight::start(self.inner.clone(), request, batch.members);
                self.flights.push(flight);
            }
            // Not with parts of one signal, and there is always one.
            Err(error) => {
                let error = ExportError::new(ErrorKind::Internal, "requests cannot be merged")
                    .with_source(error);
                for member in batch.members {
                    member.settle(Err(error.clone()), &mut self.cuts);
                }
            }
        }
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

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("filling", &self.open.len())
            .field("ready", &self.ready.len())
            .field("in_flight", &self.flights.len())
            .finish_non_exhaustive()
    }
}
