//! Who waits for an answer: the members of a batch, and those whose request was cut.

use std::{collections::HashMap, time::Duration};

use tokio::sync::oneshot;
use tracing::Span;

use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Held, RetryAdvice, otlp::OtlpBytes,
};

/// One request, to be answered once.
pub(super) struct Caller {
    answer: oneshot::Sender<Result<ExportResponse, ExportError>>,
    held: Held,
}

impl Caller {
    pub(super) const fn new(
        answer: oneshot::Sender<Result<ExportResponse, ExportError>>,
        held: Held,
    ) -> Self {
        Self { answer, held }
    }

    fn answer(self, result: Result<ExportResponse, ExportError>) {
        match self.answer.send(result) {
            Ok(()) => self.held.answered(),
            // The caller has gone away.
            Err(result) => self.held.ended(&result),
        }
    }
}

/// A part of a batch: a request or a piece of one.
pub(super) struct Member {
    pub(super) items: u64,
    pub(super) span: Span,
    whose: Whose,
}

enum Whose {
    /// A whole request.
    Whole(Caller),
    /// A piece of the request with this number.
    Piece(u64, ExportRequest),
}

impl Member {
    pub(super) const fn whole(items: u64, span: Span, caller: Caller) -> Self {
        Self {
            items,
            span,
            whose: Whose::Whole(caller),
        }
    }

    /// Hands on what became of this part.
    pub(super) fn settle(self, result: Result<ExportResponse, ExportError>, cuts: &mut Cuts) {
        match self.whose {
            Whose::Whole(caller) => caller.answer(result),
            Whose::Piece(number, piece) => cuts.settle(number, piece, result),
        }
    }
}

/// The requests that were cut, until all their pieces have an answer.
#[derive(Default)]
pub(super) struct Cuts {
    open: HashMap<u64, Cut>,
    next: u64,
}

struct Cut {
    caller: Caller,
    span: Span,
    /// Pieces without an answer, and one more while pieces are still to come.
    open: usize,
    items: u64,
    progress: ExportResponse,
    failed: Vec<ExportRequest>,
    error: Option<ExportError>,
}

impl Cuts {
    /// A request that is about to be cut; it is known by the number from now on.
    pub(super) fn begin(&mut self, items: u64, span: Span, caller: Caller) -> u64 {
        let number = self.next;
        self.next += 1;
        let cut = Cut {
            caller,
            span,
            open: 1,
            items,
            progress: ExportResponse::default(),
            failed: Vec::new(),
            error: None,
        };
        self.open.insert(number, cut);
        number
    }

    /// A piece that is not the last one.
    pub(super) fn piece(&mut self, number: u64, piece: &ExportRequest) -> Member {
        if let Some(cut) = self.open.get_mut(&number) {
            cut.open += 1;
        }
        self.last_piece(number, piece)
    }

    pub(super) fn last_piece(&self, number: u64, piece: &ExportRequest) -> Member {
        let span = self.open.get(&number).map(|cut| cut.span.clone());
        Member {
            items: piece.items(),
            span: span.unwrap_or_else(Span::none),
            whose: Whose::Piece(number, piece.clone()),
        }
    }

    fn settle(
        &mut self,
        number: u64,
        piece: ExportRequest,
        result: Result<ExportResponse, ExportError>,
    ) {
        let Some(cut) = self.open.get_mut(&number) else {
            return;
        };
        cut.add(piece, result);
        cut.open -= 1;
        if cut.open == 0
            && let Some(cut) = self.open.remove(&number)
        {
            cut.conclude();
        }
    }
}

impl Cut {
    fn add(&mut self, piece: ExportRequest, result: Result<ExportResponse, ExportError>) {
        let earlier = std::mem::take(&mut self.progress);
        match result {
            Ok(response) => self.progress = response.merge(&earlier),
            Err(error) => {
                self.progress = match error.progress() {
                    Some(progress) => progress.clone().merge(&earlier),
                    None => earlier,
                };
                self.failed
                    .push(error.remainder().unwrap_or(&piece).clone());
                self.error = Some(match self.error.take() {
                    Some(other) => spokesman(other, error),
                    None => error,
                });
            }
        }
    }

    fn conclude(self) {
        let result = match self.error {
            None => Ok(self.progress),
            Some(error) => Err(undelivered(error, self.progress, &self.failed, self.items)),
        };
        self.caller.answer(result);
    }
}

/// The error of a request of which these parts failed.
fn undelivered(
    error: ExportError,
    progress: ExportResponse,
    failed: &[ExportRequest],
    items: u64,
) -> ExportError {
    let error = error.without_remainder();
    let left = OtlpBytes::merge_all(failed.iter().map(ExportRequest::otlp));
    match (left, failed) {
        (Ok(left), [first, ..]) if left.items() < items => {
            error.with_remainder(progress, first.with_otlp(left))
        }
        // All of it: the caller has that.
        _ => error,
    }
}

/// The error that speaks for two pieces of one request. One that may be retried goes first, or the
/// other piece would never be sent again; of two, the one with the longer delay.
fn spokesman(one: ExportError, other: ExportError) -> ExportError {
    let rank = |error: &ExportError| match error.retry() {
        RetryAdvice::Never => (0, Duration::ZERO, false),
        RetryAdvice::Backoff => (1, Duration::ZERO, error.kind() != ErrorKind::Internal),
        RetryAdvice::After(delay) => (2, delay, true),
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}
