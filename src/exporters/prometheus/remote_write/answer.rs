//! What a receiver's answer means.

use std::time::Duration;

use http::HeaderMap;

use super::encode::Message;
use crate::{
    ErrorKind, ExportError, RetryAdvice,
    classify::{self, Verdict},
};

/// Statuses that are no success: remote write 1.0 and 2.0, "Retries & Backoff". 5xx must be
/// retried, 429 may be, all others must not.
pub(super) fn statuses(status: u16, server_delay: Option<Duration>) -> Verdict {
    let retry = match server_delay {
        Some(delay) => RetryAdvice::After(delay),
        None => RetryAdvice::Backoff,
    };
    match status {
        429 => (ErrorKind::Throttled, retry),
        504 => (ErrorKind::Timeout, retry),
        500..=599 => (ErrorKind::Unavailable, retry),
        _ => (classify::http(status, None).0, RetryAdvice::Never),
    }
}

/// How much of a 2.0 message the receiver says it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    samples: u64,
    histograms: u64,
    exemplars: u64,
}

impl Written {
    /// Reads the three headers: one that is missing means 0. `None` if all are: then the receiver
    /// does not know 2.0, and has seen an empty message.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let read = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        let samples = read("x-prometheus-remote-write-samples-written");
        let histograms = read("x-prometheus-remote-write-histograms-written");
        let exemplars = read("x-prometheus-remote-write-exemplars-written");
        samples.or(histograms).or(exemplars)?;
        Some(Self {
            samples: samples.unwrap_or(0),
            histograms: histograms.unwrap_or(0),
            exemplars: exemplars.unwrap_or(0),
        })
    }

    /// How many samples and histograms of this message were not written.
    pub(super) const fn missing(&self, sent: &Message) -> u64 {
        sent.samples.saturating_sub(self.samples) + sent.histograms.saturating_sub(self.histograms)
    }

    /// What was not written, in words; `None` if all was.
    pub(super) fn shortfall(&self, sent: &Message) -> Option<String> {
        let rows = [
            (self.samples, sent.samples, "samples"),
            (self.histograms, sent.histograms, "histograms"),
            (self.exemplars, sent.exemplars, "exemplars"),
        ];
        let short = rows
            .iter()
            .filter(|(written, sent, _)| written < sent)
            .map(|(written, sent, what)| format!("{written} of {sent} {what}"));
        let short: Vec<String> = short.collect();
        (!short.is_empty()).then(|| format!("the receiver wrote {}", short.join(", ")))
    }
}

/// Says what helps, where the receiver's words give a hint.
pub(super) fn advise(error: ExportError) -> ExportError {
    if error.kind() != ErrorKind::Rejected {
        return error;
    }
    let said = error.message().to_ascii_lowercase();
    let is_order = [
        "out of order",
        "out-of-order",
        "too old",
        "duplicate sample",
    ]
    .iter()
    .any(|words| said.contains(words));
    let advice = if is_order {
        "each series must arrive in the order of time: put `ConcurrencyLimit` of 1 above the \
         retry, and give each instance a service.instance.id"
    } else if said.contains("corrupt input") || said.contains("snappy") {
        "something between here and the receiver changes the body"
    } else {
        return error;
    };
    let message = format!("{} ({advice})", error.message());
    ExportError::new(error.kind(), message).with_retry(error.retry())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_specification() {
        let delay = Some(Duration::from_secs(7));
        for status in 300..600 {
            let (without, with) = (statuses(status, None).1, statuses(status, delay).1);
            if status == 429 || status >= 500 {
                assert_eq!(without, RetryAdvice::Backoff, "{status}");
                assert_eq!(with, RetryAdvice::After(Duration::from_secs(7)), "{status}");
            } else {
                assert_eq!(without, RetryAdvice::Never, "{status}");
                assert_eq!(with, RetryAdvice::Never, "{status}");
            }
        }
        for (status, kind) in [
            (400, ErrorKind::Rejected),
            (401, ErrorKind::Unauthenticated),
            (404, ErrorKind::Unsupported),
            (413, ErrorKind::TooLarge),
            (415, ErrorKind::Unsupported),
            (422, ErrorKind::Rejected),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Unavailable),
            (501, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (504, ErrorKind::Timeout),
        ] {
            assert_eq!(statuses(status, None).0, kind, "{status}");
        }
    }
}
