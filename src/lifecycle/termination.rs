//! When the operating system asks the process to end.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, CtrlShutdown, ctrl_c, ctrl_shutdown};

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
/// tokio::select! {
///     report = lifecycle.shutdown(Duration::from_secs(10)) => println!("{report}"),
///     // Asked again: now at once.
///     () = termination.requested() => {}
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
}
