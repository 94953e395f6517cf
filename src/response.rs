//! What an exporter answers when it took a request.

use std::{fmt, sync::Arc};

use crate::ExportError;

/// The answer of an exporter, or of a pipeline, to an [`ExportRequest`](crate::ExportRequest)
/// it accepted.
///
/// `delivered + rejected + retained` is the number of items of the request: an item that the
/// backend refused (OTLP's *partial success*) is counted, never hidden.
///
/// ```
/// use tower_otlp::ExportResponse;
///
/// let response = ExportResponse::delivered(98).with_rejected(2, "timestamp too old");
/// assert_eq!(response.delivered_items(), 98);
/// assert_eq!(response.rejected_items(), 2);
/// ```
#[derive(Clone, Default)]
pub struct ExportResponse {
    delivered: u64,
    rejected: u64,
    retained: u64,
    message: Option<Arc<str>>,
    destination: Option<Arc<str>>,
    branches: Option<Arc<[BranchOutcome]>>,
    taken_over: bool,
}

impl ExportResponse {
    /// All `items` were delivered.
    #[must_use]
    pub fn delivered(items: u64) -> Self {
        Self {
            delivered: items,
            ..Self::default()
        }
    }

    /// All `items` were taken into a queue that answers before it delivers.
    #[must_use]
    pub fn retained(items: u64) -> Self {
        Self {
            retained: items,
            ..Self::default()
        }
    }

    /// Adds items that the backend refused for good, with its reason.
    #[must_use]
    pub fn with_rejected(mut self, items: u64, message: impl Into<Arc<str>>) -> Self {
        self.rejected = self.rejected.saturating_add(items);
        self.with_message(message)
    }

    /// Sets the backend's message. OTLP allows one without rejected items: a warning.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Arc<str>>) -> Self {
        let message = message.into();
        self.message = (!message.is_empty()).then_some(message);
        self
    }

    /// Sets where the telemetry came to rest: an exporter and its endpoint.
    #[must_use]
    pub fn with_destination(mut self, destination: impl Into<Arc<str>>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Sets the outcome of each branch of a fan-out.
    #[must_use]
    pub fn with_branches(mut self, branches: impl Into<Arc<[BranchOutcome]>>) -> Self {
        self.branches = Some(branches.into());
        self
    }

    /// Says that a fallback took over: what the primary left was delivered by the secondary.
    #[must_use]
    pub fn with_taken_over(mut self) -> Self {
        self.taken_over = true;
        self
    }

    /// Number of items that reached the backend.
    #[must_use]
    pub fn delivered_items(&self) -> u64 {
        self.delivered
    }

    /// Number of items that the backend refused for good.
    #[must_use]
    pub fn rejected_items(&self) -> u64 {
        self.rejected
    }

    /// Number of items that were taken into a queue and are still to be delivered.
    #[must_use]
    pub fn retained_items(&self) -> u64 {
        self.retained
    }

    /// The backend's message, if it sent one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where the telemetry came to rest, if the exporter says so.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// The outcome of each branch, in order, if the request went through a fan-out.
    #[must_use]
    pub fn branches(&self) -> &[BranchOutcome] {
        self.branches.as_deref().unwrap_or_default()
    }

    /// Whether the secondary of a [fallback](crate::layers::fallback) took the telemetry, or a
    /// part of it. [`destination`](Self::destination) says who that is.
    #[must_use]
    pub fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// Adds the counts of an earlier attempt at the same request, which had delivered a part.
    #[must_use]
    pub fn merge(mut self, earlier: &ExportResponse) -> Self {
        self.delivered = self.delivered.saturating_add(earlier.delivered);
        self.rejected = self.rejected.saturating_add(earlier.rejected);
        self.retained = self.retained.saturating_add(earlier.retained);
        self.taken_over |= earlier.taken_over;
        if self.message.is_none() {
            self.message.clone_from(&earlier.message);
        }
        self
    }
}

impl fmt::Debug for ExportResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ExportResponse");
        out.field("delivered", &self.delivered)
            .field("rejected", &self.rejected);
        if self.retained > 0 {
            out.field("retained", &self.retained);
        }
        if let Some(message) = &self.message {
            out.field("message", message);
        }
        if let Some(destination) = &self.destination {
            out.field("destination", destination);
        }
        if let Some(branches) = &self.branches {
            out.field("branches", branches);
        }
        if self.taken_over {
            out.field("taken_over", &true);
        }
        out.finish()
    }
}

/// What became of a request in one branch of a fan-out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BranchOutcome {
    /// Position of the branch in the fan-out, from 0.
    pub branch: usize,
    /// The branch's own answer.
    pub result: Result<ExportResponse, ExportError>,
}

impl BranchOutcome {
    /// The outcome of branch number `branch`.
    #[must_use]
    pub fn new(branch: usize, result: Result<ExportResponse, ExportError>) -> Self {
        Self { branch, result }
    }
}
