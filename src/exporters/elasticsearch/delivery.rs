//! One request on its way: which documents go into which body, and what became of each. No I/O.

use std::{fmt::Write as _, ops::Range};

use bytes::Bytes;

use super::{
    answer::{self, Fate, Item},
    encode::Bulk,
};
use crate::{
    ErrorKind, ExportError, ExportRequest, ExportResponse,
    exporters::http::{HttpSender, Reply, Unread},
};

/// The most documents of one body: what is said of so many fits into an answer of 4 MiB.
const MAX_DOCUMENTS: usize = 5_000;

/// The most reasons of which a message tells.
const MAX_NOTES: usize = 4;

pub(super) struct Delivery {
    request: ExportRequest,
    bulk: Bulk,
    text: Bytes,
    limit: usize,
    fates: Vec<Fate>,
    /// The documents that are in the body under way.
    body: Range<usize>,
    notes: Vec<(String, u64)>,
    unnoted: u64,
    /// Why some documents are to be sent again.
    again: Option<String>,
}

/// What is left of an item when all is said about its documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Delivered,
    Rejected,
    Left,
}

impl Delivery {
    /// Bodies are of up to `limit` bytes; a document that is larger alone is rejected.
    pub(super) fn new(request: ExportRequest, mut bulk: Bulk, limit: usize) -> Self {
        let text = Bytes::from(bulk.take_text());
        let mut notes = Vec::new();
        let reason = bulk.reason();
        if !reason.is_empty() {
            notes.push((reason, 1));
        }
        Self {
            request,
            text,
            limit,
            fates: vec![Fate::Unknown; bulk.len()],
            bulk,
            body: 0..0,
            notes,
            unnoted: 0,
            again: None,
        }
    }

    /// The next body; `None` if there is none left.
    pub(super) fn next_body(&mut self) -> Option<Bytes> {
        let mut next = self.body.end;
        let mut body: Option<Range<usize>> = None;
        let first = loop {
            let document = self.bulk.document(next)?;
            if document.range.len() <= self.limit {
                break next;
            }
            let size = document.range.len();
            let limit = self.limit;
            self.refuse(
                next,
                &format!("a document of {size} bytes is larger than the limit of {limit}"),
            );
            next += 1;
        };
        while let Some(document) = self.bulk.document(next) {
            let start = body
                .as_ref()
                .map_or(document.range.start, |body| body.start);
            let fits = document.range.end - start <= self.limit && next - first < MAX_DOCUMENTS;
            if !fits {
                break;
            }
            body = Some(start..document.range.end);
            next += 1;
        }
        self.body = first..next;
        Some(self.text.slice(body?))
    }

    fn refuse(&mut self, document: usize, why: &str) {
        if let Some(fate) = self.fates.get_mut(document) {
            *fate = Fate::Refused;
        }
        self.note(why);
    }

    fn note(&mut self, why: &str) {
        if let Some((_, count)) = self.notes.iter_mut().find(|(known, _)| known == why) {
            *count += 1;
        } else if self.notes.len() < MAX_NOTES {
            self.notes.push((why.to_owned(), 1));
        } else {
            self.unnoted += 1;
        }
    }

    /// Takes the answer to the body under way. It is a success as far as its status goes.
    pub(super) fn settle(&mut self, reply: &Reply, sender: &HttpSender) -> Result<(), ExportError> {
        let body = match &reply.body {
            Ok(body) => body.clone(),
            Err(unread) => return Err(unreadable(unread)),
        };
        let range = self.body.clone();
        let mut stray = false;
        let answer = answer::read(&body, |position, item| match range.clone().nth(position) {
            Some(document) => self.settle_item(document, &item, sender),
            None => stray = true,
        });
        if answer.errors == Some(false) && answer.is_whole {
            // Without errors nothing more need be said.
            for fate in self.fates.get_mut(range).into_iter().flatten() {
                if *fate == Fate::Unknown {
                    *fate = Fate::Stored;
                }
            }
            return Ok(());
        }
        if answer.is_whole && answer.items == range.len() && !stray {
            return Ok(());
        }
        let message = if answer.is_whole {
            let (found, sent) = (answer.items, range.len());
            format!("the answer speaks of {found} documents, and {sent} were sent")
        } else {
            let text = String::from_utf8_lossy(&body);
            let text = if answer.items > 0 {
                String::new()
            } else {
                sender.readable(&text)
            };
            format!("the answer is not that of a bulk request: {text}")
        };
        Err(ExportError::new(ErrorKind::Internal, message))
    }

    fn settle_item(&mut self, document: usize, item: &Item, sender: &HttpSender) {
        let own_id = self
            .bulk
            .document(document)
            .is_some_and(|known| known.own_id);
        let fate = item.fate(own_id);
        if let Some(known) = self.fates.get_mut(document) {
            *known = fate;
        }
        match fate {
            Fate::Refused => self.note(&sender.readable(&item.explain())),
            Fate::Throttled | Fate::Unavailable | Fate::Unknown if self.again.is_none() => {
                self.again = Some(sender.readable(&item.explain()));
            }
            _ => {}
        }
    }

    /// The outcome of the request. `stopped` is why not all of it was sent, or understood.
    pub(super) fn conclude(
        self,
        stopped: Option<ExportError>,
        delivered: impl FnOnce(u64) -> ExportResponse,
    ) -> Result<ExportResponse, ExportError> {
        let items = usize::try_from(self.request.items()).unwrap_or(0);
        let mut states = vec![State::Delivered; items];
        let mut raise = |item: u64, to: State| {
            let state = usize::try_from(item).ok().and_then(|at| states.get_mut(at));
            if let Some(state) = state {
                *state = (*state).max(to);
            }
        };
        for item in self.bulk.rejected() {
            raise(*item, State::Rejected);
        }
        for (document, fate) in self.bulk.documents().zip(&self.fates) {
            let state = match fate {
                Fate::Stored | Fate::FailureStore => continue,
                Fate::Refused => State::Rejected,
                Fate::Unknown | Fate::Throttled | Fate::Unavailable => State::Left,
            };
            document.items.iter().for_each(|item| raise(*item, state));
        }
        let count = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
        let (rejected, left) = (count(State::Rejected), count(State::Left));
        let mut progress = delivered(self.request.items() - rejected - left);
        let message = self.message();
        if rejected > 0 {
            progress = progress.with_rejected(rejected, message);
        } else if !message.is_empty() && left == 0 {
            progress = progress.with_message(message);
        }
        if left == 0 {
            return Ok(progress);
        }
        let error = self.error(stopped);
        if left == self.request.items() {
            return Err(error);
        }
        let is_left = |item: u64| {
            let state = usize::try_from(item).ok().and_then(|at| states.get(at));
            state == Some(&State::Left)
        };
        let remainder = self.request.with_otlp(self.request.otlp().select(is_left));
        Err(error.with_remainder(progress, remainder))
    }

    /// Why something is left.
    fn error(&self, stopped: Option<ExportError>) -> ExportError {
        let count = |wanted: Fate| self.fates.iter().filter(|fate| **fate == wanted).count();
        let (throttled, unavailable) = (count(Fate::Throttled), count(Fate::Unavailable));
        let some = throttled + unavailable;
        match stopped {
            // What can be sent again comes first: the other error comes again with the rest.
            Some(error) if error.is_retryable() || some == 0 => return error,
            _ => {}
        }
        let kind = match (throttled, unavailable) {
            (0, 0) => ErrorKind::Internal,
            (0, _) => ErrorKind::Unavailable,
            _ => ErrorKind::Throttled,
        };
        let why = self.again.as_deref().unwrap_or("no reason given");
        let all = self.fates.len();
        ExportError::new(
            kind,
            format!("{some} of {all} documents were not taken: {why}"),
        )
    }

    /// What became of those that are not simply stored.
    fn message(&self) -> String {
        let mut out = String::new();
        for (why, count) in &self.notes {
            if !out.is_empty() {
                out.push_str("; ");
            }
            out.push_str(why);
            if *count > 1 {
                let _ = write!(out, " ({count} documents)");
            }
        }
        if self.unnoted > 0 {
            let _ = write!(out, "; and {} more", self.unnoted);
        }
        let kept = self
            .fates
            .iter()
            .filter(|fate| **fate == Fate::FailureStore);
        match kept.count() {
            0 => {}
            kept => {
                let separator = if out.is_empty() { "" } else { "; " };
                let _ = write!(out, "{separator}{kept} documents are in the failure store");
            }
        }
        out
    }
}

/// The documents may be stored or not.
fn unreadable(unread: &Unread) -> ExportError {
    let what = unread.as_str();
    match unread {
        Unread::TooLarge => {
            let message = format!(
                "{what}, so it is not known what became of the documents: \
                 raise max_response_bytes, or lower max_request_bytes"
            );
            ExportError::new(ErrorKind::Internal, message)
        }
        Unread::Broken => ExportError::new(ErrorKind::Unavailable, what),
        Unread::Late => ExportError::new(ErrorKind::Timeout, what),
    }
}
