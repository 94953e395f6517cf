use std::sync::Arc;

use tokio::time::Instant;

use super::Role;
use crate::{ErrorKind, ExportError, ExportResponse};

/// The last error of an exporter, in words. It holds no credentials, as no error does.
#[derive(Clone, Debug)]
pub struct LastError {
    role: Role,
    at: Instant,
    what: What,
}

/// Words are put together when they are read: errors may come by the thousand a second.
#[derive(Clone, Debug)]
enum What {
    Failed(ExportError),
    Rejected {
        items: u64,
        message: Option<Arc<str>>,
    },
}

impl LastError {
    pub(super) fn of_failure(role: Role, error: &ExportError) -> Self {
        Self {
            role,
            at: Instant::now(),
            // What is undelivered is not kept in memory for the sake of a message.
            what: What::Failed(error.clone().without_remainder()),
        }
    }

    pub(super) fn of_rejection(role: Role, answer: &ExportResponse) -> Self {
        Self {
            role,
            at: Instant::now(),
            what: What::Rejected {
                items: answer.rejected_items(),
                message: answer.message().map(Into::into),
            },
        }
    }

    /// Whether a request failed as a whole, or one attempt at it.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// Its kind: [`Rejected`](ErrorKind::Rejected) also where the rest of the request was
    /// delivered.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &self.what {
            What::Failed(error) => error.kind(),
            What::Rejected { .. } => ErrorKind::Rejected,
        }
    }

    /// What happened, with exporter, endpoint and causes if they are known.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.what {
            What::Failed(error) => error.to_string(),
            What::Rejected { items, message } => {
                let message = message.as_deref().unwrap_or("the backend does not say why");
                format!("items rejected: {items}: {message}")
            }
        }
    }
}
