use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::Stage;

pin_project! {
    /// The wait before the next attempt.
    pub struct Wait {
        #[pin]
        sleep: Sleep,
        hurry: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    }
}

impl Wait {
    /// Waits so long, or until the stage is told that the pipeline shuts down.
    pub(super) fn new(duration: Duration, stage: Option<&Stage>) -> Self {
        // Who begins to wait during a shutdown has its deadline in mind already.
        let hurry = stage.filter(|stage| !stage.is_draining()).cloned();
        Self {
            sleep: sleep(duration),
            hurry: hurry.map(|mut stage| Box::pin(async move { stage.draining().await }) as _),
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if let Some(hurry) = this.hurry
            && hurry.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        this.sleep.poll(cx)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("sleep", &self.sleep)
            .finish_non_exhaustive()
    }
}
