//! What became of the spans of one request that is sent in several messages: no I/O.

use std::ops::Range;

use super::encode::Batch;
use crate::{ErrorKind, ExportError, ExportRequest, ExportResponse};

#[derive(Default)]
pub(super) struct Tally {
    delivered: u64,
    rejected: u64,
    /// The first span that Jaeger cannot carry, and why.
    reason: Option<String>,
    /// Spans of messages that the backend refused for good, in order.
    refused: Vec<Range<u64>>,
    /// Why. One that says "too large" goes before others: a layer above can help with it.
    refusal: Option<ExportError>,
}

impl Tally {
    /// The message was delivered, or there was nothing to send.
    pub(super) fn settle(&mut self, batch: Batch) {
        self.delivered += batch.spans;
        self.rejected += batch.rejected;
        self.reason = self.reason.take().or(batch.reason);
    }

    /// The backend does not take this message; the others may still pass.
    pub(super) fn refuse(&mut self, items: Range<u64>, error: ExportError) {
        self.push(items);
        let is_better = match &self.refusal {
            None => true,
            Some(first) => {
                first.kind() != ErrorKind::TooLarge && error.kind() == ErrorKind::TooLarge
            }
        };
        if is_better {
            self.refusal = Some(error);
        }
    }

    /// Sending stops here: nothing from the start of this message on was delivered.
    pub(super) fn stop(
        mut self,
        request: &ExportRequest,
        from: u64,
        error: ExportError,
    ) -> ExportError {
        self.push(from..request.items());
        self.fail(request, error)
    }

    /// Everything was tried.
    pub(super) fn finish(
        mut self,
        request: &ExportRequest,
        destination: &str,
    ) -> Result<ExportResponse, ExportError> {
        match self.refusal.take() {
            Some(refusal) => Err(self.fail(request, refusal)),
            None => Ok(self.response().with_destination(destination)),
        }
    }

    fn push(&mut self, items: Range<u64>) {
        match self.refused.last_mut() {
            Some(last) if last.end == items.start => last.end = items.end,
            _ => self.refused.push(items),
        }
    }

    fn fail(self, request: &ExportRequest, error: ExportError) -> ExportError {
        if self.delivered + self.rejected == 0 {
            return error;
        }
        let piece = |items: &Range<u64>| request.with_otlp(request.otlp().extract(items.clone()));
        let parts: Vec<_> = self.refused.iter().map(piece).collect();
        match ExportRequest::merge(&parts) {
            Ok(remainder) => error.with_remainder(self.response(), remainder),
            // Of one signal, and never none: rather twice than not at all.
            Err(_) => error,
        }
    }

    fn response(self) -> ExportResponse {
        let response = ExportResponse::delivered(self.delivered);
        match (self.rejected, self.reason) {
            (0, _) | (_, None) => response,
            (1, Some(reason)) => response.with_rejected(1, reason),
            (count, Some(reason)) => {
                let message = format!("{count} spans cannot be sent, the first: {reason}");
                response.with_rejected(count, message)
            }
        }
    }
}
