//! Where the text goes.

use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use super::format::Summary;
use crate::{ErrorKind, ExportError};

const TARGET: &str = "tower_otlp::console";

pub(super) enum Sink {
    Tracing,
    Writer(Writer),
}

impl Sink {
    pub(super) fn writer(writer: impl Write + Send + 'static) -> Self {
        Sink::Writer(Writer(Mutex::new(Box::new(writer))))
    }
}

impl Default for Sink {
    fn default() -> Self {
        Sink::writer(io::stdout())
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sink::Tracing => "Tracing",
            Sink::Writer(_) => "Writer",
        })
    }
}

pub(super) struct Writer(Mutex<Box<dyn Write + Send>>);

impl Writer {
    /// Writes all of `text` under one lock, so that nothing gets in between.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        // A writer that panicked once may work again; its next error will tell.
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(text.as_bytes())?;
        writer.flush()
    }
}

/// Whether the same text may be taken later: the output is full, or was interrupted.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::StorageFull
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::WriteZero
    )
}

pub(super) fn unavailable(error: io::Error) -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "the output takes nothing now")
        .with_source(error)
        .with_exporter("console", "writer")
}

/// One event with the counts, and one with the block if it is not empty.
pub(super) fn trace(summary: Summary, block: impl FnOnce() -> String) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    match summary {
        Summary::Traces { resources, spans } => {
            tracing::info!(target: TARGET, resource_spans = resources, spans, "Traces");
        }
        Summary::Metrics {
            resources,
            metrics,
            points,
        } => {
            tracing::info!(
                target: TARGET,
                resource_metrics = resources,
                metrics,
                data_points = points,
                "Metrics"
            );
        }
        Summary::Logs { resources, records } => {
            tracing::info!(
                target: TARGET,
                resource_logs = resources,
                log_records = records,
                "Logs"
            );
        }
    }
    let block = block();
    if !block.is_empty() {
        tracing::info!(target: TARGET, "{}", block.trim_end_matches('\n'));
    }
}
