//! When the operating system asks the process to end.

use std::{io, time::Duration};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, CtrlShutdown, ctrl_c, ctrl_shutdown};

use super::{DrainReport, Lifecycle};

/// Tells when the operating system asks the process to end: SIGTERM or SIGINT, or what Windows
/// has in their place. From when it is made on, they do not end the process by themselves.
///
/// ```
/// use std::time::Duration;
/// use tower_otlp::{Lifecycle, Termination};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let lifecycle = Lifecycle::new();
/// let mut termination = Termination::listen()?;
/// # if false {
/// termination.requested().await;
/// # }
/// let serving = std::future::ready(()); // what `OtlpServer::serve` gives
/// match termination.drain(&lifecycle, Duration::from_secs(10), serving).await {
///     Some(report) => println!("{report}"),
///     None => {} // asked again: now at once
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Termination {
    #[cfg(unix)]
    signals: [Signal; 2],
    #[cfg(windows)]
    signals: (CtrlC, CtrlShutdown),
}

impl Termination {
    /// Begins to listen. Must be called within a tokio runtime that has its I/O driver enabled.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            ],
            #[cfg(windows)]
            signals: (ctrl_c()?, ctrl_shutdown()?),
        })
    }

    /// Waits until the process is asked to end; called again, until it is asked again. Does
    /// nothing by halves: a future that is dropped has taken no request.
    pub async fn requested(&mut self) {
        #[cfg(unix)]
        let [one, other] = &mut self.signals;
        #[cfg(windows)]
        let (one, other) = &mut self.signals;
        #[cfg(any(unix, windows))]
        tokio::select! {
            _ = one.recv() => {}
            _ = other.recv() => {}
        }
        #[cfg(not(any(unix, windows)))]
        std::future::pending::<()>().await;
    }

    /// [Shuts](Lifecycle::shutdown) a pipeline down, and gives what serves it a moment to hand
    /// out the last answers: a second, or 50 ms if the deadline has passed before all were there.
    /// `None` if the process is asked to end again meanwhile, and nothing more is to be waited
    /// for.
    pub async fn drain(
        &mut self,
        lifecycle: &Lifecycle,
        deadline: Duration,
        serving: impl Future,
    ) -> Option<DrainReport> {
        let report = tokio::select! {
            report = lifecycle.shutdown(deadline) => report,
            () = self.requested() => return None,
        };
        let moment = Duration::from_millis(if report.complete { 1000 } else { 50 });
        let _ = tokio::time::timeout(moment, serving).await;
        Some(report)
    }
}
