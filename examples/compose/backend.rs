//! A backend with a fault, which remembers each item that it took.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use tokio::time::{Instant, sleep};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, ExporterExt, RetryAdvice,
};

pub const SECOND: Duration = Duration::from_secs(1);

/// What is wrong with a backend, from the start of the scenario on.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Nothing,
    /// It answers 503 for so long, and may name a delay.
    Outage(Duration, Option<Duration>),
    /// It asks the first request to come again after so long.
    ThrottlesFirst(Duration),
    /// For so long each request takes the second time; one that is dropped before has not arrived.
    Slow(Duration, Duration),
    /// It refuses requests of more than so many items.
    TooLarge(usize),
    /// It takes half of each request that it sees for the first time, and fails with the rest.
    Partial,
}

/// Clones are the same backend.
#[derive(Clone)]
pub struct Backend {
    state: Arc<Mutex<State>>,
    fault: Fault,
    start: Instant,
}

#[derive(Default)]
struct State {
    attempts: usize,
    taken: HashMap<u64, u32>,
    last: Option<Instant>,
}

impl Backend {
    pub fn new(fault: Fault) -> Self {
        Self {
            state: Arc::default(),
            fault,
            start: Instant::now(),
        }
    }

    pub fn exporter(&self) -> BoxExporter {
        let backend = self.clone();
        tower::service_fn(move |request| {
            let backend = backend.clone();
            async move { backend.answer(&request).await }
        })
        .boxed_exporter()
    }

    pub fn attempts(&self) -> usize {
        self.with(|state| state.attempts)
    }

    /// How often it took an item.
    pub fn copies(&self, item: u64) -> u32 {
        self.with(|state| state.taken.get(&item).copied().unwrap_or(0))
    }

    /// How many different items it took.
    pub fn taken(&self) -> usize {
        self.with(|state| state.taken.len())
    }

    /// When it last took something.
    pub fn last(&self) -> Option<Instant> {
        self.with(|state| state.last)
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, request: &ExportRequest) -> Result<ExportResponse, ExportError> {
        let attempt = self.with(|state| {
            state.attempts += 1;
            state.attempts
        });
        let items = items(request);
        let unavailable = || ExportError::new(ErrorKind::Unavailable, "503");
        match self.fault {
            Fault::Outage(time, delay) if self.start.elapsed() < time => {
                let advice = delay.map_or(RetryAdvice::Backoff, RetryAdvice::After);
                return Err(unavailable().with_retry(advice));
            }
            Fault::ThrottlesFirst(delay) if attempt == 1 => {
                let error = ExportError::new(ErrorKind::Throttled, "429");
                return Err(error.with_retry(RetryAdvice::After(delay)));
            }
            Fault::Slow(time, takes) if self.start.elapsed() < time => sleep(takes).await,
            Fault::TooLarge(most) if items.len() > most => {
                return Err(ExportError::new(ErrorKind::TooLarge, "413"));
            }
            Fault::Partial if items.len() > 1 && attempt % 2 == 1 => {
                let (first, rest) = items.split_at(items.len() / 2);
                self.take(first);
                let progress = ExportResponse::delivered(first.len() as u64);
                return Err(unavailable().with_remainder(progress, make(rest)));
            }
            _ => {}
        }
        self.take(&items);
        Ok(ExportResponse::delivered(request.items()))
    }

    fn take(&self, items: &[u64]) {
        self.with(|state| {
            state.last = Some(Instant::now());
            for item in items {
                *state.taken.entry(*item).or_default() += 1;
            }
        });
    }
}

/// A request of log records that can be told apart.
pub fn make(items: &[u64]) -> ExportRequest {
    let record = |item: &u64| LogRecord {
        time_unix_nano: *item,
        ..LogRecord::default()
    };
    ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: items.iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

fn items(request: &ExportRequest) -> Vec<u64> {
    let resources = request.logs().into_iter().flat_map(|logs| logs.resources());
    let records = resources.flat_map(|resource| resource.scopes().flat_map(|scope| scope.items()));
    records.map(|record| record.time_unix_nano()).collect()
}
