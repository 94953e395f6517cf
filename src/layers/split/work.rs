//! What is still to be sent of a request, and what becomes of it: no I/O, no futures.

use std::{fmt, sync::Arc};

use super::{service::Shared, tally::Tally};
use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice,
    otlp::{Limits, Pieces},
};

/// One request on its way through the layer.
pub(super) struct Work {
    shared: Arc<Shared>,
    /// As it came.
    request: ExportRequest,
    /// What is cut off ahead, if it was too large to begin with.
    ahead: Option<Pieces>,
    /// Halves that wait, the next one on top.
    halves: Vec<ExportRequest>,
    /// Whether what is sent is less than the request.
    cut: bool,
    bisections: u32,
    tally: Tally,
    /// The first piece that was rejected, and why.
    refusal: Option<ExportError>,
    /// Why nothing more is sent.
    stopped: Option<ExportError>,
    /// What was sent and came back.
    undelivered: Vec<ExportRequest>,
    /// The answer to a request that was sent as it came.
    answer: Option<Result<ExportResponse, ExportError>>,
}

impl Work {
    /// The first piece of a request, and the rest.
    pub(super) fn begin(shared: Arc<Shared>, request: ExportRequest) -> (ExportRequest, Self) {
        let mut work = Self {
            shared,
            request: request.clone(),
            ahead: None,
            halves: Vec::new(),
            cut: false,
            bisections: 0,
            tally: Tally::default(),
            refusal: None,
            stopped: None,
            undelivered: Vec::new(),
            answer: None,
        };
        let limits = work.limits();
        let fits = request.items() <= limits.max_items && request.byte_size() <= limits.max_bytes;
        if fits || request.items() < 2 {
            return (request, work);
        }
        let mut pieces = request.otlp().split(&limits);
        let Some(first) = pieces.next() else {
            return (request, work);
        };
        work.ahead = Some(pieces);
        work.cut = true;
        (request.with_otlp(first), work)
    }

    fn limits(&self) -> Limits {
        let Shared { config, learned } = &*self.shared;
        let learned = config.learn_limit.then(|| learned.limit()).flatten();
        Limits::default()
            .max_items(config.max_items)
            .max_bytes(config.max_bytes.min(learned.unwrap_or(usize::MAX)))
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.shared.config.max_in_flight
    }

    pub(super) fn has_next(&self) -> bool {
        let ahead = self.ahead.as_ref().map_or(0, Pieces::items_left);
        self.stopped.is_none() && (!self.halves.is_empty() || ahead > 0)
    }

    /// The next piece to send. Halves first: what came in front is sent in front.
    pub(super) fn next(&mut self) -> Option<ExportRequest> {
        if self.stopped.is_some() {
            return None;
        }
        self.halves.pop().or_else(|| {
            let piece = self.ahead.as_mut()?.next()?;
            Some(self.request.with_otlp(piece))
        })
    }

    /// Whether nothing more is sent, whatever comes back.
    pub(super) const fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Sends nothing more.
    pub(super) fn stop(&mut self, error: ExportError) {
        let Some(first) = self.stopped.take() else {
            self.stopped = Some(error);
            return;
        };
        // Of several errors the first speaks, with the longest delay that a server named.
        let longer = match (first.retry(), error.retry()) {
            (RetryAdvice::Never, _) => None,
            (RetryAdvice::After(known), RetryAdvice::After(delay)) if known >= delay => None,
            (_, RetryAdvice::After(delay)) => Some(RetryAdvice::After(delay)),
            _ => None,
        };
        self.stopped = Some(match longer {
            Some(advice) => first.with_retry(advice),
            None => first,
        });
    }

    /// Takes the answer to one piece.
    pub(super) fn settle(
        &mut self,
        piece: ExportRequest,
        result: Result<ExportResponse, ExportError>,
    ) {
        let error = match result {
            Ok(response) => {
                if self.shared.config.learn_limit {
                    self.shared.learned.taken(piece.byte_size());
                }
                if self.cut {
                    self.tally.add(&response);
                } else {
                    self.answer = Some(Ok(response));
                }
                return;
            }
            Err(error) => error,
        };
        let halves = match error.kind() {
            ErrorKind::TooLarge => {
                self.learn(piece.byte_size());
                left(&piece, &error).otlp().halve()
            }
            ErrorKind::Rejected if self.may_bisect() && !error.is_retryable() => {
                let left = left(&piece, &error).otlp();
                let halves = left.split_at(left.items() / 2);
                self.bisections += u32::from(halves.is_some());
                halves
            }
            _ => None,
        };
        if let Some((front, back)) = halves {
            tracing::debug!(
                kind = error.kind().as_str(),
                items = front.items() + back.items(),
                "export refused, to be sent in halves"
            );
            self.advance(&error);
            self.cut = true;
            let left = left(&piece, &error);
            self.halves.push(left.with_otlp(back));
            self.halves.push(left.with_otlp(front));
            return;
        }
        self.fail(&piece, error);
    }

    /// What the failed piece had achieved.
    fn advance(&mut self, error: &ExportError) {
        if let Some(progress) = error.progress() {
            self.tally.add(progress);
        }
    }

    /// A piece failed and is not to be cut.
    fn fail(&mut self, piece: &ExportRequest, error: ExportError) {
        let left = left(piece, &error);
        let alone = left.items() == 1;
        let refused = match error.kind() {
            _ if error.is_retryable() => false,
            ErrorKind::TooLarge => alone,
            ErrorKind::Rejected => self.cut || (alone && self.shared.config.isolate_rejected),
            _ => false,
        };
        if refused {
            self.advance(&error);
            self.tally.refuse(left, &error);
            self.cut = true;
            if error.kind() == ErrorKind::Rejected {
                self.refusal.get_or_insert(error);
            }
        } else if self.cut {
            self.advance(&error);
            self.undelivered.push(left.clone());
            self.stop(error);
        } else {
            self.answer = Some(Err(error));
        }
    }

    fn may_bisect(&self) -> bool {
        let config = &self.shared.config;
        config.isolate_rejected
            && config
                .max_bisections
                .is_none_or(|max| self.bisections < max)
    }

    fn learn(&mut self, too_large: usize) {
        if !self.shared.config.learn_limit {
            return;
        }
        self.shared.learned.refused(too_large);
        let limits = self.limits();
        if let Some(ahead) = &mut self.ahead {
            ahead.set_limits(&limits);
        }
    }

    /// The answer, once nothing is under way and nothing more is to be sent.
    pub(super) fn conclude(&mut self) -> Result<ExportResponse, ExportError> {
        if let Some(answer) = self.answer.take() {
            return answer;
        }
        let tally = std::mem::take(&mut self.tally);
        let error = match (self.stopped.take(), self.refusal.take()) {
            (Some(error), _) => error,
            // A backend that takes nothing refuses the request and not an item of it.
            (None, Some(refusal)) if !tally.has_taken() => {
                return Err(self.nothing_done(refusal));
            }
            (None, _) => return Ok(tally.into_response()),
        };
        if tally.done() == 0 {
            return Err(self.nothing_done(error));
        }
        let remainder = self.remainder();
        Err(error.with_remainder(tally.into_response(), remainder))
    }

    /// What remains is the request as it came. An error may know of a piece alone.
    fn nothing_done(&self, error: ExportError) -> ExportError {
        if error.remainder().is_none() {
            return error;
        }
        error.with_remainder(ExportResponse::default(), self.request.clone())
    }

    fn remainder(&mut self) -> ExportRequest {
        let mut parts = std::mem::take(&mut self.undelivered);
        parts.extend(self.halves.drain(..).rev());
        let rest = self.ahead.as_mut().and_then(Pieces::rest);
        parts.extend(rest.map(|rest| self.request.with_otlp(rest)));
        match ExportRequest::merge(&parts) {
            Ok(remainder) => remainder,
            // Rather twice than not at all; an inner service must have changed the signal.
            Err(_) => self.request.clone(),
        }
    }
}

/// What of a piece is still to be delivered after this error.
fn left<'a>(piece: &'a ExportRequest, error: &'a ExportError) -> &'a ExportRequest {
    error.remainder().unwrap_or(piece)
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("request", &self.request)
            .field("cut", &self.cut)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
