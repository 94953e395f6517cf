use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The wait before the next attempt.
    #[derive(Debug)]
    pub struct Wait {
        #[pin]
        sleep: Sleep,
    }
}

impl Wait {
    pub(super) fn new(duration: Duration) -> Self {
        Self {
            sleep: sleep(duration),
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}
