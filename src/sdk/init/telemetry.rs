//! What is kept until the end.

use std::{
    fmt,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    logs::SdkLoggerProvider,
    metrics::SdkMeterProvider,
    trace::SdkTracerProvider,
};
use tokio::time::Instant;

use super::settings::Propagator;
use crate::{
    DrainReport, Lifecycle,
    sdk::{Bridge, threads},
};

/// How long a drop may take.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// The providers of an app and the pipeline below them, from
/// [`init_from_env`](super::init_from_env).
///
/// Keep it until the app has done its work, and [shut it down](Self::shutdown): that says what
/// became of the telemetry. Dropped before, it shuts itself down and waits for up to 5 seconds; a
/// process that ends without either loses what was not yet exported.
///
/// ```
/// use std::time::Duration;
///
/// use opentelemetry::trace::{Span, Tracer, TracerProvider};
/// use tower_otlp::sdk::Telemetry;
///
/// let telemetry = Telemetry::from_lookup(|name| match name {
///     "OTEL_TRACES_EXPORTER" => Some("console".to_owned()),
///     "OTEL_METRICS_EXPORTER" | "OTEL_LOGS_EXPORTER" => Some("none".to_owned()),
///     _ => None,
/// })?;
/// telemetry.tracer_provider().tracer("shop").start("charge card").end();
///
/// let report = telemetry.shutdown(Duration::from_secs(5));
/// assert_eq!(report.to_string(), "delivered=1 retained=0 dropped=0");
/// # Ok::<(), tower_otlp::sdk::InitError>(())
/// ```
#[must_use = "it shuts telemetry down when it is dropped: keep it until the end"]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` if nothing is exported.
    bridge: Option<Bridge>,
    /// That of no pipeline, if nothing is exported.
    idle: Lifecycle,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
    propagators: Vec<Propagator>,
}

impl Telemetry {
    pub(super) fn new(
        bridge: Option<Bridge>,
        traces: SdkTracerProvider,
        metrics: SdkMeterProvider,
        logs: SdkLoggerProvider,
        propagators: Vec<Propagator>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                bridge,
                idle: Lifecycle::new(),
                traces,
                metrics,
                logs,
                propagators,
            }),
        }
    }

    /// The provider of traces.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.inner.traces
    }

    /// The provider of metrics.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.inner.metrics
    }

    /// The provider of logs, for a bridge from a logging library.
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.inner.logs
    }

    pub(super) fn propagators(&self) -> &[Propagator] {
        &self.inner.propagators
    }

    /// The lifecycle of the pipeline. Shut down the whole, not this: what the providers still
    /// hold would be turned away.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        self.inner.lifecycle()
    }

    /// What became of the telemetry so far.
    #[must_use]
    pub fn report(&self) -> DrainReport {
        self.lifecycle().report()
    }

    /// Exports what the providers have, and waits until it is delivered, for `deadline` at most.
    ///
    /// Blocks, and may do so on any thread. The report is
    /// [`complete`](DrainReport::complete) if everything was delivered in time.
    pub fn force_flush(&self, deadline: Duration) -> DrainReport {
        self.inner.force_flush(deadline)
    }

    /// [`force_flush`](Self::force_flush) to be awaited, with any executor.
    pub async fn force_flush_async(&self, deadline: Duration) -> DrainReport {
        self.away(move |inner| inner.force_flush(deadline)).await
    }

    /// Ends telemetry: exports what the providers have, waits until it is delivered, for
    /// `deadline` at most, and says what became of all. What is late counts as dropped. What comes
    /// later is not recorded.
    ///
    /// Blocks, and may do so on any thread. Called again it says the same again.
    pub fn shutdown(&self, deadline: Duration) -> DrainReport {
        self.inner.shutdown(deadline)
    }

    /// [`shutdown`](Self::shutdown) to be awaited, with any executor.
    pub async fn shutdown_async(&self, deadline: Duration) -> DrainReport {
        self.away(move |inner| inner.shutdown(deadline)).await
    }

    /// Blocks another thread.
    async fn away(&self, work: impl FnOnce(&Inner) -> DrainReport + Send + 'static) -> DrainReport {
        let inner = self.inner.clone();
        let (done, report) = tokio::sync::oneshot::channel();
        let spawned = thread::Builder::new().spawn(move || {
            // Whoever asked has gone away: they know best.
            let _ = done.send(work(&inner));
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "there is no thread to flush telemetry on");
        }
        report.await.unwrap_or_else(|_| self.report())
    }
}

impl Inner {
    fn lifecycle(&self) -> &Lifecycle {
        self.bridge.as_ref().map_or(&self.idle, Bridge::lifecycle)
    }

    fn force_flush(&self, deadline: Duration) -> DrainReport {
        let started = Instant::now();
        let (traces, metrics, logs) =
            (self.traces.clone(), self.metrics.clone(), self.logs.clone());
        let in_time = at_once(
            deadline,
            "flushed",
            [
                Box::new(move || traces.force_flush()),
                Box::new(move || metrics.force_flush()),
                Box::new(move || logs.force_flush()),
            ],
        );
        let left = deadline.saturating_sub(started.elapsed());
        let mut report = match &self.bridge {
            Some(bridge) => bridge.force_flush(left),
            None => self.idle.report(),
        };
        report.complete &= in_time;
        report
    }

    fn shutdown(&self, deadline: Duration) -> DrainReport {
        let started = Instant::now();
        if let Some(bridge) = &self.bridge {
            // Their exporters have deadlines of their own, which the SDK chose.
            bridge.begin_shutdown();
        }
        let (traces, metrics, logs) =
            (self.traces.clone(), self.metrics.clone(), self.logs.clone());
        let in_time = at_once(
            deadline,
            "shut down",
            [
                Box::new(move || traces.shutdown_with_timeout(deadline)),
                Box::new(move || metrics.shutdown_with_timeout(deadline)),
                Box::new(move || logs.shutdown_with_timeout(deadline)),
            ],
        );
        let left = deadline.saturating_sub(started.elapsed());
        let mut report = match &self.bridge {
            Some(bridge) => bridge.shutdown(left),
            None => self.idle.report(),
        };
        report.complete &= in_time;
        report
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if self.inner.bridge.is_some() && !self.lifecycle().is_draining() {
            let report = self.shutdown(DROP_DEADLINE);
            if report.dropped > 0 {
                tracing::error!(%report, "telemetry is lost");
            }
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("exports", &self.inner.bridge.is_some())
            .field("lifecycle", self.lifecycle())
            .finish_non_exhaustive()
    }
}

/// Does these on threads of their own, as the SDK knows no deadline for some, and others take
/// each as long as all may. Whether all ended well, and in time.
fn at_once(
    deadline: Duration,
    what: &'static str,
    works: [Box<dyn FnOnce() -> OTelSdkResult + Send>; 3],
) -> bool {
    let started = Instant::now();
    let (done, ended) = mpsc::channel();
    let mut waiting = 0;
    let mut well = true;
    for work in works {
        let done = done.clone();
        let spawned = thread::Builder::new().spawn(move || {
            // Nobody waits any more: too late.
            let _ = done.send(work());
        });
        match spawned {
            Ok(_) => waiting += 1,
            Err(error) => {
                tracing::error!(%error, "a provider is not {what}: there is no thread for it");
                well = false;
            }
        }
    }
    threads::block(|| {
        for _ in 0..waiting {
            let left = deadline.saturating_sub(started.elapsed());
            match ended.recv_timeout(left) {
                // By the app itself, before.
                Ok(Ok(()) | Err(OTelSdkError::AlreadyShutdown)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a provider is not {what}");
                    well = false;
                }
                Err(_) => {
                    tracing::warn!("a provider is not {what} in time");
                    well = false;
                }
            }
        }
    });
    well
}
