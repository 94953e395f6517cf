use tokio::time::Instant;

use super::{Amount, Event, Finished, Role, SharedObserver, event::End};
use crate::{ExportError, ExportRequest, ExportResponse, Signal};

/// A request on its way. It is reported as finished once, at the latest when it is dropped.
pub(super) struct Flight {
    observer: SharedObserver,
    role: Role,
    signal: Signal,
    amount: Amount,
    started: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// The service below is not at work: a drop cancels the request.
    Idle,
    /// The service below is at work. It stays so only if that panics.
    Inside,
    /// Reported.
    Finished,
}

impl Flight {
    pub(super) fn start(observer: SharedObserver, role: Role, request: &ExportRequest) -> Self {
        let (signal, amount) = (request.signal(), Amount::of(request));
        observer.emit(Event::started(role, signal, amount));
        Self {
            observer,
            role,
            signal,
            amount,
            started: Instant::now(),
            state: State::Idle,
        }
    }

    /// Runs the service below. Whether it panicked is seen from the state that it leaves, and not
    /// by asking whether the thread panics: that may be the panic of somebody else, who drops
    /// this request on the way, or may be over and caught when this is dropped.
    pub(super) fn watch<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if self.state == State::Idle {
            self.state = State::Inside;
        }
        let output = work();
        if self.state == State::Inside {
            self.state = State::Idle;
        }
        output
    }

    pub(super) fn settle(&mut self, result: &Result<ExportResponse, ExportError>) {
        self.observer.explain(self.role, result);
        self.finish(match result {
            Ok(response) => End::Answered(response),
            Err(error) => End::Failed(error.kind(), error.progress()),
        });
    }

    fn finish(&mut self, end: End<'_>) {
        if self.state == State::Finished {
            return;
        }
        self.state = State::Finished;
        if self.observer.is_none() {
            return;
        }
        self.observer.emit(Event::Finished(Finished::new(
            self.role,
            self.signal,
            self.amount,
            end,
            self.started.elapsed(),
        )));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.finish(match self.state {
            State::Inside => End::Panicked,
            _ => End::Cancelled,
        });
    }
}
