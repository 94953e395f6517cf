//! A layer of one's own: it counts what passes, and how long it takes.

use std::{
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Layer, Service};
use tower_otlp::{ExportRequest, ExportResponse, Signal};

#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<[Counts; 3]>>);

#[derive(Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    rejected: u64,
    bytes: usize,
    latencies: Vec<Duration>,
}

#[derive(Clone)]
pub struct MeterLayer(pub Meter);

impl<S> Layer<S> for MeterLayer {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        let meter = self.0.clone();
        Metered { inner, meter }
    }
}

#[derive(Clone)]
pub struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl<S> Service<ExportRequest> for Metered<S>
where
    S: Service<ExportRequest, Response = ExportResponse, Future: Send + 'static>,
{
    type Response = ExportResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<ExportResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let meter = self.meter.clone();
        let signal = request.signal();
        meter.count(signal, |counts| {
            counts.accepted += request.items();
            counts.bytes += request.byte_size();
        });
        let start = Instant::now();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            meter.count(signal, |counts| {
                counts.delivered += response.delivered_items();
                counts.rejected += response.rejected_items();
                counts.latencies.push(start.elapsed());
            });
            Ok(response)
        })
    }
}

impl Meter {
    fn count(&self, signal: Signal, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts[signal as usize]);
    }

    /// A line for each signal.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:8} {:>8} {:>9} {:>8} {:>8} {:>9} {:>9}",
            "signal", "accepted", "delivered", "rejected", "bytes", "p50", "p99"
        );
        for signal in Signal::ALL {
            self.count(signal, |counts| {
                counts.latencies.sort();
                let _ = write!(
                    table,
                    "\n{:8} {:>8} {:>9} {:>8} {:>8} {:>9} {:>9}",
                    signal.as_str(),
                    counts.accepted,
                    counts.delivered,
                    counts.rejected,
                    counts.bytes,
                    percentile(&counts.latencies, 50),
                    percentile(&counts.latencies, 99),
                );
            });
        }
        table
    }
}

/// A percentile of sorted durations, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> String {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    match sorted.get(rank - 1) {
        Some(duration) => format!("{:.2} ms", duration.as_secs_f64() * 1e3),
        None => "-".to_owned(),
    }
}
