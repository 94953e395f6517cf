use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Verdict, circuit::Circuit};
use crate::{ExportError, RetryAdvice};

/// The leave to send one request. A probe that is dropped without a report gives up its slot.
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    claim: Option<Claim>,
}

#[derive(Clone, Copy)]
pub(super) enum Claim {
    Ordinary { epoch: u64 },
    Probe { slot: u64 },
}

impl Pass {
    pub(super) const fn new(circuit: Arc<Circuit>, claim: Claim) -> Self {
        Self {
            circuit,
            claim: Some(claim),
        }
    }

    pub(super) const fn slot(&self) -> Option<u64> {
        match self.claim {
            Some(Claim::Probe { slot }) => Some(slot),
            _ => None,
        }
    }

    /// The service has said whether it is ready.
    pub(super) fn asked(&self, ready: bool) {
        if let Some(number) = self.slot() {
            self.circuit.asked(number, ready);
        }
    }

    /// The request is about to be sent. `false` if the leave has been withdrawn.
    pub(super) fn send(&self, now: Instant) -> bool {
        self.claim
            .is_some_and(|claim| self.circuit.send(claim, now))
    }

    /// The answer to the request. Only the first report counts.
    pub(super) fn report(&mut self, error: Option<&ExportError>) {
        let Some(claim) = self.claim.take() else {
            return;
        };
        let (verdict, named) = match error {
            None => (Verdict::Works, Duration::ZERO),
            Some(error) => (
                self.circuit.policy.verdict(error),
                match error.retry() {
                    RetryAdvice::After(delay) => delay,
                    _ => Duration::ZERO,
                },
            ),
        };
        self.circuit.report(claim, verdict, named, Instant::now());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(claim @ Claim::Probe { .. }) = self.claim.take() {
            let now = Instant::now();
            self.circuit
                .report(claim, Verdict::Unknown, Duration::ZERO, now);
        }
    }
}
