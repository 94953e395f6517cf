//! What a queue owes to the caller of a request, and how it is settled.

use tokio::sync::oneshot;
use tracing::Span;

use super::Entry;
use crate::{DropReason, ExportError, ExportResponse, Held, Stage};

pub(super) type Answer = Result<ExportResponse, ExportError>;

/// What a request in the queue has beside its entry.
pub(super) struct Ticket {
    pub(super) items: u64,
    /// Who waits for the answer. `None` once it was answered early.
    pub(super) answer: Option<oneshot::Sender<Answer>>,
    pub(super) held: Held,
    pub(super) span: Span,
}

/// What became of a request in the end.
pub(super) enum End {
    Delivered(ExportResponse),
    /// The dead letter exporter took it, after this error.
    DeadLettered(ExportResponse, ExportError),
    Failed(ExportError),
    Dropped(DropReason, ExportError),
}

impl Ticket {
    /// Tells the caller, the books and the log how the request ended.
    pub(super) fn end(self, entry: Entry, end: End) {
        let left = entry.request.items();
        let has_progress = entry.has_progress();
        let Entry {
            request,
            progress,
            attempts,
            ..
        } = entry;
        let failed = |error: ExportError| {
            if has_progress {
                error.with_remainder(progress.clone(), request.clone())
            } else {
                error
            }
        };
        let _in = self.span.clone().entered();
        match end {
            End::Delivered(response) => {
                self.resolve(Ok(response.merge(&progress)), Held::ended);
            }
            End::DeadLettered(response, error) => {
                let kind = error.kind().as_str();
                tracing::warn!(
                    items = left,
                    attempts,
                    kind,
                    "sent to the dead letter exporter"
                );
                let place = match response.destination() {
                    Some(place) => format!("dead letter: {place}"),
                    None => "dead letter".to_owned(),
                };
                let response = response
                    .with_destination(place)
                    .with_message(format!("sent to the dead letter exporter: {error}"));
                self.resolve(Ok(response.merge(&progress)), Held::ended);
            }
            End::Failed(error) => {
                let kind = error.kind().as_str();
                let why = error.to_string();
                if self.resolve(Err(failed(error)), Held::ended) {
                    tracing::debug!(
                        items = left,
                        attempts,
                        kind,
                        error = why,
                        "a queued request failed"
                    );
                } else {
                    tracing::error!(
                        items = left,
                        attempts,
                        kind,
                        error = why,
                        "a queued request is lost"
                    );
                }
            }
            End::Dropped(reason, error) => {
                let done = progress.clone();
                let why = error.to_string();
                let told = self.resolve(Err(failed(error)), |held, _| {
                    held.dropped_after(reason, &done);
                });
                let reason = reason.as_str();
                if told {
                    let error = why;
                    tracing::warn!(items = left, reason, error, "a queued request was given up");
                } else {
                    let error = why;
                    tracing::error!(items = left, reason, error, "a queued request is lost");
                }
            }
        }
    }

    /// The request is stored where a later process finds it.
    pub(super) fn keep(self, stage: &Stage) {
        let early = Ok(ExportResponse::retained(self.items));
        match self.answer.map(|answer| answer.send(early)) {
            // The caller takes the request out of its own account: it moves into ours.
            Some(Ok(())) => {
                stage.retain(self.items).kept();
                self.held.answered();
            }
            Some(Err(_)) | None => self.held.kept(),
        }
    }

    /// Tells the caller, or, if nobody is there, the books. Whether the caller was told.
    pub(super) fn resolve(self, result: Answer, nobody: impl FnOnce(Held, &Answer)) -> bool {
        let unheard = match self.answer {
            Some(answer) => match answer.send(result) {
                Ok(()) => {
                    self.held.answered();
                    return true;
                }
                Err(result) => result,
            },
            None => result,
        };
        nobody(self.held, &unheard);
        false
    }
}
