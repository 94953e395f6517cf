//! What a bridge and its exporters have in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use opentelemetry::{Context, context::FutureExt};
use tokio::{runtime::Handle, time::Instant};

use super::{
    gangway::Gangway,
    threads::{self, OwnRuntime},
};
use crate::{BoxExporter, DrainReport, Lifecycle};

/// How long a pipeline that nobody shut down may take to deliver when all that could is dropped.
pub(super) const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// How much later than its deadline a wait ends if the runtime does not run at all.
const GRACE: Duration = Duration::from_millis(250);

pub(super) enum Home {
    /// Ours, and it ends with us.
    Own(OwnRuntime),
    /// The user's.
    Other(Handle),
}

pub(super) struct Shared {
    home: Home,
    /// `None` while this is dropped.
    pipeline: Option<BoxExporter>,
    lifecycle: Lifecycle,
    gangway: Arc<Gangway>,
    /// Exporters that are neither shut down nor dropped.
    exporters: AtomicUsize,
    /// Whether the bridge itself lives.
    bridge: AtomicBool,
    /// Someone shuts down everything, and waits: exporters that are shut down need not.
    closing: AtomicBool,
}

impl Shared {
    pub(super) fn new(home: Home, pipeline: BoxExporter, lifecycle: Lifecycle) -> Self {
        Self {
            home,
            pipeline: Some(pipeline),
            lifecycle,
            gangway: Arc::default(),
            exporters: AtomicUsize::new(0),
            bridge: AtomicBool::new(true),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) const fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    pub(super) fn pipeline(&self) -> Option<BoxExporter> {
        self.pipeline.clone()
    }

    const fn handle(&self) -> &Handle {
        match &self.home {
            Home::Own(runtime) => runtime.handle(),
            Home::Other(handle) => handle,
        }
    }

    /// Runs this where the pipeline is at home. If that has ended it is dropped at once.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // On our own threads it is so anyway.
        let suppressed = Context::new().with_telemetry_suppressed();
        self.handle().spawn(task.with_context(suppressed));
    }

    pub(super) fn join(&self) {
        self.exporters.fetch_add(1, Ordering::Relaxed);
    }

    /// One exporter less. Whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.exporters.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn has_bridge(&self) -> bool {
        self.bridge.load(Ordering::Acquire)
    }

    pub(super) fn lose_bridge(&self) {
        self.bridge.store(false, Ordering::Release);
    }

    /// From now on exporters leave the end of the pipeline to the caller.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Drops what is left in a runtime of our own.
    pub(super) fn stop(&self) {
        if let Home::Own(runtime) = &self.home {
            runtime.stop();
        }
    }

    pub(super) const fn gangway(&self) -> &Arc<Gangway> {
        &self.gangway
    }

    /// How many requests have no answer yet.
    pub(super) fn requests(&self) -> usize {
        self.gangway.len() + self.lifecycle.shared().requests_in_flight()
    }

    /// Whether this thread is at work for the runtime that the pipeline needs.
    pub(super) fn is_at_home(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.handle().id())
    }

    /// A flush, to be awaited anywhere. `None` if there is no runtime any more.
    pub(super) fn flush(&self, deadline: Duration) -> impl Future<Output = Option<DrainReport>> {
        self.away(self.flushed(deadline))
    }

    pub(super) fn shut_down(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = Option<DrainReport>> {
        self.away(self.drained(deadline))
    }

    pub(super) fn flush_blocking(&self, deadline: Duration) -> Waited {
        self.wait(deadline, self.flushed(deadline))
    }

    pub(super) fn shut_down_blocking(&self, deadline: Duration) -> Waited {
        self.wait(deadline, self.drained(deadline))
    }

    fn flushed(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        let (lifecycle, gangway) = (self.lifecycle.clone(), self.gangway.clone());
        async move {
            let (all, left) = embarked(&lifecycle, &gangway, deadline).await;
            let mut report = lifecycle.force_flush(left).await;
            report.complete &= all;
            report
        }
    }

    fn drained(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        let (lifecycle, gangway) = (self.lifecycle.clone(), self.gangway.clone());
        async move {
            let (all, left) = embarked(&lifecycle, &gangway, deadline).await;
            let mut report = lifecycle.shutdown(left).await;
            report.complete &= all;
            report
        }
    }

    fn away<W>(&self, work: W) -> impl Future<Output = Option<DrainReport>> + use<W>
    where
        W: Future<Output = DrainReport> + Send + 'static,
    {
        let (done, report) = tokio::sync::oneshot::channel();
        self.spawn(async move {
            // Whoever asked has gone away: they know best.
            let _ = done.send(work.await);
        });
        async move { report.await.ok() }
    }

    fn wait(
        &self,
        deadline: Duration,
        work: impl Future<Output = DrainReport> + Send + 'static,
    ) -> Waited {
        let (done, report) = mpsc::sync_channel(1);
        self.spawn(async move {
            let _ = done.send(work.await);
        });
        let patience = deadline.saturating_add(GRACE);
        match threads::block(|| report.recv_timeout(patience)) {
            Ok(report) => Waited::Done(report),
            Err(mpsc::RecvTimeoutError::Timeout) => Waited::Late,
            Err(mpsc::RecvTimeoutError::Disconnected) => Waited::Gone,
        }
    }
}

/// Waits until the pipeline has taken what was handed over before. Returns whether it has, and
/// what is left of the time.
async fn embarked(
    lifecycle: &Lifecycle,
    gangway: &Gangway,
    deadline: Duration,
) -> (bool, Duration) {
    let started = Instant::now();
    let hurry = async {
        // A full queue makes room sooner while it is flushed.
        lifecycle.force_flush(deadline).await;
        std::future::pending().await
    };
    let all = tokio::select! {
        biased;
        () = gangway.clear() => true,
        () = hurry => false,
        () = tokio::time::sleep(deadline) => false,
    };
    (all, deadline.saturating_sub(started.elapsed()))
}

/// How a wait for the pipeline ended.
pub(super) enum Waited {
    Done(DrainReport),
    /// The runtime has no thread to run on.
    Late,
    /// The runtime has ended.
    Gone,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Layers with workers flush when nobody can call them any more.
        self.pipeline = None;
        let is_idle = self.gangway.len() == 0 && self.lifecycle.report().complete;
        if is_idle || self.lifecycle.is_draining() || matches!(self.home, Home::Other(_)) {
            return;
        }
        let waited = self.shut_down_blocking(DROP_DEADLINE);
        if !matches!(waited, Waited::Done(DrainReport { complete: true, .. })) {
            tracing::error!(
                report = %self.lifecycle.report(),
                "telemetry is lost: nobody shut down the bridge or the providers"
            );
        }
    }
}
