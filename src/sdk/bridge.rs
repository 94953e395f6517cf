//! The pipeline's side: where it lives, and how it ends.

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry::Context;
use tokio::runtime::{Handle, RuntimeFlavor};
use tower::BoxError;
use tower_layer::Layer;

use super::{
    exporters::{LogExporter, MetricExporter, SpanExporter},
    shared::{Home, Shared, Waited},
    threads::OwnRuntime,
};
use crate::{BoxExporter, DrainReport, Exporter, ExporterExt, InvalidConfig, Lifecycle};

/// A pipeline that the OpenTelemetry SDK exports to. See the [module](super).
///
/// It hands out exporters, any number of each, that share the pipeline. To shut one down, as a
/// provider does with its own, flushes the pipeline and leaves the others at work; with the last
/// one the pipeline is shut down. The SDK waits for 5 seconds there; what is not delivered by then
/// stays in the pipeline, for [`shutdown`](Self::shutdown), which waits as long as you say and
/// tells what became of all. Without a bridge to call it on, it is dropped.
///
/// The pipeline works for as long as the bridge or one of its exporters lives. If the last of them
/// is dropped and nobody has shut anything down, a bridge with a runtime of its own waits for up
/// to 5 seconds until everything is delivered; on a runtime of yours the layers flush and nobody
/// waits.
pub struct Bridge {
    shared: Arc<Shared>,
}

impl Bridge {
    /// Starts a runtime with one thread and builds the pipeline inside it: its layers may spawn.
    ///
    /// The closure gets the lifecycle by which the pipeline will be flushed and shut down: layers
    /// with workers want it. If the stack does not count requests for it
    /// ([`tracked`](crate::ServiceBuilderExt::tracked)), the bridge does.
    ///
    /// May be called with or without a runtime around it.
    ///
    /// # Errors
    /// That of the closure, or of the operating system if there can be no more threads.
    pub fn start<P, E>(build: impl FnOnce(&Lifecycle) -> Result<P, E>) -> Result<Self, BoxError>
    where
        P: Exporter,
        E: Into<BoxError>,
    {
        let runtime = OwnRuntime::start()?;
        let lifecycle = Lifecycle::new();
        let pipeline = {
            let _entered = runtime.handle().enter();
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            build(&lifecycle).map_err(Into::into)?
        };
        let pipeline = tracked(pipeline, &lifecycle);
        let shared = Shared::new(Home::Own(runtime), pipeline, lifecycle);
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Takes a pipeline that was built inside a runtime of yours, with the lifecycle by which it
    /// is flushed and shut down.
    ///
    /// That runtime must outlive the providers, and it differs from one of the bridge's own:
    ///
    /// - A provider's `shutdown`, called in a task, blocks the worker of this task. If there is no
    ///   other worker it ends with the SDK's timeout. [`Bridge::shutdown`] lets the worker go on.
    /// - A simple processor in a task there hears of no failure, as waiting for the answer could
    ///   stop the runtime: failures are told by `tracing` events. From 1024 requests in the
    ///   pipeline on, its exports fail.
    /// - Not all of the export's own telemetry is [kept out](super#the-exports-own-telemetry).
    ///
    /// # Errors
    /// If this is the handle of a current-thread runtime: whoever blocks its only thread, as the
    /// SDK does, would wait for ever.
    pub fn on(
        runtime: Handle,
        pipeline: impl Exporter,
        lifecycle: &Lifecycle,
    ) -> Result<Self, InvalidConfig> {
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Err(InvalidConfig::new(
                "the SDK blocks the thread that flushes it or shuts it down: on a current-thread \
                 runtime the pipeline could not go on. Use Bridge::start, or the handle of a \
                 multi-threaded runtime",
            ));
        }
        let pipeline = tracked(pipeline, lifecycle);
        let shared = Shared::new(Home::Other(runtime), pipeline, lifecycle.clone());
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// An exporter for `SdkTracerProvider::builder()`.
    #[must_use]
    pub fn span_exporter(&self) -> SpanExporter {
        SpanExporter::new(self.shared.clone())
    }

    /// An exporter for `SdkLoggerProvider::builder()`.
    #[must_use]
    pub fn log_exporter(&self) -> LogExporter {
        LogExporter::new(self.shared.clone())
    }

    /// An exporter for `SdkMeterProvider::builder()`, cumulative unless it is
    /// [told otherwise](MetricExporter::with_temporality).
    #[must_use]
    pub fn metric_exporter(&self) -> MetricExporter {
        MetricExporter::new(self.shared.clone())
    }

    /// The lifecycle of the pipeline.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        self.shared.lifecycle()
    }

    /// Waits until what the pipeline has now is delivered, for `deadline` at most. Flush the
    /// providers first: what they still hold is not in the pipeline.
    ///
    /// Blocks, and may do so on any thread. The report is
    /// [`complete`](DrainReport::complete) if everything was done in time.
    pub fn force_flush(&self, deadline: Duration) -> DrainReport {
        self.report(self.shared.flush_blocking(deadline))
    }

    /// [`force_flush`](Self::force_flush) to be awaited, with any executor.
    pub async fn force_flush_async(&self, deadline: Duration) -> DrainReport {
        let report = self.shared.flush(deadline).await;
        self.report(report.map_or(Waited::Gone, Waited::Done))
    }

    /// Turns new telemetry away, waits until what the pipeline has is delivered, for `deadline`
    /// at most, and ends the bridge's own runtime. What is late counts as dropped. Shut down the
    /// providers first: what they still hold is not in the pipeline.
    ///
    /// Blocks, and may do so on any thread. Called again it says the same again.
    pub fn shutdown(&self, deadline: Duration) -> DrainReport {
        self.shared.close();
        let waited = self.shared.shut_down_blocking(deadline);
        self.shared.stop();
        self.report(waited)
    }

    /// [`shutdown`](Self::shutdown) to be awaited, with any executor.
    pub async fn shutdown_async(&self, deadline: Duration) -> DrainReport {
        self.shared.close();
        let report = self.shared.shut_down(deadline).await;
        self.shared.stop();
        self.report(report.map_or(Waited::Gone, Waited::Done))
    }

    /// Exporters that are shut down no longer flush: a [`shutdown`](Self::shutdown) follows.
    pub(super) fn begin_shutdown(&self) {
        self.shared.close();
    }

    fn report(&self, waited: Waited) -> DrainReport {
        match waited {
            Waited::Done(report) => report,
            Waited::Late | Waited::Gone => {
                let mut report = self.lifecycle().report();
                report.complete &= self.shared.requests() == 0;
                report
            }
        }
    }
}

/// Twice would count twice, and not at all would be waited for by nobody.
fn tracked(pipeline: impl Exporter, lifecycle: &Lifecycle) -> BoxExporter {
    if lifecycle.is_tracked() {
        pipeline.boxed_exporter()
    } else {
        lifecycle.layer().layer(pipeline).boxed_exporter()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.shared.lose_bridge();
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("lifecycle", self.lifecycle())
            .finish_non_exhaustive()
    }
}
